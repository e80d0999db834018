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
	"time"

	"github.com/revv-go/revv"
)

// entry is a line of the journal: how far a letter has got.
type entry struct {
	ID     string              `json:"id"`
	Number revv.DocumentNumber `json:"number"`
	Sent   bool                `json:"sent,omitzero"`
	Until  time.Time           `json:"until,omitzero"` // when a request has left, at the latest, whose answer is missing: to create, or to send what has a number
}

// onItsWay is how long a request whose answer was lost may take to arrive. What has
// not shown its effect by then is taken for lost.
const onItsWay = time.Minute

// askLimit is how long a call may take whose answer can be lost. The client may wait in it,
// because the service has asked for that, and send its request at the very end.
const askLimit = time.Minute

var errUnsettled = errors.New("the last request may still be on its way")

// settled says that what was asked for had happened at that time, or never will. The
// time is that before the read whose answer is judged: while a slow answer is on its way,
// the request can still arrive.
func (e entry) settled(at time.Time) error {
	if left := onItsWay - at.Sub(e.Until); left > 0 && !e.Until.IsZero() {
		return fmt.Errorf("%w: run again in %s", errUnsettled, left.Round(time.Second))
	}
	return nil
}

var errLocked = errors.New("another run is at work with it")

// journal remembers on disk what is asked for and what has been done. A line is there for good before
// the next step begins, so that a run can end at any moment: a line that was cut
// off is no line, and what it would have said is found out from the service.
type journal struct {
	lock io.Closer

	mu     sync.Mutex
	file   *os.File
	state  map[string]entry
	failed error
}

// openJournal reads the journal, and keeps others from working on the same one:
// two runs at once would send letters twice.
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
	data, err := io.ReadAll(j.file)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if err := j.file.Truncate(int64(whole)); err != nil {
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

// of returns how far a letter has got.
func (j *journal) of(id string) entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state[id]
}

// write adds a line. After a failure it writes nothing more, for the last line
// may be a half one.
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

// ask notes down that something is asked for, and bounds the call that does it: if this run
// is killed, the next one knows how long it has to wait.
func (j *journal) ask(ctx context.Context, e entry) (context.Context, context.CancelFunc, error) {
	until := time.Now().Add(askLimit)
	e.Until = until.UTC()
	if err := j.write(e); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	return ctx, cancel, nil
}

// writeLost notes down that the answer to a call is lost, which is over.
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
