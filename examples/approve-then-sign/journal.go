package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// askLimit is how long a call may take whose answer can be lost. The client may wait in it,
// because the service has asked for that, and send its request at the very end.
const askLimit = time.Minute

var errUnsettled = errors.New("the last request may still be on its way")

// acknowledged stands before the time at which the service has said that it did what was asked.
const acknowledged = "acknowledged "

// errUnshown keeps a run from asking for the same again.
var errUnshown = errors.New("the service has said that it sent it, and does not show that (yet): see whether the mails have come, and whether the activities have other names than in this program; it is not sent again before this file is removed")

// request is a file that says that something was asked for, and when that settles: what the
// service shows from then on is what became of it.
type request string

// ask makes the file of a request, before that is sent, and says until when the call may take
// that sends it: if this program is killed, the next run knows how long it has to wait. Of two
// runs at the same time one finds the file taken. looked is when it began to read what the
// service shows.
func (p purchase) ask(what string, looked time.Time) (name request, until time.Time, err error) {
	if name, err = p.next(what, looked); err != nil {
		return "", until, err
	}
	until = time.Now().Add(askLimit)
	draft, err := write(p.Journal, "", until.Add(p.Patience))
	if err != nil {
		return "", until, err
	}
	defer func() { _ = os.Remove(draft) }()
	err = os.Link(draft, string(name)) // unlike a rename, it takes the place of no other
	switch {
	case errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%w: another program has just asked for the same", errUnsettled)
	case err == nil:
		err = syncFolder(p.Journal)
	}
	return name, until, err
}

// next is the file of the next request. The files of earlier ones stay, and all of them have to
// be settled.
func (p purchase) next(what string, looked time.Time) (request, error) {
	files, err := os.ReadDir(p.Journal)
	if err != nil {
		return "", err
	}
	prefix, last := fmt.Sprintf("%s-%s-", url.PathEscape(string(p.Number)), what), 0
	for _, file := range files {
		number, ours := strings.CutPrefix(file.Name(), prefix)
		n, err := strconv.Atoi(number)
		if !ours || err != nil {
			continue
		}
		last = max(last, n)
		path := filepath.Join(p.Journal, file.Name())
		var text []byte
		err = patiently(func() (err error) {
			text, err = os.ReadFile(path) //nolint:gosec // the user names the folder
			return err
		})
		if err != nil {
			return "", err
		}
		at, told := strings.CutPrefix(string(text), acknowledged)
		settled, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return "", fmt.Errorf("%s must hold a time; see what became of the request, and remove it: %w", path, err)
		}
		if looked.Before(settled) {
			return "", fmt.Errorf("%w: run again in %s", errUnsettled, max(time.Until(settled).Round(time.Second), time.Second))
		}
		if told {
			return "", fmt.Errorf("%w: %s", errUnshown, path)
		}
	}
	return request(filepath.Join(p.Journal, prefix+strconv.Itoa(last+1))), nil
}

// settle changes when it is known what became of a request: once the call has ended, nothing
// can leave any more.
func (r request) settle(at time.Time) error {
	return r.replace("", at)
}

// acknowledge records the success of a request. The service may show it later than it says it,
// so nothing that it shows is a reason to ask for the same again.
func (r request) acknowledge() error {
	if err := r.replace(acknowledged, time.Now()); err != nil {
		return fmt.Errorf("it was sent, and that cannot be written down, so do not run this again before it shows: %w", err)
	}
	return nil
}

func (r request) replace(prefix string, at time.Time) error {
	draft, err := write(filepath.Dir(string(r)), prefix, at)
	if err != nil {
		return err
	}
	if err := patiently(func() error { return os.Rename(draft, string(r)) }); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(string(r)))
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

// patiently repeats do for a second on Windows, which replaces no file that another run is
// reading, and opens none that is being replaced.
func patiently(do func() error) error {
	err := do()
	for tries := 0; runtime.GOOS == "windows" && err != nil && tries < 100; tries++ {
		<-time.After(10 * time.Millisecond)
		err = do()
	}
	return err
}

// write writes a time into a new file, which is on the disk when it returns.
func write(dir, prefix string, at time.Time) (path string, err error) {
	file, err := os.CreateTemp(dir, ".request-*")
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(prefix + at.UTC().Format(time.RFC3339Nano))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}
