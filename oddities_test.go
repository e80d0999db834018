package revv_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// A redirect without a host is relative to what was asked for (RFC 9110, section
// 10.2.2), and not to the base URL.
func TestDownload_relativeRedirect_isResolvedAgainstTheRequest(t *testing.T) {
	t.Parallel()
	for location, path := range map[string]string{
		"file.pdf": "/api/docs/14/file.pdf", "./a/file.pdf": "/api/docs/14/a/file.pdf", "../file.pdf": "/api/docs/file.pdf",
		"/files/1": "/files/1", "?part=1": "/api/docs/14/download",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/docs/14/download" && r.URL.RawQuery == "" {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusFound)
				return
			}
			assert.Equal(t, path, r.URL.Path, location)
			_, _ = io.WriteString(w, pdf(900))
		}))
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(server.URL))
		require.NoError(t, err)
		_, err = client.Documents.Download(t.Context(), 14, io.Discard)
		require.NoError(t, err, location)
		server.Close()
	}
}

// Whoever has the address of a storage has the file.
func TestDownload_keyOfAStorage_isInNoErrorAndNoHeader(t *testing.T) {
	t.Parallel()
	const key = "SENTINEL-of-a-signature"
	target := "https://storage.example.com/store/SENTINEL-in-the-path/file?X-Amz-Signature=" + key + "&X-Amz-Expires=300&sig=SENTINEL-semi;exp=5&bad=%zzSENTINEL-bad"
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"an error that quotes the address": func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("proxy refused %s", r.URL) },
		"an error that quotes the key":     func(*http.Request) (*http.Response, error) { return nil, errors.New("refused: " + key) },
		"a message":                        answering(403, `{"message":"the signature `+key+` has expired"}`),
		"a header":                         answering(403, `{}`, "Link", "<"+target+">", "X-Request-Id", key),
		"parts of the address":             answering(403, `{"message":"no right to /store/SENTINEL-in-the-path/file, nor with SENTINEL-semi or %zzSENTINEL-bad"}`),
		"after a cut": func(*http.Request) (*http.Response, error) {
			return reply(http.StatusOK, "%PDF-", "Content-Type", "application/pdf", "X-Origin", target), nil
		},
	} {
		network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "sandbox.example.com" {
				return reply(http.StatusFound, "", "Location", target), nil
			}
			return answer(r)
		})
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}), hurried())
		require.NoError(t, err)
		var response revv.Response
		_, err = client.Documents.Download(t.Context(), 14, io.Discard, revv.CaptureResponse(&response))
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), "SENTINEL", name)
		assert.NotContains(t, fmt.Sprintf("%+v", response), "SENTINEL", name)
	}
}

// The address of a storage that the download does not go to is a key all the same.
func TestDownload_redirectThatIsRefused_isInNoErrorAndNoHeader(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"not https":          "http://storage.example.com/x?sig=SENTINEL-of-a-signature",
		"a private network":  "https://10.0.0.7/x?sig=SENTINEL-of-a-signature",
		"a user":             "https://ann@storage.example.com/x?sig=SENTINEL-of-a-signature",
		"a short key":        "http://storage.example.com/x?sig=1234567&k=SENTINEL-of-a-signature",
		"a key alone":        "http://storage.example.com/x?SENTINEL-of-a-signature&exp=300",
		"an endless address": "https://storage.example.com/x?sig=SENTINEL-of-a-signature&more=" + strings.Repeat("x", 8<<10),
	} {
		network := newSwitchboard(answering(http.StatusFound, "", "Location", target, "Content-Location", target, "X-Request-Id", "SENTINEL-of-a-signature"))
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}))
		require.NoError(t, err)
		var response revv.Response
		_, err = client.Documents.Download(t.Context(), 14, io.Discard, revv.CaptureResponse(&response))
		require.ErrorIs(t, err, revv.ErrRedirected, name)
		if name == "an endless address" {
			require.ErrorContains(t, err, "more than 8192 bytes")
		}
		assert.NotContains(t, err.Error(), "SENTINEL", name)
		assert.NotContains(t, fmt.Sprintf("%+v", response), "SENTINEL", name)
		assert.NotContains(t, fmt.Sprintf("%+v", response), "sig=1234567", name)
	}
}

// One secret can be the beginning of another.
func TestError_secretThatBeginsWithAnother_isHiddenWhole(t *testing.T) {
	t.Parallel()
	const short, long = "tenant-key", "tenant-key-SENTINEL"
	for range 10 { // maps have no order
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("no route for %s, %s, %s and %s", r.Header.Get("X-Long"), r.Header.Get("X-Short"), "a%20b%20SENTINEL", r.URL.Query().Get("X-Request-Id"))
		}}
		err := s.client(t).Do(t.Context(), http.MethodPost, "/x", nil, nil,
			revv.WithHeader("X-Short", short), revv.WithHeader("X-Long", long), revv.WithQuery("q", "a b SENTINEL"),
			revv.WithQuery("X-Request-Id", "another SENTINEL")) // as a header it would be no secret
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "SENTINEL")
	}
}

// Middleware may hand on what net/http would refuse.
func TestMiddleware_requestWithoutHeaderOrURL_isNoPanic(t *testing.T) {
	t.Parallel()
	spoiling := func(spoil func(*http.Request)) revv.Option {
		return revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				spoil(r)
				return next.RoundTrip(r)
			})
		})
	}
	s := always(http.StatusOK, "{}")
	require.NoError(t, s.client(t, spoiling(func(r *http.Request) { r.Header = nil })).Do(t.Context(), http.MethodGet, "/x", nil, nil))
	err := s.client(t, spoiling(func(r *http.Request) { r.URL = nil })).Do(t.Context(), http.MethodGet, "/x", nil, nil)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	require.ErrorContains(t, err, "must stay on the origin of the API")

	pinned := s.client(t).HTTPClient().Transport
	_, err = pinned.RoundTrip(&http.Request{Method: http.MethodGet})
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	r := httptest.NewRequest(http.MethodGet, apiBase+"/x", http.NoBody)
	r.Header = nil
	resp, err := pinned.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

// A nil pointer in an interface is as good as nothing.
func TestNilPointersInInterfaces_areRefused(t *testing.T) {
	t.Parallel()
	_, err := revv.NewWebhookHandler(revv.PathSecret("a-secret-of-enough-bytes"), func(context.Context, *revv.Event) error { return nil },
		revv.WithReadBack((&revv.Client{}).Documents))
	refused(t, err, "NewWebhookHandler", "WithReadBack", "must not be nil")
	_, err = revv.NewEncryptedStore((*revv.FileStore)(nil), make([]byte, 32))
	refused(t, err, "NewEncryptedStore", "inner", "must not be nil")
	_, err = revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)}))
	refused(t, err, "NewClient", "WithHTTPClient", "must not be nil, nor have a transport that is a nil pointer")
	_, err = silent(t).client(t).Documents.Download(t.Context(), 14, (*strings.Builder)(nil))
	refused(t, err, "Documents.Download", "w", "must not be nil")
}

// Only a refusal can say when to come back. After a success that was cut, the request
// is repeated as any other.
func TestRetryAfter_ofASuccess_saysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			if tries++; tries > 1 {
				return reply(http.StatusOK, "{}"), nil
			}
			resp := reply(http.StatusOK, "", "Retry-After", "3600")
			resp.Body, resp.ContentLength = io.NopCloser(failingReader{io.ErrUnexpectedEOF}), 100
			return resp, nil
		}}
		start := time.Now()
		var out map[string]any
		require.NoError(t, s.client(t).Do(t.Context(), http.MethodGet, "/x", nil, &out))
		assert.Less(t, time.Since(start), 10*time.Second)
	})
}

// A Retry-After of nothing limits nothing: repetitions take from the budget.
func TestRetryAfter_ofNothing_takesFromTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(http.StatusTooManyRequests, "{}", "Retry-After", "0")
		client := s.client(t)
		const calls = 100
		for range calls {
			require.ErrorIs(t, client.Do(t.Context(), http.MethodGet, "/x", nil, nil), revv.ErrRateLimited)
		}
		assert.Len(t, s.Sent(), calls+20)
	})
}

// The vendor's hosts answer every path with a page. That says nothing of a document.
func TestWithReadBack_pageInThePlaceOfTheAPI_asksToComeBack(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{htmlPage: http.StatusServiceUnavailable, `{"error":"NOT_FOUND"}`: http.StatusNoContent, "": http.StatusNoContent} {
		contentType := "application/json"
		if body == htmlPage {
			contentType = "text/html"
		}
		client := always(http.StatusNotFound, body, "Content-Type", contentType).client(t)
		handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
			t.Error("the function was called")
			return nil
		}, revv.WithReadBack(client.Documents))
		assert.Equal(t, status, serve(t, handler, eventRequest("/")).StatusCode, body)
	}
}

// The code is spent as soon as it is sent: a browser that leaves must not lose the pair.
func TestHandlers_browserLeaves_exchangeGoesOn(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	r := newWebReplica(t, a.config())
	cookie, asked := r.begin(t)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, webRedirect, http.NoBody)
	req.URL.RawQuery = grantedQuery(asked)
	req.AddCookie(cookie)
	r.callback.ServeHTTP(httptest.NewRecorder(), req)
	outcomes := r.outcomes()
	require.Len(t, outcomes, 1)
	require.NoError(t, outcomes[0].err)
	assert.NotEmpty(t, outcomes[0].token.RefreshToken)
}

// A created document must not be lost for a member that nobody needs, and ids come as
// numbers or as texts.
func TestDocument_oddMembers_doNotLoseIt(t *testing.T) {
	t.Parallel()
	doc, err := always(http.StatusOK, `{"Document":{"id":"15","doc_no":40,"object_id":7,"fields":[
		{"name":"A","required":"true"},{"name":"B","required":1},{"name":"C","required":"yes"},{"name":"D","required":{}},{"name":"E"},{"name":"F","required":true},{"name":"G","required":0}]}}`).
		client(t).Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 1})
	require.NoError(t, err)
	assert.Equal(t, revv.DocumentID(15), doc.ID)
	assert.Equal(t, revv.DocumentNumber("40"), doc.Number)
	assert.Equal(t, revv.ObjectID("7"), doc.ObjectID)
	var required []bool
	for _, field := range doc.Fields {
		required = append(required, field.Required)
	}
	assert.Equal(t, []bool{true, true, false, false, false, true, false}, required)
}

func TestMagicLink_answerThatIsNone_namesTheMember(t *testing.T) {
	t.Parallel()
	for body, text := range map[string]string{
		`{}`:              `the answer: the member "url" must be a web address`,
		`{"url":"x:y"}`:   `the answer: the member "url" must be a web address`,
		`"https://x.org"`: `the answer cannot hold this string`,
	} {
		_, err := always(http.StatusOK, body).client(t).Documents.MagicLink(t.Context(), "DOC-aB3dE5gH7jK9")
		require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable)
		require.ErrorContains(t, err, text)
	}
}

// What could not be connected to is told as that, for reads and writes alike, and for
// the token endpoint.
func TestErrUnreachable_isWhatFoundNoConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"refused":              {errRefused(), true},
		"no such name":         {errNoSuchName(), true},
		"a bad certificate":    {errBadCertificate(), true},
		"the line was cut":     {errors.New("connection reset by peer"), false},
		"a timeout":            {context.DeadlineExceeded, false},
		"an end of the answer": {io.ErrUnexpectedEOF, false},
	} {
		s := &service{answer: func(*http.Request) (*http.Response, error) { return nil, c.err }}
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
			err := s.client(t, hurried()).Do(t.Context(), method, "/x", nil, nil)
			require.ErrorIs(t, err, c.err, "%s, %s", name, method)
			assert.Equal(t, c.want, errors.Is(err, revv.ErrUnreachable), "%s, %s: %v", name, method, err)
			assert.False(t, c.want && revv.MaybeApplied(err), "%s, %s: %v", name, method, err)
		}
		config := revv.OAuthConfig{
			ClientID: "id", ClientSecret: "a-secret", RedirectURL: "https://app.example.com/callback",
			Endpoint: revv.Endpoint(apiBase), HTTPClient: &http.Client{Transport: s},
		}
		_, err := config.Exchange(t.Context(), "a-code", "")
		require.ErrorIs(t, err, c.err, name)
		assert.Equal(t, c.want, errors.Is(err, revv.ErrUnreachable), "%s: %v", name, err)
	}
	strange := &service{answer: func(*http.Request) (*http.Response, error) { return nil, x509.UnknownAuthorityError{} }}
	require.ErrorIs(t, strange.client(t, hurried()).Do(t.Context(), http.MethodGet, "/x", nil, nil), revv.ErrUnreachable, "of a transport that reports nothing")
	middleware := revv.WithMiddleware(func(http.RoundTripper) http.RoundTripper {
		return tripper(func(*http.Request) (*http.Response, error) { return nil, errRefused() })
	})
	err := silent(t).client(t, middleware).Do(t.Context(), http.MethodPost, "/x", nil, nil)
	require.NotErrorIs(t, err, revv.ErrUnreachable, "middleware has decided so")
	// The service has answered, and middleware fails at something else then.
	middleware = revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			return nil, errors.Join(errNoSuchName(), resp.Body.Close())
		})
	})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
		err := always(http.StatusOK, "{}").client(t, middleware, hurried()).Do(t.Context(), method, "/x", nil, nil)
		require.Error(t, err)
		require.NotErrorIs(t, err, revv.ErrUnreachable, method)
	}
}

// A page that says 404 is not the API's: it neither shows that an object is gone nor
// that a deletion has done its work.
func TestNotFound_withAPage_isOfTheHost(t *testing.T) {
	t.Parallel()
	page := answering(http.StatusNotFound, htmlPage, "Content-Type", "text/html")
	err := getOffer(t, (&service{answer: page}).client(t))
	require.ErrorIs(t, err, revv.ErrNotFound)
	require.ErrorIs(t, err, revv.ErrUnexpectedContent)
	require.NotErrorIs(t, getOffer(t, always(http.StatusNotFound, "{}").client(t)), revv.ErrUnexpectedContent)
	require.NotErrorIs(t, getOffer(t, always(http.StatusForbidden, htmlPage, "Content-Type", "text/html").client(t)), revv.ErrUnexpectedContent)

	for want, last := range map[bool]func(*http.Request) (*http.Response, error){true: page, false: answering(http.StatusNotFound, "{}")} {
		tries := 0
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				return lost(r)
			}
			return last(r)
		}}
		err := s.client(t, hurried()).Contacts.Delete(t.Context(), 5001)
		assert.Equal(t, want, errors.Is(err, revv.ErrNotFound), "%v", err)
	}
}

// Client credentials go into the form, as documented, whatever the endpoint's style says.
func TestOAuth_authStyle_isNotUsed(t *testing.T) {
	t.Parallel()
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInParams, oauth2.AuthStyleInHeader} {
		posts := 0
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			posts++
			assert.NotContains(t, r.Header, "Authorization")
			assert.NoError(t, r.ParseForm())
			if r.PostForm.Get("client_secret") == "" { // of the refresh, at first
				return reply(http.StatusUnauthorized, `{"error":"invalid_client"}`), nil
			}
			return reply(http.StatusOK, `{"access_token":"fresh","refresh_token":"next"}`), nil
		}}
		config := revv.OAuthConfig{
			ClientID: "id", ClientSecret: "a-secret", RedirectURL: "https://app.example.com/callback",
			Endpoint: revv.Endpoint(apiBase), HTTPClient: &http.Client{Transport: s},
		}
		config.Endpoint.AuthStyle = style
		_, err := config.Exchange(t.Context(), "a-code", "")
		require.NoError(t, err)
		store := revv.NewMemoryStore()
		require.NoError(t, revv.SaveToken(t.Context(), store, "acme", &oauth2.Token{AccessToken: "old", RefreshToken: "refresh", Expiry: time.Unix(1, 0)}))
		auth, err := config.Authenticator(store, "acme")
		require.NoError(t, err)
		token, err := auth.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "fresh", token.AccessToken)
		assert.Equal(t, 3, posts)
	}
}

// What one attempt could not reach may have arrived with another.
func TestErrUnreachable_behindARequestThatArrived_isNotSaid(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(*http.Request) (*http.Response, error){
		"cut":            func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"failed":         answering(http.StatusInternalServerError, ""),
		"told to wait":   answering(http.StatusTooManyRequests, "", "Retry-After", "0"),
		"token rejected": answering(http.StatusUnauthorized, ""),
	} {
		calls := 0
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return first(r)
			}
			return nil, errRefused()
		}}
		client, err := revv.NewClient(&passes{left: []string{"old", "new"}}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}), hurried())
		require.NoError(t, err)
		err = client.Do(t.Context(), http.MethodPut, "/x", nil, nil)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, name)
		require.NotErrorIs(t, err, revv.ErrUnreachable, name)
	}
}

func TestErrUnreachable_behindAFormThatArrived_isNotSaid(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(*http.Request) (*http.Response, error){
		"failed":       answering(http.StatusInternalServerError, ""),
		"cut":          func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"told to wait": answering(http.StatusTooManyRequests, "", "Retry-After", "0"),
	} {
		calls := 0
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return first(r)
			}
			return nil, errRefused()
		}}
		config := revv.OAuthConfig{ClientID: "id", ClientSecret: "a-secret", Endpoint: revv.Endpoint(apiBase), HTTPClient: &http.Client{Transport: s}}
		store := revv.NewMemoryStore()
		require.NoError(t, revv.SaveToken(t.Context(), store, "example", &oauth2.Token{AccessToken: "access-1", RefreshToken: "refresh-1", Expiry: time.Now().Add(-time.Hour)}))
		auth, err := config.Authenticator(store, "example")
		require.NoError(t, err)
		_, err = auth.Token(t.Context())
		require.ErrorIs(t, err, syscall.ECONNREFUSED, name)
		require.NotErrorIs(t, err, revv.ErrUnreachable, name)
		if name != "told to wait" {
			continue // a code is posted once
		}
		calls = 0
		_, err = config.Exchange(t.Context(), "a-code", "")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.NotErrorIs(t, err, revv.ErrUnreachable)
	}
}

// ErrInvalidArgument says that no request was sent.
func TestErrInvalidArgument_behindARequest_isNotSaid(t *testing.T) {
	t.Parallel()
	auth := &passes{left: []string{"good", ""}}
	s := &service{answer: func(*http.Request) (*http.Response, error) {
		auth.Reject(t.Context(), &oauth2.Token{AccessToken: "good"}) // there is none from now on
		return reply(http.StatusInternalServerError, ""), nil
	}}
	client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}), hurried())
	require.NoError(t, err)
	err = client.Do(t.Context(), http.MethodPut, "/x", nil, nil)
	require.ErrorContains(t, err, "token must not be empty")
	require.ErrorIs(t, err, revv.ErrServer)
	require.NotErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Len(t, s.Sent(), 1)
}

// reading is a body that is made while it is read.
type reading func([]byte) (int, error)

func (f reading) Read(b []byte) (int, error) { return f(b) }

// A limit of one attempt and the deadline of the caller look alike, and are mended in
// different places.
func TestError_ofAnAttemptThatTookTooLong_namesItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		client := s.client(t, unrepeated(), revv.WithAttemptTimeout(time.Second))
		_, err := client.Documents.Get(t.Context(), 14)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "longer than 1s, see WithAttemptTimeout: context deadline exceeded")

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = client.Documents.Get(ctx, 14)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotContains(t, err.Error(), "WithAttemptTimeout")

		s.answer = func(r *http.Request) (*http.Response, error) { // the answer begins, and does not go on
			resp := reply(http.StatusOK, "")
			resp.ContentLength = -1
			resp.Body = io.NopCloser(reading(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, r.Context().Err()
			}))
			return resp, nil
		}
		_, err = client.Documents.Get(t.Context(), 14)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "longer than 1s, see WithAttemptTimeout")
	})
}

func TestError_whenTheBudgetIsSpent_saysWhyThereWasOneAttempt(t *testing.T) {
	t.Parallel()
	s := always(http.StatusInternalServerError, "")
	client := s.client(t, hurried())
	var err error
	for range 20 {
		_, err = client.Documents.Get(t.Context(), 14)
	}
	assert.Equal(t, 1, failure(t, err).Attempts)
	require.ErrorContains(t, err, "not repeated, for too many calls of this client have failed")
}
