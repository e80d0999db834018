//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package revv

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	frozenRole = "REVV_TEST_FROZEN"
	frozenSays = "frozen: "
)

// This is the process that is frozen. It says what had ended when it went on.
func TestAwake_inAnotherProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(frozenRole) == "" {
		return // this is the parent
	}
	counted, cancel := withAwakeTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	usual, cancelUsual := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancelUsual()
	last := time.Now()
	fmt.Println(frozenSays + "ready")
	for time.Since(last) < 500*time.Millisecond && usual.Err() == nil {
		last = time.Now()
		<-time.After(time.Millisecond)
	}
	<-time.After(100 * time.Millisecond)
	fmt.Println(frozenSays, counted.Err() == nil, usual.Err() == nil)
	<-counted.Done()
	fmt.Println(frozenSays, counted.Err())
}

// A process is frozen while an answer is under way, which is there when it goes on.
func TestAwake_processIsFrozen_readsWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAwake_inAnotherProcess$", "-test.v") //nolint:gosec // this test
	child.Env = append(os.Environ(), frozenRole+"=1")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var says []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line, ok := strings.CutPrefix(lines.Text(), frozenSays)
		if !ok {
			continue
		}
		if says = append(says, strings.TrimSpace(line)); len(says) == 1 {
			require.NoError(t, child.Process.Signal(syscall.SIGSTOP))
			<-time.After(1500 * time.Millisecond)
			require.NoError(t, child.Process.Signal(syscall.SIGCONT))
		}
	}
	require.NoError(t, child.Wait())
	assert.Equal(t, []string{"ready", "true false", context.DeadlineExceeded.Error()}, says)
}
