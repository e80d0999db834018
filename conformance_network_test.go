package revv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv"
)

// cutRows: the connection fails after the request has been read.
func cutRows() []matrixRow {
	var rows []matrixRow
	for i, cut := range []struct {
		id, name string
		act      act
	}{
		{"R02 W01", "connection closed in the place of an answer", ending("")},
		{"R02 W01", "connection reset in the place of an answer", resetting("")},
		{"R02 W01", "half a status line", ending("HTTP/1.")},
		{"R02 W01", "a status line without headers", ending("HTTP/1.1 200 OK\r\n")},
		{"R02 W01", "reset in the middle of the headers", resetting("HTTP/1.1 200 OK\r\nContent-Type: appli")},
		{"R02 W01", "another protocol answers", ending("SSH-2.0-OpenSSH_9.9\r\n")},
		{"R02 W01", "zeros", ending(strings.Repeat("\x00", 512))},
		{"R02 W01", "a status that is no number", ending("HTTP/1.1 abc OK\r\n\r\n")},
		{"R02 W01", "HTTP/0.9", ending("<html>hello</html>")},
		{"R02 W01", "a header without a colon", ending("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n")},
		{"R02 W01", "two lengths that differ", replying(200, "{}", "Content-Length: 2", "Content-Length: 20")},
		{"R02 W01", "a negative length", replying(200, "{}", "Content-Length: -2")},
		{"R02 W01", "a length that is no number", replying(200, "{}", "Content-Length: 2, 3")},
		{"R02 W01", "a coding that does not exist", replying(200, "{}", "Transfer-Encoding: zip")},
		{"R02 W01", "informational answers without end", func(x *exchanged) bool {
			for range 5000 {
				if _, err := io.WriteString(x.conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
					break
				}
			}
			return false
		}},
		{"R28", "headers of 128 KiB", replying(200, "{}", "X-Filler: "+strings.Repeat("x", 128<<10))},
		{"R28", "ten thousand headers", replying(200, "{}", strings.TrimSuffix(strings.Repeat("X-A: 1234567\r\n", 10000), "\r\n"))},
	} {
		rows = append(rows, matrixRow{
			id: cut.id, fault: cut.name, near: i > 1, acts: firstTimes(1, cut.act), want: repeatable(good(2), unknown()), atMost: 200 * time.Millisecond,
		}, matrixRow{
			id: cut.id, fault: cut.name + ", for ever", near: true, acts: everyTime(cut.act), want: repeatable(bad(3, errTyped), unknown()), more: attempts,
		})
	}
	for i, slow := range []struct {
		id, name string
		act      act
	}{
		{"R24 W04", "no answer", stuck("")},
		{"R24 W04", "no answer after the status line", stuck("HTTP/1.1 200 OK\r\n")},
		{"R24 W04", "headers byte by byte", dripping("", headed(2)+"{}", 10*time.Second)},
		{"R24 W04", "informational answers, then nothing", stuck("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")},
	} {
		rows = append(rows, matrixRow{
			id: slow.id, fault: slow.name, near: i > 0, acts: firstTimes(1, slow.act), want: repeatable(good(2), unknown(context.DeadlineExceeded)), atMost: 61 * time.Second,
		}, matrixRow{
			id: slow.id, fault: slow.name + ", and an attempt timeout", near: true, acts: everyTime(slow.act), only: isJSON,
			call: []revv.CallOption{revv.WithAttemptTimeout(3 * time.Second)}, atLeast: 3 * time.Second, atMost: 10 * time.Second,
			want: repeatable(bad(3, context.DeadlineExceeded), unknown(context.DeadlineExceeded)), more: attempts,
		})
	}
	for _, status := range []string{"000", "099"} { // net/http takes 100 and 102 to 199 for a sign that more will come
		rows = append(rows, matrixRow{
			id: "R33", fault: "the status " + status, acts: everyTime(stuck("HTTP/1.1 " + status + " None\r\nContent-Length: 0\r\n\r\n")),
			want: repeatable(bad(1, errTyped).but(revv.ErrOutcomeUnknown), unknown()), atMost: 1,
		})
	}
	return append(rows, matrixRow{
		id: "R02", fault: "informational answers before the right one", want: anyClass(good(1)), acts: func(op operationCase) func(int) act {
			return everyTime(func(x *exchanged) bool {
				_, err := io.WriteString(x.conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
				return err == nil && op.answered()(x)
			})(op)
		},
	}, matrixRow{
		id: "R33", fault: "101 and a silent connection", acts: everyTime(stuck("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")),
		want: repeatable(bad(1, errTyped).but(revv.ErrOutcomeUnknown), unknown()), atMost: 1,
	})
}

// deleteRows: a DELETE that is repeated may find its own work.
func deleteRows() []matrixRow {
	deletes := func(op operationCase) bool { return op.method == "DELETE" }
	puts := func(op operationCase) bool { return op.method == "PUT" }
	then := func(faults ...act) func(op operationCase) func(int) act { return inTurn(faults...) }
	gone := failing(404)
	row := func(fault string, v verdict, acts ...act) matrixRow {
		return matrixRow{id: "R34", fault: fault, only: deletes, acts: then(acts...), want: map[class]verdict{idempotent: v}}
	}
	rows := []matrixRow{
		row("DELETE finds nothing", bad(1, revv.ErrNotFound), gone),
		row("DELETE finds nothing any more", bad(1, revv.ErrNotFound), failing(410)),
		row("DELETE cut, then 404", good(2), ending(""), gone),
		row("DELETE cut, then 410", good(2), ending(""), failing(410)),
		row("DELETE reset, then 404", good(2), resetting(""), gone),
		row("DELETE unanswered, then 404", good(2), stuck(""), gone),
		row("DELETE 502, then 404", good(2), failing(502), gone),
		row("DELETE 500, 500, then 404", good(3), failing(500), failing(500), gone),
		row("DELETE cut, 429, then 404", good(3), ending(""), failing(429, "Retry-After: 1"), gone),
		row("DELETE 429, then 404", bad(2, revv.ErrNotFound), failing(429, "Retry-After: 1"), gone),
		row("DELETE 503 with Retry-After, then 404", bad(2, revv.ErrNotFound), failing(503, "Retry-After: 1"), gone),
		row("DELETE cut, then 403", bad(2, revv.ErrForbidden), ending(""), failing(403)),
		row("DELETE cut, then 409", bad(2, revv.ErrConflict), ending(""), failing(409)),
		{
			id: "R34", fault: "PUT cut, then 404", only: puts, acts: then(ending(""), gone), want: map[class]verdict{idempotent: bad(2, revv.ErrNotFound)},
		},
		{
			id: "R34", fault: "GET cut, then 404", acts: then(ending(""), gone), want: map[class]verdict{reads: bad(2, revv.ErrNotFound)},
		},
	}
	for name, err := range map[string]error{"refused": errRefused(), "without a name server": errNoNameServer()} {
		rows = append(rows, matrixRow{
			id: "R34", fault: "DELETE " + name + ", then 404", only: deletes, acts: then(gone), dialled: undialled(1, err),
			want: map[class]verdict{idempotent: bad(1, revv.ErrNotFound)},
		})
	}
	return rows
}

// errRefused is what net returns where nobody listens.
func errRefused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// errNoNameServer is what net returns while no name server answers.
func errNoNameServer() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "api.example.com", IsTemporary: true}}
}

// errNoSuchName is what net returns for a name that does not exist.
func errNoSuchName() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true}}
}

// undialled fails the first n connections.
func undialled(n int, err error) func(context.Context, int) (net.Conn, error) {
	return func(_ context.Context, i int) (net.Conn, error) {
		if i <= n {
			return nil, err
		}
		return nil, nil
	}
}

// inHandshake makes connections of which the far end does something instead of TLS.
func inHandshake(n int, do func(server net.Conn)) func(context.Context, int) (net.Conn, error) {
	return func(_ context.Context, i int) (net.Conn, error) {
		if i > n {
			return nil, nil
		}
		client, server := newPipe()
		go func() {
			defer func() { _ = server.Close() }()
			do(server)
		}()
		return client, nil
	}
}

const forEver = 1 << 20

// dialRows: the request certainly never left, so that every call can be repeated.
func dialRows() []matrixRow {
	readSome := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }
	readAll := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	rows := []matrixRow{
		{id: "W03", fault: "handshake cut", secure: trusted, dialled: inHandshake(1, readSome), want: anyClass(good(1))},
		{id: "W03", fault: "handshake cut at once", secure: trusted, dialled: inHandshake(1, func(net.Conn) {}), want: anyClass(good(1))},
		{id: "W03", fault: "handshake without an answer", secure: trusted, dialled: inHandshake(1, readAll), want: anyClass(good(1)), atLeast: 10 * time.Second, atMost: 11 * time.Second},
		{id: "W03", fault: "no handshake, ever", secure: trusted, dialled: inHandshake(forEver, readSome), want: anyClass(bad(0, errTyped).but(revv.ErrOutcomeUnknown))},
		{id: "R32", fault: "nothing goes wrong over TLS", secure: trusted, want: anyClass(good(1))},
		{
			id: "W03", fault: "connections that never come", dialled: func(ctx context.Context, _ int) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}, only: isJSON, call: []revv.CallOption{revv.WithAttemptTimeout(2 * time.Second)},
			want: anyClass(bad(0, context.DeadlineExceeded).but(revv.ErrOutcomeUnknown)), more: dials(3),
		},
	}
	for name, err := range map[string]error{
		"refused": errRefused(), "a temporary failure of DNS": errNoNameServer(),
		"no route":                   &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		"dial timeout":               &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded},
		"DNS timeout":                &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "api.example.com", IsTimeout: true, IsTemporary: true}},
		"another error of a dialler": errors.New("proxy: authentication failed"),
	} {
		rows = append(rows,
			matrixRow{id: "W03 R26", fault: name + " once", dialled: undialled(1, err), want: anyClass(good(1)), atMost: 200 * time.Millisecond, more: dials(2)},
			matrixRow{
				id: "W03 R26", fault: name + " for ever", near: true, dialled: undialled(forEver, err), want: anyClass(bad(0, errTyped).but(revv.ErrOutcomeUnknown)), more: dials(3),
			},
		)
	}
	rows = append(rows, matrixRow{
		id: "R26", fault: "a name that does not exist", dialled: undialled(forEver, errNoSuchName()),
		want: anyClass(bad(0, errTyped).but(revv.ErrOutcomeUnknown)), atMost: 1, more: dials(1),
	})
	for name, server := range map[string]certified{
		"unknown": {name: apiName, stranger: true}, "expired": {name: apiName, past: true}, "not yet valid": {name: apiName, future: true},
		"for another host": {name: "elsewhere.example.com"}, "with TLS 1.1": {name: apiName, oldTLS: true}, "without a common cipher": {name: apiName, oldCiphers: true},
	} {
		rows = append(rows, matrixRow{
			id: "R25", fault: "a certificate " + name, secure: sync.OnceValue(server.config),
			want: anyClass(bad(0, revv.ErrUnreachable).but(revv.ErrOutcomeUnknown)), atMost: 1, more: dials(1),
		})
	}
	for name, greeting := range map[string]string{"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP", "SSH": "SSH-2.0-OpenSSH_9.9\r\n"} {
		rows = append(rows, matrixRow{
			id: "R25", fault: "plain " + name + " where TLS is due", secure: trusted,
			dialled: inHandshake(forEver, func(c net.Conn) {
				readSome(c)
				go readAll(c)
				_, _ = io.WriteString(c, greeting)
			}),
			want: anyClass(bad(0, revv.ErrUnreachable).but(revv.ErrOutcomeUnknown)), atMost: 1, more: dials(1),
		})
	}
	return rows
}

// dials checks how many connections were asked for.
func dials(n int) func(*testing.T, outcome) {
	return func(t *testing.T, got outcome) {
		t.Helper()
		assert.Len(t, got.dials, n, "connections that were asked for")
	}
}

// deadlineRows: the caller's context ends somewhere on the way.
func deadlineRows() []matrixRow {
	const soon = 5 * time.Second
	slowDial := func(ctx context.Context, _ int) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	document := func(spoil func(body string) act) func(operationCase) func(int) act { return spoilt(forEver, spoil) }
	var rows []matrixRow
	for _, end := range []struct {
		name string
		err  error
		set  func(*matrixRow)
	}{
		{"deadline", context.DeadlineExceeded, func(r *matrixRow) { r.deadline = soon }},
		{"cancellation", context.Canceled, func(r *matrixRow) { r.cancelled = soon }},
	} {
		for _, row := range []matrixRow{
			{fault: "while a connection is made", dialled: slowDial, want: anyClass(bad(0, end.err).but(revv.ErrOutcomeUnknown))},
			{
				fault: "during the handshake", secure: trusted, dialled: inHandshake(forEver, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }),
				want: anyClass(bad(0, end.err).but(revv.ErrOutcomeUnknown)),
			},
			{fault: "before the answer", acts: everyTime(stuck("")), want: repeatable(bad(1, end.err), unknown(end.err))},
			{fault: "in the headers", acts: everyTime(stuck("HTTP/1.1 200 OK\r\nX-")), want: repeatable(bad(1, end.err), unknown(end.err))},
			{
				fault: "in the body", only: isJSON, want: writes(bad(1, end.err), applied(end.err)), acts: document(func(body string) act {
					return stuck(headed(len(body)+9) + body)
				}),
			},
			{fault: "in the rate limiter", opts: []revv.Option{revv.WithRateLimiter(blockade{})}, want: anyClass(bad(0, end.err).but(revv.ErrOutcomeUnknown))},
		} {
			row.id, row.fault, row.atLeast, row.atMost = "R24 W04", end.name+" "+row.fault, soon, soon
			end.set(&row)
			rows = append(rows, row)
		}
	}
	rows = append(rows, laterAttemptRows(soon)...)
	return append(rows,
		matrixRow{
			id: "R04", fault: "cancellation while it waits as it was told", cancelled: soon, acts: everyTime(failing(429, "Retry-After: 30")),
			want: anyClass(bad(1, context.Canceled).but(revv.ErrOutcomeUnknown)), atLeast: soon, atMost: soon,
		},
		matrixRow{
			id: "R01", fault: "cancellation while it waits after a failure", cancelled: soon, acts: everyTime(failing(500, "Retry-After: 30")),
			want: map[class]verdict{reads: bad(1, context.Canceled, revv.ErrServer), idempotent: bad(1, context.Canceled, revv.ErrServer)}, atLeast: soon, atMost: soon,
		},
		matrixRow{
			id: "R07", fault: "429 that outlasts the deadline", deadline: soon, acts: everyTime(failing(429, "Retry-After: 30")), atMost: 1,
			want: anyClass(bad(1, revv.ErrRateLimited, context.DeadlineExceeded).but(revv.ErrOutcomeUnknown)),
		},
		matrixRow{
			id: "R07", fault: "503 that outlasts the deadline", deadline: soon, acts: everyTime(failing(503, "Retry-After: 30")), atMost: 1,
			want: anyClass(bad(1, revv.ErrRateLimited, revv.ErrServer, context.DeadlineExceeded).but(revv.ErrOutcomeUnknown)),
		},
		matrixRow{
			id: "R07", fault: "500 that outlasts the deadline", deadline: soon, acts: everyTime(failing(500, "Retry-After: 30")), atMost: 1,
			want: repeatable(bad(1, revv.ErrRateLimited, revv.ErrServer, context.DeadlineExceeded).but(revv.ErrOutcomeUnknown), unknown(revv.ErrServer)),
		},
		matrixRow{
			id: "R07", fault: "408 that outlasts the deadline", deadline: soon, acts: everyTime(failing(408, "Retry-After: 30")), atMost: 1,
			want: repeatable(bad(1, revv.ErrRateLimited, context.DeadlineExceeded).but(revv.ErrOutcomeUnknown), unknown()),
		},
		matrixRow{
			id: "R07", fault: "429 just within the deadline", deadline: soon, acts: firstTimes(1, failing(429, "Retry-After: 4")), atLeast: 4 * time.Second, atMost: 4 * time.Second,
			want: anyClass(good(2)),
		},
		matrixRow{
			id: "R07", fault: "a wait between attempts that outlasts the deadline", deadline: time.Second, acts: everyTime(failing(500, "Retry-After: 2")), atMost: 1,
			want: repeatable(bad(1, revv.ErrRateLimited, revv.ErrServer, context.DeadlineExceeded), unknown(revv.ErrServer)),
		},
		matrixRow{
			id: "W05", fault: "500 with a Retry-After", acts: everyTime(failing(500, "Retry-After: 2")), want: map[class]verdict{consequences: unknown(revv.ErrServer)},
		},
	)
}

// laterAttemptRows: the deadline ends an attempt before it has an answer. What an
// earlier one was answered says why there was an earlier one.
func laterAttemptRows(soon time.Duration) []matrixRow {
	tellsOf := func(status int) func(*testing.T, outcome) {
		return func(t *testing.T, got outcome) {
			typed := failure(t, got.err)
			want := revv.Error{StatusCode: status, Code: fmt.Sprint("E_", status), Message: "as asked for", RequestID: "req-7"}
			if got.op.class == consequences && len(got.requests) > 1 {
				want = revv.Error{}
			}
			assert.Equal(t, want, revv.Error{StatusCode: typed.StatusCode, Code: typed.Code, Message: typed.Message, RequestID: typed.RequestID})
			assert.Equal(t, want.StatusCode, got.response.StatusCode)
			assert.Equal(t, want.RequestID, got.response.RequestID)
		}
	}
	late := context.DeadlineExceeded
	limited := bad(2, late, revv.ErrRateLimited).but(revv.ErrOutcomeUnknown)
	return []matrixRow{
		{
			id: "R01", fault: "500, then no answer until the deadline", deadline: soon, acts: inTurn(failing(500), stuck("")), more: tellsOf(500), atLeast: soon, atMost: soon,
			want: map[class]verdict{reads: bad(2, late, revv.ErrServer), idempotent: bad(2, late, revv.ErrServer)},
		},
		{
			id: "R02", fault: "cut, then no answer until the deadline", deadline: soon, acts: inTurn(ending(""), stuck("")),
			more: func(t *testing.T, got outcome) {
				assert.ErrorContains(t, got.err, "the connection was closed before an answer came: EOF")
			},
			want: map[class]verdict{reads: bad(2, late, io.EOF), idempotent: bad(2, late, io.EOF)},
		},
		{
			id: "R04 W04", fault: "429, then no answer until the deadline", deadline: soon, acts: inTurn(failing(429, "Retry-After: 1"), stuck("")), more: tellsOf(429),
			want: repeatable(limited, bad(2, late, revv.ErrOutcomeUnknown).but(revv.ErrRateLimited)),
		},
		{
			id: "R04 W03", fault: "429, then no connection until the deadline", deadline: soon, acts: inTurn(failing(429, "Retry-After: 1", "Connection: close")), more: tellsOf(429),
			dialled: func(ctx context.Context, n int) (net.Conn, error) {
				if n == 1 {
					return nil, nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			},
			want: anyClass(bad(1, late, revv.ErrRateLimited).but(revv.ErrOutcomeUnknown)),
		},
		{
			id: "W07", fault: "401, then no answer to the new token until the deadline", deadline: soon, acts: inTurn(failing(401), stuck("")), tokens: []string{"tok-of-before", conformanceToken},
			want: repeatable(bad(2, late).but(revv.ErrUnauthorized), bad(2, late, revv.ErrOutcomeUnknown).but(revv.ErrUnauthorized)),
		},
	}
}

// blockade is a rate limiter that lets nobody through.
type blockade struct{}

func (blockade) Wait(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("limiter: %w", ctx.Err())
}
