package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// build builds a program of this module.
func build(t *testing.T, path string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds a program")
	}
	name := filepath.Join(t.TempDir(), "program")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", name, path).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return name
}

// The quickstart, with exactly the variables that the program prints, and with a
// person who agrees in the browser and signs twice.
func TestQuickstart_runsAgainstTheReadyLine(t *testing.T) {
	t.Parallel()
	quickstart := build(t, "../../examples/quickstart")
	p := start(t)
	cmd := exec.CommandContext(t.Context(), quickstart)
	cmd.Dir = t.TempDir()
	for _, line := range os.Environ() { // but for the way to a browser
		if name, _, _ := strings.Cut(line, "="); !strings.HasPrefix(name, "REVV_") && !strings.EqualFold(name, "PATH") {
			cmd.Env = append(cmd.Env, line)
		}
	}
	for name, value := range p.ready {
		if name == "REVV_WEBHOOK_URL" && !free(t, "127.0.0.1:8788") {
			continue // somebody else on this machine listens where the quickstart would
		}
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var text strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		text.WriteString(line + "\n")
		switch {
		case strings.HasPrefix(line, p.url+"/oauth/authorize"):
			location := p.authorize(line)
			p.follow(location)
		case strings.HasPrefix(line, "Waiting for"):
			p.signAll(2)
		}
	}
	require.NoError(t, cmd.Wait(), "%s\n%s", text.String(), stderr.String())
	assert.Contains(t, text.String(), "all signed, stage Signed")
	assert.Contains(t, text.String(), "done: DOC-000040 signed by 2 people")
	pdf, err := os.ReadFile(filepath.Join(cmd.Dir, "DOC-000040.pdf"))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(pdf), "%PDF-"))
}

// follow brings the browser to the application.
func (p *program) follow(location string) {
	p.t.Helper()
	app := *p
	app.url = ""
	require.Less(p.t, app.send("GET", location, "").status, 400)
}

// free reports whether nobody listens on the address.
func free(t *testing.T, address string) bool {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err == nil {
		require.NoError(t, listener.Close())
	}
	return err == nil
}
