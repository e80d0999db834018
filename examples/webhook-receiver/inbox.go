package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/revv-go/revv"
)

// inbox keeps events on disk: an event that was acknowledged is not lost when the
// program dies, and one that comes again is recognised, after a restart too. One
// process at a time uses a file.
type inbox struct {
	mu      sync.Mutex
	file    *os.File
	failed  error
	seen    map[string]bool // by the key of the event
	waiting []waiting
	stages  map[revv.DocumentID]revv.Stage // as they were when an event was handled
	arrived chan struct{}                  // has an element when something waits
}

// waiting is an event that is still to be handled.
type waiting struct {
	key   string
	event *revv.Event
}

// line is a line of the file: an event that came, or one that was handled.
type line struct {
	Key      string          `json:"key"`
	Event    json.RawMessage `json:"event,omitempty"`
	Handled  bool            `json:"handled,omitzero"`
	Document revv.DocumentID `json:"document,omitzero"`
	Stage    revv.Stage      `json:"stage,omitzero"`
}

func openInbox(path string) (*inbox, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	b := &inbox{file: file, seen: make(map[string]bool), stages: make(map[revv.DocumentID]revv.Stage), arrived: make(chan struct{}, 1)}
	if err := b.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return b, nil
}

// load reads what is there. A last line that was cut off belongs to an event that
// was not acknowledged, which will come again.
func (b *inbox) load() error {
	data, err := io.ReadAll(b.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if err := b.file.Truncate(int64(whole)); err != nil {
		return err
	}
	handled := make(map[string]bool)
	number := 0
	for text := range bytes.Lines(data[:whole]) {
		number++
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		b.seen[l.Key] = true
		if l.Handled {
			handled[l.Key] = true
			b.stages[l.Document] = l.Stage
			continue
		}
		event, err := revv.ParseEvent(l.Event)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		b.waiting = append(b.waiting, waiting{l.Key, event})
	}
	var left []waiting
	for _, w := range b.waiting {
		if !handled[w.key] {
			left = append(left, w)
		}
	}
	b.waiting = left
	b.signal()
	return nil
}

// put takes an event in. When it returns nil, the event is on the disk, or has
// been there before: then the sender need not come again.
func (b *inbox) put(_ context.Context, event *revv.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := event.Key()
	if b.seen[key] {
		return nil
	}
	if err := b.append(line{Key: key, Event: event.Raw}); err != nil {
		return err
	}
	b.seen[key] = true
	b.waiting = append(b.waiting, waiting{key, event})
	b.signal()
	return nil
}

// next returns the event that has waited longest; ok is false if none waits.
func (b *inbox) next() (w waiting, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return waiting{}, false
	}
	return b.waiting[0], true
}

// done notes that the first event was handled, and in which stage its document
// was found; document is 0 if there is none.
func (b *inbox) done(key string, document revv.DocumentID, stage revv.Stage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.append(line{Key: key, Handled: true, Document: document, Stage: stage}); err != nil {
		return err
	}
	b.waiting = b.waiting[1:]
	b.stages[document] = stage
	return nil
}

// later puts the first event behind the others.
func (b *inbox) later() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting[1:], b.waiting[0])
}

// stage returns the stage that a document had when its last event was handled.
func (b *inbox) stage(id revv.DocumentID) revv.Stage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stages[id]
}

// counts returns how many different events have come, and how many of them wait.
func (b *inbox) counts() (all, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen), len(b.waiting)
}

// append writes a line. After a failure it writes nothing more, for the last line
// may be a half one.
func (b *inbox) append(l line) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if b.failed == nil {
		_, err := b.file.Write(append(data, '\n'))
		b.failed = errors.Join(err, b.file.Sync())
	}
	return b.failed
}

func (b *inbox) signal() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

func (b *inbox) close() error { return b.file.Close() }
