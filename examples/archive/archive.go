package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/revv-go/revv"
)

const manifestName = "manifest.jsonl"

// record is a line of the manifest. It is written when both files of a document are whole
// and on the disk; a document without a line is not archived yet.
type record struct {
	Number     revv.DocumentNumber `json:"number"`
	ID         revv.DocumentID     `json:"id"`
	ObjectID   revv.ObjectID       `json:"object_id"`
	Title      string              `json:"title"`
	Stage      revv.Stage          `json:"stage"`
	PDF        checksum            `json:"pdf"`
	Activities checksum            `json:"activities"`
	ArchivedAt time.Time           `json:"archived_at"`
}

// checksum is the size and the hash that a file must have.
type checksum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

func checksumOf(content []byte) checksum {
	sum := sha256.Sum256(content)
	return checksum{int64(len(content)), hex.EncodeToString(sum[:])}
}

// archive is a directory with a PDF and a list of activities for each document,
// and the manifest. Nothing in it is ever overwritten.
type archive struct {
	dir      string
	root     *os.Root
	manifest *os.File
	records  map[revv.DocumentNumber]record
	torn     int // lines that cannot be read
}

// openArchive opens the directory, or creates it, and reads the manifest. A line that
// cannot be read was torn by a crash. It is ignored, so that its document is archived
// again.
func openArchive(dir string) (_ *archive, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := root.OpenFile(manifestName, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	a := &archive{dir: dir, root: root, manifest: manifest, records: make(map[revv.DocumentNumber]record)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("read %s: %w", manifestName, err), a.close())
		}
	}()
	content, err := io.ReadAll(manifest)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(content) {
		var r record
		if json.Unmarshal(line, &r) != nil || !isFileName(r.Number) {
			a.torn++
			continue
		}
		a.records[r.Number] = r
	}
	if len(content) > 0 && content[len(content)-1] != '\n' {
		_, err = manifest.WriteString("\n") // the next line must not grow on a torn one
	}
	return a, err
}

func (a *archive) close() error { return errors.Join(a.manifest.Close(), a.root.Close()) }

// isFileName reports whether a number can be part of a file name on every system. The
// number comes from the service, which must not choose a directory.
func isFileName(number revv.DocumentNumber) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`).MatchString(string(number)) &&
		!regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])$`).MatchString(string(number)) // devices of Windows
}

func pdfName(number revv.DocumentNumber) string        { return string(number) + ".pdf" }
func activitiesName(number revv.DocumentNumber) string { return string(number) + ".activities.json" }

func (a *archive) pdfPath(number revv.DocumentNumber) string {
	return filepath.Join(a.dir, pdfName(number))
}

// verify compares every file with its checksum. A document with changed content is left
// alone, for a person to look at. One with a missing file counts as not archived.
func (a *archive) verify() (whole int, damaged []error) {
	for number, r := range a.records {
		pdf, activities := a.compare(pdfName(number), r.PDF), a.compare(activitiesName(number), r.Activities)
		switch err := errors.Join(present(pdf), present(activities)); {
		case err != nil:
			damaged = append(damaged, err)
		case pdf != nil || activities != nil:
			delete(a.records, number)
		default:
			whole++
		}
	}
	return whole, damaged
}

// present returns err, unless it says that there is no file.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (a *archive) compare(name string, want checksum) error {
	got, err := a.sum(name)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s is not what it has to be: %d bytes with SHA-256 %.12s…, want %d bytes with %.12s…; move it away to have it archived again",
			filepath.Join(a.dir, name), got.Size, got.SHA256, want.Size, want.SHA256)
	}
	return nil
}

// sum returns the checksum of a file.
func (a *archive) sum(name string) (checksum, error) {
	file, err := a.root.Open(name)
	if err != nil {
		return checksum{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	return checksum{size, hex.EncodeToString(hash.Sum(nil))}, err
}

// keepActivities writes what happened to a document, as the service sent it. If the file
// exists already, a run wrote it that ended before it could record that, and the file
// stays.
func (a *archive) keepActivities(number revv.DocumentNumber, activities []revv.Activity) (checksum, error) {
	raw := make([]json.RawMessage, len(activities))
	for i, activity := range activities {
		raw[i] = activity.Raw
	}
	content, err := json.MarshalIndent(raw, "", "\t")
	if err != nil {
		return checksum{}, err
	}
	content = append(content, '\n')
	err = a.create(activitiesName(number), content)
	if errors.Is(err, fs.ErrExist) {
		return a.sum(activitiesName(number))
	}
	return checksumOf(content), err
}

// create makes a file that appears under its name only when it is whole, and never
// replaces another.
func (a *archive) create(name string, content []byte) error {
	temp := ".archive-" + rand.Text() + ".part"
	file, err := a.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer a.root.Remove(temp) //nolint:errcheck // what stays has a name that nobody looks for
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return a.root.Link(temp, name)
}

// errManifest ends the run: a part of a line may be at the end of the manifest, and the
// next one would grow on it.
var errManifest = errors.New("the manifest cannot be written")

// commit records a document as archived; the record is durable when it returns.
func (a *archive) commit(r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := a.manifest.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w: %w", errManifest, err)
	}
	if err := a.manifest.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errManifest, err)
	}
	a.records[r.Number] = r
	return nil
}
