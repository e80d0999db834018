package counts

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/world"
)

// Prefetch is how many pages this project reads ahead by itself.
const Prefetch = 4

// Ahead is what a list fetched before it was needed.
type Ahead struct {
	Most       int // pages beyond the one whose items were read or waited for, at most
	AtBreak    int // requests for pages beyond it that had come when the reader went away
	AfterBreak int // requests that came after that: they were under way
	Disorder   bool
}

// watch follows which pages were asked for and which one is read.
type watch struct {
	mu      sync.Mutex
	asked   int // the highest page
	wanted  int // the page whose items are read or waited for
	most    int
	arrived int
}

func (w *watch) ask(page int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived++
	w.asked = max(w.asked, page)
	w.most = max(w.most, w.asked-w.wanted)
}

// counted is what a watch has seen.
type counted struct{ most, arrived int }

func (w *watch) result() counted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return counted{w.most, w.arrived}
}

func (w *watch) want(page int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = page
}

// PagesAhead reads this project's list to its end, and once more up to the middle
// of a page.
func PagesAhead(ctx context.Context, rival sides.Rival) (Ahead, error) {
	var ahead Ahead
	next := 0
	whole, err := watched(ctx, rival, func(client sides.Operations, seen *watch) error {
		return client.List(ctx, func(index int) error {
			ahead.Disorder = ahead.Disorder || index != next
			next++
			// Behind the last item of a page the next page is waited for.
			seen.want(next/sides.PageItems + 1)
			return nil
		})
	})
	if err != nil {
		return ahead, err
	}
	ahead.Disorder = ahead.Disorder || next != sides.ListItems

	const leaveAt = 20*sides.PageItems + sides.PageItems/2
	next = 0
	before := 0
	part, err := watched(ctx, rival, func(client sides.Operations, seen *watch) error {
		return client.List(ctx, func(int) error {
			next++
			seen.want(next/sides.PageItems + 1)
			if next < leaveAt {
				return nil
			}
			seen.mu.Lock()
			defer seen.mu.Unlock()
			// Pages up to the one that is read have all come; of those beyond it,
			// a later one may come before an earlier one.
			ahead.AtBreak, before = seen.arrived-seen.wanted, seen.arrived
			return errLeave
		})
	})
	if !errors.Is(err, errLeave) {
		return ahead, err
	}
	ahead.Most, ahead.AfterBreak = max(whole.result().most, part.result().most), part.result().arrived-before
	return ahead, nil
}

// watched has a list read from a server of its own: what a list that has ended
// had still under way must not be counted for the next one.
func watched(ctx context.Context, rival sides.Rival, read func(sides.Operations, *watch) error) (seen *watch, err error) {
	seen = &watch{wanted: 1}
	server, err := world.Serve(ctx, func(r *http.Request) world.Reply {
		page, err := strconv.Atoi(r.URL.Query().Get("page_num"))
		if err == nil {
			seen.ask(page)
		}
		return rival.Answer(r)
	}, time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := rival.Plain(server.URL)
	if err != nil {
		return nil, err
	}
	return seen, read(client, seen)
}

// errLeave ends a list.
var errLeave = errors.New("the reader has left")
