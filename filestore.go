package revv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/filelock"
)

// FileStore keeps the token of each account in its own file, which only the owner may
// read. Processes on one machine can share the directory: a lock admits one Update of an
// account at a time, and the operating system releases it if its holder dies. Files are
// replaced, never rewritten, so that a crash leaves the old token or the new one, whole.
// [NewFileStore] makes a FileStore.
//
// The name of a file is the SHA-256 of the account, in hexadecimal digits. The .lock
// files are empty and stay. Only a crash leaves a .tmp file behind; the next Update of
// the account puts it in its place if it is whole.
//
// A file that holds no token of its account gives an error that is ErrTokenStoreCorrupt,
// from Load and Update alike, and is left for a person to look at. Wrap the store in an
// [EncryptedStore] if a copy of the directory, such as a backup, must not give access.
type FileStore struct {
	dir   string
	locks accountLocks
}

// NewFileStore returns a store that keeps its files in dir, which is created for the
// owner alone if it does not exist. An existing directory keeps its mode: make sure that
// nobody else can write there, because that is not checked. The error is
// [ErrInvalidArgument] if dir is empty, [errors.ErrUnsupported] on systems without file
// locks, else that of the operating system.
func NewFileStore(dir string) (*FileStore, error) {
	const op = "NewFileStore"
	if dir == "" {
		return nil, invalidArgument(op, "dir", "must not be empty")
	}
	if !filelock.Supported {
		return nil, opError(op, fmt.Errorf("file locks on %s: %w", runtime.GOOS, errors.ErrUnsupported))
	}
	// The store must not move when the process changes its working directory.
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, opError(op, err)
	}
	_, err = os.Stat(absolute)
	created := errors.Is(err, fs.ErrNotExist)
	err = os.MkdirAll(absolute, 0o700)
	if err == nil && created { // a umask can take rights away from the owner, too
		err = os.Chmod(absolute, 0o700) //nolint:gosec // a directory, and its owner's alone
	}
	if err != nil {
		return nil, opError(op, err)
	}
	return &FileStore{dir: absolute}, nil
}

// sharesDirWith reports whether two stores keep their files in one directory, which can have
// several names because of symbolic links, mounts, and file systems that ignore case.
func (s *FileStore) sharesDirWith(other *FileStore) bool {
	if s.dir == other.dir {
		return true
	}
	here, err := os.Stat(s.dir)
	if err != nil {
		return false
	}
	there, err := os.Stat(other.dir)
	return err == nil && os.SameFile(here, there)
}

// Load returns the token of the account, or an error that is ErrNoToken or
// ErrTokenStoreCorrupt. A file that others may read is made private first. See
// [TokenStore].
func (s *FileStore) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	const op = "FileStore.Load"
	if err := s.check(ctx, op, account); err != nil {
		return nil, err
	}
	files := s.files(account)
	stored, err := files.read()
	if err == nil && stored.token == nil {
		stored, err = s.recoverFirstSave(ctx, files, stored)
	}
	if err != nil {
		return nil, opError(op, err)
	}
	if stored.token == nil {
		return nil, noToken(op)
	}
	return stored.token, nil
}

// recoverFirstSave looks for the very first token of an account, which a crash may have left as
// a draft. Nobody would call Update for an account that seems to have none, so Load has
// to recover it.
func (s *FileStore) recoverFirstSave(ctx context.Context, files tokenFiles, none tokenFile) (tokenFile, error) {
	if draft, err := files.readDraft(none); err != nil || draft == nil {
		return none, err
	}
	unlock, err := s.lock(ctx, files) // an Update may be about to put the draft in its place
	if err != nil {
		return none, err
	}
	defer unlock()
	return files.current()
}

// Update saves what fn returns, one call at a time for each account in all processes that
// share the directory. Before it calls fn it claims the disk space that saving can need.
// The error is ErrTokenStoreCorrupt if the file holds no token, and ErrConflict if the
// file was replaced while fn ran; both leave the file as it is. See [TokenStore].
func (s *FileStore) Update(ctx context.Context, account string, fn func(current *oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	const op = "FileStore.Update"
	if err := s.check(ctx, op, account); err != nil {
		return nil, err
	}
	files := s.files(account)
	unlock, err := s.lock(ctx, files)
	if err != nil {
		return nil, opError(op, err)
	}
	defer unlock()

	stored, err := files.current()
	if err != nil {
		return nil, opError(op, err)
	}
	draft, err := newTokenDraft(files, stored.info)
	if err != nil {
		return nil, opError(op, err)
	}
	defer draft.discard()

	next, changed, err := callUpdate(ctx, op, stored.token, fn)
	if err != nil || !changed {
		return next, err
	}
	data, err := encodeToken(op, account, stored.sum, next)
	if err != nil {
		return nil, err
	}
	if err := draft.save(data); err != nil {
		return nil, opError(op, err)
	}
	return next, nil
}

// Forget removes the file of the account, if there is one, whatever it contains, after
// any Update that is under way in any process. A client that already has an access token
// goes on using it.
func (s *FileStore) Forget(ctx context.Context, account string) error {
	const op = "FileStore.Forget"
	if err := s.check(ctx, op, account); err != nil {
		return err
	}
	files := s.files(account)
	unlock, err := s.lock(ctx, files)
	if err != nil {
		return opError(op, err)
	}
	defer unlock()
	for _, path := range []string{files.temp, files.token} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return opError(op, err)
		}
	}
	if err := syncDir(files.dir); err != nil {
		return opError(op, err)
	}
	return nil
}

func (s *FileStore) check(ctx context.Context, op, account string) error {
	return checkStoreCall(ctx, op, account, "NewFileStore", s != nil && s.dir != "")
}

// lock takes the lock within the process first, so that only one goroutine of each
// process waits for the lock file.
func (s *FileStore) lock(ctx context.Context, files tokenFiles) (unlock func(), err error) {
	leave, err := s.locks.lock(ctx, files.account)
	if err != nil {
		return nil, err
	}
	lock, err := filelock.Acquire(ctx, files.lock)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { lock.Release(); leave() }, nil
}

// tokenFiles are the paths that belong to one account.
type tokenFiles struct{ account, dir, token, lock, temp string }

func (s *FileStore) files(account string) tokenFiles {
	path := filepath.Join(s.dir, accountID(account))
	return tokenFiles{account: account, dir: s.dir, token: path + ".json", lock: path + ".lock", temp: path + ".tmp"}
}

// tokenFile is a token and the file that it was in. Both are nil when there is none.
type tokenFile struct {
	token *oauth2.Token
	info  fs.FileInfo
	sum   string // of the content
}

// current reads the file of an account, which must be locked. It first finishes a save
// that a crash has interrupted.
func (f *tokenFiles) current() (tokenFile, error) {
	stored, err := f.read()
	if err != nil {
		return tokenFile{}, err
	}
	draft, err := f.readDraft(stored)
	if err != nil || draft == nil {
		return stored, err
	}
	if err := f.finishSave(stored, draft); err != nil {
		return tokenFile{}, err
	}
	return f.read()
}

// readDraft returns a draft that a crash has left, or nil if there is none. The draft
// counts if it is whole and was to replace exactly what is stored: then the stored token
// is spent, and only that of the draft is good. A draft that cannot be read is an error,
// because it must not be removed.
func (f *tokenFiles) readDraft(stored tokenFile) (data []byte, err error) {
	if _, err := os.Lstat(f.temp); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // as nearly always; patiently would wait for it on Windows
	}
	err = patiently(briefly, func() (failed error) {
		data, _, failed = readPrivate(f.temp)
		return failed
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrTokenStoreCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\x00") // what is left of the room that was claimed
	if _, replaces, err := decodeToken(f.account, data); err != nil || replaces != stored.sum {
		return nil, nil //nolint:nilerr // it is no draft of this file
	}
	return data, nil
}

// finishSave makes a draft the token file.
func (f *tokenFiles) finishSave(stored tokenFile, data []byte) error {
	file, err := os.OpenFile(f.temp, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return (&tokenDraft{files: *f, file: file, before: stored.info}).save(data)
}

// read reads the file of an account, if there is one.
func (f *tokenFiles) read() (stored tokenFile, err error) {
	var data []byte
	err = patiently(briefly, func() (failed error) {
		data, stored.info, failed = readPrivate(f.token)
		return failed
	})
	if errors.Is(err, fs.ErrNotExist) {
		// A missing directory, such as a volume that is not mounted, does not mean that
		// nobody ever authorized the account.
		// Windows says of a path below a file, too, that it does not exist.
		dir, err := os.Stat(f.dir)
		if err == nil && !dir.IsDir() {
			err = &fs.PathError{Op: "open", Path: f.dir, Err: syscall.ENOTDIR}
		}
		return tokenFile{sum: hexSHA256(nil)}, err
	}
	if err == nil {
		stored.token, _, err = decodeToken(f.account, data)
		stored.sum = hexSHA256(data)
	}
	if errors.Is(err, ErrTokenStoreCorrupt) {
		err = fmt.Errorf("%q: %w", f.token, err)
	}
	return stored, err
}

// readPrivate makes a file private and reads it, as far as to see that it is too large. It
// opens only regular files: reading a pipe would never end, and a symbolic link would let
// whoever can write to the directory choose what is read.
func readPrivate(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, corrupt("is not a regular file")
	}
	file, err := os.Open(path) //nolint:gosec // the name is made of digits
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	if err := makePrivate(file, info); err != nil {
		return nil, nil, fmt.Errorf("others may read the tokens, and that cannot be changed: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxStoredToken+1))
	return data, info, err
}

// tokenDraft is the file that will replace a token file. While the account is locked
// nobody else uses its name.
type tokenDraft struct {
	files  tokenFiles
	file   *os.File
	before fs.FileInfo // the token file that is to be replaced, nil when there is none
	whole  bool        // the new token is durable, and only the rename is left
}

// newTokenDraft does everything in saving that can fail and does not need the token: it
// creates a file, fills it to the size of the largest token, and waits until that is
// durable. It also removes what a crash left.
func newTokenDraft(files tokenFiles, before fs.FileInfo) (*tokenDraft, error) {
	if err := os.Remove(files.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(files.temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	draft := &tokenDraft{files: files, file: file, before: before}
	if err = filelock.GiveToOwner(file); err == nil {
		err = draft.write(make([]byte, maxStoredToken))
	}
	if err == nil {
		err = syncDir(files.dir)
	}
	if err != nil {
		draft.discard()
		return nil, err
	}
	return draft, nil
}

func (d *tokenDraft) write(data []byte) error {
	if _, err := d.file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := d.file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return d.file.Sync()
}

// save replaces the token file by one with data.
func (d *tokenDraft) save(data []byte) error {
	if err := d.write(data); err != nil {
		return err
	}
	draft, err := d.file.Stat()
	if err != nil {
		return err
	}
	// Windows renames closed files only.
	if err := d.file.Close(); err != nil {
		return err
	}
	if err := checkUntouched(d.files.token, d.before); err != nil {
		return err
	}
	if err := checkUntouched(d.files.temp, draft); err != nil {
		return err
	}
	d.whole = true
	if err := rename(d.files.temp, d.files.token); err != nil {
		return err
	}
	return syncDir(d.files.dir)
}

// discard removes the draft unless save has put it in place. A whole draft that could not
// be renamed stays: the next Update, in whatever process, puts it in place.
func (d *tokenDraft) discard() {
	_ = d.file.Close()
	if !d.whole {
		_ = os.Remove(d.files.temp)
	}
}

// checkUntouched notices a change by somebody who ignored the lock: a person who restored
// a backup, or a process whose lock file was removed. before is nil if there was no file.
// Size and time are compared because a system can give the inode number of a removed file
// to the next one. NTFS does not, and may set the time of a file only when it is closed.
func checkUntouched(path string, before fs.FileInfo) error {
	now, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && before == nil:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil, before == nil, !os.SameFile(now, before),
		now.Size() != before.Size(), runtime.GOOS != "windows" && !now.ModTime().Equal(before.ModTime()):
		return fmt.Errorf("%w: %q was replaced while the account was locked", ErrConflict, path)
	}
	return nil
}

// rename waits for a virus scanner, which reads a file as soon as it is closed.
func rename(temp, path string) error {
	return patiently(persistently, func() error { return os.Rename(temp, path) })
}
