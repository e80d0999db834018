package revv_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// matrixRow is a fault with what must follow from it, for each class of calls.
type matrixRow struct {
	id, fault string
	// acts is what the service does to the requests of an operation; nil means
	// that it is in order.
	acts func(op operationCase) func(n int) act
	// dialled is what becomes of connections, see rawService; nil means nothing.
	dialled func(ctx context.Context, n int) (net.Conn, error)
	// secure is how the service speaks TLS; nil means that it does not.
	secure func() *tls.Config
	// network stands between the client and the transport; nil means nothing does.
	network func(http.RoundTripper) http.RoundTripper
	// around is the middleware for one operation; nil means none.
	around func(op operationCase) revv.Middleware
	// near marks a neighbour of the rows of the matrix: it is driven with a few
	// operations of each class, the rows themselves with all.
	near bool
	// only picks the operations that the row is about; nil means all of the
	// classes in want.
	only func(op operationCase) bool
	// tokens are handed out one after the other when the service rejects one.
	tokens []string
	opts   []revv.Option
	call   []revv.CallOption
	// deadline bounds the call, cancelled ends it; 0 does not.
	deadline, cancelled time.Duration
	want                map[class]verdict
	// atLeast and atMost are how long the call takes, in the time of the bubble.
	// Both 0 means that it is of no interest.
	atLeast, atMost time.Duration
	// more checks what only this row is about.
	more func(t *testing.T, got outcome)
}

// verdict is what must be seen of a call.
type verdict struct {
	requests int     // that the service has read
	is       []error // what the error must be; none means that the call succeeds
	not      []error // what it must not be
}

// outcome is what was seen of a call.
type outcome struct {
	op       operationCase
	err      error
	requests []seenRequest
	dials    []string
	took     time.Duration
	response revv.Response
	rejected int
}

// good is a call that succeeds after so many requests.
func good(requests int) verdict { return verdict{requests: requests} }

// bad is a call that fails after so many requests.
func bad(requests int, is ...error) verdict { return verdict{requests: requests, is: is} }

// but adds what the error must not be.
func (v verdict) but(not ...error) verdict {
	v.not = append(append([]error{}, v.not...), not...)
	return v
}

// anyClass is the same for all classes.
func anyClass(v verdict) map[class]verdict {
	return map[class]verdict{reads: v, idempotent: v, consequences: v}
}

// repeatable is one thing for calls that can be repeated, another for the others.
func repeatable(v, others verdict) map[class]verdict {
	return map[class]verdict{reads: v, idempotent: v, consequences: others}
}

// writes is one thing for reads, another for everything else.
func writes(read, write verdict) map[class]verdict {
	return map[class]verdict{reads: read, idempotent: write, consequences: write}
}

const conformanceToken = "tok-4f9c2b71d8e6"

// unknown is what a call with consequences ends with when it may have been applied.
func unknown(is ...error) verdict {
	return bad(1, append(is, revv.ErrOutcomeUnknown)...).but(revv.ErrAppliedResponseUnreadable)
}

// applied is what a write ends with when its success cannot be read.
func applied(is ...error) verdict {
	return bad(1, append(is, revv.ErrAppliedResponseUnreadable)...).but(revv.ErrOutcomeUnknown)
}

// tally counts the cases of the matrix.
type tally struct{ cases, passed atomic.Int64 }

func (c *tally) report(t *testing.T, what string) {
	t.Helper()
	t.Cleanup(func() { fmt.Printf("%s: %d cases, %d passed\n", what, c.cases.Load(), c.passed.Load()) })
}

// TestConformance drives every row of the fault matrix, and the rows between
// them, with every operation that the row is about.
func TestConformance(t *testing.T) {
	var count tally
	count.report(t, "conformance")
	ops := everyOperation(anyArguments(t.TempDir()))
	few := aFew(ops)
	for _, rows := range [][]matrixRow{
		statusRows(), waitRows(), policyRows(), tokenRows(), cutRows(), deleteRows(), dialRows(), bodyRows(), bombRows(), redirectRows(),
		deadlineRows(), transportRows(), middlewareRows(),
	} {
		for _, row := range rows {
			t.Run(row.id+" "+row.fault, func(t *testing.T) {
				t.Parallel()
				ops := ops
				if row.near || testing.Short() {
					ops = few
				}
				for _, op := range ops {
					want, ok := row.want[op.class]
					if !ok || row.only != nil && !row.only(op) {
						continue
					}
					count.cases.Add(1)
					if t.Run(op.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { row.run(t, op, want) }) }) {
						count.passed.Add(1)
					}
				}
			})
		}
	}
}

// run makes one call in a bubble and checks it.
func (row matrixRow) run(t *testing.T, op operationCase, want verdict) {
	t.Helper()
	acts := row.acts
	if acts == nil {
		acts = healthy
	}
	service := &rawService{act: acts(op), dialled: row.dialled}
	transport := service.transport()
	base := "http://localhost"
	if row.secure != nil {
		service.tls, transport.TLSClientConfig = row.secure(), trust()
		base = "https://" + apiName
	}
	tokens := row.tokens
	if tokens == nil {
		tokens = []string{conformanceToken}
	}
	auth := &passes{left: tokens}
	client, err := revv.NewClient(auth, row.options(op, base, transport)...)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if row.deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, row.deadline)
		defer cancel()
	}
	if row.cancelled > 0 {
		defer time.AfterFunc(row.cancelled, cancel).Stop()
	}
	got := outcome{op: op}
	began := time.Now()
	got.err = op.call(ctx, client, append([]revv.CallOption{revv.CaptureResponse(&got.response)}, row.call...)...)
	got.took = time.Since(began)
	transport.CloseIdleConnections()
	sleepVirtually(time.Minute) // a service that was about to send finds the connection closed
	synctest.Wait()
	got.requests, got.dials, got.rejected = service.requests(), service.addresses(), auth.rejections()
	want.check(t, got)
	assert.GreaterOrEqual(t, got.took, row.atLeast)
	if row.atLeast > 0 || row.atMost > 0 {
		assert.LessOrEqual(t, got.took, row.atMost)
	}
	if row.more != nil {
		row.more(t, got)
	}
}

// options are those of the client.
func (row matrixRow) options(op operationCase, base string, transport http.RoundTripper) []revv.Option {
	if row.network != nil {
		transport = row.network(transport)
	}
	opts := []revv.Option{revv.WithBaseURL(base), revv.WithHTTPClient(&http.Client{Transport: transport})}
	if row.around != nil {
		opts = append(opts, revv.WithMiddleware(row.around(op)))
	}
	return append(opts, row.opts...)
}

// check compares what was seen with the verdict, and with what holds for every call.
func (v verdict) check(t *testing.T, got outcome) {
	t.Helper()
	assert.Len(t, got.requests, v.requests, "requests that the service has read")
	checkRequests(t, got)
	if len(v.is) == 0 {
		require.NoError(t, got.err)
		return
	}
	for _, is := range v.is {
		if !errors.Is(is, errTyped) {
			require.ErrorIs(t, got.err, is)
		}
	}
	for _, not := range v.not {
		require.NotErrorIs(t, got.err, not)
	}
	checkFailure(t, got)
}

// checkRequests: the attempts of a call are equal to the last byte, carry their
// credentials once, and nothing that makes net/http repeat a POST.
func checkRequests(t *testing.T, got outcome) {
	t.Helper()
	for _, r := range got.requests {
		assert.Equal(t, got.op.method, r.method)
		assert.Equal(t, got.requests[0].uri, r.uri)
		assert.Equal(t, got.requests[0].body, r.body)
		assert.Len(t, r.header["Accesstoken"], 1)
		assert.NotContains(t, r.header, "Authorization")
		assert.NotContains(t, r.header, "Idempotency-Key")
		assert.NotContains(t, r.header, "X-Idempotency-Key")
		assert.NotContains(t, r.header, "Referer")
		assert.NotContains(t, r.header, "Cookie")
	}
}

// checkFailure: an error is typed, names its operation, is short, and shows
// neither the token nor line breaks.
func checkFailure(t *testing.T, got outcome) {
	t.Helper()
	var typed *revv.Error
	require.ErrorAs(t, got.err, &typed)
	assert.Equal(t, got.op.op, typed.Op)
	text := got.err.Error()
	assert.Less(t, len(text), 2048)
	assert.NotContains(t, text, conformanceToken)
	assert.NotContains(t, text, "\n")
	assert.LessOrEqual(t, len(typed.Message), 256)
	assert.GreaterOrEqual(t, typed.Attempts, len(got.requests))
	if got.op.class != consequences {
		assert.NotErrorIs(t, got.err, revv.ErrOutcomeUnknown)
	}
	if got.op.class == reads {
		assert.NotErrorIs(t, got.err, revv.ErrAppliedResponseUnreadable)
	}
	if errors.Is(got.err, revv.ErrOutcomeUnknown) {
		assert.Contains(t, text, "may have been applied")
	}
	if errors.Is(got.err, revv.ErrInterrupted) {
		assert.False(t, revv.MaybeApplied(got.err) && got.op.class == consequences)
		assert.NotErrorIs(t, got.err, revv.ErrUnreachable)
	}
	if own := strings.Contains(text, "the middleware says no") || strings.Contains(text, "answers nothing"); typed.StatusCode == 0 && !own {
		// Nobody has to guess what the text of net/http means.
		assert.True(t, isAnyOf(got.err, append(otherKinds(nil), revv.ErrUnreachable, revv.ErrInterrupted)...), "%v has no kind", got.err)
	}
}

func isAnyOf(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// is reports whether an operation has one of the names.
func is(names ...string) func(operationCase) bool {
	return func(op operationCase) bool {
		for _, name := range names {
			if op.name == name || strings.HasPrefix(op.name, name+".") {
				return true
			}
		}
		return false
	}
}

// isJSON picks the operations that read JSON.
func isJSON(op operationCase) bool { return !op.pdf }

// needsAnswer picks the operations that cannot do without an answer.
func needsAnswer(op operationCase) bool { return !op.pdf && !op.bare }

// isBare picks the operations that need nothing of the answer.
func isBare(op operationCase) bool { return op.bare }
