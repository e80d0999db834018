package revv_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

const (
	someTag  = `"v1-5f3c"`
	otherTag = `"v2-77aa"`
)

// version is one version of a file in the service.
type version struct {
	body, tag string
}

// whole answers with all of the file, whatever is asked for.
func (v version) whole(header ...string) act { return v.part(0, len(v.body), header...) }

// cutAt answers with the head of all of the file and its first n bytes.
func (v version) cutAt(n int, header ...string) act { return v.part(0, n, header...) }

// part announces all of the file and sends a part of it.
func (v version) part(from, to int, header ...string) act {
	return func(x *exchanged) bool {
		_, _ = io.WriteString(x.conn, v.head(header...)+v.body[from:to])
		return from == 0 && to == len(v.body)
	}
}

func (v version) head(header ...string) string {
	lines := []string{"HTTP/1.1 200 OK", "Content-Type: application/pdf", "Content-Length: " + strconv.Itoa(len(v.body)), "Accept-Ranges: bytes"}
	if v.tag != "" {
		lines = append(lines, "ETag: "+v.tag)
	}
	return strings.Join(append(lines, header...), "\r\n") + "\r\n\r\n"
}

// ranged answers as a good server does: with the rest where the range is bound
// to this version, with the whole where it is not. It sends at most n bytes.
func (v version) ranged(n int) act {
	return func(x *exchanged) bool {
		from, ok := strings.CutPrefix(x.request.header.Get("Range"), "bytes=")
		start, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
		if !ok || err != nil || x.request.header.Get("If-Range") != v.tag {
			return v.part(0, min(n, len(v.body)))(x)
		}
		if start >= len(v.body) {
			return replying(http.StatusRequestedRangeNotSatisfiable, "", fmt.Sprintf("Content-Range: bytes */%d", len(v.body)))(x)
		}
		rest := v.body[start:]
		span := fmt.Sprintf("Content-Range: bytes %d-%d/%d", start, len(v.body)-1, len(v.body))
		_, _ = io.WriteString(x.conn, partial(len(rest), span, "ETag: "+v.tag)+rest[:min(n, len(rest))])
		return n >= len(rest)
	}
}

// partial is the head of a 206.
func partial(n int, header ...string) string {
	lines := []string{"HTTP/1.1 206 Partial Content", "Content-Type: application/pdf", "Content-Length: " + strconv.Itoa(n)}
	return strings.Join(append(lines, header...), "\r\n") + "\r\n\r\n"
}

// downloaded is what came of a download.
type downloaded struct {
	got      *revv.Download
	err      error
	content  string // of the sink
	requests []seenRequest
	progress []int64
	took     time.Duration
}

// downloadInto calls Download with a buffer, or DownloadFile, against a service
// that does what it is told to, and checks what must hold in every case.
func downloadInto(t *testing.T, file bool, acts func(int) act, opts ...revv.CallOption) downloaded {
	t.Helper()
	service := &rawService{act: acts}
	transport := service.transport()
	client, err := revv.NewClient(&passes{left: []string{conformanceToken, "tok-the-second"}}, revv.WithBaseURL("http://localhost"), revv.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	var out downloaded
	opts = append(opts, revv.WithProgress(func(done, _ int64) { out.progress = append(out.progress, done) }))
	began := time.Now()
	if file {
		dir := t.TempDir()
		path := filepath.Join(dir, "nda.pdf")
		out.got, out.err = client.Documents.DownloadFile(t.Context(), 14, path, opts...)
		out.content = checkDirectory(t, dir, out.err)
	} else {
		var sink bytes.Buffer
		out.got, out.err = client.Documents.Download(t.Context(), 14, &sink, opts...)
		out.content = sink.String()
	}
	out.took = time.Since(began)
	transport.CloseIdleConnections()
	sleepVirtually(time.Hour)
	out.requests = service.requests()
	for i := 1; i < len(out.progress); i++ {
		assert.Greater(t, out.progress[i], out.progress[i-1], "progress goes on")
	}
	for _, r := range out.requests {
		assert.Equal(t, "identity", r.header.Get("Accept-Encoding"))
		assert.Equal(t, r.header.Get("Range") == "", r.header.Get("If-Range") == "", "a range is always bound to a version")
	}
	if out.err != nil {
		assert.Nil(t, out.got)
		assert.Equal(t, "Documents.Download", failure(t, out.err).Op)
	}
	return out
}

// checkDirectory: after a success there is the file and nothing else, after a
// failure there is nothing.
func checkDirectory(t *testing.T, dir string, err error) (content string) {
	t.Helper()
	entries, listing := os.ReadDir(dir)
	require.NoError(t, listing)
	if err != nil {
		assert.Empty(t, entries, "nothing is left of a failed download")
		return ""
	}
	require.Len(t, entries, 1)
	info, listing := entries[0].Info()
	require.NoError(t, listing)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm()&privateMode)
	data, listing := os.ReadFile(filepath.Join(dir, entries[0].Name()))
	require.NoError(t, listing)
	return string(data)
}

// succeeded asserts that a download is exactly this file.
func (d downloaded) succeeded(t *testing.T, want string) {
	t.Helper()
	require.NoError(t, d.err)
	assert.Equal(t, want, d.content)
	sum := sha256.Sum256([]byte(want))
	assert.Equal(t, hex.EncodeToString(sum[:]), d.got.SHA256)
	assert.EqualValues(t, len(want), d.got.Size)
	require.NotEmpty(t, d.progress)
	assert.GreaterOrEqual(t, d.progress[len(d.progress)-1], int64(len(want)), "more only where a longer file was there before")
}

// bothSinks runs a case with a writer that cannot be rewound and with a file.
func bothSinks(t *testing.T, run func(t *testing.T, file bool)) {
	t.Helper()
	for name, file := range map[string]bool{"writer": false, "file": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { run(t, file) })
		})
	}
}

func TestDownload_arrivesWhole(t *testing.T) {
	t.Parallel()
	text := pdf(300 << 10)
	for name, a := range map[string]act{
		"with a length":           version{text, ""}.whole(),
		"with a length and a tag": version{text, someTag}.whole(),
		"in chunks":               ending("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(text[:1000]) + chunk(text[1000:]) + "0\r\n\r\n"),
		"ended by the connection": ending("HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + text),
		"as octets":               replying(200, text, "Content-Type: application/octet-stream"),
		"as nothing":              replying(200, text, "Content-Type: "),
		"as identity":             replying(200, text, "Content-Type: application/pdf", "Content-Encoding: identity"),
		"as HTML that it is not":  replying(200, text, "Content-Type: text/html"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothSinks(t, func(t *testing.T, file bool) {
				d := downloadInto(t, file, func(int) act { return a })
				d.succeeded(t, text)
				assert.Len(t, d.requests, 1)
			})
		})
	}
}

func TestDownload_namesAndTypes_areThoseOfTheService(t *testing.T) {
	t.Parallel()
	bothSinks(t, func(t *testing.T, file bool) {
		v := version{pdf(3000), someTag}
		acts := inTurn(v.cutAt(2000, `Content-Disposition: attachment; filename="../NDA.pdf"`), v.ranged(9999))(operationCase{})
		d := downloadInto(t, file, acts)
		d.succeeded(t, v.body)
		assert.Equal(t, "NDA.pdf", d.got.FileName)
		assert.Equal(t, "application/pdf", d.got.ContentType)
	})
}

// What the service says instead of sending the file is no fault of the route.
func TestDownload_complaintInThePlaceOfAFile_isQuoted(t *testing.T) {
	t.Parallel()
	for body, said := range map[string]string{
		`{"errors":[{"title":"It is being made"}]}`: "It is being made", `{"success":false,"message":"It is being made"}`: "It is being made",
		`{"status":"preparing"}`: "no PDF", `{"error":"It is being`: "no PDF",
	} {
		_, failed := always(http.StatusAccepted, body).client(t).Documents.Download(t.Context(), 14, io.Discard)
		require.ErrorIs(t, failed, revv.ErrUnexpectedContent)
		require.ErrorContains(t, failed, said)
		assert.NotContains(t, failed.Error(), "Routes.DownloadDocument")
		_, failed = always(http.StatusOK, body).client(t).Documents.Download(t.Context(), 14, io.Discard)
		require.ErrorContains(t, failed, said)
		assert.Equal(t, said == "no PDF", strings.Contains(failed.Error(), "Routes.DownloadDocument"), body)
	}
}

// A service that begins to complain and says no more does not keep the caller from leaving.
func TestDownload_contextEndsInAComplaint_isItsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			body, end := io.Pipe()
			context.AfterFunc(r.Context(), func() { _ = end.CloseWithError(r.Context().Err()) })
			go func() { _, _ = end.Write([]byte(`{"err`)) }()
			resp := reply(http.StatusOK, "")
			resp.Body, resp.ContentLength = body, -1
			return resp, nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.client(t).Documents.Download(ctx, 14, io.Discard)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, revv.ErrUnexpectedContent)
		assert.Len(t, s.Sent(), 1)
	})
}

// What a storage says is not taken for the word of the service.
func TestDownload_complaintOfTheStorage_isCalledSo(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "files.example.com" {
			return reply(http.StatusOK, `{"error":"EXPIRED"}`), nil
		}
		return reply(http.StatusFound, "", "Location", "https://files.example.com/x"), nil
	}}
	_, err := s.client(t).Documents.Download(t.Context(), 14, io.Discard)
	require.ErrorIs(t, err, revv.ErrUnexpectedContent)
	require.ErrorContains(t, err, "said by the storage")
	assert.Empty(t, failure(t, err).Code)
}

// What a resumed download may look like, and what is no PDF.
func TestDownload_notAFile_isNotRepeated(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		act act
		is  error
	}{
		"a page":             {replying(200, htmlPage, "Content-Type: text/html"), revv.ErrUnexpectedContent},
		"a page as a PDF":    {replying(200, htmlPage, "Content-Type: application/pdf"), revv.ErrUnexpectedContent},
		"JSON":               {replying(200, `{"url":"https://example.com/file"}`), revv.ErrUnexpectedContent},
		"a text":             {replying(200, "not found", "Content-Type: text/plain"), revv.ErrUnexpectedContent},
		"one wrong byte":     {replying(200, "x", "Content-Type: application/pdf"), revv.ErrUnexpectedContent},
		"a PDF behind a BOM": {replying(200, "\ufeff"+pdf(100), "Content-Type: application/pdf"), revv.ErrUnexpectedContent},
		"zeros":              {replying(200, strings.Repeat("\x00", 2000), "Content-Type: application/pdf"), revv.ErrUnexpectedContent},
		"nothing":            {replying(200, "", "Content-Type: application/pdf"), revv.ErrEmptyResponse},
		"204":                {replying(204, ""), revv.ErrEmptyResponse},
		"compressed":         {replying(200, zipped(pdf(100)), "Content-Encoding: gzip"), revv.ErrUnexpectedContent},
		"another coding":     {replying(200, pdf(100), "Content-Encoding: br"), revv.ErrUnexpectedContent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothSinks(t, func(t *testing.T, file bool) {
				d := downloadInto(t, file, func(int) act { return test.act })
				require.ErrorIs(t, d.err, test.is)
				require.NotErrorIs(t, d.err, revv.ErrTruncated)
				assert.Len(t, d.requests, 1)
				assert.Empty(t, d.content, "nothing of it reaches the sink")
			})
		})
	}
}

// D09: an error of the writer ends the download, and the connection.
func TestDownload_writerFails_isTheError(t *testing.T) {
	t.Parallel()
	full := &os.PathError{Op: "write", Path: "/disk", Err: errDiskFull}
	for name, test := range map[string]struct {
		sink io.Writer
		is   error
	}{
		"at once":              {&limitedSink{left: 0, err: full}, errDiskFull},
		"in the middle":        {&limitedSink{left: 100 << 10, err: full}, errDiskFull},
		"takes less than told": {&limitedSink{left: 100 << 10}, io.ErrShortWrite},
		"a closed pipe":        {closedPipe(), io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var left sync.WaitGroup
				left.Add(1)
				service := &rawService{act: func(int) act {
					return func(x *exchanged) bool {
						defer left.Done()
						return version{pdf(1 << 20), someTag}.whole()(x)
					}
				}}
				client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL("http://localhost"), revv.WithHTTPClient(&http.Client{Transport: service.transport()}))
				require.NoError(t, err)
				_, err = client.Documents.Download(t.Context(), 14, test.sink)
				require.ErrorIs(t, err, test.is)
				require.NotErrorIs(t, err, revv.ErrTruncated)
				assert.Equal(t, 1, failure(t, err).Attempts)
				left.Wait() // the connection is closed: the service cannot write any more
			})
		})
	}
}

// D11: the caller leaves while bytes come.
func TestDownload_cancelledOnTheWay_endsAtOnce(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]bool{"writer": false, "file": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := version{pdf(1 << 20), someTag}
				service := &rawService{act: func(int) act { return stuck(v.head() + v.body[:len(v.body)*4/10]) }}
				transport := service.transport()
				client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL("http://localhost"), revv.WithHTTPClient(&http.Client{Transport: transport}))
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				third := revv.WithProgress(func(done, total int64) {
					if done >= total*3/10 {
						cancel()
					}
				})
				began := time.Now()
				if file {
					dir := t.TempDir()
					_, err = client.Documents.DownloadFile(ctx, 14, filepath.Join(dir, "nda.pdf"), third)
					checkDirectory(t, dir, err)
				} else {
					_, err = client.Documents.Download(ctx, 14, io.Discard, third)
				}
				require.ErrorIs(t, err, context.Canceled)
				assert.Zero(t, time.Since(began))
				assert.Len(t, service.requests(), 1)
				transport.CloseIdleConnections()
			})
		})
	}
}
