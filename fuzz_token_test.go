package revv_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// fuzzSentinel stands in bodies where a server repeats what it was sent.
const fuzzSentinel = "SENTINEL-d41f5c"

// tokenErrorKinds is what errors about answers of the token endpoint are of.
var tokenErrorKinds = []error{
	revv.ErrInvalid, revv.ErrUnauthorized, revv.ErrForbidden, revv.ErrNotFound, revv.ErrConflict, revv.ErrRateLimited, revv.ErrServer,
	revv.ErrOutcomeUnknown, revv.ErrUnexpectedContent, revv.ErrMalformedResponse, revv.ErrEmptyResponse, revv.ErrResponseTooLarge,
	revv.ErrRedirected, revv.ErrReauthorizationRequired,
}

// oneAnswer is a token endpoint with one answer. A cut ends the body early, as a
// connection does that dies.
type oneAnswer struct {
	status      int
	contentType string
	body        []byte
	cut         bool
	requests    int
}

// RoundTrip implements [http.RoundTripper].
func (a *oneAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.requests++
	_, _ = io.Copy(io.Discard, r.Body)
	resp := reply(a.status, string(a.body), "Content-Type", a.contentType, "Retry-After", "0")
	if a.cut {
		resp.Body = io.NopCloser(io.MultiReader(resp.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	return resp, nil
}

// Whatever the token endpoint answers, the program gets a token that it can use
// or an error that it can tell apart, and sees nothing of the answer.
func FuzzTokenResponse(f *testing.F) {
	for _, seed := range []struct {
		status            int
		contentType, body string
		cut               bool
	}{
		{200, "application/json", `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":3600}`, false},
		{200, "text/plain", `{"access_token":"a"}`, false},
		{200, "", `{"ACCESS_TOKEN":"a","expires_in":"1e300"}`, false},
		{200, "application/json", `{"access_token":"` + fuzzSentinel + `\r\n","token_type":"mac"}`, false},
		{200, "application/json", `{"error":"invalid_grant","error_description":"` + fuzzSentinel + `"}`, false},
		{200, "application/json", `{"error":"` + fuzzSentinel + `","access_token":1}`, false},
		{200, "application/json", `{"access_token":"` + fuzzSentinel, true},
		{200, "text/html", "<html>" + fuzzSentinel, false},
		{200, "application/json", "", false},
		{400, "application/json", `{"error":"invalid_client"}`, false},
		{401, "application/json", `{"error":"invalid_client","x":"` + fuzzSentinel + `"}`, true},
		{429, "text/plain", fuzzSentinel, false},
		{503, "application/json", `{"error":"temporarily_unavailable"}`, false},
		{307, "", "", false},
		{999, "application/json", `[[[[{"a":1e999}]]]]`, false},
	} {
		f.Add(seed.status, seed.contentType, []byte(seed.body), seed.cut)
	}
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte, cut bool) {
		if status < 200 || status > 999 {
			status = 200 // the transport makes nothing else of an answer
		}
		server := &oneAnswer{status: status, contentType: contentType, body: body, cut: cut}
		config := revv.OAuthConfig{
			ClientID: "an-application", ClientSecret: "client-" + fuzzSentinel, Endpoint: revv.Endpoint(apiBase), HTTPClient: &http.Client{Transport: server},
		}
		token, err := config.Exchange(t.Context(), "code-"+fuzzSentinel, "verifier-"+fuzzSentinel)
		checkFuzzedToken(t, body, token, err)
		if server.requests < 1 || server.requests > 3 {
			t.Errorf("the code was sent %d times", server.requests)
		}
		if server.requests > 1 && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
			t.Errorf("the code was sent %d times although it may be spent", server.requests)
		}

		server.requests = 0
		store := revv.NewMemoryStore()
		first := &oauth2.Token{RefreshToken: "refresh-" + fuzzSentinel}
		saveToken(t, store, tokenAccount, first)
		auth, err := config.Authenticator(store, tokenAccount)
		if err != nil {
			t.Fatal(err)
		}
		token, err = auth.Token(t.Context())
		checkFuzzedToken(t, body, token, err)
		if server.requests < 1 || server.requests > 4 {
			t.Errorf("the refresh token was sent %d times", server.requests)
		}
		if err != nil {
			token = first
			if errors.Is(err, revv.ErrOutcomeUnknown) {
				t.Errorf("no call of the API was sent, and the error says that one was: %v", err)
			}
		} else if token.RefreshToken == "" {
			t.Error("the pair cannot be renewed again")
		}
		assertStored(t, store, tokenAccount, token)
	})
}

func checkFuzzedToken(t *testing.T, body []byte, token *oauth2.Token, err error) {
	t.Helper()
	if (token == nil) == (err == nil) {
		t.Fatalf("the token is %v and the error is %v", token != nil, err)
	}
	if err == nil {
		plain := strings.IndexFunc(token.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
		if token.AccessToken == "" || !plain || token.TokenType != "Bearer" || token.ExpiresIn < 0 || token.Expiry.IsZero() != (token.ExpiresIn == 0) {
			t.Errorf("the token cannot be used: %+v", token)
		}
		return
	}
	typed, ok := errors.AsType[*revv.Error](err)
	if !ok || typed.StatusCode == 0 {
		t.Fatalf("%T %v has no status", err, err)
	}
	text := err.Error()
	if strings.Contains(text, fuzzSentinel) || !isOneLine(text) || len(text) > 1024 {
		t.Errorf("the error gives something away: %q", text)
	}
	// No error has so long a text from a list of its own.
	const window = 40
	for i := 0; i+window <= len(text); i++ {
		if bytes.Contains(body, []byte(text[i:i+window])) {
			t.Fatalf("the error repeats the answer: %q", text)
		}
	}
	if typed.StatusCode >= 200 && typed.StatusCode < 300 {
		for _, kind := range tokenErrorKinds {
			if errors.Is(err, kind) {
				return
			}
		}
		if typed.Code == "" && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the error is of no kind: %v", err)
		}
	}
}

func isOneLine(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Whatever comes to the callback, only the query with the state of the cookie
// leads to an exchange, and no page repeats anything of it.
func FuzzCallback(f *testing.F) {
	for _, seed := range []string{
		"code=a-code&state=STATE", "state=STATE&error=access_denied&error_description=<script>", "code=a&state=", "code=a&state=STATE&state=STATE", "code=a;state=STATE",
		"STATE", "%zz", "code=%00&state=STATE", "error=STATE&state=other", "code=a&code=b&state=STATE", "", "&&&==&", "code=a&state=%53TATE", "state[]=STATE&code=a",
	} {
		f.Add(seed, "COOKIE")
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, query, cookieValue string) {
		server := &oneAnswer{status: 200, contentType: "application/json", body: []byte(goodPair)}
		config := revv.OAuthConfig{
			ClientID: "an-application", ClientSecret: "client-" + fuzzSentinel, RedirectURL: webRedirect, Endpoint: revv.Endpoint(apiBase),
			HTTPClient: &http.Client{Transport: server},
		}
		r := newWebReplica(t, config)
		cookie, asked := r.begin(t)
		state := asked.Get("state")
		req := httptest.NewRequest(http.MethodGet, webRedirect, http.NoBody)
		req.URL.RawQuery = strings.ReplaceAll(query, "STATE", state)
		sent := strings.ReplaceAll(cookieValue, "COOKIE", cookie.Value)
		req.Header.Set("Cookie", cookie.Name+"="+sent)
		got, _ := req.Cookie(cookie.Name)
		w := httptest.NewRecorder()
		r.callback.ServeHTTP(w, req)

		ours := got != nil && got.Value == cookie.Value && len(req.URL.Query()["state"]) == 1 && req.URL.Query().Get("state") == state
		if ended := len(r.outcomes()); server.requests > ended || ended > 1 || ended == 1 && !ours {
			t.Fatalf("%d exchanges and %d calls of done for the query %q", server.requests, ended, query)
		}
		if len(r.outcomes()) == 1 {
			return
		}
		if w.Code != http.StatusBadRequest {
			t.Fatalf("status %d", w.Code)
		}
		if body := w.Body.String(); strings.Contains(body, state) || body != refusedPage(t, r) {
			t.Errorf("the page depends on the request: %q", body)
		}
		if len(w.Header()["Set-Cookie"]) > 0 {
			t.Error("a refusal takes the cookie away from the one who is in time")
		}
	})
}

// refusedPage is what everybody gets to see who comes without a state.
func refusedPage(t *testing.T, r *webReplica) string {
	t.Helper()
	return r.back(t, http.MethodGet, "").Body.String()
}
