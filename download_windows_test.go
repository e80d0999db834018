package revv_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// What would fail when the whole file is there, or go elsewhere, is refused at the start.
func TestDownloadFile_nameThatNoFileCanHave_isRefusedBeforeTheRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	network := newSwitchboard(answering(http.StatusOK, pdf(500)))
	for _, name := range []string{"CON", "nul", "COM1", "nda.pdf:hidden", "nda:pdf"} {
		for _, opts := range [][]revv.CallOption{nil, {revv.WithOverwrite()}} {
			_, err := network.client(t).Documents.DownloadFile(t.Context(), 14, filepath.Join(dir, name), opts...)
			require.ErrorIs(t, err, revv.ErrInvalidArgument, name)
			assert.Equal(t, "path", failure(t, err).Argument)
		}
	}
	assert.Zero(t, network.taken())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// A virus scanner, or a reader, keeps a file from being replaced for a while.
func TestDownloadFile_targetIsBeingRead_isReplacedAfterwards(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nda.pdf")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	reader, err := os.Open(path)
	require.NoError(t, err)
	closed := make(chan error, 1)
	text := pdf(500)
	_, err = fileService(t, text).Documents.DownloadFile(t.Context(), 14, path, revv.WithOverwrite(), revv.WithProgress(func(int64, int64) {
		time.AfterFunc(200*time.Millisecond, func() { closed <- reader.Close() })
	}))
	require.NoError(t, err)
	require.NoError(t, <-closed)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
}
