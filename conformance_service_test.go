package revv_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// rawService is a server below HTTP, in memory: it reads each request whole,
// counts it, and then does to the connection what its script says. Connections
// are pipes, so that it can live in a bubble of testing/synctest.
type rawService struct {
	// act does something to the n-th request, n from 1.
	act func(n int) act
	// dialled, if set, decides what becomes of the n-th connection, n from 1: an
	// error, a connection of its own, or (nil, nil) for an ordinary one.
	dialled func(ctx context.Context, n int) (net.Conn, error)
	// tls, if set, makes the service speak TLS.
	tls *tls.Config

	conns sync.WaitGroup

	mu    sync.Mutex
	seen  []seenRequest
	dials []string // the addresses that were asked for
	open  []net.Conn
}

// seenRequest is a request that the service has read to its end.
type seenRequest struct {
	method, uri, host, body string
	header                  http.Header
}

// act answers a request, or does worse. It reports whether the connection goes on.
type act func(x *exchanged) bool

// exchanged is what an act works on.
type exchanged struct {
	conn    net.Conn
	request seenRequest
	reset   func() // resets the connection
}

// dial is for http.Transport.
func (s *rawService) dial(ctx context.Context, _, address string) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, address)
	n := len(s.dials)
	s.mu.Unlock()
	if s.dialled != nil {
		if conn, err := s.dialled(ctx, n); conn != nil || err != nil {
			return conn, err
		}
	}
	client, server := newPipe()
	go s.serve(server, server.reset)
	return client, nil
}

func (s *rawService) serve(conn net.Conn, reset func()) {
	defer func(raw net.Conn) { _ = raw.Close() }(conn)
	if s.tls != nil {
		conn = tls.Server(conn, s.tls)
	}
	in := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		seen := seenRequest{request.Method, request.RequestURI, request.Host, string(body), request.Header}
		if n := s.count(seen); !s.act(n)(&exchanged{conn, seen, reset}) {
			return
		}
	}
}

func (s *rawService) count(r seenRequest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r)
	return len(s.seen)
}

// requests returns what has been read so far.
func (s *rawService) requests() []seenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seenRequest(nil), s.seen...)
}

// addresses returns what was dialled so far.
func (s *rawService) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.dials...)
}

// transport leads to the service, whatever the host is called.
func (s *rawService) transport() *http.Transport {
	return &http.Transport{
		DialContext: s.dial, MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
	}
}

// firstTimes does a for the first n requests and lets the service answer as it
// should from then on.
func firstTimes(n int, a act) func(operationCase) func(int) act {
	return func(op operationCase) func(int) act {
		return func(i int) act {
			if i <= n {
				return a
			}
			return op.answered()
		}
	}
}

// everyTime does a to every request.
func everyTime(a act) func(operationCase) func(int) act {
	return func(operationCase) func(int) act { return func(int) act { return a } }
}

// inTurn does one after the other, and the last one from then on.
func inTurn(acts ...act) func(operationCase) func(int) act {
	return func(operationCase) func(int) act {
		return func(i int) act { return acts[min(i, len(acts))-1] }
	}
}

// spoilt makes an act of the right answer of each operation.
func spoilt(n int, spoil func(body string) act) func(operationCase) func(int) act {
	return func(op operationCase) func(int) act { return firstTimes(n, spoil(op.answer))(op) }
}

// healthy answers as the service should.
func healthy(op operationCase) func(int) act { return firstTimes(0, nil)(op) }

// replying is a whole answer. header holds lines as "Retry-After: 2"; a line for
// Content-Type or Content-Length replaces the one that is put there otherwise.
func replying(status int, body string, header ...string) act {
	return func(x *exchanged) bool {
		var b strings.Builder
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
		given := strings.ToLower(strings.Join(header, "\n"))
		if !strings.Contains(given, "content-type:") {
			b.WriteString("Content-Type: application/json\r\n")
		}
		if !strings.Contains(given, "content-length:") && !strings.Contains(given, "transfer-encoding:") && status >= 200 && status != http.StatusNoContent {
			fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
		}
		for _, line := range header {
			if line != "" && !strings.HasSuffix(line, ": ") {
				b.WriteString(line + "\r\n")
			}
		}
		b.WriteString("\r\n" + body)
		_, err := io.WriteString(x.conn, b.String())
		return err == nil
	}
}

// failing is an answer in the shape of the service's errors.
func failing(status int, header ...string) act {
	return replying(status, `{"error":"E_`+strconv.Itoa(status)+`","message":"as asked for"}`, append(header, "X-Request-Id: req-7")...)
}

// ending sends what it is given and closes the connection.
func ending(text string) act {
	return func(x *exchanged) bool {
		_, _ = io.WriteString(x.conn, text)
		return false
	}
}

// resetting sends what it is given and resets the connection.
func resetting(text string) act {
	return func(x *exchanged) bool {
		_, _ = io.WriteString(x.conn, text)
		x.reset()
		return false
	}
}

// stuck sends what it is given and then nothing, until the client leaves.
func stuck(text string) act {
	return func(x *exchanged) bool {
		if _, err := io.WriteString(x.conn, text); err == nil {
			_, _ = io.Copy(io.Discard, x.conn)
		}
		return false
	}
}

// dripping sends something at once, and then one byte at a time.
func dripping(start, text string, pause time.Duration) act {
	return func(x *exchanged) bool {
		if _, err := io.WriteString(x.conn, start); err != nil {
			return false
		}
		for i := range len(text) {
			if _, err := io.WriteString(x.conn, text[i:i+1]); err != nil {
				return false
			}
			sleepVirtually(pause)
		}
		return true
	}
}

// sleepVirtually waits in the time of a bubble.
func sleepVirtually(d time.Duration) { <-time.After(d) }

// headed is the head of an answer with a body of n bytes, for cutting.
func headed(n int, header ...string) string {
	lines := append([]string{"HTTP/1.1 200 OK", "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", n)}, header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// passes hands out access tokens of a list; a rejected one is followed by the next.
type passes struct {
	mu       sync.Mutex
	left     []string
	rejected int
}

func (p *passes) Token(context.Context) (*oauth2.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &oauth2.Token{AccessToken: p.left[0]}, nil
}

func (p *passes) Reject(_ context.Context, bad *oauth2.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rejected++
	if bad.AccessToken == p.left[0] && len(p.left) > 1 {
		p.left = p.left[1:]
	}
}

func (p *passes) rejections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rejected
}

var _ revv.Authenticator = (*passes)(nil)

// pdf is a document of about n bytes that a download accepts.
func pdf(n int) string {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	for line := 0; b.Len() < n-8; line++ {
		fmt.Fprintf(&b, "%% line %d\n", line)
	}
	b.WriteString("%%EOF\n")
	return b.String()
}
