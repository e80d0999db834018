package revv

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/secret"
)

// patientCall is a call that waits as long as a minute for its turn.
func patientCall() *prepared {
	return &prepared{call: &call{name: "Documents.Get"}, settings: &callSettings{retry: RetryPolicy{MaxRetryAfter: time.Minute}}}
}

// countingLimiter lets everybody pass.
type countingLimiter struct{ asked int }

func (l *countingLimiter) Wait(context.Context) error {
	l.asked++
	return nil
}

func TestTurn_gateThenLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &countingLimiter{}
		c := &core{limiter: limiter}
		start := time.Now()
		c.gate.Shut(start.Add(time.Minute))
		require.NoError(t, c.waitTurn(t.Context(), patientCall()), "a minute is not too long")
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Equal(t, 1, limiter.asked, "behind the gate")

		c.gate.Shut(time.Now().Add(time.Minute + 1))
		require.ErrorIs(t, c.waitTurn(t.Context(), patientCall()), ErrRateLimited)
		assert.Equal(t, time.Minute, time.Since(start), "too long is said at once")

		c = &core{limiter: limiter}
		c.gate.Shut(time.Now().Add(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.ErrorIs(t, c.waitTurn(ctx, patientCall()), context.Canceled)
		assert.Equal(t, 1, limiter.asked)
	})
}

// The gate takes a wait of exactly what the longest call may wait.
func TestHeed_shutsTheGateForWaitsWithinTheLimit(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Minute: time.Minute, time.Minute + 1: 0} {
		synctest.Test(t, func(t *testing.T) {
			c := &core{}
			c.shutGate(patientCall(), &result{status: http.StatusTooManyRequests, hasRetryAfter: true, retryAfter: wait})
			assert.Equal(t, want, c.gate.Remaining())
		})
	}
}

func TestOutlasts_aWaitUntilTheDeadline_doesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for wait, want := range map[time.Duration]bool{0: false, time.Minute - 1: false, time.Minute: false, time.Minute + 1: true} {
			assert.Equal(t, want, outlasts(ctx, wait), "%v", wait)
		}
		assert.False(t, outlasts(t.Context(), time.Hour), "no deadline")
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		assert.False(t, outlasts(late, 0), "what does not wait ends behind no deadline")
	})
}

func TestSleep_ofNothing_looksAtTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, sleep(ctx, 0))
	cancel()
	for range 200 { // a choice by chance between the two would show
		require.ErrorIs(t, sleep(ctx, 0), context.Canceled)
	}
}

// errTornCable is what is left of a call whose connection has ended.
var errTornCable = errors.New("the cable was torn")

// tearing answers every call with a body that ends when the caller gives up.
type tearing struct{ give func() }

func (t tearing) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Request: r, Body: t}, nil
}

func (t tearing) Read([]byte) (int, error) {
	t.give()
	return 0, errTornCable
}

func (tearing) Close() error { return nil }

func TestCall_givenUpWhileItsAnswerComes_isTheContextsError(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		client, err := NewClient(StaticToken("a-token"), WithBaseURL("https://sandbox.example.com"), WithHTTPClient(&http.Client{Transport: tearing{cancel}}))
		require.NoError(t, err)
		if applied {
			_, err = client.Documents.Create(ctx, CreateDocumentParams{TemplateID: 3})
		} else {
			_, err = client.Documents.Get(ctx, 14)
		}
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errTornCable)
		assert.Equal(t, applied, errors.Is(err, ErrAppliedResponseUnreadable))
	}
}

func TestFailBefore_keepsWhatTheLastAttemptEndedWith(t *testing.T) {
	t.Parallel()
	err := patientCall().failBefore(t.Context(), &result{err: errTornCable}, 1, ErrNoToken)
	require.ErrorIs(t, err, errTornCable)
	require.ErrorIs(t, err, ErrNoToken)
	err = patientCall().failBefore(t.Context(), &result{status: 500, problem: problem{code: "BUSY", message: "come back later"}}, 1, context.Canceled)
	require.EqualError(t, err, "revv: Documents.Get: 500 Internal Server Error: BUSY: come back later: context canceled (attempts: 1)")
	require.EqualError(t, patientCall().failBefore(t.Context(), &result{}, 1, ErrNoToken), "revv: Documents.Get: "+ErrNoToken.Error()+" (attempts: 1)")
}

// A value that is short is no secret, and might be part of any word.
func TestSafe_hidesValuesOfEightBytes(t *testing.T) {
	t.Parallel()
	p := patientCall()
	p.settings.header = secret.New(valuesByKey{"X-Short": {"1234567"}, "X-Long": {"abcdefgh"}})
	p.settings.query = secret.New(valuesByKey{"short": {"7654321"}, "long": {"h/g/f/e/"}})
	assert.Equal(t, "1234567 [redacted] 7654321 [redacted] [redacted]", p.safe("1234567 abcdefgh 7654321 h/g/f/e/ h%2Fg%2Ff%2Fe%2F"))
}

// A text of the service or of a library may have a secret in the spelling of a query, of
// a path, of a script or of JSON.
func TestHiding_knowsTheSpellingsOfASecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a b/c+d", "a+b%2Fc%2Bd", "a+b%2fc%2bd", "a%20b%2Fc+d", "a%20b%2fc+d", "a%20b%2Fc%2Bd", "a%20b%2fc%2bd", `a b\/c+d`, "6120622f632b64",
	} {
		assert.Equal(t, "<[redacted]>", newRedactor(3, []string{"abc", "a b/c+d"}).Replace("<"+text+">"), text)
	}
	assert.Equal(t, "abc %2F", newRedactor(3, []string{"abc", "/"}).Replace("abc %2F"), "short ones are none")
}

// The limits that the documentation names.
func TestLimits_areTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	network := NewTransport()
	assert.Equal(t, 10*time.Second, dialTimeout)
	assert.Equal(t, 10*time.Second, network.TLSHandshakeTimeout)
	assert.Equal(t, 30*time.Second, network.ResponseHeaderTimeout)
	assert.EqualValues(t, 64<<10, network.MaxResponseHeaderBytes)
	assert.Equal(t, 90*time.Second, network.IdleConnTimeout)
	assert.Equal(t, 3, defaultAttempts)
	assert.Equal(t, 200*time.Millisecond, defaultBaseDelay)
	assert.Equal(t, 10*time.Second, defaultMaxDelay)
	assert.Equal(t, time.Minute, defaultMaxRetryAfter)
	assert.Equal(t, time.Minute, defaultAttemptTimeout)
	assert.Equal(t, 30*time.Second, stallLimit)
	assert.Equal(t, 8<<20, maxJSON)
	assert.Equal(t, 1000, jsonLimits.Depth)
	assert.Equal(t, 20, retryBudget)
}

// eachTime hands out another token for every attempt.
type eachTime struct{ tokens []string }

func (a *eachTime) Token(context.Context) (*oauth2.Token, error) {
	token := &oauth2.Token{AccessToken: a.tokens[0]}
	a.tokens = a.tokens[1:]
	return token, nil
}
func (*eachTime) Reject(context.Context, *oauth2.Token) {}

// answering gives its answers in turn.
type answering struct{ answers []*http.Response }

func (t *answering) RoundTrip(*http.Request) (*http.Response, error) {
	answer := t.answers[0]
	t.answers = t.answers[1:]
	return answer, nil
}

// A token can be replaced ahead of time, without a 401.
func TestError_hidesTheTokenOfAnEarlierAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := func(status int, body string) *http.Response {
			return &http.Response{StatusCode: status, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body))}
		}
		network := &answering{[]*http.Response{answer(500, ""), answer(400, `{"message":"not after the-first-token"}`)}}
		client, err := NewClient(&eachTime{[]string{"the-first-token", "the-second-token"}},
			WithBaseURL("https://sandbox.example.com"), WithHTTPClient(&http.Client{Transport: network}))
		require.NoError(t, err)
		_, err = client.Documents.Get(t.Context(), 14)
		require.EqualError(t, err, "revv: Documents.Get: 400 Bad Request: not after [redacted] (attempts: 2)")
	})
}
