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
		run := func(d time.Duration) string {
			out.Reset()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			f.run(ctx, log.New(&out, "", 0))
			return out.String()
		}
		_ = s.IssueTokens() // something to save
		lines := strings.Split(strings.TrimSpace(run(2*time.Minute+time.Second)), "\n")
		require.Len(t, lines, 3)
		for _, line := range lines {
			assert.Contains(t, line, "it is tried again every 500ms")
		}
		require.NoError(t, os.Mkdir(dir, 0o700))
		assert.Equal(t, "state: saved again\n", run(time.Minute))
		assert.FileExists(t, f.path)
	})
}
