package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestState_survivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.json")
	first := start(t, "-state", path)
	refreshToken := first.login()
	document := at(t, first.call("POST", "/api/docs", `{"template_id":23,"title":"Lasting"}`), "Document")
	first.end()

	second := start(t, "-state", path, "-redirect-url", "https://app.example.com/callback")
	second.token = first.token
	assert.Equal(t, document, at(t, second.call("GET", "/api/docs/14", ""), "Document"), "as it was, for a token that was issued before")
	assert.Equal(t, first.ready["REVV_CLIENT_SECRET"], second.ready["REVV_CLIENT_SECRET"])
	assert.Contains(t, second.out.String(), "https://app.example.com/callback", "flags are not part of the state")
	r := second.send("POST", "/api/v2/auth/initiate-auth", "", "GrantType", "refreshToken", "RefreshToken", refreshToken)
	assert.Equal(t, http.StatusOK, r.status, "%s", r.body)
	second.call("POST", "/api/docs", `{"template_id":23}`)
	second.call("GET", "/api/docs/15", "")
}

// What was written to the disk at any time is what is left after a kill.
func TestState_isOnDiskSoonAfterAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	p := start(t, "-state", path)
	p.login()
	p.call("POST", "/api/docs", `{"template_id":23,"title":"Not lost"}`)
	require.Eventually(t, func() bool { return strings.Contains(read(t, path), "Not lost") }, 10*time.Second, 10*time.Millisecond)

	killed := filepath.Join(dir, "killed.json")
	require.NoError(t, os.WriteFile(killed, []byte(read(t, path)), 0o600))
	other := start(t, "-state", killed)
	other.token = p.token
	assert.Equal(t, "Not lost", at(t, other.call("GET", "/api/docs/14", ""), "Document", "title"))

	// A token alone is a change, too.
	before := read(t, path)
	p.login()
	require.Eventually(t, func() bool { return read(t, path) != before }, 10*time.Second, 10*time.Millisecond)
}

func TestState_isPrivateAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	start(t, "-state", path).end()
	for _, name := range []string{".state.json-123456", ".state.json-notes", ".state.json-"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".state.json-77"), 0o700))
	require.NoError(t, os.Chmod(path, 0o644)) //nolint:gosec // somebody was careless
	start(t, "-state", path).end()
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	assert.Equal(t, []string{".state.json-", ".state.json-77", ".state.json-notes", "state.json", "state.json.lock"}, names, "what a kill has left is gone, and nothing else")
}

func TestState_thatIsDamaged_isRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.json")
	start(t, "-state", path).end()
	whole := read(t, path)
	for _, damaged := range []string{
		"", "{}", "no JSON", whole[:len(whole)/2], strings.Replace(whole, `"version": 1`, `"version": 99`, 1), whole + "x",
	} {
		require.NoError(t, os.WriteFile(path, []byte(damaged), 0o600))
		err := runRefused(t, "-state", path)
		require.ErrorContains(t, err, "-state: "+path)
		require.ErrorContains(t, err, "left as it is")
		assert.Equal(t, damaged, read(t, path))
	}
}

func TestState_whereItCannotBe_isNoticedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.ErrorContains(t, runRefused(t, "-state", filepath.Join(dir, "missing", "state.json")), "-state: ")
	require.ErrorContains(t, runRefused(t, "-state", dir), "-state: ")
	path := filepath.Join(dir, "state.json")
	start(t, "-state", path)
	require.ErrorContains(t, runRefused(t, "-state", path), "belongs to another sandbox")
	err := run(t.Context(), []string{"-addr", "127.0.0.1:0"}, []string{"REVV_SANDBOX_STATE=" + dir}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "REVV_SANDBOX_STATE: ")
}

// A file that is reached by two names is still one file.
func TestState_behindALink_isTheSameFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets only some users make links")
	}
	dir := t.TempDir()
	path, link := filepath.Join(dir, "state.json"), filepath.Join(dir, "link.json")
	start(t, "-state", path).end()
	require.NoError(t, os.Symlink("state.json", link))
	first := start(t, "-state", link)
	for _, name := range []string{path, link} {
		require.ErrorContains(t, runRefused(t, "-state", name), "belongs to another sandbox", name)
	}
	first.login()
	first.call("POST", "/api/docs", `{"template_id":23,"title":"Behind a link"}`)
	first.end()
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSymlink, info.Mode().Type(), "the link is a link")
	assert.Contains(t, read(t, path), "Behind a link")

	nowhere := filepath.Join(dir, "nowhere.json")
	require.NoError(t, os.Symlink("missing.json", nowhere))
	require.ErrorContains(t, runRefused(t, "-state", nowhere), "missing.json")
}

// What could not be put in its place does not stay beside it: a disk that is full
// would be fuller with every try, and the secret of the application is in it.
func TestState_thatCannotBeSaved_leavesNothingBehind(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(sandbox.Options{})
	require.NoError(t, err)
	t.Cleanup(box.Close)
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	require.NoError(t, os.Mkdir(path, 0o700)) // which no file can replace
	for _, name := range []string{"-state", "REVV_SANDBOX_STATE"} {
		f := &stateFile{name: name, path: path, sandbox: box}
		require.ErrorContains(t, f.close(), name+": ")
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "state.json", entries[0].Name())
}

// runRefused runs the program, which must not come to listening.
func runRefused(t *testing.T, args ...string) error {
	t.Helper()
	out := newOutput()
	err := run(t.Context(), append([]string{"-addr", "127.0.0.1:0"}, args...), nil, out, out)
	require.Error(t, err)
	require.Empty(t, out.String())
	return err
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
