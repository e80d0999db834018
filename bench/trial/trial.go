// Package trial has the operations that are compared, and what this project
// promises of them.
package trial

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/revv-go/revv/bench/measure"
	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/world"
)

// Trial is an operation that is compared.
type Trial struct {
	Name    string
	Key     string  // short, for a flag
	Goal    float64 // the ratio that this project promises, 0 without one
	Clock   measure.Clock
	Work    int // how often a block does it
	Rounds  int
	Callers int           // goroutines, 0 means 1
	Memory  bool          // answered without a network
	Latency time.Duration // of the server
	Own     bool          // for this project's client alone

	// pick turns the operations of a client into one piece of work, nil if the
	// client has no such operation.
	pick func(sides.Operations) func(context.Context) error
}

// All are the trials in the order of the tables.
func All() []Trial {
	get := func(o sides.Operations) func(context.Context) error { return o.Get }
	post := func(o sides.Operations) func(context.Context) error { return o.Post }
	hook := func(o sides.Operations) func(context.Context) error { return o.Webhook }
	return []Trial{
		{Name: "GET one object, in memory", Key: "get", Goal: 0.90, Work: 400, Rounds: 60, Memory: true, pick: get},
		{Name: "GET one object, loopback", Key: "getloop", Work: 150, Rounds: 40, pick: get},
		{Name: "POST 1 KB, in memory", Key: "post", Goal: 0.92, Work: 400, Rounds: 60, Memory: true, pick: post},
		{Name: "64 goroutines GET, loopback", Key: "parallel", Goal: 0.95, Work: 640, Rounds: 40, Callers: 64, pick: get},
		{Name: "webhook: check and parse 2 KB", Key: "webhook", Goal: 1.05, Work: 400, Rounds: 60, Memory: true, pick: hook},
		{Name: "list of 10,000, loopback", Key: "list", Goal: 0.60, Clock: measure.Wall, Work: 1, Rounds: 15, pick: list},
		{Name: "list of 10,000, loopback, CPU time", Key: "listcpu", Work: 1, Rounds: 15, Own: true, pick: list},
		{Name: "list of 10,000, 2 ms of latency", Key: "list2", Goal: 0.35, Clock: measure.Wall, Work: 1, Rounds: 15, Latency: 2 * time.Millisecond, Own: true, pick: list},
		{Name: "list of 10,000, 20 ms of latency", Key: "list20", Goal: 0.25, Clock: measure.Wall, Work: 1, Rounds: 7, Latency: 20 * time.Millisecond, Own: true, pick: list},
		{Name: "first item of a list, 20 ms of latency", Key: "first", Goal: 1.05, Clock: measure.Wall, Work: 1, Rounds: 15, Latency: 20 * time.Millisecond, Own: true, pick: first},
	}
}

// list reads a whole list and checks that nothing is missing or out of order.
func list(o sides.Operations) func(context.Context) error {
	if o.List == nil {
		return nil
	}
	return func(ctx context.Context) error {
		next := 0
		err := o.List(ctx, func(index int) error {
			if index != next {
				return fmt.Errorf("item %d came in the place of %d", index, next)
			}
			next++
			return nil
		})
		if err == nil && next != sides.ListItems {
			err = fmt.Errorf("%d items of %d came", next, sides.ListItems)
		}
		return err
	}
}

// errEnough ends a list.
var errEnough = errors.New("enough")

// first reads a list up to its first item.
func first(o sides.Operations) func(context.Context) error {
	if o.List == nil {
		return nil
	}
	return func(ctx context.Context) error {
		err := o.List(ctx, func(int) error { return errEnough })
		if !errors.Is(err, errEnough) {
			return fmt.Errorf("the list went on: %w", err)
		}
		return nil
	}
}

// Run compares a client with its floor.
func (t Trial) Run(ctx context.Context, rival sides.Rival, random *rand.Rand) (result measure.Result, err error) {
	base, transport := "http://127.0.0.1", world.InMemory(rival.Answer)
	if !t.Memory {
		server, err := world.Serve(ctx, rival.Answer, t.Latency)
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		network := world.Transport()
		defer network.CloseIdleConnections()
		base, transport = server.URL, network
	}
	client, floor, err := rival.Connect(base, transport)
	if err != nil {
		return result, err
	}
	candidate, reference := t.pick(client), t.pick(floor)
	if candidate == nil || reference == nil {
		return result, sides.ErrMissing
	}
	return measure.Pair{
		Floor: t.block(reference), Candidate: t.block(candidate), Clock: t.Clock, Work: t.Work, Rounds: t.Rounds, Random: random,
	}.Run(ctx)
}

// block does the work n times, by one caller or by several.
func (t Trial) block(work func(context.Context) error) measure.Block {
	one := func(ctx context.Context, n int) error {
		for range n {
			if err := work(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	if t.Callers == 0 {
		return one
	}
	return func(ctx context.Context, n int) error {
		var callers sync.WaitGroup
		errs := make([]error, t.Callers)
		for i := range errs {
			callers.Go(func() { errs[i] = one(ctx, n/t.Callers) })
		}
		callers.Wait()
		return errors.Join(errs...)
	}
}
