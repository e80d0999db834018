package revv_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// refusing makes up a refusal for the first request, and goes on with it in a goroutine:
// before it answers, or behind that.
type refusing struct {
	next   http.RoundTripper
	status int
	behind bool // the request goes on when the refusal has been given

	calls   atomic.Int32
	arrived chan struct{} // the service has the request
	release chan struct{}
	late    chan error // how the request has ended
}

func (p *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.calls.Add(1) > 1 {
		return p.next.RoundTrip(req)
	}
	late := req.WithContext(context.WithoutCancel(req.Context()))
	go func() {
		if p.behind {
			<-p.release
		}
		resp, err := p.next.RoundTrip(late)
		if err == nil {
			err = resp.Body.Close()
		}
		p.late <- err
	}()
	if !p.behind {
		<-p.arrived
	}
	return &http.Response{StatusCode: p.status, Header: http.Header{"Retry-After": {"0"}}, Body: http.NoBody, Request: req}, nil
}

// A circuit breaker or a limit of time, as middleware or as a transport, may answer in
// the place of the service while the request is on its way. Such a refusal says nothing of
// what becomes of the request.
func TestRefusal_thatIsMadeUp_doesNotRepeatWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 404, 409, 429, 503} {
		for _, where := range []string{"transport", "middleware"} {
			for _, behind := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d by %s, behind it: %v", status, where, behind), func(t *testing.T) {
					t.Parallel()
					p := &refusing{status: status, behind: behind, arrived: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
					var applied atomic.Int32
					server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						if applied.Add(1) == 1 && !behind {
							close(p.arrived)
							<-p.release
						}
						_, _ = io.WriteString(w, `{}`)
					}))
					defer server.Close()
					network := &http.Transport{}
					defer network.CloseIdleConnections()
					opts := []revv.Option{revv.WithBaseURL(server.URL)}
					if where == "transport" {
						p.next = network
						opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: p}))
					} else {
						opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: network}), revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
							p.next = next
							return p
						}))
					}
					client, err := revv.NewClient(&passes{left: []string{"old", "new"}}, opts...)
					require.NoError(t, err)
					err = client.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: "ada@example.com"}}})
					close(p.release)
					late := <-p.late
					if behind {
						// It is told as it is, and repeated where such a refusal is: what was refused goes nowhere.
						require.Error(t, late)
						assert.False(t, revv.MaybeApplied(err), err)
						assert.LessOrEqual(t, applied.Load(), int32(1))
						return
					}
					require.NoError(t, late)
					require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
					assert.EqualValues(t, 1, applied.Load())
				})
			}
		}
	}
}

// dumping has a request written out, as recorders and loggers do, before it passes it on.
func dumping(next http.RoundTripper) http.RoundTripper {
	return tripper(func(req *http.Request) (*http.Response, error) {
		if _, err := httputil.DumpRequestOut(req, true); err != nil {
			return nil, err
		}
		return next.RoundTrip(req)
	})
}

// That writes to a connection that does not exist, and says so to whoever traces the
// request. It must not be taken for the request itself.
func TestRequestThatIsDumped_isNotTakenForSent(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"transport", "middleware"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			network := &http.Transport{}
			t.Cleanup(network.CloseIdleConnections)
			through := func(base string) *revv.Client {
				opts := []revv.Option{revv.WithBaseURL(base)}
				if where == "transport" {
					opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: dumping(network)}))
				} else {
					opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: network}), revv.WithMiddleware(dumping))
				}
				client, err := revv.NewClient(revv.StaticToken(anyToken), append(opts, revv.WithRetry(revv.RetryPolicy{BaseDelay: 1, MaxDelay: 1}))...)
				require.NoError(t, err)
				return client
			}
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if requests.Add(1) == 1 {
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				w.WriteHeader(http.StatusNotFound)
			}))
			defer server.Close()
			_, err := through(server.URL).Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 1, Title: "NDA"})
			require.ErrorIs(t, err, revv.ErrNotFound)
			assert.False(t, revv.MaybeApplied(err))
			assert.EqualValues(t, 2, requests.Load(), "the 429 is repeated")

			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, listener.Close())
			_, err = through("http://"+listener.Addr().String()).Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 1, Title: "NDA"})
			require.ErrorIs(t, err, revv.ErrUnreachable)
			assert.False(t, revv.MaybeApplied(err))
			assert.Equal(t, 3, failure(t, err).Attempts)
		})
	}
}

// The error of middleware behind an answer is not how the request has ended, whatever it
// looks like.
func TestMiddleware_failsToDialBehindAnAnswer_leavesDoubt(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{}`) // a transport that traces nothing
	audit := revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
			return nil, &net.OpError{Op: "dial", Err: errWire}
		})
	})
	err := s.client(t, audit).Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: "ada@example.com"}}})
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Len(t, s.Sent(), 1)
}

// Of a transport that traces nothing it is not known what becomes of a request that it
// still has.
func TestRefusal_whileATransportThatTracesNothingHasTheRequest_leavesDoubt(t *testing.T) {
	t.Parallel()
	p := &refusing{status: http.StatusTooManyRequests, arrived: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
	s := &service{answer: func(*http.Request) (*http.Response, error) {
		close(p.arrived)
		<-p.release
		return reply(http.StatusOK, `{}`), nil
	}}
	client := s.client(t, revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		p.next = next
		return p
	}))
	err := client.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: "ada@example.com"}}})
	close(p.release)
	require.NoError(t, <-p.late)
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Len(t, s.Sent(), 1)
}

// That a request was written out must not make a cut look like one that was never sent.
func TestRequestThatIsDumped_thenCutByATransportThatTracesNothing_isInDoubt(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }}
	err := s.client(t, revv.WithMiddleware(dumping)).Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: "ada@example.com"}}})
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Len(t, s.Sent(), 1)
}

// A code that is on its way must not be posted again.
func TestRefusalOfAForm_thatIsMadeUp_leavesDoubt(t *testing.T) {
	t.Parallel()
	p := &refusing{status: http.StatusTooManyRequests, arrived: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
	var posted atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if posted.Add(1) == 1 {
			close(p.arrived)
			<-p.release
		}
		_, _ = io.WriteString(w, `{"access_token":"access-2","refresh_token":"refresh-2"}`)
	}))
	defer server.Close()
	network := &http.Transport{}
	defer network.CloseIdleConnections()
	p.next = network
	config := revv.OAuthConfig{ClientID: "id", ClientSecret: "a-secret", Endpoint: revv.Endpoint(server.URL), HTTPClient: &http.Client{Transport: p}}
	_, err := config.Exchange(t.Context(), "a-code", "")
	close(p.release)
	require.NoError(t, <-p.late)
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.EqualValues(t, 1, posted.Load())
}
