// Package counts has what is counted and not timed: connections, token requests,
// pages ahead. A count is the same on every machine, so that a test can hold to it.
package counts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/world"
)

// The shape of the test of connections.
const (
	Callers = 64
	Calls   = 50
)

// patience is how long a server waits for callers that may never come.
const patience = 5 * time.Second

// Connections returns how many connections a client opens by itself for 64
// goroutines of 50 calls each. The first 64 requests are held until all of them
// have arrived, so that 64 is what they need.
func Connections(ctx context.Context, rival sides.Rival) (opened int, err error) {
	var arrived atomic.Int64
	all := make(chan struct{})
	answer := func(r *http.Request) world.Reply {
		if n := arrived.Add(1); n == Callers {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(patience):
		case <-r.Context().Done():
		}
		return rival.Answer(r)
	}
	server, err := world.Serve(ctx, answer, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := rival.Plain(server.URL)
	if err != nil {
		return 0, err
	}
	errs := make([]error, Callers)
	var callers sync.WaitGroup
	for i := range errs {
		callers.Go(func() {
			for range Calls {
				if err := client.Get(ctx); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	callers.Wait()
	return server.Connections(), errors.Join(errs...)
}

// ChunkedPages returns how many connections a client opens by itself to read a
// list page after page, where the length of a page is not declared.
func ChunkedPages(ctx context.Context, rival sides.Rival) (opened int, err error) {
	server, err := world.Serve(ctx, func(r *http.Request) world.Reply {
		reply := rival.Answer(r)
		reply.Chunked = true
		return reply
	}, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := rival.Plain(server.URL)
	if err != nil {
		return 0, err
	}
	if client.Serial == nil {
		return 0, sides.ErrMissing
	}
	items := 0
	err = client.Serial(ctx, func(int) error { items++; return nil })
	if err == nil && items != sides.ListItems {
		err = fmt.Errorf("%d items of %d", items, sides.ListItems)
	}
	return server.Connections(), err
}
