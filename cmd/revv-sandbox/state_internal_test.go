package main

import (
	"bytes"
	"context"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// A disk that is full for an hour is not told by one line among those of all requests, and
// whoever has made room sees that it was enough.
func TestState_thatCannotBeSaved_isReportedEachMinuteUntilItCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := sandbox.New(sandbox.Options{})
		require.NoError(t, err)
		t.Cleanup(s.Close)
		dir := filepath.Join(t.TempDir(), "gone")
		f := &stateFile{name: "state", path: filepath.Join(dir, "state.json"), sandbox: s}
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			f.run(ctx, log.New(&out, "", 0))
		}()
		_ = s.IssueTokens() // something to save
		<-time.After(2*time.Minute + time.Second)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 3)
		for _, line := range lines {
			assert.Contains(t, line, "it is tried again every 500ms")
		}
		out.Reset()
		require.NoError(t, os.Mkdir(dir, 0o700))
		<-time.After(time.Minute)
		synctest.Wait()
		assert.Equal(t, "state: saved again\n", out.String())
		assert.FileExists(t, f.path)
		cancel()
		<-ended
	})
}
