package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"time"
)

// serveFault lets a request meet its fault. Faults that end a connection panic with
// [http.ErrAbortHandler], which the server of net/http understands and does not log.
func (s *Sandbox) serveFault(f *Fault, entry *Request, w http.ResponseWriter, c *call) {
	r := c.request
	if f.Delay > 0 && s.pause(r, f.Delay) != nil {
		s.recordAnswer(entry, 0, f.String())
		panic(http.ErrAbortHandler)
	}
	var reply *answer
	if f.Commit || !f.replaces() {
		reply = s.perform(c)
	}
	if f.Late > 0 {
		s.performLate(c, f.Late)
	}
	switch {
	case f.Hang:
		s.recordAnswer(entry, 0, f.String())
		s.hang(r)
	case f.Reset:
		s.recordAnswer(entry, 0, f.String())
		reset(w)
	case f.CutAfter < 0:
		s.recordAnswer(entry, 0, f.String())
		panic(http.ErrAbortHandler)
	}
	reply = f.spoil(reply, c.op)
	s.crossOrigin(r, reply)
	s.recordAnswer(entry, reply.status, f.String())
	switch {
	case f.GzipBomb > 0:
		f.explode(w, reply)
	case f.CloseDelimited:
		s.writeUntilClose(f, w, reply)
	case f.CutAfter > 0:
		f.writeHeader(w, reply, f.CutAfter+1)
		_, _ = w.Write(reply.body[:min(f.CutAfter, len(reply.body))])
		flush(w)
		panic(http.ErrAbortHandler)
	case f.StallAfter > 0:
		f.writeHeader(w, reply, f.StallAfter+1)
		_, _ = w.Write(reply.body[:min(f.StallAfter, len(reply.body))])
		flush(w)
		s.hang(r)
	case f.Drip > 0:
		f.writeHeader(w, reply, 0)
		s.drip(w, r, reply, f.Drip)
	default:
		f.writeHeader(w, reply, 0)
		_, _ = w.Write(reply.body)
	}
}

// performLate carries an operation out some time after its request has been answered, or
// left without an answer, unless the sandbox is closed by then.
func (s *Sandbox) performLate(c *call, after time.Duration) {
	s.running.Go(func() { // the handler that calls this is counted itself, so that Close waits for both
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
			s.perform(c)
		case <-s.stopped.Done():
		}
	})
}

// writeHeader announces the body of an answer, with at least that many bytes, or
// without saying how many.
func (f *Fault) writeHeader(w http.ResponseWriter, reply *answer, least int) {
	length := max(len(reply.body), least)
	if f.Chunked {
		length = unknownLength
	}
	reply.writeHeader(w, length)
	flush(w)
}

// hang keeps the client waiting until it leaves or the sandbox is closed.
func (s *Sandbox) hang(r *http.Request) {
	_ = s.pause(r, -1)
	panic(http.ErrAbortHandler)
}

// reset ends the connection with an RST if it is a TCP connection.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

func (s *Sandbox) drip(w http.ResponseWriter, r *http.Request, reply *answer, every time.Duration) {
	for i := range reply.body {
		if _, err := w.Write(reply.body[i : i+1]); err != nil || s.pause(r, every) != nil {
			panic(http.ErrAbortHandler)
		}
		flush(w)
	}
}

// writeUntilClose sends an answer whose end is the end of the connection, as
// HTTP/1.0 did: nobody can tell whether it is whole.
func (s *Sandbox) writeUntilClose(f *Fault, w http.ResponseWriter, reply *answer) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = conn.Close() }()
	// The server no longer owns the connection, and does not close it.
	stop := context.AfterFunc(s.stopped, func() { _ = conn.Close() })
	defer stop()
	body := reply.body
	if f.CutAfter > 0 {
		body = body[:min(f.CutAfter, len(body))]
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", reply.status, http.StatusText(reply.status))
	reply.header.Set("Connection", "close")
	_ = reply.header.Write(&b)
	b.WriteString("\r\n")
	b.Write(body)
	_, _ = conn.Write(b.Bytes())
}

// explode sends a small body that unpacks into a large JSON text.
func (f *Fault) explode(w http.ResponseWriter, reply *answer) {
	header := w.Header()
	maps.Copy(header, reply.header)
	header.Set("Content-Encoding", "gzip")
	w.WriteHeader(reply.status)
	zip := gzip.NewWriter(w)
	const chunk = 64 << 10
	blanks := bytes.Repeat([]byte(" "), chunk)
	_, _ = zip.Write([]byte(`{"bomb":`))
	for left := f.GzipBomb; left > 0; left -= chunk {
		if _, err := zip.Write(blanks[:min(left, chunk)]); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	_, _ = zip.Write([]byte(`0}`))
	_ = zip.Close()
}
