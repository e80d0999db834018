package revv_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

var errDiskFull = errors.New("no space left on device")

// limitedSink fails after so many bytes, or takes no more without an error.
type limitedSink struct {
	left int
	err  error
}

func (s *limitedSink) Write(b []byte) (int, error) {
	n := min(s.left, len(b))
	s.left -= n
	if n < len(b) {
		return n, s.err
	}
	return n, nil
}

func closedPipe() io.Writer {
	_, w := io.Pipe()
	_ = w.Close()
	return w
}

// fileService answers every request with a file.
func fileService(t *testing.T, body string) *revv.Client {
	t.Helper()
	return newSwitchboard(func(*http.Request) (*http.Response, error) {
		return reply(http.StatusOK, body, "Content-Type", "application/pdf"), nil
	}).client(t, hurried())
}

func TestDownloadFile_existingTarget(t *testing.T) {
	t.Parallel()
	const old = "signed in ink"
	text := pdf(5000)
	for name, test := range map[string]struct {
		body string
		opts []revv.CallOption
		is   error
		want string
	}{
		"is kept":                               {text, nil, fs.ErrExist, old},
		"is replaced if that was asked for":     {text, []revv.CallOption{revv.WithOverwrite()}, nil, text},
		"is kept where the download fails":      {htmlPage, []revv.CallOption{revv.WithOverwrite()}, revv.ErrUnexpectedContent, old},
		"is kept where the download is cut off": {text[:3000], []revv.CallOption{revv.WithOverwrite()}, revv.ErrTruncated, old},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "nda.pdf")
			require.NoError(t, os.WriteFile(path, []byte(old), 0o644))
			_, err := fileService(t, test.body).Documents.DownloadFile(t.Context(), 14, path, test.opts...)
			if test.is == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, test.is)
				assert.Equal(t, "Documents.Download", failure(t, err).Op)
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, test.want, string(got))
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Len(t, entries, 1, "no temporary file is left")
		})
	}
}

// A link leads to a file that is meant to stay, and a device is none.
func TestDownloadFile_whatIsNoFile_isNeverReplaced(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // a socket needs a short name
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	target, link, socket := filepath.Join(dir, "nda-1.pdf"), filepath.Join(dir, "nda.pdf"), filepath.Join(dir, "s")
	require.NoError(t, os.WriteFile(target, []byte("signed in ink"), 0o600))
	if err := os.Symlink(target, link); err != nil && runtime.GOOS == "windows" {
		t.Skip("Windows lets only some users make links")
	} else {
		require.NoError(t, err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	network := newSwitchboard(answering(http.StatusOK, pdf(500)))
	for _, path := range []string{link, socket} {
		before, err := os.Lstat(path)
		require.NoError(t, err)
		_, err = network.client(t).Documents.DownloadFile(t.Context(), 14, path, revv.WithOverwrite())
		require.ErrorIs(t, err, revv.ErrInvalidArgument, path)
		assert.Equal(t, "path", failure(t, err).Argument)
		after, err := os.Lstat(path)
		require.NoError(t, err)
		assert.Equal(t, before.Mode(), after.Mode(), path)
	}
	assert.Zero(t, network.taken())
}

// Somebody else may take the name while the bytes come.
func TestDownloadFile_targetThatAppearsMeanwhile_isKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "nda.pdf")
	meanwhile := revv.WithProgress(func(int64, int64) { assert.NoError(t, os.WriteFile(path, []byte("theirs"), 0o600)) })
	_, err := fileService(t, pdf(500)).Documents.DownloadFile(t.Context(), 14, path, meanwhile)
	require.ErrorIs(t, err, fs.ErrExist)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "theirs", string(got))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// Until it is whole, a file has another name, in the same directory, and nobody
// else can read it.
func TestDownloadFile_onTheWay_isPrivateAndElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "nda.pdf")
	var seen []string
	look := revv.WithProgress(func(int64, int64) {
		entries, err := os.ReadDir(dir)
		assert.NoError(t, err)
		for _, e := range entries {
			info, err := e.Info()
			assert.NoError(t, err)
			seen = append(seen, fmt.Sprintf("%s %o", e.Name()[:6], info.Mode().Perm()&privateMode))
		}
	})
	_, err := fileService(t, pdf(500)).Documents.DownloadFile(t.Context(), 14, path, look)
	require.NoError(t, err)
	require.NotEmpty(t, seen)
	for _, s := range seen {
		assert.Equal(t, fmt.Sprintf(".revv- %o", 0o600&privateMode), s)
	}
}

// privateMode is what can be said of modes: Windows has one for all.
var privateMode = func() os.FileMode {
	if runtime.GOOS == "windows" {
		return 0o600
	}
	return 0o777
}()

// A function of the caller may panic; what was begun is put away all the same.
func TestDownloadFile_progressPanics_leavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := openFiles(t)
	assert.PanicsWithValue(t, "enough", func() {
		_, _ = fileService(t, pdf(500)).Documents.DownloadFile(t.Context(), 14, filepath.Join(dir, "nda.pdf"), revv.WithProgress(func(int64, int64) { panic("enough") }))
	})
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	for name := range openFiles(t) {
		assert.True(t, before[name] || !strings.HasPrefix(name, dir), "%s is open", name)
	}
}

// openFiles lists the files that this process has open, where that can be seen.
func openFiles(t *testing.T) map[string]bool {
	t.Helper()
	files := map[string]bool{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return files
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			files[strings.TrimSuffix(target, " (deleted)")] = true
		}
	}
	return files
}

func TestDownloadFile_placesThatCannotBe_areErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	network := newSwitchboard(answering(http.StatusOK, pdf(500)))
	client := network.client(t)
	for name, test := range map[string]struct {
		path string
		opts []revv.CallOption
		is   error
	}{
		"no name":                     {"", nil, revv.ErrInvalidArgument},
		"a NUL":                       {dir + "/a\x00b", nil, revv.ErrInvalidArgument},
		"a directory that is not":     {filepath.Join(dir, "none", "nda.pdf"), nil, fs.ErrNotExist},
		"below a file":                {filepath.Join(file, "nda.pdf"), nil, errTyped},
		"a name that is too long":     {filepath.Join(dir, strings.Repeat("n", 300)+".pdf"), nil, errTyped},
		"the same, to be replaced":    {filepath.Join(dir, strings.Repeat("n", 300)+".pdf"), []revv.CallOption{revv.WithOverwrite()}, errTyped},
		"a directory":                 {dir, nil, fs.ErrExist},
		"a directory, to be replaced": {dir, []revv.CallOption{revv.WithOverwrite()}, revv.ErrInvalidArgument},
		"the same, with a slash":      {dir + "/", []revv.CallOption{revv.WithOverwrite()}, revv.ErrInvalidArgument},
	} {
		_, err := client.Documents.DownloadFile(t.Context(), 14, test.path, test.opts...)
		require.Error(t, err, name)
		if test.is != errTyped { //nolint:errorlint // the very value
			require.ErrorIs(t, err, test.is, name)
		}
		assert.Equal(t, "Documents.Download", failure(t, err).Op, name)
		assert.Zero(t, network.taken(), name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// generator is a PDF of any size that takes no memory.
type generator struct{ at, size int64 }

func (g *generator) Read(b []byte) (int, error) {
	if g.at >= g.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), g.size-g.at))
	const begin, end = "%PDF-1.7\n", "\n%%EOF\n"
	for i := range b[:n] {
		switch at := g.at + int64(i); {
		case at < int64(len(begin)):
			b[i] = begin[at]
		case at >= g.size-int64(len(end)):
			b[i] = end[at-g.size+int64(len(end))]
		default:
			b[i] = 'x'
		}
	}
	g.at += int64(n)
	return n, nil
}

func (*generator) Close() error { return nil }

// TestDownload_hugeFile_takesNoMemory measures the heap while a file of 256 MiB
// comes.
func TestDownload_hugeFile_takesNoMemory(t *testing.T) { // not parallel: it measures
	const limit = 1 << 20
	size := int64(256 << 20)
	if testing.Short() {
		size = 16 << 20
	}
	client := newSwitchboard(func(*http.Request) (*http.Response, error) {
		resp := reply(http.StatusOK, "", "Content-Type", "application/pdf")
		resp.ContentLength, resp.Body = size, &generator{size: size}
		return resp, nil
	}).client(t)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	runtime.GC()
	runtime.GC()
	start, peak, calls := heap(), int64(0), 0
	got, err := client.Documents.Download(t.Context(), 14, io.Discard, revv.WithProgress(func(done, total int64) {
		calls++
		peak = max(peak, heap()-start)
	}))
	require.NoError(t, err)
	assert.Equal(t, size, got.Size)
	assert.Greater(t, calls, 100)
	assert.Less(t, peak, int64(limit), "bytes of heap above the start")
	fmt.Printf("download of %d MiB: %.3f MiB of heap above the start at the peak\n", size>>20, float64(peak)/(1<<20))
}
