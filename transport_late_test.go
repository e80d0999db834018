package revv_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
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

// A body that middleware has replaced, or that is empty, is not made by the client. It
// is held back as well, and reading it says nothing of a connection.
func TestLateConnection_bodyOfSomebodyElse_isHeldBack(t *testing.T) {
	t.Parallel()
	other := func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			r.Body = io.NopCloser(io.LimitReader(strings.NewReader(`{"of":"middleware"}`), r.ContentLength))
			return next.RoundTrip(r)
		})
	}
	for name, in := range map[string]any{"replaced": map[string]string{"to": "be replaced"}, "empty": nil} {
		tries := 0
		var late io.Reader
		network := tripper(func(r *http.Request) (*http.Response, error) {
			tries++
			if tries == 1 {
				late = r.Body
				_, err := r.Body.Read(make([]byte, 1))
				if err != nil && err != io.EOF {
					t.Error(err)
				}
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errImpatient}
			}
			return reply(http.StatusOK, "{}"), nil
		})
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(apiBase), hurried(),
			revv.WithHTTPClient(&http.Client{Transport: network}), revv.WithMiddleware(other))
		require.NoError(t, err)
		require.NoError(t, client.Do(t.Context(), http.MethodPost, "/x", in, nil), name)
		assert.Equal(t, 2, tries, name)
		_, err = late.Read(make([]byte, 1))
		require.ErrorContains(t, err, "the attempt is over", name)
	}
}
