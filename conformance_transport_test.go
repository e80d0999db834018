package revv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv"
)

// redirectRows: an API call never follows.
func redirectRows() []matrixRow {
	var rows []matrixRow
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308, 399} {
		for name, location := range map[string]string{
			"to another host": "https://other.example.com/steal", "to http": "http://other.example.com/", "to a file": "file:///etc/passwd",
			"to itself": "/api/docs/14", "to nowhere": "", "to garbage": "http://[::1:", "with the token": "https://other.example.com/?t=" + conformanceToken,
			"to a script": "javascript:alert(1)",
		} {
			rows = append(rows, matrixRow{
				id: "R27 W15", fault: fmt.Sprintf("%d %s", status, name), near: status != 302 && (status != 307 || name != "to another host"), only: isJSON, acts: everyTime(replying(status, "", "Location: "+location)),
				want: anyClass(bad(1, revv.ErrRedirected).but(revv.ErrOutcomeUnknown, revv.ErrAppliedResponseUnreadable)), more: func(t *testing.T, got outcome) {
					assert.Equal(t, []string{"localhost:80"}, got.dials, "nothing else was connected to")
					assert.NotContains(t, got.err.Error(), "other.example.com")
					assert.Empty(t, got.response.Header.Get("Location"))
				},
			})
		}
	}
	return rows
}

// deaf hides the values of a context, and so the trace of net/http.
type deaf struct{ context.Context }

func (deaf) Value(any) any { return nil }

// untraced is a transport that does not report its connections.
func untraced(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) { return next.RoundTrip(r.WithContext(deaf{r.Context()})) })
}

// stumbling fails the first request without sending it.
func stumbling(err error) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		stumbled := false
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if stumbled {
				return next.RoundTrip(r)
			}
			stumbled = true
			if r.Body != nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
			return nil, err
		})
	}
}

// transportRows: transports of the caller. What cannot be proved unsent counts
// as sent.
func transportRows() []matrixRow {
	lost := bad(0, revv.ErrOutcomeUnknown).but(revv.ErrAppliedResponseUnreadable)
	readReset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	wrapped := &url.Error{Op: "Post", URL: "http://localhost/?secret=sentinel-in-url", Err: errRefused()}
	rows := []matrixRow{
		{id: "W03", fault: "untraced transport", network: untraced, want: anyClass(good(1))},
		{id: "W03", fault: "untraced transport, refused once", network: untraced, dialled: undialled(1, errRefused()), want: anyClass(good(1))},
		{id: "W03", fault: "untraced transport, no name server once", network: untraced, dialled: undialled(1, errNoNameServer()), want: anyClass(good(1))},
		{id: "R26", fault: "untraced transport, no such name", network: untraced, dialled: undialled(forEver, errNoSuchName()), want: anyClass(bad(0, errTyped).but(revv.ErrOutcomeUnknown)), more: dials(1)},
		{id: "W01", fault: "untraced transport, cut", network: untraced, acts: firstTimes(1, ending("")), want: repeatable(good(2), unknown())},
		{id: "W03", fault: "transport fails while it dials", network: stumbling(errRefused()), want: anyClass(good(1))},
		{id: "W03", fault: "transport fails while it looks up the name", network: stumbling(errNoNameServer()), want: anyClass(good(1))},
		{id: "W03", fault: "transport wraps the failure of its dialler", network: stumbling(fmt.Errorf("attempt 1: %w", errRefused())), want: anyClass(good(1))},
		{id: "W03 S02", fault: "transport wraps the failure of a client", network: stumbling(wrapped), want: anyClass(good(1))},
		{id: "W01", fault: "transport fails for a reason of its own", network: stumbling(errors.New("boom")), want: repeatable(good(1), lost)},
		{id: "W01", fault: "transport fails while it reads", network: stumbling(readReset), want: repeatable(good(1), lost)},
		{id: "W01", fault: "transport says that nothing was sent, without proof", network: stumbling(fmt.Errorf("nothing sent: %w", io.ErrUnexpectedEOF)), want: repeatable(good(1), lost)},
		{id: "W01", fault: "transport without an answer and without an error", network: stumbling(nil), want: repeatable(good(1), lost)},
		{id: "W04", fault: "transport times out", network: stumbling(context.DeadlineExceeded), want: repeatable(good(1), bad(0, revv.ErrOutcomeUnknown, context.DeadlineExceeded))},
		{
			id: "S02", fault: "errors show no URL", network: func(http.RoundTripper) http.RoundTripper {
				return roundTripper(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("pool: %w", wrapped) })
			},
			want: anyClass(bad(0, syscall.ECONNREFUSED).but(revv.ErrOutcomeUnknown)), more: func(t *testing.T, got outcome) { assert.NotContains(t, got.err.Error(), "sentinel") },
		},
		{
			id: "W01", fault: "an answer together with an error", want: repeatable(bad(3, errTyped), unknown()), network: func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					return resp, errors.Join(err, errors.New("and yet"))
				})
			},
		},
		{
			id: "R04", fault: "a whole client as the transport", acts: firstTimes(1, failing(429, "Retry-After: 1")), want: anyClass(good(2)),
			network: func(next http.RoundTripper) http.RoundTripper {
				client := &http.Client{Transport: next}
				return roundTripper(func(r *http.Request) (*http.Response, error) { return client.Do(r) })
			},
		},
		{
			id: "W01", fault: "a whole client as the transport, cut", acts: firstTimes(1, ending("")), want: repeatable(good(2), unknown()),
			network: func(next http.RoundTripper) http.RoundTripper {
				client := &http.Client{Transport: next}
				return roundTripper(func(r *http.Request) (*http.Response, error) { return client.Do(r) })
			},
		},
		{
			id: "W02", fault: "a transport that tries again by itself, and is refused then", network: repeating, acts: everyTime(ending("")),
			dialled: func(_ context.Context, n int) (net.Conn, error) {
				if n == 1 {
					return nil, nil
				}
				return nil, errRefused()
			},
			want: map[class]verdict{consequences: unknown()},
		},
	}
	return rows
}

// repeating is a transport that repeats whatever failed, once.
func repeating(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			return resp, nil
		}
		if r.GetBody != nil {
			r.Body, _ = r.GetBody()
		}
		return next.RoundTrip(r)
	})
}

var errMiddleware = errors.New("the middleware says no")

// middlewareRows: what stands between the pipeline and the network.
func middlewareRows() []matrixRow {
	wrap := func(f func(next http.RoundTripper, r *http.Request) (*http.Response, error)) func(operationCase) revv.Middleware {
		return func(operationCase) revv.Middleware {
			return func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) { return f(next, r) })
			}
		}
	}
	answer := func(op operationCase) *http.Response {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-any"}}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(op.answer)),
		}
	}
	headers := func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "Authorization", "Cookie", "AccessToken"} {
			r.Header.Set(name, "from middleware")
			r.Header[strings.ToLower(name)] = []string{"from middleware"}
		}
		return next.RoundTrip(r)
	}
	return []matrixRow{
		{
			id: "W13", fault: "middleware sets credentials and keys", around: wrap(headers), acts: firstTimes(1, failing(429, "Retry-After: 1")), want: anyClass(good(2)),
		},
		{
			id: "W13", fault: "middleware sets keys, and the answer is lost", around: wrap(headers), acts: firstTimes(1, ending("")), want: repeatable(good(2), unknown()),
		},
		{
			id: "W03", fault: "middleware answers by itself", want: anyClass(good(0)), around: func(op operationCase) revv.Middleware {
				return func(http.RoundTripper) http.RoundTripper {
					return roundTripper(func(*http.Request) (*http.Response, error) { return answer(op), nil })
				}
			},
		},
		{
			id: "W03", fault: "middleware refuses", want: anyClass(bad(0, errMiddleware).but(revv.ErrOutcomeUnknown)), atMost: 1,
			around: wrap(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, errMiddleware }), more: dials(0),
		},
		{
			id: "W01", fault: "middleware fails after the network", want: repeatable(bad(3, errMiddleware), unknown(errMiddleware)),
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil {
					_ = resp.Body.Close()
				}
				return nil, errMiddleware
			}),
		},
		{
			id: "W03", fault: "middleware hides that the dialler failed", dialled: undialled(1, errRefused()), want: anyClass(good(1)),
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err != nil {
					return nil, errMiddleware
				}
				return resp, nil
			}),
		},
		{
			id: "S05", fault: "middleware loses the context", want: anyClass(bad(0, revv.ErrInvalidArgument).but(revv.ErrOutcomeUnknown)), more: dials(0),
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				return next.RoundTrip(r.WithContext(context.Background()))
			}),
		},
		{
			id: "R27", fault: "middleware turns to another host", want: anyClass(bad(0, revv.ErrInvalidArgument).but(revv.ErrOutcomeUnknown)), more: dials(0),
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				r.URL.Host = "other.example.com"
				return next.RoundTrip(r)
			}),
		},
		{
			id: "R27", fault: "middleware makes the URL opaque", want: anyClass(bad(0, revv.ErrInvalidArgument).but(revv.ErrOutcomeUnknown)), more: dials(0),
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				r.URL.Opaque = "//other.example.com/x"
				return next.RoundTrip(r)
			}),
		},
		{
			id: "R27", fault: "middleware writes another host into the request", want: anyClass(good(1)), more: func(t *testing.T, got outcome) { assert.Equal(t, "localhost", got.requests[0].host) },
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				r.Host = "other.example.com"
				return next.RoundTrip(r)
			}),
		},
		{
			id: "W07", fault: "middleware changes headers in place", acts: firstTimes(1, failing(429, "Retry-After: 1")), want: anyClass(good(2)),
			around: wrap(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				r.Header["User-Agent"][0] += " x"
				r.URL.Path += "/deeper"
				return next.RoundTrip(r)
			}),
			more: func(t *testing.T, got outcome) {
				assert.Equal(t, 1, strings.Count(got.requests[1].header.Get("User-Agent"), " x"))
				assert.Equal(t, 1, strings.Count(got.requests[1].uri, "/deeper"))
			},
		},
	}
}
