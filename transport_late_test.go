package revv_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// impatient runs requests in goroutines and gives the first of them up: as soon as
// its connection is being made, or, for one that does not come so far, before it is
// passed on. It does not end what it has given up.
type impatient struct {
	next   http.RoundTripper
	before bool // it gives up before it passes the request on

	calls   atomic.Int32
	dialing chan struct{} // closed when the first connection is asked for
	release chan struct{}
	late    chan error // how the request that was given up has ended
}

var errImpatient = errors.New("no patience left")

func (p *impatient) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.calls.Add(1) > 1 {
		return p.next.RoundTrip(req)
	}
	req = req.WithContext(context.WithoutCancel(req.Context()))
	go func() {
		if p.before {
			<-p.release
		}
		resp, err := p.next.RoundTrip(req)
		if err == nil {
			err = resp.Body.Close()
		}
		p.late <- err
	}()
	if !p.before {
		<-p.dialing
	}
	return nil, errImpatient
}

// A transport, or middleware, may lose its patience with a request that is still
// being connected. It counts as unsent, and is repeated; so it must not be sent when
// the connection is there in the end.
func TestLateConnection_ofARequestThatWasRepeated_isNotUsed(t *testing.T) {
	t.Parallel()
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		if op.class != consequences {
			continue
		}
		for where, before := range map[string]bool{"transport": false, "middleware": false, "middleware, before": true} {
			t.Run(op.name+", "+where, func(t *testing.T) {
				t.Parallel()
				service, base := onSockets(t, func(int) act { return op.answered() })
				p := &impatient{before: before, dialing: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
				var dials atomic.Int32
				network := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					if dials.Add(1) == 1 && !before {
						close(p.dialing)
						<-p.release
					}
					return new(net.Dialer).DialContext(ctx, network, address)
				}}
				defer network.CloseIdleConnections()
				opts := []revv.Option{revv.WithBaseURL(base), revv.WithRetry(revv.RetryPolicy{BaseDelay: time.Millisecond})}
				if where == "transport" {
					p.next = network
					opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: p}))
				} else {
					opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: network}), revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
						p.next = next
						return p
					}))
				}
				client, err := revv.NewClient(revv.StaticToken(conformanceToken), opts...)
				require.NoError(t, err)
				err = op.call(t.Context(), client)
				close(p.release)
				require.Error(t, <-p.late)
				if before {
					require.ErrorIs(t, err, errImpatient)
					require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
					assert.Empty(t, service.requests())
					return
				}
				require.NoError(t, err)
				assert.Len(t, service.requests(), 1)
			})
		}
	}
}

// gated is a transport that runs one request in a goroutine, when it is told to, and
// gives it up while a connection is being looked for. The request goes on, and finds one.
type gated struct {
	next    http.RoundTripper
	reused  bool // the connection is found at once, and is not handed over
	started atomic.Bool

	once    sync.Once
	looking chan struct{} // closed when a connection is being looked for
	release chan struct{}
	late    chan error
}

func (g *gated) RoundTrip(req *http.Request) (*http.Response, error) {
	if !g.started.CompareAndSwap(true, false) {
		return g.next.RoundTrip(req)
	}
	ctx := context.WithoutCancel(req.Context())
	if g.reused { // the hook that was added last is asked first
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			g.once.Do(func() { close(g.looking) }) // net/http can look for another one
			<-g.release
		}})
	}
	go func() {
		resp, err := g.next.RoundTrip(req.WithContext(ctx))
		if err == nil {
			err = resp.Body.Close()
		}
		g.late <- err
	}()
	<-g.looking
	return nil, errImpatient
}

// The same over HTTP/2, where headers can go without a body, and where the connection
// may be one that is there and serves others; with a body that middleware has replaced,
// and with none.
func TestLateConnection_overHTTP2_isNotUsed(t *testing.T) {
	t.Parallel()
	replace := revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				r.Body = io.NopCloser(io.LimitReader(r.Body, r.ContentLength))
			}
			return next.RoundTrip(r)
		})
	})
	bodyless := operationCase{name: "Do without a body", class: consequences, answer: "{}", call: func(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error {
		return c.Do(ctx, http.MethodPost, "/x", nil, nil, opts...)
	}}
	for _, op := range append(everyOperation(anyArguments(t.TempDir())), bodyless) {
		if op.class != consequences {
			continue
		}
		for _, reused := range []bool{false, true} {
			for of, opts := range map[string][]revv.Option{"the client": nil, "middleware": {replace}} {
				t.Run(fmt.Sprintf("%s, reused %v, body of %s", op.name, reused, of), func(t *testing.T) {
					t.Parallel()
					var writes atomic.Int32
					server := newTLSServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.Method != http.MethodGet {
							writes.Add(1)
							assert.Equal(t, 2, r.ProtoMajor)
						}
						w.Header().Set("Content-Type", "application/json")
						_, _ = io.WriteString(w, op.answer)
					}))
					g := &gated{reused: reused, looking: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
					network := &http.Transport{TLSClientConfig: trusting(t, server), ForceAttemptHTTP2: true}
					defer network.CloseIdleConnections()
					if !reused {
						var dials atomic.Int32
						network.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
							if dials.Add(1) == 1 {
								close(g.looking)
								<-g.release
							}
							return new(net.Dialer).DialContext(ctx, network, address)
						}
					}
					g.next = network
					client, err := revv.NewClient(revv.StaticToken(conformanceToken), append(opts, revv.WithBaseURL(server.URL), hurried(),
						revv.WithHTTPClient(&http.Client{Transport: g}))...)
					require.NoError(t, err)
					if reused { // a read brings the connection
						require.NoError(t, client.Do(t.Context(), http.MethodGet, "/x", nil, nil))
					}
					g.started.Store(true)
					err = op.call(t.Context(), client)
					close(g.release)
					require.Error(t, <-g.late)
					assert.LessOrEqual(t, writes.Load(), int32(1), "what was judged unsent came all the same")
					if err == nil {
						assert.EqualValues(t, 1, writes.Load())
						return
					}
					// net/http lets requests to one host wait for one connection. The
					// repeated one may have found the one that was then closed.
					require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
				})
			}
		}
	}
}

// trusting returns settings that trust a server of a test.
func trusting(t *testing.T, server *httptest.Server) *tls.Config {
	t.Helper()
	transport, ok := server.Client().Transport.(*http.Transport)
	require.True(t, ok)
	return transport.TLSClientConfig.Clone()
}
