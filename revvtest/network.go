package revvtest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// network is where a server listens, and the client that reaches it.
type network struct {
	url      string
	client   *http.Client
	inMemory bool

	server *http.Server
	conns  sync.WaitGroup
	served chan struct{}
}

func listen(handler http.Handler, inMemory bool) (*network, error) {
	n := &network{inMemory: inMemory, served: make(chan struct{})}
	var (
		listener net.Listener
		dial     func(ctx context.Context, network, address string) (net.Conn, error)
	)
	if inMemory {
		memory := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		listener, dial, n.url = memory, memory.dial, "http://"+memoryHost
	} else {
		var err error
		if listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		dial, n.url = new(net.Dialer).DialContext, "http://"+listener.Addr().String()
	}
	n.client = &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}}
	n.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // a test that cuts connections is no news
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				n.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				n.conns.Done()
			case http.StateActive, http.StateIdle:
			}
		},
	}
	go func() {
		defer close(n.served)
		_ = n.server.Serve(listener)
	}()
	return n, nil
}

// close ends all connections and waits for what served them.
func (n *network) close() {
	_ = n.server.Close()
	<-n.served
	n.conns.Wait()
	n.client.CloseIdleConnections()
}

// memoryHost is the only host of a network in memory.
const memoryHost = "localhost"

// memoryListener is a network of one host. Its connections are pipes, which a test with a
// fake clock can wait on.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// dial reaches the server only under its own address. If it answered under every name, a
// test would not notice a client that asks the wrong host, or sends its token to another
// host after a redirect.
func (l *memoryListener) dial(ctx context.Context, _, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddr(address), Err: errors.New("connection refused")}
	if !strings.EqualFold(address, l.Addr().String()) {
		return nil, refused
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(memoryHost + ":80") }

// memoryAddr is HOST:PORT.
type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }
