package revv_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/revv-go/revv"
)

// authority plays the token endpoint and the API of one service, in memory. It
// rotates refresh tokens and takes the second use of one for theft.
type authority struct {
	t      testing.TB
	secret string // of the application
	events *eventLog

	mu        sync.Mutex
	families  map[string]*tokenFamily // by every refresh token that was ever given out
	secrets   []string                // every text that must not be seen
	faults    []tokenFault            // one for each of the next token requests; nil is honest
	always    tokenFault              // what happens when faults is empty, nil is honest
	demanding bool                    // wants the client to authenticate
	steady    bool                    // does not rotate
	members   map[string]any          // put into honest answers; nil removes
	forms     []url.Values
	headers   []http.Header
	hosts     []string
	api       []apiRequest
	apiAnswer func(n int, r *http.Request) (*http.Response, error) // nil, and an answer of nil, is honest
}

// tokenFamily is what one authorization has led to.
type tokenFamily struct {
	refresh string          // the one that is good
	access  map[string]bool // those that are good
}

type apiRequest struct {
	method, body string
	header       http.Header
}

func newAuthority(t testing.TB, events *eventLog) *authority {
	t.Helper()
	a := &authority{t: t, events: events, families: make(map[string]*tokenFamily)}
	a.secret = a.sentinel("client-secret")
	return a
}

// sentinel makes a text that must be seen nowhere.
func (a *authority) sentinel(kind string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newSentinel(kind)
}

func (a *authority) newSentinel(kind string) string {
	text := kind + "-" + rand.Text()
	a.secrets = append(a.secrets, text)
	return text
}

// authorize gives out the first pair of a family.
func (a *authority) authorize() (access, refresh string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := &tokenFamily{}
	access = a.rotate(f)
	return access, f.refresh
}

func (a *authority) rotate(f *tokenFamily) (access string) {
	access = a.newSentinel("access")
	f.access = map[string]bool{access: true}
	if f.refresh == "" || !a.steady {
		f.refresh = a.newSentinel("refresh")
		a.families[f.refresh] = f
	}
	return access
}

// expire makes every access token bad that is out.
func (a *authority) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.families {
		clear(f.access)
	}
}

// RoundTrip implements [http.RoundTripper].
func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.hosts = append(a.hosts, r.URL.Scheme+"://"+r.URL.Host)
	a.mu.Unlock()
	if r.URL.Path == "/oauth/token" {
		return a.token(r, string(body))
	}
	return a.call(r, string(body))
}

func (a *authority) token(r *http.Request, body string) (*http.Response, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.forms = append(a.forms, form)
	a.headers = append(a.headers, r.Header.Clone())
	fault := a.always
	if len(a.faults) > 0 {
		fault, a.faults = a.faults[0], a.faults[1:]
	}
	a.mu.Unlock()
	a.events.add("token")
	if fault == nil {
		status, answer := a.honest(form)
		return reply(status, answer), nil
	}
	return fault(a, tokenRequest{ctx: r.Context(), form: form})
}

// honest does what a server does that keeps to RFC 6749 and RFC 9700.
func (a *authority) honest(form url.Values) (status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.demanding && form.Get("client_secret") != a.secret {
		return http.StatusUnauthorized, `{"error":"invalid_client"}`
	}
	token := form.Get("refresh_token")
	f := a.families[token]
	switch {
	case f == nil && form.Get("grant_type") == "authorization_code":
		f = &tokenFamily{}
	case f == nil:
		return http.StatusBadRequest, `{"error":"invalid_grant","error_description":"who is ` + token + `?"}`
	case f.refresh != token:
		f.refresh, f.access = "", nil // used twice: nobody can tell who the thief is
		return http.StatusBadRequest, `{"error":"invalid_grant","error_description":"` + token + ` was used before"}`
	}
	answer := map[string]any{"access_token": a.rotate(f), "token_type": "Bearer"}
	if !a.steady {
		answer["refresh_token"] = f.refresh
	}
	for name, value := range a.members {
		if answer[name] = value; value == nil {
			delete(answer, name)
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		a.t.Errorf("the answer of the token endpoint: %v", err)
	}
	return http.StatusOK, string(text)
}

func (a *authority) call(r *http.Request, body string) (*http.Response, error) {
	a.mu.Lock()
	a.api = append(a.api, apiRequest{r.Method, body, r.Header.Clone()})
	n, answer := len(a.api), a.apiAnswer
	a.mu.Unlock()
	token := r.Header["AccessToken"]
	if len(token) != 1 {
		a.t.Errorf("the API got %d access tokens", len(token))
		return reply(http.StatusBadRequest, ""), nil
	}
	a.events.add("api " + token[0])
	if answer != nil {
		if resp, err := answer(n, r); resp != nil || err != nil {
			return resp, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.families {
		if f.access[token[0]] {
			return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
		}
	}
	return reply(http.StatusUnauthorized, `{"error":"TOKEN_EXPIRED","message":"`+token[0]+` has expired"}`), nil
}

// counts returns how many requests of each kind there were.
func (a *authority) counts() (tokens, api int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.forms), len(a.api)
}

// set changes what the authority does from now on.
func (a *authority) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *authority) hidden() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.secrets)
}

// eventLog keeps the order in which things happened.
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *eventLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *eventLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

type tokenRequest struct {
	ctx  context.Context
	form url.Values
}

// tokenFault is what the token endpoint does in the place of an honest answer.
type tokenFault func(a *authority, r tokenRequest) (*http.Response, error)

// answers is a fixed answer. ECHO in the body becomes what was sent, as servers
// like to explain themselves.
func answers(status int, body string, headers ...string) tokenFault {
	return func(_ *authority, r tokenRequest) (*http.Response, error) {
		echo := r.form.Get("refresh_token") + r.form.Get("code") + " " + r.form.Get("client_secret") + " " + r.form.Get("code_verifier")
		return reply(status, strings.ReplaceAll(body, "ECHO", strings.TrimSpace(echo)), headers...), nil
	}
}

func refuses(code string) tokenFault {
	return answers(http.StatusBadRequest, `{"error":"`+code+`","error_description":"not with ECHO"}`)
}

const serverTrouble = `{"error":"TROUBLE","message":"cannot store ECHO"}`

// processed makes a fault come after the server has done its work.
func processed(fault tokenFault) tokenFault {
	return func(a *authority, r tokenRequest) (*http.Response, error) {
		a.honest(r.form)
		return fault(a, r)
	}
}

// slow is an honest answer that takes its time.
func slow(wait func(context.Context)) tokenFault {
	return func(a *authority, r tokenRequest) (*http.Response, error) {
		wait(r.ctx)
		status, body := a.honest(r.form)
		return reply(status, body), r.ctx.Err()
	}
}

func refusesToConnect(*authority, tokenRequest) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

func resets(*authority, tokenRequest) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

func closes(*authority, tokenRequest) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func hangs(_ *authority, r tokenRequest) (*http.Response, error) {
	<-r.ctx.Done()
	return nil, r.ctx.Err()
}

// cutsBody is an honest answer whose connection dies before its end.
func cutsBody(a *authority, r tokenRequest) (*http.Response, error) {
	status, body := a.honest(r.form)
	resp := reply(status, body)
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:len(body)/2]), brokenBody{}))
	return resp, nil
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// cutsJSON is a whole HTTP message whose JSON ends too early.
func cutsJSON(a *authority, r tokenRequest) (*http.Response, error) {
	status, body := a.honest(r.form)
	return reply(status, body[:len(body)-5]), nil
}

// hangsInBody sends half an answer and then nothing.
func hangsInBody(a *authority, r tokenRequest) (*http.Response, error) {
	_, body := a.honest(r.form)
	resp := reply(http.StatusOK, body)
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:len(body)/2]), silentBody{r.ctx}))
	return resp, nil
}

type silentBody struct {
	ctx context.Context
}

func (b silentBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// redirects sends the client elsewhere.
func redirects(status int) tokenFault {
	return answers(status, "", "Location", "https://attacker.example.com/oauth/token")
}

// times repeats a fault.
func times(n int, fault tokenFault) []tokenFault { return slices.Repeat([]tokenFault{fault}, n) }

// tokenConfig is the application of the authority.
func (a *authority) config() revv.OAuthConfig {
	return revv.OAuthConfig{
		ClientID: "an-application", ClientSecret: a.secret, RedirectURL: "https://app.example.com/oauth/callback",
		Endpoint: revv.Endpoint(apiBase), HTTPClient: &http.Client{Transport: a},
	}
}

// String keeps the authority out of the texts of failed assertions.
func (a *authority) String() string { return fmt.Sprintf("authority at %p", a) }
