package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/revv-go/revv"
)

// hooks receives webhooks on this machine.
type hooks struct {
	url    string // where the service reaches it, the secret at its end
	server *http.Server
	served sync.WaitGroup
	events chan *revv.Event
	seen   map[string]bool
}

// listen starts the receiver on loopback. public is the URL that leads to it
// from outside, as a tunnel gives it; "" means the loopback address itself, and
// "none" that there is no way in.
func listen(ctx context.Context, public string) (*hooks, error) {
	if public == noHooks {
		return nil, nil //nolint:nilnil // there is nothing to receive, and nothing wrong
	}
	secret := rand.Text()
	h := &hooks{events: make(chan *revv.Event, 100), seen: make(map[string]bool)}
	handler, err := revv.NewWebhookHandler(revv.PathSecret(secret), func(_ context.Context, event *revv.Event) error {
		select {
		case h.events <- event:
			return nil
		default:
			return errors.New("too many events at once") // the service will come again
		}
	})
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:0"
	if public != "" {
		address = "127.0.0.1:8788"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if public == "" {
		public = "http://" + listener.Addr().String()
	}
	h.url = strings.TrimRight(public, "/") + "/hooks/" + url.PathEscape(secret)
	h.server = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	h.served.Go(func() { _ = h.server.Serve(listener) })
	return h, nil
}

// collect returns the events of a document, each once however often it came, as
// soon as there are as many of each type as wanted.
func (h *hooks) collect(ctx context.Context, id revv.DocumentID, want map[revv.EventType]int, patience time.Duration) ([]*revv.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var events []*revv.Event
	got := make(map[revv.EventType]int)
	for {
		missing := 0
		for kind, n := range want {
			missing += max(n-got[kind], 0)
		}
		if missing == 0 {
			return events, nil
		}
		select {
		case event := <-h.events:
			if event.Document.ID != id || h.seen[event.Key()] {
				continue
			}
			h.seen[event.Key()] = true
			got[event.Type]++
			events = append(events, event)
		case <-ctx.Done():
			return events, fmt.Errorf("%d events have not arrived: %w", missing, ctx.Err())
		}
	}
}

func (h *hooks) close() {
	if h == nil {
		return
	}
	_ = h.server.Close()
	h.served.Wait()
}
