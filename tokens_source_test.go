package revv_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// askedSource is a token source of a program that counts how often it is asked.
type askedSource struct {
	asked  atomic.Int64
	answer func(n int) (*oauth2.Token, error)
}

// Token implements [oauth2.TokenSource].
func (s *askedSource) Token() (*oauth2.Token, error) { return s.answer(int(s.asked.Add(1))) }

// rotating gives out the access tokens of the authority, another one each time.
func (w *tokenWorld) rotating() *askedSource {
	return &askedSource{answer: func(int) (*oauth2.Token, error) {
		access, _ := w.authority.authorize()
		return &oauth2.Token{AccessToken: access}, nil
	}}
}

func TestFromTokenSource_rejectedToken_isAskedForAgainOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		source := w.rotating()
		w.auth = revv.FromTokenSource(source)
		w.client = w.clientOf(w.auth)
		for _, s := range []tokenStep{
			{api: 1},
			{callers: 20, api: 20},
			{do: expired, api: 2},
			{do: expired, api: 2},
			{do: refusesAll(http.StatusUnauthorized), want: []error{revv.ErrUnauthorized}, never: errTokenKinds, api: 2},
			{do: healed, api: 1},
		} {
			s.run(w)
		}
		assert.EqualValues(t, 4, source.asked.Load())
		assertKeepsSecrets(t, w.authority.hidden(), w.auth)
	})
}

func TestFromTokenSource_200CallersWithARejectedToken_askOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		source := w.rotating()
		w.client = w.clientOf(revv.FromTokenSource(source))
		for _, s := range []tokenStep{{api: 1}, {do: func(w *tokenWorld) {
			w.expire()
			var all sync.WaitGroup
			all.Add(200)
			w.authority.set(func() {
				w.authority.apiAnswer = func(i int, _ *http.Request) (*http.Response, error) {
					if i > 1 && i <= 201 {
						all.Done()
						all.Wait()
					}
					return nil, nil //nolint:nilnil // an honest answer
				}
			})
		}, callers: 200, api: 400}} {
			s.run(w)
		}
		assert.EqualValues(t, 2, source.asked.Load())
	})
}

// A source cannot be told to give up; its callers can leave.
func TestFromTokenSource_hangingSource_holdsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		source := w.rotating()
		answer := source.answer
		source.answer = func(n int) (*oauth2.Token, error) {
			pass(time.Minute)
			return answer(n)
		}
		w.auth = revv.FromTokenSource(source)
		w.client = w.clientOf(w.auth)
		for _, s := range []tokenStep{
			{callers: 50, want: []error{context.DeadlineExceeded}, never: but(context.DeadlineExceeded), call: func(ctx context.Context, w *tokenWorld, i int) error {
				start := time.Now()
				err := within(time.Duration(i+1)*time.Second)(ctx, w, i)
				assert.Equal(w, time.Duration(i+1)*time.Second, time.Since(start))
				return err
			}},
			{api: 1, then: took(10*time.Second, 10*time.Second)}, // the same question is answered
			{api: 1},
		} {
			s.run(w)
		}
		assert.EqualValues(t, 1, source.asked.Load())
	})
}

func TestFromTokenSource_doneContext_asksNothing(t *testing.T) {
	t.Parallel()
	source := &askedSource{answer: func(int) (*oauth2.Token, error) { return tokenPair("any"), nil }}
	auth := revv.FromTokenSource(source)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := auth.Token(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = auth.Token(nil) //nolint:staticcheck // the mistake that is tried
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Zero(t, source.asked.Load())
}

func TestFromTokenSource_aboutToExpire_isAskedAheadOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		source := w.rotating()
		answer, broken := source.answer, false
		source.answer = func(n int) (*oauth2.Token, error) {
			if broken {
				return nil, errLedgerDown
			}
			token, err := answer(n)
			token.Expiry = time.Now().Add(time.Hour)
			return token, err
		}
		w.client = w.clientOf(revv.FromTokenSource(source))
		for _, s := range []struct {
			tokenStep

			asked int64
		}{
			{tokenStep{api: 1}, 1},
			{tokenStep{do: func(*tokenWorld) { pass(59 * time.Minute) }, api: 1}, 1},
			{tokenStep{do: func(*tokenWorld) { pass(45 * time.Second) }, api: 1}, 2},
			{tokenStep{do: func(*tokenWorld) { pass(time.Hour - 10*time.Second); broken = true }, api: 1}, 3},
			{tokenStep{callers: 20, api: 20}, 3}, // the token at hand is good for ten seconds
			{tokenStep{do: func(*tokenWorld) { pass(11 * time.Second) }, want: []error{errLedgerDown}}, 4},
		} {
			s.run(w)
			require.Equal(t, s.asked, source.asked.Load())
		}
	})
}

// The errors of x/oauth2 hold the whole answer of the token endpoint.
func TestFromTokenSource_errors_areFreeOfBodies(t *testing.T) {
	t.Parallel()
	const hidden = "refresh-SENTINEL"
	body := []byte(`{"error":"invalid_grant","error_description":"` + hidden + ` is spent"}`)
	retrieve := func(status int, code string) error {
		return &oauth2.RetrieveError{Response: &http.Response{StatusCode: status, Status: hidden}, Body: body, ErrorCode: code, ErrorDescription: hidden, ErrorURI: hidden}
	}
	for name, c := range map[string]struct {
		err  error
		want error
		text string
	}{
		"a refusal":         {retrieve(http.StatusBadRequest, "invalid_grant"), revv.ErrReauthorizationRequired, "invalid_grant"},
		"a failure":         {retrieve(http.StatusInternalServerError, ""), revv.ErrServer, "500"},
		"a code that tells": {retrieve(http.StatusBadRequest, hidden), revv.ErrUnauthorized, "400"},
		"no response":       {&oauth2.RetrieveError{Body: body}, errAny, "OAuth.Refresh"},
		"a wrapped refusal": {fmt.Errorf("token: %w", retrieve(http.StatusBadRequest, "invalid_grant")), revv.ErrReauthorizationRequired, "invalid_grant"},
		"a URL": {
			&url.Error{Op: "Post", URL: "https://example.com/?refresh_token=" + hidden, Err: context.DeadlineExceeded}, context.DeadlineExceeded, "deadline",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth := revv.FromTokenSource(&askedSource{answer: func(int) (*oauth2.Token, error) { return nil, c.err }})
			_, direct := auth.Token(t.Context())
			_, called := silentClient(t, auth).Documents.Get(t.Context(), 14)
			for _, err := range []error{direct, called} {
				require.Error(t, err)
				if !errors.Is(c.want, errAny) {
					require.ErrorIs(t, err, c.want)
				}
				require.ErrorContains(t, err, c.text)
				assertKeepsSecrets(t, []string{hidden}, err)
			}
		})
	}
}

// silentClient is a client that must not send anything.
func silentClient(t *testing.T, auth revv.Authenticator) *revv.Client {
	t.Helper()
	client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: silent(t)}))
	require.NoError(t, err)
	return client
}

func TestFromTokenSource_noUsableToken_sendsNothing(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]*oauth2.Token{
		"none": nil, "an empty one": {}, "with a line break": {AccessToken: "a\r\nb"}, "with a space": {AccessToken: "a b"}, "with an umlaut": {AccessToken: "ä"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth := revv.FromTokenSource(&askedSource{answer: func(int) (*oauth2.Token, error) { return token, nil }})
			_, err := silentClient(t, auth).Documents.Get(t.Context(), 14)
			assert.Zero(t, failure(t, err).Attempts)
		})
	}
}

func TestNewClient_unusableAuthenticator_isNamed(t *testing.T) {
	t.Parallel()
	var none *askedSource
	var noFunction sourceFunc
	for name, auth := range map[string]revv.Authenticator{
		"nil":                        nil,
		"a source of nil":            revv.FromTokenSource(nil),
		"a source of a nil pointer":  revv.FromTokenSource(none),
		"a source of a nil function": revv.FromTokenSource(noFunction),
		"an empty token":             revv.StaticToken(""),
		"a token with a line break":  revv.StaticToken("access\r\nX: y"),
		"a token with a space":       revv.StaticToken("Bearer access"),
		"a token with a NUL":         revv.StaticToken("access\x00"),
		"a token with an umlaut":     revv.StaticToken("äccess"),
	} {
		_, err := revv.NewClient(auth, revv.WithBaseURL(apiBase))
		require.ErrorIs(t, err, revv.ErrInvalidArgument, name)
		assert.Equal(t, "auth", failure(t, err).Argument, name)
		assert.NotContains(t, err.Error(), "ccess\r", name)
	}
}

type sourceFunc func() (*oauth2.Token, error)

// Token implements [oauth2.TokenSource].
func (f sourceFunc) Token() (*oauth2.Token, error) { return f() }

func TestStaticToken_isSentAsItIsAndNeverRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.auth = revv.StaticToken(w.first.AccessToken)
		w.client = w.clientOf(w.auth)
		for _, s := range []tokenStep{
			{api: 1},
			{do: expired, want: []error{revv.ErrUnauthorized}, never: errTokenKinds, api: 1},
			{call: createDocument, want: []error{revv.ErrUnauthorized}, never: errTokenKinds, api: 1},
			{callers: 50, want: []error{revv.ErrUnauthorized}, api: 50},
		} {
			s.run(w)
		}
		assertKeepsSecrets(t, w.authority.hidden(), w.auth)
		assertKeepsSecrets(t, w.authority.hidden(), w.client)
	})
}

// A refresh token is not sent with a call, but a source of tokens hands it over with the access
// token: nothing shows it, either.
func TestFromTokenSource_refreshToken_isInNoErrorAndNoHeader(t *testing.T) {
	t.Parallel()
	const secret = "SENTINEL-of-a-refresh-token"
	source := revv.FromTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: anyToken, RefreshToken: secret}))
	network := newSwitchboard(func(*http.Request) (*http.Response, error) {
		return reply(http.StatusForbidden, `{"error":"DENIED","message":"`+secret+`"}`, "Content-Type", "application/json; from="+secret, "X-Token", secret), nil
	})
	client, err := revv.NewClient(source, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}))
	require.NoError(t, err)
	var response revv.Response
	err = readOne(t.Context(), client, revv.CaptureResponse(&response))
	require.ErrorIs(t, err, revv.ErrForbidden)
	assert.Contains(t, err.Error(), "[redacted]")
	assert.Equal(t, "application/json; from=[redacted]", response.Header.Get("Content-Type"))
	assert.NotContains(t, fmt.Sprintf("%+v %+v", response, failure(t, err)), secret)
}

// A file that a source reads may end with a line break, until somebody repairs it.
func TestFromTokenSource_tokenThatCannotBeSent_isAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		source := &askedSource{answer: func(n int) (*oauth2.Token, error) {
			if n == 1 {
				return &oauth2.Token{AccessToken: w.first.AccessToken + "\n"}, nil
			}
			return &w.first, nil
		}}
		w.client = w.clientOf(revv.FromTokenSource(source))
		for _, s := range []tokenStep{{want: []error{revv.ErrInvalidArgument}}, {api: 1}, {api: 1}} {
			s.run(w)
		}
		assert.EqualValues(t, 2, source.asked.Load())
	})
}
