package revv_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
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

// switchboard is a transport that counts, and answers as it is told to now.
type switchboard struct {
	count  atomic.Int64
	answer atomic.Pointer[func(*http.Request) (*http.Response, error)]
}

func newSwitchboard(answer func(*http.Request) (*http.Response, error)) *switchboard {
	s := new(switchboard)
	s.set(answer)
	return s
}

func (s *switchboard) set(answer func(*http.Request) (*http.Response, error)) {
	s.answer.Store(&answer)
}

func (s *switchboard) RoundTrip(r *http.Request) (*http.Response, error) {
	s.count.Add(1)
	return (*s.answer.Load())(r)
}

// taken returns how many requests there were since it was asked last.
func (s *switchboard) taken() int64 { return s.count.Swap(0) }

func (s *switchboard) client(t *testing.T, opts ...revv.Option) *revv.Client {
	t.Helper()
	opts = append([]revv.Option{revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s})}, opts...)
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), opts...)
	require.NoError(t, err)
	return client
}

func answering(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return reply(status, body, headers...), nil }
}

func lost(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") }

func unreachable(*http.Request) (*http.Response, error) { return nil, errRefused() }

func readOne(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error {
	return errorOf(c.Documents.Get(ctx, 14, opts...))
}

func writeOne(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error {
	return errorOf(c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 3}, opts...))
}

// throng makes n calls at once and returns how many failed.
func throng(ctx context.Context, n int, c *revv.Client, call func(context.Context, *revv.Client, ...revv.CallOption) error) int64 {
	var (
		failed  atomic.Int64
		callers sync.WaitGroup
	)
	for range n {
		callers.Go(func() {
			if call(ctx, c) != nil {
				failed.Add(1)
			}
		})
	}
	callers.Wait()
	return failed.Load()
}

// TestConformance_outage_costsLittleMoreThanOneRequestPerCall: R09 and R10.
func TestConformance_outage_costsLittleMoreThanOneRequestPerCall(t *testing.T) {
	t.Parallel()
	const callers, budget = 1000, 20
	for name, down := range map[string]func(*http.Request) (*http.Response, error){
		"500": answering(500, ""), "503": answering(503, ""), "503 and come back at once": answering(503, "", "Retry-After", "0"),
		"connections lost": lost, "connections refused": unreachable, "429 without a time": answering(429, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newSwitchboard(down)
				client := service.client(t)
				assert.EqualValues(t, callers, throng(t.Context(), callers, client, readOne), "calls that fail")
				requests := service.taken()
				assert.EqualValues(t, callers+budget, requests, "requests of %d callers", callers)
				if name == "500" {
					fmt.Printf("total outage: %d callers, %d requests\n", callers, requests)
				}
				// As long as nothing succeeds, a call is a request.
				assert.EqualValues(t, 50, throng(t.Context(), 50, client, readOne))
				assert.EqualValues(t, 50, service.taken())
				// Each success gives one repetition back, and no more than the budget.
				service.set(answering(200, documentAnswer))
				assert.Zero(t, throng(t.Context(), 7, client, readOne))
				service.taken()
				service.set(down)
				throng(t.Context(), 50, client, readOne)
				assert.EqualValues(t, 50+7, service.taken(), "after 7 successes")
				service.set(answering(200, documentAnswer))
				assert.Zero(t, throng(t.Context(), 500, client, readOne))
				service.taken()
				service.set(down)
				throng(t.Context(), 50, client, readOne)
				assert.EqualValues(t, 50+budget, service.taken(), "after 500 successes")
			})
		})
	}
}

func TestConformance_outage_writesAreSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newSwitchboard(lost)
		client := service.client(t)
		assert.EqualValues(t, 1000, throng(t.Context(), 1000, client, writeOne))
		assert.EqualValues(t, 1000, service.taken())
		// None of them has touched the budget of the reads.
		throng(t.Context(), 100, client, readOne)
		assert.EqualValues(t, 120, service.taken())
	})
}

func TestConformance_outage_oneClientDoesNotSpendTheBudgetOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newSwitchboard(answering(500, ""))
		throng(t.Context(), 100, service.client(t), readOne)
		service.taken()
		throng(t.Context(), 100, service.client(t), readOne)
		assert.EqualValues(t, 120, service.taken())
	})
}

// A service that says when to come back is not in an outage: all callers do.
func TestConformance_comingBackWhenTold_takesNoBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen atomic.Int64
		service := newSwitchboard(func(*http.Request) (*http.Response, error) {
			n := seen.Add(1)
			sleepVirtually(time.Second) // all of them are on their way before the first is refused
			if n <= 200 {
				return reply(429, "", "Retry-After", "3"), nil
			}
			return reply(200, documentAnswer), nil
		})
		began := time.Now()
		assert.Zero(t, throng(t.Context(), 200, service.client(t), readOne), "calls that fail")
		assert.Equal(t, 5*time.Second, time.Since(began))
		assert.EqualValues(t, 400, service.taken())
	})
}

// A caller that gives up while it waits has repeated nothing, and takes nothing
// from the others.
func TestConformance_waitThatIsGivenUp_takesNoBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newSwitchboard(answering(500, ""))
		client := service.client(t)
		const callers = 50 // more than the budget has tokens
		for range callers {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(1, cancel)
			require.ErrorIs(t, readOne(ctx, client), context.Canceled)
		}
		require.EqualValues(t, callers, service.taken())
		require.ErrorIs(t, readOne(t.Context(), client), revv.ErrServer)
		assert.EqualValues(t, 3, service.taken(), "there is still enough for two repetitions")
	})
}

// TestConformance_gate: after a 429 that says for how long, no call of the
// client is sent until then.
func TestConformance_gate(t *testing.T) {
	t.Parallel()
	policy := func(p revv.RetryPolicy) revv.SharedOption { return revv.WithRetry(p) }
	tests := map[string]struct {
		first, second []revv.CallOption
		header        string
		status        int
		deadline      time.Duration // of the second call
		want          []error       // of the second call
		not           []error
		took          time.Duration // of the second call, which begins after 1 s
		sent          int64         // during the second call, the first one has ended or waits
	}{
		"another call waits": {header: "10", took: 9 * time.Second},
		"it waits although the first call is not repeated": {
			first: []revv.CallOption{policy(revv.RetryPolicy{MaxAttempts: 1})}, header: "10", took: 9 * time.Second,
		},
		"it does not wait past its deadline": {
			header: "10", deadline: 5 * time.Second, want: []error{revv.ErrRateLimited, context.DeadlineExceeded}, not: []error{revv.ErrOutcomeUnknown},
		},
		"it does not wait longer than its policy": {
			second: []revv.CallOption{policy(revv.RetryPolicy{MaxRetryAfter: 5 * time.Second})}, header: "10", want: []error{revv.ErrRateLimited}, not: []error{context.DeadlineExceeded},
		},
		"nobody waits for longer than the policy of the first":   {header: "61"},
		"nobody waits where no time was named":                   {header: ""},
		"nobody waits for a time that has passed":                {header: "Fri, 01 Jan 1999 00:00:00 GMT"},
		"nobody else waits after a 503":                          {header: "10", status: 503},
		"nobody waits for a time that the policy does not allow": {first: []revv.CallOption{policy(revv.RetryPolicy{MaxRetryAfter: 5 * time.Second})}, header: "10"},
	}
	for name, test := range tests {
		for what, call := range map[string]func(context.Context, *revv.Client, ...revv.CallOption) error{"read": readOne, "write": writeOne} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var refused atomic.Bool
					service := newSwitchboard(func(*http.Request) (*http.Response, error) {
						if refused.CompareAndSwap(false, true) {
							return reply(cmp.Or(test.status, http.StatusTooManyRequests), "", "Retry-After", test.header), nil
						}
						return reply(200, documentAnswer), nil
					})
					client := service.client(t)
					done := make(chan error, 1)
					go func() { done <- readOne(t.Context(), client, test.first...) }()
					sleepVirtually(time.Second)
					ctx, began := t.Context(), time.Now()
					if test.deadline > 0 {
						bounded, cancel := context.WithTimeout(ctx, test.deadline)
						defer cancel()
						ctx = bounded
					}
					err := call(ctx, client, test.second...)
					assert.Equal(t, test.took, time.Since(began))
					if test.want == nil {
						require.NoError(t, err)
					}
					for _, want := range test.want {
						require.ErrorIs(t, err, want)
					}
					for _, not := range test.not {
						require.NotErrorIs(t, err, not)
					}
					if ended := <-done; ended != nil {
						require.NotErrorIs(t, ended, revv.ErrOutcomeUnknown)
					}
				})
			})
		}
	}
}

func TestConformance_gate_isShutForTheLongestTimeThatWasNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waits := []string{"10", "4"}
		var next atomic.Int64
		service := newSwitchboard(func(*http.Request) (*http.Response, error) {
			n := next.Add(1)
			sleepVirtually(time.Second)
			if n <= 2 {
				return reply(429, "", "Retry-After", waits[n-1]), nil
			}
			return reply(200, documentAnswer), nil
		})
		client, began := service.client(t), time.Now()
		assert.Zero(t, throng(t.Context(), 2, client, readOne))
		assert.Equal(t, 12*time.Second, time.Since(began))
	})
}

// tollgate is a rate limiter that counts.
type tollgate struct{ passed atomic.Int64 }

func (g *tollgate) Wait(ctx context.Context) error {
	g.passed.Add(1)
	return ctx.Err()
}

// Every request waits for the limiter, the one after a 401 not less than the others.
func TestConformance_limiter_seesEveryRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := []int{429, 401, 500, 200}
		var next atomic.Int64
		service := newSwitchboard(func(*http.Request) (*http.Response, error) { return reply(script[next.Add(1)-1], documentAnswer), nil })
		limiter := new(tollgate)
		client, err := revv.NewClient(&passes{left: []string{"one", "two"}}, revv.WithBaseURL(apiBase), revv.WithRateLimiter(limiter),
			revv.WithHTTPClient(&http.Client{Transport: service}))
		require.NoError(t, err)
		require.NoError(t, readOne(t.Context(), client))
		assert.EqualValues(t, len(script), service.taken())
		assert.EqualValues(t, len(script), limiter.passed.Load())
	})
}

// fleeting hands out one token, and fails from then on.
type fleeting struct {
	token string
	then  error
	gone  atomic.Bool
}

func (f *fleeting) Token(context.Context) (*oauth2.Token, error) {
	if f.gone.Swap(true) {
		return nil, f.then
	}
	return &oauth2.Token{AccessToken: f.token}, nil
}

func (f *fleeting) Reject(context.Context, *oauth2.Token) {}

// What [revv.CaptureResponse] shows is of this call, also where it was ended
// between two requests.
func TestConformance_capturedResponse_isTheLastOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newSwitchboard(answering(401, "", "X-Request-Id", "req-9"))
		broken := errors.New("the store is down")
		client, err := revv.NewClient(&fleeting{token: "one", then: broken}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: service}))
		require.NoError(t, err)
		got := revv.Response{StatusCode: 200, RequestID: "of an earlier call"}
		err = readOne(t.Context(), client, revv.CaptureResponse(&got))
		require.ErrorIs(t, err, broken)
		require.NotErrorIs(t, err, revv.ErrUnauthorized)
		assert.Equal(t, 401, got.StatusCode)
		assert.Equal(t, "req-9", got.RequestID)
		assert.Equal(t, 1, got.Attempts)
		assert.Equal(t, "req-9", failure(t, err).RequestID)

		err = readOne(t.Context(), client, revv.CaptureResponse(&got))
		require.ErrorIs(t, err, broken)
		assert.Zero(t, got.StatusCode, "nothing of the call before")
		assert.Zero(t, got.Attempts)
	})
}

// An outage that names an hour is an outage all the same.
func TestConformance_comingBackAfterAFailure_takesBudget(t *testing.T) {
	t.Parallel()
	for _, status := range []int{500, 502, 503, 504, 408} {
		synctest.Test(t, func(t *testing.T) {
			service := newSwitchboard(answering(status, "", "Retry-After", "3"))
			client := service.client(t)
			for range 30 {
				require.Error(t, readOne(t.Context(), client))
			}
			assert.EqualValues(t, 30+20, service.taken(), "%d", status)
		})
	}
}
