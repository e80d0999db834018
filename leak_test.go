package revv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/revv-go/revv"
)

// unsteady is a service that takes its time, at every point, and remembers which
// documents it was asked to create.
type unsteady struct {
	mu      sync.Mutex
	created map[string]int
	file    string
}

func (s *unsteady) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pause := func() {
		select {
		case <-time.After(rand.N(time.Millisecond)):
		case <-r.Context().Done():
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.Method == http.MethodPost {
		var in struct{ Title string }
		if json.Unmarshal(body, &in) == nil {
			s.mu.Lock()
			s.created[in.Title]++
			s.mu.Unlock()
		}
	}
	pause()
	text := documentAnswer
	if strings.HasSuffix(r.URL.Path, "/download") {
		w.Header().Set("Content-Type", "application/pdf")
		w.Header().Set("Etag", someTag)
		text = s.file
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text[:len(text)/2])
	_ = http.NewResponseController(w).Flush()
	pause()
	_, _ = io.WriteString(w, text[len(text)/2:])
}

// times returns how often a document was asked for.
func (s *unsteady) times(title string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.created[title]
}

// TestCancelledCalls_leaveNothing is S09: ten thousand calls that are given up
// at any point leave no goroutine, no connection and no file, and no write that
// was received is reported as if it had not been sent.
func TestCancelledCalls_leaveNothing(t *testing.T) { // not parallel: it counts
	calls, workers := 10_000, 16
	if testing.Short() {
		calls = 1000
	}
	warm := httptest.NewServer(http.NotFoundHandler()) // what the runtime opens once and keeps
	warm.Close()
	before := goleak.IgnoreCurrent()
	filesBefore := countOpenFiles(t)
	service := &unsteady{created: make(map[string]int), file: pdf(64 << 10)}
	server := httptest.NewServer(service)
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(server.URL), hurried())
	require.NoError(t, err)
	dir := t.TempDir()

	var (
		next, cancelled, succeeded atomic.Int64
		writes                     writeLog
		work                       sync.WaitGroup
	)
	for worker := range workers {
		random := rand.New(rand.NewPCG(9, uint64(worker)))
		work.Go(func() {
			for n := next.Add(1); n <= int64(calls); n = next.Add(1) {
				ctx, cancel := context.WithCancel(t.Context())
				patience := time.Duration(random.Int64N(int64(6 * time.Millisecond)))
				if n%7 == 0 {
					patience = time.Hour // on a slow machine no other call may succeed
				}
				timer := time.AfterFunc(patience, cancel)
				err := giveUp(ctx, client, n, dir, &writes)
				timer.Stop()
				cancel()
				if err == nil {
					succeeded.Add(1)
					continue
				}
				cancelled.Add(1)
				assert.ErrorIs(t, err, context.Canceled)
				_ = failure(t, err)
			}
		})
	}
	work.Wait()
	client.HTTPClient().CloseIdleConnections()
	server.Close()

	for title, err := range writes.results {
		seen := service.times(title)
		doubtful := errors.Is(err, revv.ErrOutcomeUnknown) || errors.Is(err, revv.ErrAppliedResponseUnreadable)
		switch {
		case err == nil:
			assert.Equal(t, 1, seen, "a write that succeeded")
		case !doubtful:
			assert.Zero(t, seen, "a write that was reported as not sent: %v", err)
		default:
			assert.LessOrEqual(t, seen, 1, "a write of unknown outcome")
		}
	}
	require.NoError(t, goleak.Find(before), "goroutines")
	assert.LessOrEqual(t, countOpenFiles(t), filesBefore, "open files and connections")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		assert.False(t, strings.HasSuffix(e.Name(), ".part"), "a temporary file is left")
	}
	assert.NotZero(t, succeeded.Load())
	assert.NotZero(t, cancelled.Load())
	fmt.Printf("cancelled calls: %d of %d cancelled, no goroutine and no connection left\n", cancelled.Load(), calls)
}

// writeLog keeps how writes ended, by the title of the document.
type writeLog struct {
	mu      sync.Mutex
	results map[string]error
}

func (l *writeLog) store(title string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.results == nil {
		l.results = make(map[string]error)
	}
	l.results[title] = err
}

// giveUp makes the n-th call, of one kind after the other.
func giveUp(ctx context.Context, client *revv.Client, n int64, dir string, writes *writeLog) error {
	var err error
	switch n % 5 {
	case 0, 1:
		title := fmt.Sprintf("document %d", n)
		_, err = client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 3, Title: title})
		writes.store(title, err)
	case 2:
		_, err = client.Documents.Get(ctx, 14)
	case 3:
		_, err = client.Documents.Download(ctx, 14, io.Discard)
	default:
		_, err = client.Documents.DownloadFile(ctx, 14, filepath.Join(dir, fmt.Sprintf("%d.pdf", n)))
	}
	return err
}

// countOpenFiles counts the descriptors of this process, 0 where that cannot be seen.
func countOpenFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// A range that is left early leaves nothing either.
func TestRanges_leftEarly_leaveNothing(t *testing.T) { // not parallel: it counts
	before := goleak.IgnoreCurrent()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := strconv.Atoi(r.URL.Query().Get("page_num"))
		assert.NoError(t, err)
		_, _ = fmt.Fprintf(w, `{"Contacts":[{"id":%d},{"id":9}]}`, page)
	}))
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(server.URL))
	require.NoError(t, err)
	for i := range 200 {
		left := i % 7
		for _, err := range client.Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: i % 33}) {
			require.NoError(t, err)
			if left--; left < 0 {
				break
			}
		}
	}
	client.HTTPClient().CloseIdleConnections()
	server.Close()
	require.NoError(t, goleak.Find(before))
}
