package revv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// The tests of this file run a part of themselves in other processes, which start
// with TestFileStore_inAnotherProcess and do what the environment tells them.
const (
	childRole = "REVV_TEST_CHILD_ROLE"
	childDir  = "REVV_TEST_CHILD_DIR"
	childSays = "child: " // marks the lines of a child among those of its test
)

const childLife = 30 * time.Second

// countedToken is a pair whose every part tells its number, long enough to be torn.
func countedToken(count int) *oauth2.Token {
	number := fmt.Sprintf("%08d", count)
	return &oauth2.Token{AccessToken: strings.Repeat(number, 2000), TokenType: "Bearer", RefreshToken: number}
}

// countOf returns the number of a pair, which has to be whole.
func countOf(t testing.TB, token *oauth2.Token) int {
	t.Helper()
	count, err := strconv.Atoi(token.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, *token, *countedToken(count), "the pair is not whole")
	return count
}

func nextCount(current *oauth2.Token) (*oauth2.Token, error) {
	if current == nil {
		return countedToken(1), nil
	}
	count, err := strconv.Atoi(current.RefreshToken)
	return countedToken(count + 1), err
}

func TestFileStore_inAnotherProcess(t *testing.T) {
	t.Parallel()
	role := os.Getenv(childRole)
	if role == "" {
		return // this is the parent
	}
	store := newFileStore(t, os.Getenv(childDir))
	ctx, cancel := context.WithTimeout(t.Context(), childLife)
	defer cancel()
	switch role {
	case "count for ever", "count 15 times":
		for i := 0; role == "count for ever" || i < 15; i++ {
			token, err := store.Update(ctx, storeAccount, nextCount)
			require.NoError(t, err)
			fmt.Println(childSays + token.RefreshToken)
		}
	case "hold the lock":
		_, err := store.Update(ctx, storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
			fmt.Println(childSays + "holding")
			_, _ = io.Copy(io.Discard, os.Stdin)
			return nil, errors.New("the parent is gone")
		})
		require.NoError(t, err)
	case "meet a full disk":
		meetFullDisk(t, store)
	case "open too many files":
		openTooManyFiles(t, store)
	default:
		t.Fatalf("no role %q", role)
	}
}

// child is a process of its own that uses a FileStore.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	other strings.Builder
}

// startChild starts a child, by a command before it if there is one.
func startChild(t *testing.T, role, dir string, by ...string) *child {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), childLife)
	t.Cleanup(cancel)
	by = append(by, program, "-test.run=^TestFileStore_inAnotherProcess$")
	c := &child{cmd: exec.CommandContext(ctx, by[0], by[1:]...)}
	c.cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	c.cmd.Stderr = &c.other
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.lines = bufio.NewScanner(stdout)
	require.NoError(t, c.cmd.Start())
	return c
}

// says returns what the child says next, false when it ended.
func (c *child) says() (string, bool) {
	for c.lines.Scan() {
		if text, ok := strings.CutPrefix(c.lines.Text(), childSays); ok {
			return text, true
		}
		c.other.WriteString(c.lines.Text() + "\n")
	}
	return "", false
}

// kill ends the child at once and returns the last thing it said, "" for nothing.
func (c *child) kill(t *testing.T) string {
	t.Helper()
	require.NoError(t, c.cmd.Process.Kill())
	last := ""
	for text, ok := c.says(); ok; text, ok = c.says() {
		last = text
	}
	require.Error(t, c.cmd.Wait(), "the child was not killed")
	return last
}

// finish waits for the child to succeed.
func (c *child) finish(t *testing.T) {
	t.Helper()
	for _, ok := c.says(); ok; {
		_, ok = c.says()
	}
	require.NoError(t, c.cmd.Wait(), "%s", &c.other)
}

func loadCount(t *testing.T, store *revv.FileStore) int {
	t.Helper()
	token, err := store.Load(t.Context(), storeAccount)
	require.NoError(t, err)
	return countOf(t, token)
}

// A process that is killed at any moment leaves the old pair or the new one; a pair
// whose saving was reported is never lost.
func TestFileStore_processKilledAtAnyMoment_leavesAWholeToken(t *testing.T) {
	t.Parallel()
	limit, rounds := 2*time.Second, 100
	if testing.Short() {
		limit, rounds = 300*time.Millisecond, 5
	}
	dir := t.TempDir()
	store := newFileStore(t, dir)
	deadline := time.Now().Add(limit)
	killed := 0
	for ; killed < rounds && (killed == 0 || time.Now().Before(deadline)); killed++ {
		process := startChild(t, "count for ever", dir)
		last, ok := process.says()
		require.True(t, ok, "%s", &process.other)
		<-time.After(rand.N(8 * time.Millisecond))
		if later := process.kill(t); later != "" {
			last = later
		}
		reported, err := strconv.Atoi(last)
		require.NoError(t, err)
		stored := loadCount(t, store)
		require.GreaterOrEqual(t, stored, reported, "a saved pair is lost")
		require.LessOrEqual(t, stored, reported+1)
	}
	t.Logf("killed %d processes; %d pairs", killed, loadCount(t, store))
	before, found := loadCount(t, store), 0
	_, err := store.Update(t.Context(), storeAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
		found = countOf(t, current)
		return nextCount(current)
	})
	require.NoError(t, err)
	assert.Contains(t, []int{before, before + 1}, found, "the last one may have died between writing a pair and putting it in its place")
	assert.Equal(t, found+1, loadCount(t, store))
	assert.Equal(t, []string{".json", ".lock"}, storeFiles(t, dir), "what the crashes left is cleared away")
}

func TestFileStore_twoProcesses_loseNoUpdate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := newFileStore(t, dir)
	children := []*child{startChild(t, "count 15 times", dir), startChild(t, "count 15 times", dir)}
	ctx, cancel := context.WithTimeout(t.Context(), childLife)
	defer cancel()
	for range 15 {
		_, err := store.Update(ctx, storeAccount, nextCount)
		require.NoError(t, err)
	}
	for _, process := range children {
		process.finish(t)
	}
	assert.Equal(t, 45, loadCount(t, store))
}

func TestFileStore_holderOfTheLockKilled_successorProceeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := newFileStore(t, dir)
	saveToken(t, store, storeAccount, tokenPair("before"))
	holder := startChild(t, "hold the lock", dir)
	text, ok := holder.says()
	require.True(t, ok, "%s", &holder.other)
	require.Equal(t, "holding", text)

	assertStored(t, store, storeAccount, tokenPair("before"))
	saveToken(t, store, "other@example.com", tokenPair("other"))
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := store.Update(short, storeAccount, notCalled(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithTimeout(t.Context(), childLife)
	defer cancel()
	successor := make(chan error, 1)
	go func() {
		_, err := store.Update(ctx, storeAccount, saving(tokenPair("after")))
		successor <- err
	}()
	holder.kill(t)
	require.NoError(t, <-successor)
	assertStored(t, store, storeAccount, tokenPair("after"))
	drafts, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	require.NoError(t, err)
	assert.Empty(t, drafts)
}
