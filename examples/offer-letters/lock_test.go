package main

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The holder is another process, which is this test again, and is not asked before it ends.
func TestLockFile_holderIsKilled_isFree(t *testing.T) {
	t.Parallel()
	if path := os.Getenv("OFFER_LETTERS_TEST_LOCK"); path != "" {
		lock, err := lockFile(path)
		require.NoError(t, err)
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or its parent ends
		require.NoError(t, lock.Close())
		return
	}
	path := filepath.Join(t.TempDir(), "lock")
	holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$") //nolint:gosec // this program itself
	holder.Env = append(os.Environ(), "OFFER_LETTERS_TEST_LOCK="+path)
	_, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	_, err = lockFile(path)
	require.ErrorIs(t, err, errLocked)
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())
	lock, err := lockFile(path)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

// An example is there to be copied: it imports what other modules can import.
func TestExamples_importNothingInternal(t *testing.T) {
	t.Parallel()
	files := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imported := range file.Imports {
			assert.False(t, strings.HasPrefix(imported.Path.Value, `"github.com/revv-go/revv/internal`), "%s imports %s", path, imported.Path.Value)
		}
		return nil
	}))
	assert.Greater(t, files, 40)
}
