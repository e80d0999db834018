package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// askLimit is how long a call may take whose answer can be lost. The client may wait in it,
// because the service has asked for that, and send its request at the very end.
const askLimit = time.Minute

var errUnsettled = errors.New("the last request may still be on its way")

// request is a file that says that something was asked for, and by its modification time
// when. The files stay where they are, and are numbered.
type request struct {
	path     string
	patience time.Duration
}

// settles is when the request has arrived, or never will: what the service shows from then on
// is what became of it.
func (r request) settles() (time.Time, error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime().Add(askLimit + r.patience), nil
}

// settle changes that, when more is known: once the call has ended, nothing can leave any more.
func (r request) settle(at time.Time) error {
	at = at.Add(-askLimit - r.patience)
	return os.Chtimes(r.path, at, at)
}

// ask makes the file of a request, before that is sent, and bounds the call that sends it:
// if this program is killed, the next run knows how long it has to wait. Of two runs at the
// same time one finds the file taken. looked is when it began to read what the service shows.
func (p purchase) ask(ctx context.Context, what string, looked time.Time) (context.Context, context.CancelFunc, request, error) {
	fail := func(err error) (context.Context, context.CancelFunc, request, error) { return nil, nil, request{}, err }
	for n := 1; ; n++ {
		r := request{filepath.Join(p.Journal, fmt.Sprintf("%s-%s-%d", url.PathEscape(string(p.Number)), what, n)), p.Patience}
		switch at, err := r.settles(); {
		case err == nil && looked.Before(at):
			return fail(fmt.Errorf("%w: run again in %s", errUnsettled, max(time.Until(at).Round(time.Second), time.Second)))
		case err == nil:
			continue
		case !errors.Is(err, fs.ErrNotExist):
			return fail(err)
		}
		file, err := os.OpenFile(r.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return fail(fmt.Errorf("%w: another program has just asked for the same", errUnsettled))
		}
		if err != nil {
			return fail(err)
		}
		until := time.Now().Add(askLimit)
		if err := errors.Join(r.settle(until.Add(p.Patience)), file.Sync(), file.Close()); err != nil { // by our clock, not by that of a file server
			return fail(err)
		}
		bounded, cancel := context.WithDeadline(ctx, until)
		return bounded, cancel, r, nil
	}
}
