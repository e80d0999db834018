package sandbox

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequest_weighsAllItsTexts(t *testing.T) {
	t.Parallel()
	empty := (&Request{}).size()
	assert.Equal(t, entryWeight, empty)
	long := strings.Repeat("x", 1000)
	for name, r := range map[string]Request{
		"operation": {Operation: long},
		"method":    {Method: long},
		"path":      {Path: long},
		"query":     {RawQuery: long},
		"body":      {Body: long},
		"problem":   {Problem: long},
	} {
		assert.Equal(t, empty+1000, r.size(), name)
	}
	assert.Equal(t, empty+2*lineWeight+1+1000, (&Request{Header: http.Header{"A": {long}}}).size())
	assert.Equal(t, empty+lineWeight+1000, (&Request{Header: http.Header{long: nil}}).size())
	assert.Equal(t, empty+3*lineWeight+1+2000, (&Request{Header: http.Header{"A": {long, long}}}).size())
}

func TestRequestLog_dropsTheOldest(t *testing.T) {
	t.Parallel()
	var log requestLog
	one := &Request{Body: "x"}
	for range ringSize {
		log.add(&Request{Body: "x"})
	}
	assert.Len(t, log.entries, ringSize)
	assert.Equal(t, ringSize*one.size(), log.bytes)
	log.add(&Request{Body: "x"})
	assert.Len(t, log.entries, ringSize-ringSize/10)
	assert.Equal(t, len(log.entries)*one.size(), log.bytes)
	assert.Equal(t, int64(ringSize+1), log.entries[len(log.entries)-1].ID)

	var heavy requestLog
	heavy.add(&Request{Body: strings.Repeat("x", maxLoggedBytes-entryWeight-one.size())})
	heavy.add(&Request{Body: "x"})
	assert.Len(t, heavy.entries, 2)
	heavy.add(&Request{Body: "x"})
	assert.Len(t, heavy.entries, 2)
	assert.Equal(t, 2*one.size(), heavy.bytes)
}

// The problem comes when the request is answered, and weighs as much as the rest.
func TestRequestLog_weighsProblems(t *testing.T) {
	t.Parallel()
	var log requestLog
	entries := make([]*Request, 100)
	for i := range entries {
		entries[i] = &Request{}
		log.add(entries[i])
	}
	log.answered(entries[99], http.StatusNotFound, strings.Repeat("x", maxLoggedBytes-100*entryWeight))
	assert.Len(t, log.entries, 100)
	assert.Equal(t, maxLoggedBytes, log.bytes)
	log.answered(entries[98], http.StatusNotFound, "x")
	assert.Less(t, len(log.entries), 100)
	assert.LessOrEqual(t, log.bytes, maxLoggedBytes)
	assert.Equal(t, http.StatusNotFound, entries[98].Status)

	before := log.bytes
	log.answered(entries[0], http.StatusNotFound, "dropped by now") // its answer took its time
	assert.Equal(t, before, log.bytes)
	log.answered(entries[99], http.StatusNotFound, "shorter now")
	assert.Less(t, log.bytes, 1<<20)

	// However many small ones a large one takes the place of, the bound holds.
	log = requestLog{}
	for range 50 {
		log.add(&Request{})
	}
	log.add(&Request{Problem: strings.Repeat("x", maxLoggedBytes-2*entryWeight)})
	assert.LessOrEqual(t, log.bytes, maxLoggedBytes)
	assert.Equal(t, int64(51), log.entries[len(log.entries)-1].ID)
	log.add(&Request{Problem: strings.Repeat("x", maxLoggedBytes)})
	assert.Empty(t, log.entries)
	assert.Zero(t, log.bytes)
}

// Each request that meets a fault has its description in the log.
func TestFault_isDescribedShortly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	f := Fault{Body: long, RedirectTo: long, Members: map[string]string{"a": long}}
	assert.Less(t, len(f.String()), 400)
	require.Len(t, f.Body, len(long), "the fault itself stays as it is")
	require.Len(t, f.Members["a"], len(long))
	assert.Equal(t, `fault {"operation":"","body":"short","members":{"a":"1"}}`, (&Fault{Body: "short", Members: map[string]string{"a": "1"}}).String())
}

// What is kept of a long line is counted as what it is, so nothing may hold the rest of
// it in memory. It is not parallel: it looks at the memory of the process.
func TestKeptTexts_holdNoLongerOnesInMemory(t *testing.T) {
	s, err := New(Options{Lenient: true})
	require.NoError(t, err)
	defer s.Close()
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const times, size = 50, 500 << 10
	long := strings.Repeat("x", size)
	for name, target := range map[string]string{
		"log":     "/api/webhooks?x=",
		"consent": "/oauth/authorize?client_id=sandbox-application&redirect_uri=http://127.0.0.1/callback&response_type=code&state=s&x=",
	} {
		before := held()
		for range times {
			s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, target+long, nil))
		}
		assert.Less(t, int64(held())-int64(before), int64(times*size/5), name)
		if name == "log" {
			assert.Len(t, s.log.entries, times)
		}
		s.ClearRequests()
	}
	assert.Len(t, s.account.consents, times)
}

func TestRequestLog_weighsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	require.NoError(t, err)
	defer s.Close()
	weight := 0
	for _, target := range []string{"/api/webhooks", "/api/nowhere", "/oauth/authorize"} {
		s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	}
	for _, entry := range s.log.entries {
		assert.NotEmpty(t, entry.Problem)
		weight += entry.size()
	}
	assert.Equal(t, weight, s.log.bytes)
}
