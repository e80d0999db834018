package revv

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv/internal/retry"
)

// A handshake that the server refuses is refused again; one that fails for the
// moment is not.
func TestIsTLSRefusal_tellsRefusalsFromFailures(t *testing.T) {
	t.Parallel()
	refusals := map[tls.AlertError]string{
		40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
		46: "certificate_unknown", 48: "unknown_ca", 49: "access_denied", 70: "protocol_version", 71: "insufficient_security",
		112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
	}
	for alert := range tls.AlertError(255) {
		_, want := refusals[alert]
		assert.Equal(t, want, isTLSRefusal(&net.OpError{Op: "remote error", Err: alert}), "%v", alert)
		assert.False(t, isTLSRefusal(&net.OpError{Op: "local error", Err: alert}), "%v", alert)
	}
	assert.True(t, isTLSRefusal(errors.New("tls: server selected unsupported protocol version 301")))
}

// What an HTTP/2 server has not looked at is repeated, but only if the one try that
// the error tells of was the only one.
func TestClassify_streamThatTheServerHasNotLookedAt_isUnsent(t *testing.T) {
	t.Parallel()
	retried := func(reason string) error {
		return errors.New("http2: Transport: cannot retry err [" + reason + "] after Request.Body was written; define Request.GetBody to avoid this error")
	}
	shutOut := retried("http2: Transport received Server's graceful shutdown GOAWAY")
	for _, test := range []struct {
		err   error
		tries int
		want  retry.Outcome
	}{
		{shutOut, 1, retry.Unsent},
		{shutOut, 0, retry.Unsent},
		{shutOut, 2, retry.Cut},
		{&url.Error{Op: "Post", URL: "https://example.com", Err: shutOut}, 1, retry.Unsent},
		{errors.Join(errors.New("second try"), shutOut), 1, retry.Cut},
		{retried("stream error: stream ID 7; REFUSED_STREAM; received from peer"), 1, retry.Cut},
		{errors.New("net/http: cannot rewind body after connection loss"), 0, retry.Unsent},
		{retried("stream error: stream ID 7; PROTOCOL_ERROR; received from peer"), 1, retry.Cut},
		{errors.New("stream error: stream ID 7; REFUSED_STREAM; received from peer"), 1, retry.Cut},
	} {
		a := &attempt{class: retry.Consequences}
		a.letThrough.Store(true)
		trace := httptrace.ContextClientTrace(a.trace(context.Background(), &a.hooks))
		trace.GetConn("example.com:443")
		trace.GotConn(httptrace.GotConnInfo{})
		for range test.tries {
			trace.WroteHeaders()
		}
		outcome, sent := a.classify(test.err)
		assert.Equal(t, test.want, outcome, "%v after %d", test.err, test.tries)
		assert.Equal(t, test.want == retry.Cut, sent)
	}
}

// A connection that a write finds too late is closed. That of a read stays: over HTTP/2, a send
// may be under way on it.
func TestTrace_connectionFoundTooLate_isClosedForWrites(t *testing.T) {
	t.Parallel()
	for class, closed := range map[retry.Class]bool{retry.Read: false, retry.Idempotent: true, retry.Consequences: true} {
		a := &attempt{class: class}
		trace := httptrace.ContextClientTrace(a.trace(context.Background(), &a.hooks))
		trace.GetConn("example.com:443")
		assert.True(t, a.shut())
		near, far := net.Pipe()
		trace.GotConn(httptrace.GotConnInfo{Conn: near})
		go func() { _, _ = far.Write([]byte("x")) }()
		_, err := near.Read(make([]byte, 1))
		assert.Equal(t, closed, err != nil, class)
		assert.NoError(t, errors.Join(near.Close(), far.Close()))
	}
}

// A connection may be shared with other requests, so a call that is cancelled leaves it open.
// Only after the deadline of a call nothing may leave.
func TestTrace_callThatHasEnded_closesTheConnectionOnlyAfterItsDeadline(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithTimeout(t.Context(), time.Hour)
	cancel()
	past, stop := context.WithDeadline(t.Context(), time.Now())
	defer stop()
	for ctx, closed := range map[context.Context]bool{cancelled: false, past: true} {
		near, far := net.Pipe()
		a := &attempt{class: retry.Consequences}
		trace := httptrace.ContextClientTrace(a.trace(ctx, &a.hooks))
		trace.GotConn(httptrace.GotConnInfo{Conn: near})
		assert.Equal(t, closed, near.SetDeadline(time.Time{}) != nil)
		trace.WroteHeaders()
		assert.Equal(t, closed, a.written.Load() == 0, "what went into a closed connection was not sent")
		assert.NoError(t, errors.Join(near.Close(), far.Close()))
	}
}

// What no other attempt can mend is not tried again, and what may be mended is.
func TestKindsOfFailures_areToldApart(t *testing.T) {
	t.Parallel()
	for err, want := range map[error][3]bool{ // hopeless, corrupt, headers that are too large
		http.ErrSchemeMismatch:           {true, false, false},
		&net.DNSError{IsNotFound: true}:  {true, false, false},
		&net.DNSError{IsTemporary: true}: {false, false, false},
		gzip.ErrHeader:                   {false, true, false},
		gzip.ErrChecksum:                 {false, true, false},
		flate.CorruptInputError(7):       {false, true, false},
		io.ErrUnexpectedEOF:              {false, false, false},
		errors.New("http2: response header list larger than advertised limit"):          {false, false, true},
		errors.New("net/http: server response headers exceeded 1048576 bytes; aborted"): {false, false, true},
	} {
		assert.Equal(t, want, [3]bool{isHopeless(err), isCorrupt(err), areHeadersTooLarge(err)}, "%v", err)
	}
}

// A refusal proves nothing while the request may be on its way, even once an answer has begun.
func TestAnswerMadeUp_isToldByWhatTheNetworkHasSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		passage          int32
		begun            bool
		inFlight, sought int32
		want             bool
	}{
		"no answer has begun":                    {passageEntered, false, 0, 1, true},
		"the network has answered":               {passageEntered, true, 0, 1, false},
		"an answer has begun, and none returned": {passageEntered, true, 1, 1, true},
		"a connection is still looked for":       {passageOpen, false, 1, 1, false},
		"the network reports nothing":            {passageOpen, false, 1, 0, true},
		"the network was never asked":            {passageOpen, false, 0, 0, false},
	} {
		a := &attempt{}
		a.passage.Store(test.passage)
		a.answerBegun.Store(test.begun)
		a.inFlight.Store(test.inFlight)
		a.sought.Store(test.sought)
		assert.Equal(t, test.want, a.answerMadeUp(), name)
	}
}
