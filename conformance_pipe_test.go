package revv_test

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer is how much a pipe takes before its writer has to wait, as sockets do.
const pipeBuffer = 64 << 10

// newPipe returns the two ends of a connection in memory. Unlike those of
// net.Pipe they have buffers, so that both sides can write at once, and they
// can be reset. They have no deadlines: nothing here uses any.
func newPipe() (client, server *pipeEnd) {
	up, down := newHalf(), newHalf()
	return &pipeEnd{in: down, out: up}, &pipeEnd{in: up, out: down}
}

// half is one direction of a pipe.
type half struct {
	mu     sync.Mutex
	change *sync.Cond
	data   []byte
	atEnd  error // what the reader gets behind the data, nil while the pipe is open
	refuse error // what the writer gets
}

func newHalf() *half {
	h := new(half)
	h.change = sync.NewCond(&h.mu)
	return h
}

// end closes the direction; a reset loses what was not read yet.
func (h *half) end(atEnd, refuse error, lose bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.atEnd == nil {
		h.atEnd = atEnd
	}
	if h.refuse == nil {
		h.refuse = refuse
	}
	if lose {
		h.data = nil
	}
	h.change.Broadcast()
}

// pipeEnd is one end of a pipe.
type pipeEnd struct{ in, out *half }

func (p *pipeEnd) Read(b []byte) (int, error) {
	h := p.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.data) == 0 && h.atEnd == nil {
		h.change.Wait()
	}
	if len(h.data) == 0 {
		return 0, h.atEnd
	}
	n := copy(b, h.data)
	h.data = h.data[n:]
	h.change.Broadcast()
	return n, nil
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	h := p.out
	h.mu.Lock()
	defer h.mu.Unlock()
	written := 0
	for written < len(b) {
		for len(h.data) >= pipeBuffer && h.refuse == nil {
			h.change.Wait()
		}
		if h.refuse != nil {
			return written, h.refuse
		}
		n := min(pipeBuffer-len(h.data), len(b)-written)
		h.data = append(h.data, b[written:written+n]...)
		written += n
		h.change.Broadcast()
	}
	return written, nil
}

// Close ends both directions: the other side reads what was sent, and then the end.
func (p *pipeEnd) Close() error {
	p.out.end(io.EOF, net.ErrClosed, false)
	p.in.end(net.ErrClosed, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}, true)
	return nil
}

// reset ends both directions with a reset, once the other side has read what was sent.
func (p *pipeEnd) reset() {
	p.out.end(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, net.ErrClosed, false)
	_ = p.Close()
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:80" }

func (*pipeEnd) LocalAddr() net.Addr              { return pipeAddr{} }
func (*pipeEnd) RemoteAddr() net.Addr             { return pipeAddr{} }
func (*pipeEnd) SetDeadline(time.Time) error      { return nil }
func (*pipeEnd) SetReadDeadline(time.Time) error  { return nil }
func (*pipeEnd) SetWriteDeadline(time.Time) error { return nil }
