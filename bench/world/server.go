package world

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Server gives its answers over HTTP/1.1 on loopback.
type Server struct {
	// URL is the base URL, without a slash at its end.
	URL string

	server      *http.Server
	failed      chan error
	connections atomic.Int64
	requests    atomic.Int64
}

// Serve starts a server whose answers take latency longer than their making.
func Serve(ctx context.Context, answer Answer, latency time.Duration) (*Server, error) {
	return ServeHandler(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if latency > 0 {
			timer := time.NewTimer(latency)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
		give(w, answer(r))
	}))
}

// ServeHandler starts a server for a handler.
func ServeHandler(ctx context.Context, handler http.Handler) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), failed: make(chan error, 1)}
	s.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.requests.Add(1)
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: time.Minute,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.connections.Add(1)
			}
		},
	}
	go func() { s.failed <- s.server.Serve(listener) }()
	return s, nil
}

func give(w http.ResponseWriter, reply Reply) {
	header := w.Header()
	maps.Copy(header, reply.Header)
	if !reply.Chunked {
		header["Content-Length"] = []string{strconv.Itoa(len(reply.Body))}
	}
	if reply.Status != 0 {
		w.WriteHeader(reply.Status)
	}
	if reply.Chunked {
		_ = http.NewResponseController(w).Flush() // a client that has left is its own concern
	}
	_, _ = w.Write(reply.Body)
}

// Connections is how many connections were opened to the server.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// Requests is how many requests the server was sent.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Close ends the server and all its connections.
func (s *Server) Close() error {
	err := s.server.Close()
	if failed := <-s.failed; !errors.Is(failed, http.ErrServerClosed) {
		return errors.Join(err, failed)
	}
	return err
}

// Transport returns a transport as busy programs set it up: the default of
// net/http keeps two idle connections per host, and would measure how often
// clients connect and little else. All clients and all floors use the same.
func Transport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     90 * time.Second,
	}
}
