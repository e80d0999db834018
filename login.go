package revv

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// opLogin is what an authorization in a browser is called in errors, that of Handlers as well.
const opLogin = "OAuth.Login"

// loginLimit is how long a person may take to authorize in a web application.
const loginLimit = 10 * time.Minute

// exchangeLimit is how long the exchange of its code may take there.
const exchangeLimit = 30 * time.Second

// maxClockSkew is how far the clock of the replica that began a login may be ahead.
const maxClockSkew = 5 * time.Minute

// errProbe ends an Update that only tests whether the store could save.
var errProbe = errors.New("probe")

// checkStore reports a store that cannot save, as far as that shows before there is
// something to save.
func checkStore(ctx context.Context, store TokenStore, account string) error {
	_, err := store.Update(ctx, account, func(*oauth2.Token) (*oauth2.Token, error) { return nil, errProbe })
	switch {
	case errors.Is(err, errProbe):
		return nil
	case err == nil:
		return errors.New("the store has not asked for a pair")
	}
	return err
}

// Connect returns an authenticator for the pair of account in store, as
// [OAuthConfig.Authenticator] does. If the store has no pair ([ErrNoToken]) but could
// save one, Connect first asks a person, as [OAuthConfig.Login] does, and saves the pair
// before it returns; if saving fails, the error is [ErrTokenNotPersisted]. Connect does
// not replace a pair that has become useless: calls then fail with
// [ErrReauthorizationRequired], and a new pair comes from Login.
func (c OAuthConfig) Connect(ctx context.Context, store TokenStore, account string, open func(authURL string) error) (Authenticator, error) {
	const op = "OAuth.Connect"
	if err := checkContext(ctx, op); err != nil {
		return nil, err
	}
	auth, err := c.Authenticator(store, account)
	if open == nil {
		err = join(err, invalidArgument(op, "open", "must not be nil"))
	}
	if err != nil {
		return nil, err
	}
	stored, err := store.Load(ctx, account)
	switch {
	case err == nil && stored != nil:
		return auth, nil
	case err == nil || errors.Is(err, ErrNoToken):
		err = checkStore(ctx, store, account) // before a person is asked
	}
	if err != nil {
		return nil, opError(op, err)
	}
	token, err := c.Login(ctx, open)
	if err != nil {
		return nil, err
	}
	if err := save(ctx, op, store, account, token); err != nil {
		if !errors.Is(err, ErrTokenNotPersisted) {
			err = pairLost(op, err) // whatever the reason of the store, a person has authorized in vain
		}
		return nil, err
	}
	return auth, nil
}

// Login authorizes a program that runs on a person's own machine. It listens for the
// callback on the loopback address of RedirectURL, and hands the URL of the authorization
// page to open, which shows it to the person or starts a browser and returns. Login waits
// for the callback with the right state and returns the token pair, which the caller
// saves ([SaveToken]).
//
// RedirectURL must be an http URL on loopback, as it is registered. If it says localhost,
// Login listens on 127.0.0.1 alone, so register 127.0.0.1 (RFC 8252, section 8.3). If it
// has no port, or is empty, a free port is taken, for services that do not compare ports
// (RFC 8252, section 7.3). ctx bounds the wait. The error is [ErrForbidden] if the person
// declines, [ErrInvalidArgument] if the configuration breaks a rule, else as of [OAuthConfig.Exchange].
func (c OAuthConfig) Login(ctx context.Context, open func(authURL string) error) (*oauth2.Token, error) {
	if err := checkContext(ctx, opLogin); err != nil {
		return nil, err
	}
	if open == nil {
		return nil, invalidArgument(opLogin, "open", "must not be nil")
	}
	r := refusals{op: opLogin}
	if c.checkLogin(&r); len(r.problems) > 0 {
		return nil, join(r.problems...)
	}
	listener, path, err := c.listen(ctx)
	if err != nil {
		return nil, err
	}
	l := &loopback{config: c, state: rand.Text(), verifier: oauth2.GenerateVerifier(), path: path, done: make(chan loginResult, 1)}
	// The exchange ends with ctx, not with the request: the browser may close the page
	// before the code is exchanged.
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.answer(ctx, w, r) })
	server := &http.Server{Handler: answer, ReadTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer func() {
		// The page that tells the person the result is still being sent.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(ending) != nil {
			_ = server.Close()
		}
	}()

	// If the callback has already come, an error of open does not matter.
	if err := open(c.AuthCodeURL(l.state, l.verifier)); err != nil && l.take() {
		return nil, &Error{Op: opLogin, Message: "the browser could not be opened", cause: concealed(withoutURL(err), l.state)} // it may quote the URL
	}
	select {
	case r := <-l.done:
		return r.token, r.err
	case <-ctx.Done():
		if !l.take() { // the code is at the token endpoint: what became of it matters more
			r := <-l.done
			return r.token, r.err
		}
		return nil, &Error{Op: opLogin, Message: "nobody has authorized the application", cause: ctx.Err()}
	}
}

// checkLogin checks what both Login and Handlers need.
func (c *OAuthConfig) checkLogin(r *refusals) {
	r.require("ClientID", c.ClientID)
	r.require("ClientSecret", c.ClientSecret)
	authURL, query, _ := strings.Cut(c.Endpoint.AuthURL, "?") // it may have a query (RFC 6749, section 3.1)
	if !isQueryOfOthers(query) {
		r.reject("Endpoint.AuthURL", "must have no fragment, and no query that OAuth sets itself")
	}
	if _, err := parseEndpoint(authURL); err != nil {
		r.reject("Endpoint.AuthURL", err.Error())
	}
	if _, err := parseEndpoint(c.Endpoint.TokenURL); err != nil {
		r.reject("Endpoint.TokenURL", err.Error())
	}
}

// isQueryOfOthers reports a query without the parameters that an authorization has anyway.
func isQueryOfOthers(query string) bool {
	values, err := url.ParseQuery(query)
	ours := []string{"client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method"}
	return err == nil && !slices.ContainsFunc(ours, values.Has) && !strings.Contains(query, "#") && strconv.Quote(query) == `"`+query+`"`
}

// listen opens the port of the redirect URL, on 127.0.0.1 if that says localhost. If the
// URL has no port, it takes a free one and puts it into the URL.
func (c *OAuthConfig) listen(ctx context.Context) (listener net.Listener, path string, err error) {
	redirect := &url.URL{Scheme: "http", Host: "127.0.0.1", Path: "/callback"}
	if c.RedirectURL != "" {
		if redirect, err = parseEndpoint(c.RedirectURL); err != nil || redirect.Scheme != "http" {
			return nil, "", invalidArgument(opLogin, "RedirectURL", "must be empty or an http URL on loopback, as http://127.0.0.1:8765/callback")
		}
	}
	host := redirect.Hostname()
	if net.ParseIP(host) == nil {
		host = "127.0.0.1"
	}
	listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, cmp.Or(redirect.Port(), "0")))
	if err != nil {
		return nil, "", opError(opLogin, err)
	}
	if redirect.Port() == "" {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		redirect.Host = net.JoinHostPort(redirect.Hostname(), port)
		c.RedirectURL = redirect.String()
	}
	return listener, cmp.Or(redirect.Path, "/"), nil
}

// loopback answers the browser during Login. Only function values refer to it, so
// printing a handler does not show it.
type loopback struct {
	config          OAuthConfig
	state, verifier string
	path            string
	used            atomic.Bool
	done            chan loginResult
}

type loginResult struct {
	token *oauth2.Token
	err   error
}

// answer answers a request. One with another state is not ours: it is refused, and Login
// waits on.
func (l *loopback) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != l.path {
		writePage(w, http.StatusNotFound, "There is nothing here.")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writePage(w, http.StatusMethodNotAllowed, "This address takes GET requests only.")
		return
	}
	back, ok := readCallback(r.URL.RawQuery)
	if !ok || subtle.ConstantTimeCompare([]byte(back.state), []byte(l.state)) != 1 || !l.take() {
		writePage(w, http.StatusBadRequest, "This request does not belong to the authorization that was started. Please use the link that the program has shown.")
		return
	}
	token, err := (*oauth2.Token)(nil), error(newError(opLogin, ErrOutcomeUnknown, "the exchange of the code did not return"))
	defer func() { l.done <- loginResult{token, err} }() // a transport of the program's own can panic
	token, err = back.exchange(ctx, l.config, l.verifier)
	switch {
	case err == nil:
		writePage(w, http.StatusOK, "The authorization succeeded. You can close this window.")
	case errors.Is(err, ErrForbidden):
		writePage(w, http.StatusForbidden, "The authorization was not granted. You can close this window.")
	default:
		writePage(w, http.StatusBadGateway, "The authorization did not succeed. The program says why.")
	}
}

// take marks the state as used, and reports whether this is its first use.
func (l *loopback) take() bool { return !l.used.Swap(true) }

// callbackAnswer is what the authorization server sends through the browser.
type callbackAnswer struct {
	state, code, failure string
}

// readCallback reads the query of a callback. A query with a parameter twice is refused
// as an attack.
func readCallback(rawQuery string) (a callbackAnswer, ok bool) {
	query, err := url.ParseQuery(rawQuery)
	a = callbackAnswer{query.Get("state"), query.Get("code"), query.Get("error")}
	once := len(query["state"]) == 1 && len(query["code"]) <= 1 && len(query["error"]) <= 1
	return a, err == nil && once && a.state != "" && (a.code != "" || a.failure != "")
}

// exchange gets the token pair for the code of the answer.
func (a *callbackAnswer) exchange(ctx context.Context, c OAuthConfig, verifier string) (*oauth2.Token, error) {
	if a.failure != "" {
		e := &Error{Op: opLogin, Code: knownCode(a.failure), Message: "the authorization was not granted"}
		if e.Code == "access_denied" {
			e.kinds = []error{ErrForbidden}
		}
		return nil, e
	}
	return c.Exchange(ctx, a.code, verifier)
}

// setPrivacyHeaders keeps caches and referrers from passing on an answer and its URL.
func setPrivacyHeaders(h http.Header) {
	h["Referrer-Policy"] = []string{"no-referrer"} // the query holds the code
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"}
}

// writePage writes a page of fixed text, without anything from the request.
func writePage(w http.ResponseWriter, status int, text string) {
	setPrivacyHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Revv</title><p>"+text+"</p></html>\n")
}

// Handlers returns the two handlers of a web application whose users authorize it. start
// sends the browser to the service. callback belongs at RedirectURL.
//
// done is called after a callback with the right state, and writes the answer. It gets
// the token pair, which it saves ([SaveToken]) under the account of its own user, or an
// error: [ErrForbidden] with StatusCode 0 if the person declined; an error with the code
// of the authorization server if that sent one in place of an authorization code; else
// that of [OAuthConfig.Exchange]. The exchange goes on if the browser leaves, because the
// code is spent by then, and the context of the request that done gets does not end with it,
// because the pair has to be saved. If another account of Revv can be connected, see
// [OAuthConfig.Authenticator].
//
// The authorization belongs to the browser that began it, and not to a user of the
// application. If another user can sign in meanwhile, remember who called start,
// and compare in done.
//
// The state is bound to a cookie and to the configuration. The browser has to open start at
// the host name of RedirectURL, and a second start replaces the first. A callback is answered
// with 400, and does not reach done, if its state is missing, wrong, used or more than ten
// minutes old, or if its authorization was begun elsewhere or has been replaced by another.
//
// Any number of replicas can serve the two handlers: state and PKCE verifier are derived from
// a random cookie, the client secret and the rest of the configuration, and a server keeps
// only the states that were used. A replica does not know which states were used at another;
// there, the authorization code protects, which is good for a single use. The clock of the
// replica that starts may be at most five minutes ahead.
//
// The error is [ErrInvalidArgument] and joins all problems of the configuration.
func (c OAuthConfig) Handlers(done func(w http.ResponseWriter, r *http.Request, token *oauth2.Token, err error)) (start, callback http.Handler, err error) {
	r := refusals{op: "OAuthConfig.Handlers"}
	c.checkLogin(&r)
	redirect, err := parseEndpoint(c.RedirectURL)
	if err != nil {
		r.reject("RedirectURL", err.Error())
	}
	if done == nil {
		r.reject("done", "must not be nil")
	}
	if err := join(r.problems...); err != nil {
		return nil, nil, err
	}
	w := &webLogin{config: c, done: done, name: "revv_login", path: cmp.Or(redirect.Path, "/"), used: make(map[string]time.Time)}
	if redirect.Scheme == "https" {
		// Browsers accept a cookie with this prefix only from this very host: another
		// host of the same domain cannot replace it. The prefix requires Path=/ and
		// Secure.
		w.name, w.path, w.secure = "__Host-"+w.name, "/", true
	}
	return http.HandlerFunc(w.start), http.HandlerFunc(w.callback), nil
}

// maxUsedStates bounds the memory that somebody can fill by beginning one authorization
// after another. Beyond it some states are forgotten, but their codes are spent anyway.
const maxUsedStates = 100_000

// webLogin serves the handlers of a web application. Only function values refer to it, as
// with loopback.
type webLogin struct {
	config OAuthConfig
	done   func(w http.ResponseWriter, r *http.Request, token *oauth2.Token, err error)

	name, path string // of the cookie
	secure     bool

	mu    sync.Mutex
	used  map[string]time.Time // cookies that were used, until they are too old anyway
	swept time.Time
}

func (l *webLogin) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure follows the redirect URL, which is plain http on loopback alone
		Name: l.name, Value: value, Path: l.path, MaxAge: age, HttpOnly: true, Secure: l.secure, SameSite: http.SameSiteLaxMode,
	}
}

// derive derives a secret from the cookie, for one purpose. What was begun with one
// configuration does not end with another, whose endpoint would get the code and the secret.
func (l *webLogin) derive(purpose, cookie string) string {
	c := &l.config
	mac := hmac.New(sha256.New, []byte(c.ClientSecret))
	_, _ = io.WriteString(mac, strings.Join([]string{"revv login " + purpose, cookie, c.ClientID, c.Endpoint.AuthURL, c.Endpoint.TokenURL, c.RedirectURL}, "\x00"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (l *webLogin) start(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		writePage(w, http.StatusMethodNotAllowed, "This address takes GET and POST requests only.")
		return
	}
	var nonce [24]byte
	_, _ = rand.Read(nonce[:16])
	binary.BigEndian.PutUint64(nonce[16:], uint64(time.Now().Unix())) //nolint:gosec // a time after 1970
	cookie := base64.RawURLEncoding.EncodeToString(nonce[:])
	http.SetCookie(w, l.cookie(cookie, int(loginLimit/time.Second)))
	setPrivacyHeaders(w.Header())
	http.Redirect(w, r, l.config.AuthCodeURL(l.derive("state", cookie), l.derive("verifier", cookie)), http.StatusFound)
}

func (l *webLogin) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		l.logRefusal(r, "the method is not GET")
		w.Header().Set("Allow", http.MethodGet)
		writePage(w, http.StatusMethodNotAllowed, "This address takes GET requests only.")
		return
	}
	setPrivacyHeaders(w.Header())
	answer, ok := readCallback(r.URL.RawQuery)
	cookies := r.CookiesNamed(l.name)
	var reason string
	switch {
	case !ok:
		reason = "the query is not that of a callback"
	case len(cookies) == 0:
		reason = "there is no cookie: the authorization was begun elsewhere, or at another host name, or is over"
	case len(cookies) > 1:
		reason = "there are two cookies, and one is somebody else's"
	default:
		reason = l.useState(cookies[0].Value, answer.state)
	}
	if reason != "" {
		l.logRefusal(r, reason)
		writePage(w, http.StatusBadRequest, "This request does not belong to an authorization that was started here. Please start again.")
		return
	}
	http.SetCookie(w, l.cookie("", -1))
	// The code is spent once it is sent, whether or not the browser still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), exchangeLimit)
	defer cancel()
	token, err := answer.exchange(ctx, l.config, l.derive("verifier", cookies[0].Value))
	l.done(w, r.WithContext(context.WithoutCancel(r.Context())), token, err)
}

// logRefusal logs why a callback is refused. Whoever sent it is not told.
func (l *webLogin) logRefusal(r *http.Request, reason string) {
	if l.config.Logger != nil {
		l.config.Logger.LogAttrs(r.Context(), slog.LevelInfo, "revv: callback refused", slog.String("reason", reason))
	}
}

// useState says why a state is refused: it was not made with the cookie, or too long
// ago, or was used before. It returns "" for a good state, and marks it as used.
func (l *webLogin) useState(cookie, state string) string {
	nonce, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(nonce) != 24 || !hmac.Equal([]byte(l.derive("state", cookie)), []byte(state)) {
		return "the state is not that of the cookie: another authorization was begun since, or with another configuration"
	}
	now := time.Now()
	started := time.Unix(int64(binary.BigEndian.Uint64(nonce[16:])), 0) //nolint:gosec // authenticated by the state
	if now.Sub(started) > loginLimit || started.Sub(now) > maxClockSkew {
		return "the authorization was begun more than ten minutes ago, or the clocks of the replicas differ"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > time.Minute { // not each time: there may be many
		for old, until := range l.used {
			if now.After(until) {
				delete(l.used, old)
			}
		}
		l.swept = now
	}
	if _, again := l.used[cookie]; again {
		return "the state was used before"
	}
	for old := range l.used {
		if len(l.used) < maxUsedStates {
			break
		}
		delete(l.used, old)
	}
	l.used[cookie] = started.Add(loginLimit + time.Minute)
	return ""
}
