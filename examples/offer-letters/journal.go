package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

// entry is a line of the journal: how far a letter has got.
type entry struct {
	ID     string              `json:"id"`
	Number revv.DocumentNumber `json:"number"`
	Sent   bool                `json:"sent,omitzero"`
	Until  time.Time           `json:"until,omitzero"` // the latest time at which a request whose answer is missing has left: to send if there is a number, else to create
}

// onItsWay is how long a request whose answer was lost may take to arrive. If it has had
// no effect by then, it is taken for lost.
const onItsWay = time.Minute

// askLimit bounds a call whose answer can be lost. If the service asks the client to
// wait, the client may send its request only at the very end of that time.
const askLimit = time.Minute

var errUnsettled = errors.New("the last request may still be on its way")

// settled is nil if a request whose answer was lost had arrived by the time at, or
// never will. at is the time before the read that found no effect, because the
// request can still arrive while the answer of that read is on its way.
func (e entry) settled(at time.Time) error {
	if at.Sub(e.Until) < onItsWay && !e.Until.IsZero() {
		return e.unsettled(at)
	}
	return nil
}

// unsettled says how long the request may still be on its way.
func (e entry) unsettled(at time.Time) error {
	return fmt.Errorf("%w: run again in %s", errUnsettled, max(0, onItsWay-at.Sub(e.Until)).Round(time.Second))
}

var errLocked = errors.New("another run is at work with it")

// journal records on disk each request and what has been done. A line is durable before
// the next step begins, so a run can end at any moment. A line that was cut off is
// ignored; what it would have said is found out from the service.
type journal struct {
	lock io.Closer

	mu     sync.Mutex
	file   *os.File
	state  map[string]entry
	failed error
}

// openJournal reads the journal and locks it: two runs at once would send letters twice.
func openJournal(path string) (_ *journal, err error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	j := &journal{lock: lock, state: make(map[string]entry)}
	defer func() {
		if err != nil {
			_ = j.close()
		}
	}()
	j.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // beside the file that the user names
	if err != nil {
		return nil, err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil { // it may be new
		return nil, err
	}
	data, err := io.ReadAll(j.file)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	// By its name, because Windows does not truncate through a file that was opened to append.
	if err := os.Truncate(path, int64(whole)); err != nil {
		return nil, err
	}
	number := 0
	for line := range bytes.Lines(data[:whole]) {
		number++
		var e entry
		if err := json.Unmarshal(line, &e); err != nil || e.ID == "" {
			return nil, fmt.Errorf("%s, line %d: this is no entry of the journal; nothing was sent", path, number)
		}
		j.state[e.ID] = e
	}
	return j, nil
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

// of returns how far a letter has got.
func (j *journal) of(id string) entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state[id]
}

// write adds a line. After a failure it writes nothing more, because the last line may be
// incomplete.
func (j *journal) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		_, err := j.file.Write(append(line, '\n'))
		j.failed = errors.Join(err, j.file.Sync())
	}
	if j.failed != nil {
		return fmt.Errorf("%w: %w", errJournal, j.failed)
	}
	j.state[e.ID] = e
	return nil
}

// ask records that a request is about to be made, and bounds the call that makes it: if
// this run is killed, the next one knows how long it has to wait.
func (j *journal) ask(ctx context.Context, e entry) (context.Context, context.CancelFunc, error) {
	until := time.Now().Add(askLimit)
	e.Until = until.UTC()
	if err := j.write(e); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	return ctx, cancel, nil
}

// writeLost records that a call has ended without its answer.
func (j *journal) writeLost(e entry) error {
	e.Until = time.Now().UTC()
	return j.write(e)
}

var errJournal = errors.New("the journal cannot be written")

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.Close())
}
