package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/revv-go/revv/internal/sandbox"
)

const (
	maxListeners = 64                     // pages that follow changes at the same time
	eventPause   = 250 * time.Millisecond // between two events of a page
	eventTimeout = 10 * time.Second       // for a page that does not read
)

// events tells a page what kinds of things have changed, by server-sent events. It
// is a reason to look again: what has changed is nowhere in it, so that it needs no
// more protection than a clock.
func (c *Console) events(w http.ResponseWriter, r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		// It could not read them, but it could take the places of our own pages.
		return &sandbox.Problem{Status: http.StatusForbidden, Message: "Events are for the pages of the sandbox."}
	}
	select {
	case c.listeners <- struct{}{}:
		defer func() { <-c.listeners }()
	default:
		w.Header().Set("Retry-After", "10")
		return &sandbox.Problem{Status: http.StatusServiceUnavailable, Message: "Too many pages follow changes already; reload to see what is new."}
	}
	changes, end := c.sandbox.Watch()
	defer end()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(eventTimeout)) // not every writer has one
		_, err := w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	var kinds []string // changed since the last event
	for ok := send(": hello\n\n"); ok; {
		var due <-chan time.Time
		if len(kinds) > 0 {
			due = pause.C // a busy program changes things a thousand times a second
		}
		select {
		case <-r.Context().Done():
			return nil
		case change, open := <-changes:
			if !open {
				return nil
			}
			if !slices.Contains(kinds, change.Kind) {
				kinds = append(kinds, change.Kind)
			}
		case <-due:
			ok = send("data: " + strings.Join(kinds, " ") + "\n\n")
			kinds = nil
			pause.Reset(eventPause)
		}
	}
	return nil
}
