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
	AtBreak    int // the same at the moment when the reader went away
	AfterBreak int // requests that came after that
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

func (w *watch) want(page int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = page
}

// PagesAhead reads this project's list to its end, and once more up to the middle
// of a page.
func PagesAhead(ctx context.Context, rival sides.Rival) (ahead Ahead, err error) {
	seen := &watch{wanted: 1}
	server, err := world.Serve(ctx, func(r *http.Request) world.Reply {
		page, err := strconv.Atoi(r.URL.Query().Get("page_num"))
		if err == nil {
			seen.ask(page)
		}
		return rival.Answer(r)
	}, time.Millisecond)
	if err != nil {
		return ahead, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := rival.Plain(server.URL)
	if err != nil {
		return ahead, err
	}
	next := 0
	err = client.List(ctx, func(index int) error {
		ahead.Disorder = ahead.Disorder || index != next
		next++
		// Behind the last item of a page the next page is waited for.
		seen.want(next/sides.PageItems + 1)
		return nil
	})
	if err != nil {
		return ahead, err
	}
	ahead.Disorder = ahead.Disorder || next != sides.ListItems

	*seen = watch{wanted: 1, most: seen.most}
	const leaveAt = 20*sides.PageItems + sides.PageItems/2
	next = 0
	before := 0
	err = client.List(ctx, func(int) error {
		next++
		seen.want(next/sides.PageItems + 1)
		if next < leaveAt {
			return nil
		}
		seen.mu.Lock()
		ahead.AtBreak, before = seen.asked-seen.wanted, seen.arrived
		seen.mu.Unlock()
		return errLeave
	})
	if !errors.Is(err, errLeave) {
		return ahead, err
	}
	// The range has waited for its requests, so that none of them is under way.
	seen.mu.Lock()
	defer seen.mu.Unlock()
	ahead.Most, ahead.AfterBreak = seen.most, seen.arrived-before
	return ahead, nil
}

// errLeave ends a list.
var errLeave = errors.New("the reader has left")
