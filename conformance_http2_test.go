package revv_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// The frames and codes of RFC 9113 that the tests need.
const (
	frameData     = 0
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
	framePing     = 6
	frameGoAway   = 7

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4

	codeNone          = 0
	codeProtocol      = 1
	codeInternal      = 2
	codeRefusedStream = 7
	codeCancel        = 8
	codeCalm          = 11
)

// http2Service speaks as much of HTTP/2 as it takes to fail in its ways. It
// counts the requests that it has read to their end.
type http2Service struct {
	config *tls.Config
	act    func(c *http2Conn, request int, stream uint32)

	mu       sync.Mutex
	requests int
	dials    int
}

// http2Conn is one connection of it.
type http2Conn struct{ net.Conn }

func (s *http2Service) dial(context.Context, string, string) (net.Conn, error) {
	client, server := newPipe()
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	go s.serve(&http2Conn{tls.Server(server, s.config)})
	return client, nil
}

func (s *http2Service) serve(c *http2Conn) {
	defer func() { _ = c.Close() }()
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(c, preface); err != nil || c.frame(frameSettings, 0, 0, nil) != nil {
		return
	}
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch kind {
		case frameSettings:
			if flags&flagAck == 0 {
				_ = c.frame(frameSettings, flagAck, 0, nil)
			}
		case framePing:
			if flags&flagAck == 0 {
				_ = c.frame(framePing, flagAck, 0, payload)
			}
		case frameHeaders, frameData:
			if flags&flagEndStream != 0 {
				s.mu.Lock()
				s.requests++
				n := s.requests
				s.mu.Unlock()
				s.act(c, n, stream)
			}
		default: // windows and priorities do not matter here
		}
	}
}

func (c *http2Conn) frame(kind, flags byte, stream uint32, payload []byte) error {
	head := make([]byte, 9, 9+len(payload))
	head[0], head[1], head[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	head[3], head[4] = kind, flags
	binary.BigEndian.PutUint32(head[5:], stream)
	_, err := c.Write(append(head, payload...))
	return err
}

// begin sends the headers of a 200: ":status" is entry 8 of the static table,
// "content-type" entry 31.
func (c *http2Conn) begin(stream uint32, contentType string) {
	_ = c.frame(frameHeaders, flagEndHeaders, stream, append([]byte{0x88, 0x0f, 0x10, byte(len(contentType))}, contentType...))
}

func (c *http2Conn) answer(op operationCase, stream uint32) {
	contentType := "application/json"
	if op.pdf {
		contentType = "application/pdf"
	}
	c.begin(stream, contentType)
	_ = c.frame(frameData, flagEndStream, stream, []byte(op.answer))
}

func (c *http2Conn) resetStream(stream, code uint32) {
	_ = c.frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

func (c *http2Conn) goAway(last, code uint32) {
	_ = c.frame(frameGoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code))
}

// TestConformance_http2: what the service has certainly not looked at is sent
// again without anybody noticing; all else is as with HTTP/1.
func TestConformance_http2(t *testing.T) {
	t.Parallel()
	var count tally
	count.report(t, "conformance with HTTP/2")
	faults := map[string]struct {
		act  func(c *http2Conn, stream uint32)
		want map[class]verdict
	}{
		"R31 nothing goes wrong": {nil, anyClass(good(1))},
		// HAProxy says so when the service has carried out a request and its answer is lost.
		"W01 RST_STREAM REFUSED_STREAM": {func(c *http2Conn, s uint32) { c.resetStream(s, codeRefusedStream) }, repeatable(good(2), unknown())},
		"R31 GOAWAY before the request": {func(c *http2Conn, s uint32) {
			c.goAway(s-1, codeNone)
			_ = c.Close()
		}, anyClass(good(2))},
		"R31 GOAWAY behind the request": {func(c *http2Conn, s uint32) {
			c.goAway(s, codeNone)
			_ = c.Close()
		}, repeatable(good(2), unknown())},
		"W01 RST_STREAM PROTOCOL_ERROR":    {func(c *http2Conn, s uint32) { c.resetStream(s, codeProtocol) }, repeatable(good(2), unknown())},
		"W01 RST_STREAM INTERNAL_ERROR":    {func(c *http2Conn, s uint32) { c.resetStream(s, codeInternal) }, repeatable(good(2), unknown())},
		"W01 RST_STREAM CANCEL":            {func(c *http2Conn, s uint32) { c.resetStream(s, codeCancel) }, repeatable(good(2), unknown())},
		"W01 RST_STREAM ENHANCE_YOUR_CALM": {func(c *http2Conn, s uint32) { c.resetStream(s, codeCalm) }, repeatable(good(2), unknown())},
		"W01 connection closed":            {func(c *http2Conn, _ uint32) { _ = c.Close() }, repeatable(good(2), unknown())},
		"W01 frames that make no sense": {func(c *http2Conn, s uint32) {
			_ = c.frame(frameHeaders, flagEndHeaders, s, []byte{0xff, 0xff, 0xff, 0xff})
		}, repeatable(good(2), unknown())},
		"R03 reset within the body": {func(c *http2Conn, s uint32) {
			c.begin(s, "application/json")
			_ = c.frame(frameData, 0, s, []byte(`{"Document":`))
			c.resetStream(s, codeInternal)
		}, writes(good(2), applied())},
		"R03 closed within the body": {func(c *http2Conn, s uint32) {
			c.begin(s, "application/json")
			_ = c.frame(frameData, 0, s, []byte(`{"Document":`))
			_ = c.Close()
		}, writes(good(2), applied())},
		"R14 an empty body": {func(c *http2Conn, s uint32) {
			c.begin(s, "application/json")
			_ = c.frame(frameData, flagEndStream, s, nil)
		}, map[class]verdict{reads: bad(1, revv.ErrEmptyResponse)}},
	}
	ops := append(everyOperation(anyArguments(t.TempDir())), bodylessCase())
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range ops {
				want, ok := fault.want[op.class]
				if !ok || op.pdf && fault.want[consequences].is != nil && !isUnknown(fault.want[consequences]) || testing.Short() && !isOfFew(op) {
					continue
				}
				count.cases.Add(1)
				if t.Run(op.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { http2Case(t, op, fault.act, want) }) }) {
					count.passed.Add(1)
				}
			}
		})
	}
}

// bodylessCase is a write with consequences that has no body: net/http repeats
// such requests more readily than others.
func bodylessCase() operationCase {
	return operationCase{name: "Do POST without a body", op: "Do", class: consequences, method: "POST", answer: `{}`, bare: true, call: func(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error {
		return c.Do(ctx, http.MethodPost, "/api/unmodelled", nil, nil, opts...)
	}}
}

func isUnknown(v verdict) bool { return len(v.is) > 0 && v.is[len(v.is)-1] == revv.ErrOutcomeUnknown } //nolint:errorlint // the sentinel itself

func http2Case(t *testing.T, op operationCase, fault func(*http2Conn, uint32), want verdict) {
	t.Helper()
	requests, err := overHTTP2(t, func(c *http2Conn, request int, stream uint32) {
		if request == 1 && fault != nil {
			fault(c, stream)
			return
		}
		c.answer(op, stream)
	}, func(client *revv.Client) error { return op.call(t.Context(), client) })
	assert.Equal(t, want.requests, requests, "requests that the service has read")
	if len(want.is) == 0 {
		require.NoError(t, err)
	}
	for _, is := range want.is {
		require.ErrorIs(t, err, is)
	}
	for _, not := range want.not {
		require.NotErrorIs(t, err, not)
	}
}

// overHTTP2 makes a call against a service that acts in that way, and returns how
// many requests the service has read, and how the call ended.
func overHTTP2(t *testing.T, act func(c *http2Conn, request int, stream uint32), call func(*revv.Client) error) (requests int, err error) {
	t.Helper()
	return throughHTTP2(act, func(transport *http.Transport) error {
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL("https://"+apiName), revv.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		return call(client)
	})
}

// throughHTTP2 is overHTTP2 for any client of that transport.
func throughHTTP2(act func(c *http2Conn, request int, stream uint32), call func(*http.Transport) error) (requests int, err error) {
	config := trusted().Clone()
	config.NextProtos = []string{"h2"}
	service := &http2Service{config: config, act: act}
	transport := &http.Transport{DialContext: service.dial, TLSClientConfig: trust(), ForceAttemptHTTP2: true}
	err = call(transport)
	synctest.Wait() // an answer without a body can be there before its stream has ended
	transport.CloseIdleConnections()
	sleepVirtually(time.Minute)
	return service.requests, err
}

// R34: before Go 1.27 net/http repeats a DELETE by itself. The client cannot see the reset, only
// that the request was given to a second connection.
func TestConformance_http2_deleteThatNetHTTPRepeats_hasDoneItsWork(t *testing.T) {
	t.Parallel()
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		if op.method != http.MethodDelete {
			continue
		}
		for code, want := range map[string]verdict{"PROTOCOL_ERROR": good(2), "": bad(1, revv.ErrNotFound)} {
			t.Run(op.name+" "+code, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					requests, err := overHTTP2(t, func(c *http2Conn, request int, stream uint32) {
						if request < want.requests {
							c.resetStream(stream, codeProtocol)
							return
						}
						_ = c.frame(frameHeaders, flagEndHeaders|flagEndStream, stream, []byte{0x8d}) // ":status: 404" of the static table
					}, func(client *revv.Client) error { return op.call(t.Context(), client) })
					assert.Equal(t, want.requests, requests)
					if len(want.is) == 0 {
						require.NoError(t, err)
						return
					}
					require.ErrorIs(t, err, revv.ErrNotFound)
				})
			})
		}
	}
}

// net/http repeats by itself what another release of Go does not: before Go 1.27, also
// what was reset with PROTOCOL_ERROR. Reads are left to it, and no write with consequences.
func TestHTTPClient_http2StreamIsReset_repeatsNoWriteWithConsequences(t *testing.T) {
	t.Parallel()
	for code, name := range map[uint32]string{codeProtocol: "PROTOCOL_ERROR", codeRefusedStream: "REFUSED_STREAM"} {
		for method, consequences := range map[string]bool{"GET": false, "HEAD": false, "PUT": false, "DELETE": false, "POST": true, "PATCH": true, "LINK": true} {
			for _, body := range []string{"", `{"name":"Ann"}`} {
				t.Run(name+" "+method+" "+body, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						act := func(c *http2Conn, request int, stream uint32) {
							if request == 1 {
								c.resetStream(stream, code)
								return
							}
							_ = c.frame(frameHeaders, flagEndHeaders|flagEndStream, stream, []byte{0x88}) // ":status: 200"
						}
						do := func(client *http.Client) error {
							r, err := http.NewRequestWithContext(t.Context(), method, "https://"+apiName+"/api/users", strings.NewReader(body))
							require.NoError(t, err)
							resp, err := client.Do(r)
							if err != nil {
								return err
							}
							return resp.Body.Close()
						}
						want, _ := throughHTTP2(act, func(transport *http.Transport) error { return do(&http.Client{Transport: transport}) })
						if consequences {
							want = 1
						}
						requests, err := overHTTP2(t, act, func(client *revv.Client) error { return do(client.HTTPClient()) })
						assert.Equal(t, want, requests)
						assert.Equal(t, want == 2, err == nil, "%v", err)
					})
				})
			}
		}
	}
}

// R31 with the server of net/http: it says goodbye with every answer, and each
// of many calls at once is carried out exactly once.
func TestConformance_http2_goodbyeWithEveryAnswer_losesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	// The standard library moves a read that a GOAWAY shut out to another
	// connection, after a second, then two, and so on; with many callers it takes
	// a minute. A write is moved by the client, and counts as an attempt.
	const callersOfAClass = 4
	patient := revv.WithRetry(revv.RetryPolicy{MaxAttempts: 10, BaseDelay: 20 * time.Millisecond})
	var reading, writing atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			writing.Add(1)
		} else {
			reading.Add(1)
		}
		assert.Equal(t, 2, r.ProtoMajor)
		w.Header().Set("Connection", "close") // a GOAWAY in HTTP/2
		_, _ = io.WriteString(w, documentAnswer)
	})
	server := newTLSServer(t, handler)
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(server.URL), revv.WithHTTPClient(server.Client()), patient)
	require.NoError(t, err)
	var callers sync.WaitGroup
	for range callersOfAClass {
		callers.Go(func() { assert.NoError(t, readOne(t.Context(), client)) })
		callers.Go(func() { assert.NoError(t, writeOne(t.Context(), client)) })
	}
	callers.Wait()
	assert.EqualValues(t, callersOfAClass, reading.Load())
	assert.EqualValues(t, callersOfAClass, writing.Load())
}

// A form with a refresh token or a code goes out once, whatever net/http thinks of the
// stream that it went over.
func TestTokenForm_http2StreamIsReset_isNotRepeatedByNetHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := trusted().Clone()
		config.NextProtos = []string{"h2"}
		service := &http2Service{config: config, act: func(c *http2Conn, request int, stream uint32) {
			if request > 3 {
				_ = c.frame(frameHeaders, flagEndHeaders|flagEndStream, stream, []byte{0x8d}) // ":status: 404"
				return
			}
			c.resetStream(stream, codeProtocol)
		}}
		transport := &http.Transport{DialContext: service.dial, TLSClientConfig: trust(), ForceAttemptHTTP2: true}
		app := revv.OAuthConfig{ClientID: "id", ClientSecret: "a-secret", Endpoint: revv.Endpoint("https://" + apiName), HTTPClient: &http.Client{Transport: transport}}
		_, err := app.Exchange(t.Context(), "a-code", "")
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		transport.CloseIdleConnections()
		sleepVirtually(time.Minute)
		assert.Equal(t, 1, service.requests)
	})
}
