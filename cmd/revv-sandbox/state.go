package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/revv-go/revv/internal/filelock"
	"github.com/revv-go/revv/internal/sandbox"
)

const (
	// saveEvery is how long a change waits, so that many of them make one file.
	// With the time that the writing takes it stays below a second.
	saveEvery = 500 * time.Millisecond
	// warnEvery is how often it is said that the state cannot be saved, as on a full disk: often
	// enough to be found among the lines of the requests.
	warnEvery = time.Minute
	// lockTimeout is for a program before this one that is about to end.
	lockTimeout = 2 * time.Second
)

// stateFile keeps the account of a sandbox on disk.
type stateFile struct {
	name    string // what the file was given by, for messages
	path    string
	sandbox *sandbox.Sandbox
	lock    *filelock.Lock
	saved   uint64    // the revision that the file holds
	warned  time.Time // when it was last logged that the state cannot be saved; zero if it can
}

// openState loads the file into the sandbox and writes it back, so that a place where it
// cannot be written is noticed at the start. A file that is not understood is left as it
// is. With an empty path nothing is kept.
func openState(ctx context.Context, name, path string, s *sandbox.Sandbox) (f *stateFile, err error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nothing is to be kept, and nothing wrong
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		// Or a file with two names would have two locks, and a link would be replaced by a copy.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
	}
	f = &stateFile{name: name, path: path, sandbox: s}
	if filelock.Supported {
		ctx, cancel := context.WithTimeout(ctx, lockTimeout)
		defer cancel()
		if f.lock, err = filelock.Acquire(ctx, path+".lock"); errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("%s belongs to another sandbox that is running; end it, or name another file", path)
		} else if err != nil {
			return nil, err
		}
		f.removeDrafts() // without a lock, they could be those of another sandbox
	}
	if err := f.load(); err != nil { //nolint:contextcheck // deliveries live as long as the sandbox
		f.release()
		return nil, err
	}
	if err := f.save(); err != nil {
		f.release()
		return nil, err
	}
	return f, nil
}

func (f *stateFile) load() error {
	content, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.sandbox.Import(content); err != nil {
		return fmt.Errorf("%s does not hold the state of a sandbox and is left as it is; move it away, or name another file: %w", f.path, err)
	}
	return nil
}

// draftPrefix begins the names of the temporary files that are renamed to the state file.
func (f *stateFile) draftPrefix() string { return "." + filepath.Base(f.path) + "-" }

// removeDrafts removes the temporary files of a sandbox that was killed, because they
// contain secrets.
func (f *stateFile) removeDrafts() {
	entries, _ := os.ReadDir(filepath.Dir(f.path)) // what is wrong with the folder, save finds out
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), f.draftPrefix())
		if ok && rest != "" && strings.Trim(rest, "0123456789") == "" && entry.Type().IsRegular() {
			_ = os.Remove(filepath.Join(filepath.Dir(f.path), entry.Name()))
		}
	}
}

// save writes a temporary file and renames it, so that an interruption leaves the old
// state or the new one. Only the owner may read it, because it contains the client
// secret.
func (f *stateFile) save() error {
	revision := f.sandbox.Revision() // before the export: what comes between is saved twice, not never
	content, err := f.sandbox.Export()
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(f.path), f.draftPrefix()+"*") // 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync() // or a crash of the machine could keep the new name and lose the content
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path) //nolint:gosec // whoever starts the program names the file
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name())) //nolint:gosec // as above
	}
	f.saved = revision
	return nil
}

// run saves what changes until ctx is done.
func (f *stateFile) run(ctx context.Context, logger *log.Logger) {
	if f == nil {
		return
	}
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if f.sandbox.Revision() == f.saved {
			continue
		}
		switch err := f.save(); {
		case err != nil && time.Since(f.warned) >= warnEvery:
			logger.Printf("%s: %v; it is tried again every %v", f.name, err, saveEvery)
			f.warned = time.Now()
		case err == nil && !f.warned.IsZero():
			logger.Printf("%s: saved again", f.name)
			f.warned = time.Time{}
		}
	}
}

// close saves the last changes and releases the file.
func (f *stateFile) close() error {
	if f == nil {
		return nil
	}
	defer f.release()
	if err := f.save(); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

func (f *stateFile) release() {
	if f.lock != nil {
		f.lock.Release()
	}
}
