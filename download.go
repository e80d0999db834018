package revv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/wire"
)

// Download describes a PDF that has arrived whole: it has the declared length, if one was
// declared, begins with %PDF- and has %%EOF at its end. (If the answer has neither a length
// nor chunks, nothing tells a cut from the end of the file but the %%EOF, which a revised
// PDF can have inside as well.)
type Download struct {
	Size        int64  // bytes
	SHA256      string // in hexadecimal
	ContentType string // as declared
	// FileName is the name that the service suggests, "" if it suggests none. It is a
	// bare name without any directory, and never that of a device on Windows, as CON or
	// nul.pdf. Nothing is stored under it.
	FileName string
}

const (
	stallLimit  = 30 * time.Second
	copyBuffer  = 64 << 10
	tailLength  = 1024 // where %%EOF must stand, as readers of PDF look for it
	maxFileName = 255
)

// The errors of a stream that is not what it should be.
var (
	errChanged = errors.New("the file changed between two attempts")
	errNoEnd   = errors.New("the PDF has no end (%%EOF)")
)

// stream is a download over all its attempts.
type stream struct {
	sink     io.Writer
	rewind   func() error // empties the sink; nil if that cannot be done
	progress func(done, total int64)

	done      int64
	shown     int64 // what progress has reported so far
	total     int64 // of the whole file, -1 if the service has not said; set with the first answer
	sum       hash.Hash
	tail      []byte
	validator string // the strong ETag, or "": then nothing can be resumed
	result    Download
}

// Download writes the PDF of a document to w as it arrives. See [Download] for what is
// verified. If it fails, discard what was written so far. It is [ErrTruncated] if the
// file ended early in every attempt or changed between two of them, [ErrUnexpectedContent]
// if it is no PDF, [ErrEmptyResponse] if it is nothing, and [ErrNotFound] if there is no such
// document. An attempt ends after 30 s without a byte; only ctx bounds the whole download.
//
// Look at [Document].Stage first: it is not known what the service returns for a document
// that is not signed yet (the article says "Download signed documents", the sandbox
// returns a PDF). A read. The route is a stand-in.
func (s *DocumentsService) Download(ctx context.Context, id DocumentID, w io.Writer, opts ...CallOption) (*Download, error) {
	c, call := s.root(), &call{op: opDownloadDocument, id: numericID("id", int64(id))}
	if isNil(w) {
		call.refused = invalidArgument(operations[opDownloadDocument].name, "w", "must not be nil")
	}
	p, err := c.prepare(ctx, c.lookUp(call), opts)
	if err != nil {
		return nil, err
	}
	return c.stream(ctx, p, &stream{sink: w})
}

func (c *core) stream(ctx context.Context, p *prepared, s *stream) (*Download, error) {
	s.progress, s.sum = p.settings.progress, sha256.New()
	if err := c.loop(ctx, p, func(ctx context.Context, a *attempt) result { return c.streamAttempt(ctx, p, a, s) }); err != nil {
		return nil, err
	}
	whole := s.result // a copy, which does not keep the stream and its sink
	whole.Size, whole.SHA256 = s.done, hex.EncodeToString(s.sum.Sum(nil))
	return &whole, nil
}

// streamAttempt sends one request and copies what arrives. If the service can, it
// continues where the last attempt was cut.
func (c *core) streamAttempt(ctx context.Context, p *prepared, a *attempt, s *stream) result {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(stallLimit, func() {
		cancel(fmt.Errorf("no bytes for %v: %w", stallLimit, os.ErrDeadlineExceeded)) // the only cause beside that of ctx
	})
	defer watchdog.Stop()

	extra := http.Header{"Accept": pdfType, "Accept-Encoding": {"identity"}}
	if s.done > 0 && s.validator != "" {
		extra["Range"] = []string{"bytes=" + strconv.FormatInt(s.done, 10) + "-"}
		extra["If-Range"] = []string{s.validator}
	}
	resp, r := c.exchange(ctx, bounded, p, a, extra)
	if resp != nil && isRedirect(resp.StatusCode) {
		resp = c.follow(ctx, bounded, p, resp, &r, extra)
	}
	switch {
	case resp == nil:
		if stalled := context.Cause(bounded); stalled != nil && ctx.Err() == nil {
			r.outcome, r.err = retry.Cut, stalled
		}
	case r.status == http.StatusRequestedRangeNotSatisfiable && extra["Range"] != nil:
		discard(resp.Body)
		s.validator = "" // what was resumed is gone; begin again
		r.outcome, r.err = retry.BodyCut, fmt.Errorf("%w: the service does not continue after %d bytes", ErrTruncated, s.done)
	case r.outcome != retry.Success:
		r.problem = readProblem(resp)
	default:
		defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
		r.outcome, r.err = s.receiveWithin(ctx, bounded, resp, watchdog)
	}
	return r
}

// receiveWithin receives the body of an answer, and says what cut it: the caller's context,
// the watchdog, or the network.
func (s *stream) receiveWithin(ctx, bounded context.Context, resp *http.Response, watchdog *time.Timer) (retry.Outcome, error) {
	outcome, err := s.receive(resp, &watchedBody{resp.Body, watchdog})
	switch {
	case outcome == retry.BodyUnusable && ctx.Err() != nil:
		return outcome, fmt.Errorf("%w: %w", ctx.Err(), err)
	case outcome != retry.BodyCut:
		return outcome, err
	case ctx.Err() != nil:
		return retry.GivenUp, ctx.Err()
	case context.Cause(bounded) != nil:
		return outcome, fmt.Errorf("%w: %w", ErrTruncated, context.Cause(bounded))
	}
	return outcome, fmt.Errorf("%w after %d bytes: %w", ErrTruncated, s.done, err)
}

// watchedBody is a body with a watchdog, which runs only while bytes are waited for: how long
// the sink takes does not matter.
type watchedBody struct {
	body     io.Reader
	watchdog *time.Timer
}

// Read implements [io.Reader].
func (w *watchedBody) Read(b []byte) (int, error) {
	w.watchdog.Reset(stallLimit)
	defer w.watchdog.Stop()
	return w.body.Read(b)
}

// receive copies the body of a 200 or 206 into the sink.
func (s *stream) receive(resp *http.Response, body io.Reader) (retry.Outcome, error) {
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return retry.BodyUnusable, fmt.Errorf("%w: a coding that was not asked for", ErrUnexpectedContent)
	}
	if outcome, err := s.align(resp, body); err != nil {
		return outcome, err
	}
	if s.done == 0 {
		if outcome, err := readHead(resp, body); err != nil {
			return outcome, err
		}
		body = io.MultiReader(strings.NewReader(pdfHead), body)
	}
	return s.copy(body)
}

// align makes sure that the body continues the bytes that have already arrived.
func (s *stream) align(resp *http.Response, body io.Reader) (retry.Outcome, error) {
	if resp.StatusCode == http.StatusPartialContent {
		if !s.continues(resp) {
			s.validator = ""
			return retry.BodyCut, errors.New("the service continues elsewhere")
		}
		return retry.Success, nil
	}
	s.total = resp.ContentLength
	s.validator = "" // until the bytes that are here are known to be of this version
	s.result.ContentType = printable(resp.Header.Get("Content-Type"), maxErrorText)
	s.result.FileName = suggestedName(resp.Header.Get("Content-Disposition"))
	if s.done > 0 {
		if outcome, err := s.restart(body); err != nil {
			return outcome, err
		}
	}
	s.validator = strongETag(resp.Header)
	return retry.Success, nil
}

const pdfHead = "%PDF-"

// readHead reads the first bytes of a file, which must be those of a PDF.
func readHead(resp *http.Response, body io.Reader) (retry.Outcome, error) {
	head := make([]byte, len(pdfHead))
	n, err := io.ReadFull(body, head)
	switch {
	case string(head[:n]) == pdfHead:
		return retry.Success, nil
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return retry.BodyCut, err
	case n == 0 && errors.Is(err, io.EOF):
		return retry.BodyUnusable, ErrEmptyResponse
	case strings.HasPrefix(pdfHead, string(head[:n])):
		return retry.BodyCut, io.ErrUnexpectedEOF
	case isHTML(resp.Header.Get("Content-Type"), head[:n]):
		return retry.BodyUnusable, fmt.Errorf("%w: an HTML page in the place of a PDF; is this the address of the API?", ErrUnexpectedContent)
	}
	err = fmt.Errorf("%w: no PDF", ErrUnexpectedContent)
	if complaint := complaintBehind(head[:n], body); complaint != nil {
		err = fmt.Errorf("%w: %w", err, complaint)
	}
	return retry.BodyUnusable, err
}

// complaintBehind returns the complaint that the service has sent in the place of a file, nil if
// it is none.
func complaintBehind(head []byte, body io.Reader) *complaint {
	if wire.Kind(head) != '{' {
		return nil
	}
	said := make([]byte, maxErrorBody)
	n, _ := body.Read(said[copy(said, head):]) // once: a body that drips would hold the call, and what was cut is no JSON
	said = said[:len(head)+n]
	if wire.Scan(said, jsonLimits) == nil {
		return denialIn(said)
	}
	return nil
}

// copy moves bytes to the sink until the end, and checks the end.
func (s *stream) copy(body io.Reader) (retry.Outcome, error) {
	buffer := make([]byte, copyBuffer)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if s.total >= 0 && s.done+int64(n) > s.total {
				return retry.BodyUnusable, fmt.Errorf("%w: more bytes than declared", ErrMalformedResponse)
			}
			if outcome, err := s.take(buffer[:n]); err != nil {
				return outcome, err
			}
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF):
			return retry.BodyCut, err
		case s.done < s.total:
			return retry.BodyCut, io.ErrUnexpectedEOF
		case !bytes.Contains(s.tail, []byte("%%EOF")):
			s.validator = "" // the end was silent: the rest cannot be asked for
			return retry.BodyCut, errNoEnd
		}
		return retry.Success, nil
	}
}

// take writes bytes to the sink, and updates the checksum, the tail and the progress.
func (s *stream) take(b []byte) (retry.Outcome, error) {
	n, err := s.sink.Write(b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return retry.BodyUnusable, fmt.Errorf("write: %w", err)
	}
	s.sum.Write(b)
	s.done += int64(n)
	if s.tail = append(s.tail, b[max(0, len(b)-tailLength):]...); len(s.tail) > tailLength {
		s.tail = append(s.tail[:0], s.tail[len(s.tail)-tailLength:]...)
	}
	if s.progress != nil && s.done > s.shown { // it never goes back, even where the download does
		s.shown = s.done
		s.progress(s.done, s.total)
	}
	return retry.Success, nil
}

// continues reports whether a 206 continues exactly where the stream was cut, in the same
// version of the file. RFC 9110, section 15.3.7, requires a 206 to carry the tag that a
// 200 would have had. A 206 without it, as from a server that does not know If-Range, may
// be a part of any version.
func (s *stream) continues(resp *http.Response) bool {
	if s.validator == "" || resp.Header.Get("Etag") != s.validator {
		return false
	}
	span, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes ")
	first, rest, _ := strings.Cut(span, "-")
	last, total, _ := strings.Cut(rest, "/")
	end, err := strconv.ParseInt(last, 10, 64)
	if !ok || first != strconv.FormatInt(s.done, 10) || err != nil {
		return false
	}
	if total == "*" {
		return s.total < 0 || end == s.total-1
	}
	whole, err := strconv.ParseInt(total, 10, 64)
	if err != nil || s.total >= 0 && whole != s.total {
		return false
	}
	s.total = whole
	return end == whole-1
}

// restart handles a file that is sent from its beginning although a part of it is here
// already. If the sink can be emptied, it is emptied. Otherwise the part that is here is
// compared by SHA-256 with what arrives, and only if they are equal the rest is appended:
// two versions are never spliced.
func (s *stream) restart(body io.Reader) (retry.Outcome, error) {
	if s.rewind != nil {
		if err := s.rewind(); err != nil {
			return retry.BodyUnusable, fmt.Errorf("rewind: %w", err)
		}
		s.sum.Reset()
		s.done, s.tail = 0, s.tail[:0]
		return retry.Success, nil
	}
	if s.total >= 0 && s.total < s.done {
		return retry.BodyUnusable, fmt.Errorf("%w: %w", ErrTruncated, errChanged)
	}
	fresh := sha256.New()
	if _, err := io.CopyN(fresh, body, s.done); err != nil {
		return retry.BodyCut, err
	}
	if !bytes.Equal(fresh.Sum(nil), s.sum.Sum(nil)) {
		return retry.BodyUnusable, fmt.Errorf("%w: %w", ErrTruncated, errChanged)
	}
	return retry.Success, nil
}

// strongETag returns the entity tag that a range request can rely on, "" without one.
func strongETag(header http.Header) string {
	if tag := header.Get("Etag"); strings.HasPrefix(tag, `"`) && len(tag) > 1 && strings.HasSuffix(tag, `"`) {
		return tag
	}
	return ""
}

// suggestedName makes a bare file name of a Content-Disposition header.
func suggestedName(disposition string) string {
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil {
		return ""
	}
	name := params["filename"]
	name = name[strings.LastIndexAny(name, `/\:`)+1:]
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) || strings.ContainsRune(`<>"|?*`, r) {
			return -1
		}
		return r
	}, name)
	if name = strings.Trim(name, ". "); len(name) > maxFileName || isDevice(name) {
		return ""
	}
	return name
}

// isDevice reports whether a name is that of a device on Windows, where what is written
// under it is lost, or goes to a printer. Many versions take no notice of an extension.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, isPort := strings.CutPrefix(base, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(base, "LPT")
	}
	number, size := utf8.DecodeRuneInString(port)
	return isPort && size == len(port) && strings.ContainsRune("0123456789¹²³", number)
}

// DownloadFile writes the PDF of a document to a file with mode 0600. The file appears at
// path only when it is whole and verified. An existing file is kept, with an error that
// is [io/fs.ErrExist], unless [WithOverwrite] is given; with it, what is no file, as a
// directory, a link or a device, is [ErrInvalidArgument]. Until the file is whole, the data
// is in a file .revv-*.part in the same folder. A program that is killed leaves that file
// behind: nothing resumes it, and it can be removed. File and folder are synced to disk,
// which takes longer than writing a small file; [DocumentsService.Download] does not do that.
//
// Errors, limits and what to check first are those of [DocumentsService.Download]:
// [ErrTruncated], [ErrUnexpectedContent], 30 s without a byte for each attempt, and the
// stage of the document. A path that cannot be that of a file, as on Windows a device or a
// name with a colon, is [ErrInvalidArgument]. A read. The route is a stand-in.
func (s *DocumentsService) DownloadFile(ctx context.Context, id DocumentID, path string, opts ...CallOption) (*Download, error) {
	c, op := s.root(), operations[opDownloadDocument].name
	call := &call{op: opDownloadDocument, id: numericID("id", int64(id))}
	if path == "" || strings.ContainsRune(path, 0) || !isFileName(filepath.Base(path)) {
		call.refused = invalidArgument(op, "path", "must be the name of a file")
	}
	p, err := c.prepare(ctx, c.lookUp(call), opts)
	if err != nil {
		return nil, err
	}
	switch there, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist): // or its folder is not there, and making the file will say so
	case err != nil: // as if the name is too long, which would be noticed only when the file is whole
		return nil, opError(op, err)
	case !p.settings.overwrite:
		return nil, &Error{Op: op, Message: "the file exists, and WithOverwrite was not given", cause: &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}}
	case there.Mode().Type()&^fs.ModeIrregular != 0: // a program of root would put a file in the place of /dev/stdout
		return nil, invalidArgument(op, "path", "must be the name of a file, and is that of a directory, a link, a device or the like")
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".revv-*.part") // mode 0600
	if err != nil {
		return nil, opError(op, err)
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // after the rename there is nothing left to remove
	defer temp.Close()           //nolint:errcheck // a file that becomes the download is closed below
	done, err := c.stream(ctx, p, &stream{sink: temp, rewind: func() error {
		if _, err := temp.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return temp.Truncate(0)
	}})
	if err != nil {
		return nil, err
	}
	err = temp.Sync()
	if err == nil {
		err = temp.Close()
	}
	if err == nil {
		err = publish(temp.Name(), path, p.settings.overwrite)
	}
	if err != nil {
		return nil, opError(op, err)
	}
	_ = syncDir(filepath.Dir(path)) // the file is whole and has its name; a folder that may not be read cannot be synchronized
	return done, nil
}

// publish gives a finished file its name. Without overwrite it uses a hard link, which
// fails if somebody has taken the name in the meantime. File systems without links get a
// check and a rename.
func publish(temp, path string, overwrite bool) error {
	if overwrite {
		return rename(temp, path)
	}
	err := os.Link(temp, path)
	if err == nil { // Windows removes neither name while somebody reads the file under the other
		_ = patiently(persistently, func() error { return os.Remove(temp) })
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return rename(temp, path)
}
