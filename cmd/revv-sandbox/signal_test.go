package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownEnvironment is that of the tests without what the program would read, or refuse.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(line string) bool { return strings.HasPrefix(line, variablePrefix) })
}

// process starts the built program, with these variables beside those of the tests.
func process(t *testing.T, program string, environment []string, args ...string) (cmd *exec.Cmd, out, log *output) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(ownEnvironment(), environment...)
	out, log = newOutput(), newOutput()
	cmd.Stdout, cmd.Stderr = out, log
	require.NoError(t, cmd.Start())
	return cmd, out, log
}

func TestProgram_exitCodes(t *testing.T) {
	t.Parallel()
	program := build(t, ".")
	busy, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	for name, test := range map[string]struct {
		args, environment []string
		code              int
		says              string
	}{
		"help":                   {args: []string{"-h"}},
		"an unknown flag":        {args: []string{"-nope"}, code: 2, says: "revv-sandbox: "},
		"a bad value":            {args: []string{"-seed", "x"}, code: 2, says: "-seed: "},
		"a bad variable":         {environment: []string{"REVV_SANDBOX_ADDR=0.0.0.0:0"}, code: 2, says: "REVV_SANDBOX_ADDR: "},
		"an unknown variable":    {environment: []string{"REVV_SANDBOX_SEEED=1"}, code: 2, says: "REVV_SANDBOX_SEEED: "},
		"a port that is taken":   {args: []string{"-addr", busy.Addr().String()}, code: 1, says: "-addr 127.0.0.1:0 takes a free port"},
		"a state that cannot be": {args: []string{"-addr", "127.0.0.1:0", "-state", t.TempDir()}, code: 1, says: "-state: "},
	} {
		cmd, out, log := process(t, program, test.environment, test.args...)
		_ = cmd.Wait()
		assert.Equal(t, test.code, cmd.ProcessState.ExitCode(), "%s: %s", name, log)
		assert.Contains(t, log.String(), test.says, name)
		assert.Equal(t, test.code != 0, out.String() == "", name)
	}
}

// Whoever does not want to wait for what is in flight asks a second time.
func TestProgram_secondSignal_endsItAtOnce(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can send a signal to another there")
	}
	cmd, out, log := process(t, build(t, "."), nil, "-addr", "127.0.0.1:0")
	select {
	case <-out.ready:
	case <-time.After(waiting):
		require.Fail(t, "the program does not start", "%s", log)
	}
	// A request in flight, for which the program waits a while.
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(variables(out.String())["REVV_BASE_URL"], "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /api/docs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	require.NoError(t, err)
	goOn := make([]byte, 12)
	_, err = io.ReadFull(conn, goOn)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(goOn, []byte("HTTP/1.1 100")))

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var exit *exec.ExitError
	for tries := time.NewTicker(tick); ; { // a signal that comes before the first one was understood is the first one once more
		select {
		case err := <-ended:
			require.ErrorAs(t, err, &exit, "it ended as after one signal")
			status, ok := exit.Sys().(syscall.WaitStatus)
			require.True(t, ok)
			assert.True(t, status.Signaled(), "%v", exit)
			assert.Equal(t, syscall.SIGTERM, status.Signal())
			tries.Stop()
			return
		case <-tries.C:
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				require.ErrorIs(t, err, os.ErrProcessDone)
			}
		}
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 1, exitCode(errors.New("anything")))
	assert.Equal(t, 2, exitCode(errors.Join(usageError{io.EOF})))
	require.ErrorIs(t, usageError{io.EOF}, io.EOF)
}
