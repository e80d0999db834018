package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

// inbox keeps events on disk: an event that was acknowledged is not lost when the program
// dies, and one that comes again is recognised, even after a restart. Only one process at
// a time may use the file.
type inbox struct {
	mu      sync.Mutex
	file    *os.File
	size    int64           // of the lines that were written whole
	torn    bool            // there may be a part of a line behind them
	owed    []line          // of what was handled: not written yet, for the disk did not take it
	seen    map[string]bool // by the key of the event
	waiting []waiting
	aside   int                   // how many events are not tried again before the next start
	stages  map[string]revv.Stage // of each document, as it was when an event was handled
	arrived chan struct{}         // has an element when something waits
}

// waiting is an event that is still to be handled.
type waiting struct {
	key      string
	event    *revv.Event
	due      time.Time // not to be tried before; zero if it was not tried yet
	failures int       // how often it was tried
	misfits  int       // how often that was because of the event
	doubts   int       // how often what was read then may have been out of date, see look
}

// line is a line of the file: an event that came, or one that was handled.
type line struct {
	Key     string          `json:"key"`
	Event   json.RawMessage `json:"event,omitempty"` // as it came
	Handled bool            `json:"handled,omitzero"`
	About   string          `json:"about,omitzero"` // the document, see nameOf; "" if there is none
	Stage   revv.Stage      `json:"stage,omitzero"` // that it had then
}

func openInbox(path string, log *slog.Logger) (*inbox, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil { // it may be new
		return nil, errors.Join(err, file.Close())
	}
	b := &inbox{file: file, seen: make(map[string]bool), stages: make(map[string]revv.Stage), arrived: make(chan struct{}, 1)}
	if err := b.load(log); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return b, nil
}

// syncFolder makes lasting what was made or renamed in a folder, even if the power fails.
// Windows and some network file systems have no such call, and need none.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path) //nolint:gosec // the folder of the user's file
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}

// load reads what is there. A last line that was cut off belongs to an event that
// was not acknowledged, which will come again. Any other line that cannot be read
// stays in the file, for a person to look at, and keeps nothing else from being read.
func (b *inbox) load(log *slog.Logger) error {
	data, err := io.ReadAll(b.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole < len(data) {
		if err := b.truncate(int64(whole)); err != nil {
			return err
		}
	}
	b.size = int64(whole)
	handled := make(map[string]bool)
	number := 0
	for text := range bytes.Lines(data[:whole]) {
		number++
		l, event, err := parseLine(text)
		if err != nil {
			log.Error("a line of the inbox cannot be read", "file", b.file.Name(), "line", number, "error", err)
			continue
		}
		b.seen[l.Key] = true
		if !l.Handled {
			b.waiting = append(b.waiting, waiting{key: l.Key, event: event})
			continue
		}
		handled[l.Key] = true
		if l.About != "" {
			b.stages[l.About] = l.Stage
		}
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(w waiting) bool { return handled[w.key] })
	b.signal()
	return nil
}

// parseLine reads a line. Its event was accepted when it came, so it is not for
// ParseEvent, whose limits are for strangers.
func parseLine(text []byte) (l line, event *revv.Event, err error) {
	if err := json.Unmarshal(text, &l); err != nil {
		return l, nil, err
	}
	switch {
	case l.Key == "":
		return l, nil, errors.New("it has no key")
	case l.Handled:
		return l, nil, nil
	}
	event = new(revv.Event)
	return l, event, json.Unmarshal(l.Event, event)
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
	if err := b.write(line{Key: key, Event: event.Raw}); err != nil {
		return err
	}
	b.seen[key] = true
	b.waiting = append(b.waiting, waiting{key: key, event: event})
	b.signal()
	return nil
}

// next returns the event whose turn it is: new ones come first, then those that
// failed, in the order in which they are due. ok is false if none is due now.
func (b *inbox) next(now time.Time) (w waiting, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return waiting{}, false
	}
	w = slices.MinFunc(b.waiting, func(one, other waiting) int { return one.due.Compare(other.due) })
	return w, !w.due.After(now)
}

// rest returns how long nothing is to be done, unless an event arrives.
func (b *inbox) rest(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := time.Hour
	if len(b.owed) > 0 {
		rest = time.Minute
	}
	for _, w := range b.waiting {
		rest = min(rest, w.due.Sub(now))
	}
	return rest
}

// done notes that an event was handled, and in which stage its document was found;
// about is "" if there is none. What was done is done, so that holds whether or not
// the disk takes it: a line that it does not take is written later.
func (b *inbox) done(key, about string, stage revv.Stage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(key)
	if about != "" {
		b.stages[about] = stage
	}
	b.owed = append(b.owed, line{Key: key, Handled: true, About: about, Stage: stage})
	return b.write()
}

// later puts an event back, changed, for another try.
func (b *inbox) later(w waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(w.key)
	b.waiting = append(b.waiting, w)
}

// setAside has an event wait for the next start, which finds it in the file.
func (b *inbox) setAside(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(key)
	b.aside++
}

func (b *inbox) drop(key string) {
	b.waiting = slices.DeleteFunc(b.waiting, func(w waiting) bool { return w.key == key })
}

// stage returns the stage that a document had when its last event was handled.
func (b *inbox) stage(about string) revv.Stage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stages[about]
}

// counts returns how many different events have come, how many of them wait, and how
// many were set aside.
func (b *inbox) counts() (all, waiting, aside int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen), len(b.waiting), b.aside
}

// flush writes what is owed to the disk.
func (b *inbox) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write()
}

// write writes what is owed, and then lines: all of it, or nothing that counts. The
// part of a line that a failure leaves behind is cut off before anything else is written.
func (b *inbox) write(lines ...line) error {
	lines = slices.Concat(b.owed, lines)
	if len(lines) == 0 {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // an event is stored as it came, and not six times as long
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return err
		}
	}
	if b.torn {
		if err := b.truncate(b.size); err != nil {
			return err
		}
	}
	b.torn = true
	if _, err := b.file.Write(text.Bytes()); err != nil {
		return err
	}
	if err := b.file.Sync(); err != nil {
		return err
	}
	b.torn, b.owed = false, nil
	b.size += int64(text.Len())
	return nil
}

// truncate does it by the name of the file, because Windows does not truncate through a file
// that was opened to append.
func (b *inbox) truncate(size int64) error { return os.Truncate(b.file.Name(), size) }

func (b *inbox) signal() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

func (b *inbox) close() error { return errors.Join(b.flush(), b.file.Close()) }
