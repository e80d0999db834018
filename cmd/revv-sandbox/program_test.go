package main

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// A server of net/http lingers for half a second at a connection that it gives up, which is
// longer than goleak waits.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// program is the program while it runs.
type program struct {
	t     *testing.T
	url   string
	ready map[string]string // the variables of its last line
	out   *output
	log   *output
	http  *http.Client
	token string // sent with every call of the API

	stop context.CancelFunc
	done chan error
}

// output is what a program has written so far.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{} // closed by the ready line
}

func newOutput() *output { return &output{ready: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if bytes.HasSuffix(p, []byte(readyLine)) {
		close(o.ready)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

const readyLine = "go run ./examples/quickstart\n"

// start runs the program on a free port until the test ends.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	log := newOutput()
	p := startLogging(t, log, args...)
	p.log = log
	return p
}

// startLogging is start with a log of its own.
func startLogging(t *testing.T, log io.Writer, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &program{
		t: t, out: newOutput(), stop: stop, done: make(chan error, 1),
		http: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 100},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	go func() { p.done <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), nil, p.out, log) }()
	t.Cleanup(func() {
		p.end()
		p.http.CloseIdleConnections()
	})
	select {
	case <-p.out.ready:
	case err := <-p.done:
		p.done <- err
		require.NoError(t, err)
	}
	p.ready = variables(p.out.String())
	p.url = p.ready["REVV_BASE_URL"]
	return p
}

// variables reads what the last line sets.
func variables(text string) map[string]string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	set := map[string]string{}
	for word := range strings.FieldsSeq(lines[len(lines)-1]) {
		if name, value, ok := strings.Cut(word, "="); ok {
			set[name] = value
		}
	}
	return set
}

// end stops the program as a signal does. It can be called again.
func (p *program) end() {
	p.stop()
	select {
	case err := <-p.done:
		assert.NoError(p.t, err)
		p.done <- nil
	case <-time.After(10 * time.Second):
		assert.Fail(p.t, "the program does not end")
	}
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request as it is; headers come in pairs.
func (p *program) send(method, path, body string, headers ...string) reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+strings.TrimPrefix(path, p.url), strings.NewReader(body))
	require.NoError(p.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header[headers[i]] = []string{headers[i+1]} // spelt as given, as old programs spell them
	}
	resp, err := p.http.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return reply{resp.StatusCode, resp.Header, string(content)}
}

// call calls the API and returns the answer, which must be a 200, decoded.
func (p *program) call(method, path, body string) any {
	p.t.Helper()
	headers := []string{"AccessToken", p.token}
	if body != "" {
		headers = append(headers, "Content-Type", "application/json")
	}
	r := p.send(method, path, body, headers...)
	require.Equal(p.t, http.StatusOK, r.status, "%s %s: %s", method, path, r.body)
	return decode(p.t, r.body)
}

func decode(t *testing.T, text string) (value any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &value), "%s", text)
	return value
}

// at follows members of objects, by their names, and entries of arrays, by their
// positions.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := value.(map[string]any)
			require.True(t, ok, "no object to take %q from: %v", step, value)
			require.Contains(t, object, step)
			value = object[step]
		case int:
			list, ok := value.([]any)
			require.True(t, ok, "no list to take %d from: %v", step, value)
			require.Greater(t, len(list), step)
			value = list[step]
		}
	}
	return value
}

// textAt is at for a text.
func textAt(t *testing.T, value any, path ...any) string {
	t.Helper()
	text, ok := at(t, value, path...).(string)
	require.True(t, ok, "%v is no text", path)
	return text
}

// listAt is at for a list.
func listAt(t *testing.T, value any, path ...any) []any {
	t.Helper()
	list, ok := at(t, value, path...).([]any)
	require.True(t, ok, "%v is no list", path)
	return list
}

// login logs in as programs of 2020 did and keeps the token.
func (p *program) login() (refreshToken string) {
	p.t.Helper()
	r := p.send("POST", "/api/v2/auth/initiate-auth", ownerLogin, "GrantType", "password", "Content-Type", "application/json")
	require.Equal(p.t, http.StatusOK, r.status, "%s", r.body)
	user := at(p.t, decode(p.t, r.body), "User")
	p.token = textAt(p.t, user, "access_token")
	return textAt(p.t, user, "refresh_token")
}

const ownerLogin = `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`

// form is a form of a page.
type form struct {
	action string
	values url.Values
}

var (
	formPattern  = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputPattern = regexp.MustCompile(`(?s)<input\b([^>]*)>`)
	nameAndValue = regexp.MustCompile(`(?s)\b(action|method|name|value|type)="([^"]*)"`)
)

// attributes reads those of a tag that matter to a form.
func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, match := range nameAndValue.FindAllStringSubmatch(tag, -1) {
		found[match[1]] = html.UnescapeString(match[2])
	}
	return found
}

// open opens a page as a browser does, and returns its first form that posts.
func (p *program) open(path string) (page string, f *form) {
	p.t.Helper()
	r := p.send("GET", path, "", "Accept", "text/html")
	require.Equal(p.t, http.StatusOK, r.status, "%s", r.body)
	for _, match := range formPattern.FindAllStringSubmatch(r.body, -1) {
		head := attributes(match[1])
		if !strings.EqualFold(head["method"], "post") {
			continue
		}
		f = &form{action: head["action"], values: url.Values{}}
		if f.action == "" {
			f.action = path
		}
		for _, input := range inputPattern.FindAllStringSubmatch(match[2], -1) {
			if a := attributes(input[1]); a["name"] != "" && a["type"] != "radio" && a["type"] != "checkbox" {
				f.values.Set(a["name"], a["value"])
			}
		}
		return r.body, f
	}
	return r.body, nil
}

// submit sends a form as a browser does.
func (p *program) submit(f *form, pairs ...string) reply {
	p.t.Helper()
	require.NotNil(p.t, f, "the page has no form")
	for i := 0; i < len(pairs); i += 2 {
		f.values.Set(pairs[i], pairs[i+1])
	}
	return p.send("POST", f.action, f.values.Encode(), "Content-Type", "application/x-www-form-urlencoded",
		"Accept", "text/html", "Origin", p.url, "Sec-Fetch-Site", "same-origin")
}

// authorize does what a person does who opens the URL and agrees, and returns
// where the browser goes.
func (p *program) authorize(authURL string) string {
	p.t.Helper()
	_, f := p.open(authURL)
	r := p.submit(f, "decision", "authorize")
	require.Equal(p.t, http.StatusSeeOther, r.status, "%s", r.body)
	return r.header.Get("Location")
}

var signLink = regexp.MustCompile(`/sign/[A-Za-z0-9]+`)

// signAll signs as everybody who got a mail, until so many have signed.
func (p *program) signAll(people int) {
	p.t.Helper()
	signed := map[string]bool{}
	for range people {
		page, _ := p.open("/outbox")
		for _, link := range signLink.FindAllString(page, -1) {
			if signed[link] {
				continue
			}
			_, f := p.open(link)
			r := p.submit(f, "answer", "sign", "name", "A Signer")
			require.Equal(p.t, http.StatusOK, r.status, "%s", r.body)
			signed[link] = true
		}
	}
	require.Len(p.t, signed, people)
}
