package revv_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// pdfOf makes something that begins and ends as a PDF does, of a length that
// takes several reads.
func pdfOf(mark string) []byte {
	return []byte("%PDF-1.4\n" + strings.Repeat(mark, 300_000/len(mark)) + "\n%%EOF\n")
}

// archive serves one file, one answer after the other, and keeps the requests.
type archive struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter, *http.Request)
	asked   []*http.Request
}

func (l *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked = append(l.asked, r)
	answer := l.answers[min(len(l.asked), len(l.answers))-1]
	l.mu.Unlock()
	answer(w, r)
}

func newArchive(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) (*archive, *revv.Client) {
	t.Helper()
	l := &archive{answers: answers}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL(server.URL), revv.WithRetry(revv.RetryPolicy{BaseDelay: 1}))
	require.NoError(t, err)
	t.Cleanup(client.HTTPClient().CloseIdleConnections)
	return l, client
}

// part serves a file from an offset, declares all of it, and cuts the connection
// after n bytes; n < 0 means that nothing is cut.
func part(file []byte, etag string, from, n int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		rest := file[from:]
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		w.Header().Set("Content-Type", "application/pdf")
		w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
		w.Header().Set("Content-Disposition", `attachment; filename="../../etc/lease.pdf"`)
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(file)-1, len(file)))
			w.WriteHeader(http.StatusPartialContent)
		}
		if n < 0 {
			_, _ = w.Write(rest)
			return
		}
		_, _ = w.Write(rest[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestDownload_aCutStreamGoesOnWhereItWasCut(t *testing.T) {
	t.Parallel()
	file := pdfOf("lease")
	const half = 150_000
	l, client := newArchive(t, part(file, `"v1"`, 0, half), part(file, `"v1"`, half, -1))
	var got bytes.Buffer
	var steps []int64
	d, err := client.Documents.Download(t.Context(), 14, &got, revv.WithProgress(func(done, total int64) {
		assert.Equal(t, int64(len(file)), total)
		steps = append(steps, done)
	}))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(file, got.Bytes()))
	sum := sha256.Sum256(file)
	assert.Equal(t, revv.Download{Size: int64(len(file)), SHA256: hex.EncodeToString(sum[:]), ContentType: "application/pdf", FileName: "lease.pdf"}, *d)
	require.Len(t, l.asked, 2)
	assert.Equal(t, "bytes=150000-", l.asked[1].Header.Get("Range"))
	assert.Equal(t, `"v1"`, l.asked[1].Header.Get("If-Range"))
	assert.Equal(t, "identity", l.asked[0].Header.Get("Accept-Encoding"))
	assert.IsIncreasing(t, steps)
	assert.Equal(t, int64(len(file)), steps[len(steps)-1])
}

func TestDownload_whatCannotGoOn_isNeverSpliced(t *testing.T) {
	t.Parallel()
	file, other := pdfOf("first"), pdfOf("other")
	const half = 150_000
	elsewhere := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", half+1, len(file)-1, len(file)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(file[half+1:])
	}
	type answers = []func(http.ResponseWriter, *http.Request)
	for name, test := range map[string]struct {
		answers    answers
		toWriter   []byte // nil: ErrTruncated
		toFile     []byte
		wantRanges []string
	}{
		"without an ETag the same file comes again": {answers{part(file, "", 0, half), part(file, "", 0, -1)}, file, file, []string{"", ""}},
		"a weak ETag is none":                       {answers{part(file, `W/"v1"`, 0, half), part(file, `W/"v1"`, 0, -1)}, file, file, []string{"", ""}},
		"the file has changed":                      {answers{part(file, `"v1"`, 0, half), part(other, `"v2"`, 0, -1)}, nil, other, []string{"", "bytes=150000-"}},
		"a part of another version":                 {answers{part(file, `"v1"`, 0, half), part(other, `"v2"`, half, -1), part(file, `"v1"`, 0, -1)}, file, file, []string{"", "bytes=150000-", ""}},
		"a part from elsewhere":                     {answers{part(file, `"v1"`, 0, half), elsewhere, part(file, `"v1"`, 0, -1)}, file, file, []string{"", "bytes=150000-", ""}},
		"416": {answers{part(file, `"v1"`, 0, half), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}, part(file, `"v1"`, 0, -1)}, file, file, []string{"", "bytes=150000-", ""}},
		"cut again and again": {answers{part(file, "", 0, half)}, nil, nil, []string{"", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, client := newArchive(t, test.answers...)
			var got bytes.Buffer
			_, err := client.Documents.Download(t.Context(), 14, &got)
			if test.toWriter == nil {
				require.ErrorIs(t, err, revv.ErrTruncated)
			} else {
				require.NoError(t, err)
				assert.True(t, bytes.Equal(test.toWriter, got.Bytes()))
			}
			var ranges []string
			for _, r := range l.asked {
				ranges = append(ranges, r.Header.Get("Range"))
			}
			assert.Equal(t, test.wantRanges, ranges)

			_, client = newArchive(t, test.answers...)
			dir := t.TempDir()
			path := filepath.Join(dir, "lease.pdf")
			_, err = client.Documents.DownloadFile(t.Context(), 14, path)
			if test.toFile == nil {
				require.ErrorIs(t, err, revv.ErrTruncated)
				assert.Empty(t, filesIn(t, dir), "neither a file nor a temporary one")
				return
			}
			require.NoError(t, err)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(test.toFile, content))
			assert.Equal(t, []string{"lease.pdf"}, filesIn(t, dir))
		})
	}
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestDownload_whatIsNoPDF_isRefused(t *testing.T) {
	t.Parallel()
	text := func(content, contentType string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, content)
		}
	}
	for name, test := range map[string]struct {
		answer   func(http.ResponseWriter, *http.Request)
		want     error
		requests int
	}{
		"HTML":            {text("<!doctype html><p>Revv</p>", "text/html"), revv.ErrUnexpectedContent, 1},
		"HTML as a PDF":   {text("<html>", "application/pdf"), revv.ErrUnexpectedContent, 1},
		"something else":  {text("GIF89a...", "application/pdf"), revv.ErrUnexpectedContent, 1},
		"nothing":         {text("", "application/pdf"), revv.ErrEmptyResponse, 1},
		"no end":          {text("%PDF-1.4 and then nothing", "application/pdf"), revv.ErrTruncated, 3},
		"a head that cut": {text("%PD", "application/pdf"), revv.ErrTruncated, 3},
		"not found":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, revv.ErrNotFound, 1},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(pdfOf("x"))
		}, revv.ErrUnexpectedContent, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, client := newArchive(t, test.answer)
			dir := t.TempDir()
			_, err := client.Documents.DownloadFile(t.Context(), 14, filepath.Join(dir, "lease.pdf"))
			require.ErrorIs(t, err, test.want)
			assert.Empty(t, filesIn(t, dir))
			assert.Len(t, l.asked, test.requests)
		})
	}
}

type fullDisk struct{ left int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.left -= len(b); d.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

func TestDownload_aWriterThatFails_endsIt(t *testing.T) {
	t.Parallel()
	l, client := newArchive(t, part(pdfOf("lease"), `"v1"`, 0, -1))
	_, err := client.Documents.Download(t.Context(), 14, &fullDisk{100_000})
	require.ErrorContains(t, err, "no space left")
	assert.Len(t, l.asked, 1)
}

func TestDownloadFile_anExistingFileIsKeptUnlessOverwritingWasAsked(t *testing.T) {
	t.Parallel()
	file := pdfOf("lease")
	l, client := newArchive(t, part(file, `"v1"`, 0, -1))
	path := filepath.Join(t.TempDir(), "lease.pdf")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o644))

	_, err := client.Documents.DownloadFile(t.Context(), 14, path)
	require.ErrorIs(t, err, fs.ErrExist)
	assert.Empty(t, l.asked, "nothing was asked for")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(content))

	_, err = client.Documents.DownloadFile(t.Context(), 14, path, revv.WithOverwrite())
	require.NoError(t, err)
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(file, content))

	for name, bad := range map[string]string{"no path": "", "no directory": filepath.Join(t.TempDir(), "none", "lease.pdf")} {
		_, err = client.Documents.DownloadFile(t.Context(), 14, bad)
		require.Error(t, err, name)
	}
	_, err = client.Documents.DownloadFile(t.Context(), -1, path)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
}

func TestDownload_aRedirectIsFollowedWithoutCredentials(t *testing.T) {
	t.Parallel()
	file := pdfOf("lease")
	storage := &archive{answers: []func(http.ResponseWriter, *http.Request){part(file, `"v1"`, 0, -1)}}
	elsewhere := httptest.NewServer(storage)
	t.Cleanup(elsewhere.Close)
	_, client := newArchive(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "token", r.Header["Accesstoken"][0])
		http.Redirect(w, r, elsewhere.URL+"/signed?X-Signature=1", http.StatusFound)
	})
	var got bytes.Buffer
	_, err := client.Documents.Download(t.Context(), 14, &got, revv.WithHeader("X-Tenant", "tenant-1"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(file, got.Bytes()))
	require.Len(t, storage.asked, 1)
	for _, name := range []string{"Accesstoken", "Authorization", "Cookie", "Referer", "X-Tenant"} {
		assert.NotContains(t, storage.asked[0].Header, name)
	}
}

// mapped answers for hosts that do not exist, and notes which were asked.
type mapped struct {
	mu    sync.Mutex
	hosts []string
	to    string
}

func (m *mapped) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts = append(m.hosts, r.URL.Scheme+"://"+r.URL.Host)
	return &http.Response{
		StatusCode: http.StatusFound, Header: http.Header{"Location": {m.to}}, Body: http.NoBody, Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

func TestDownload_aRedirectIntoAPrivateNetworkOrOutOfTLS_isRefused(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"http://storage.example.com/x", "https://127.0.0.1/x", "https://localhost/x", "https://169.254.169.254/latest", "https://10.0.0.1/", "https://192.168.1.1/",
		"https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
		"https://100.64.0.1/", "https://0.0.0.0/", "https://user:pass@storage.example.com/", "file:///etc/passwd", "https://[64:ff9b::7f00:1]/", "https://", "", "%zz",
	} {
		network := &mapped{to: to}
		client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL("https://acme.example.com"), revv.WithHTTPClient(&http.Client{Transport: network}))
		require.NoError(t, err)
		_, err = client.Documents.Download(t.Context(), 14, io.Discard)
		require.ErrorIs(t, err, revv.ErrRedirected, "%q", to)
		assert.Equal(t, []string{"https://acme.example.com"}, network.hosts, "%q", to)
	}
	loop := &mapped{to: "https://storage.example.com/x"}
	client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL("https://acme.example.com"), revv.WithHTTPClient(&http.Client{Transport: loop}))
	require.NoError(t, err)
	_, err = client.Documents.Download(t.Context(), 14, io.Discard)
	require.ErrorIs(t, err, revv.ErrRedirected)
	assert.Len(t, loop.hosts, 6, "five redirects and no more")
}
