package sandbox

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// What a body costs grows with its length, and not with the length of a name times the
// number of values under it. It is not parallel: it counts what the process allocates.
func TestCheckJSON_costsWhatTheBodyIsLong(t *testing.T) {
	const long = 10_000
	body := []byte(`{"` + strings.Repeat("n", long) + `":[` + strings.Repeat("1,", long) + `1]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, checkJSON(body))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100*len(body)), "a text for each element would be %d bytes", long*long)
}

func TestCheckJSON_namesThePlace(t *testing.T) {
	t.Parallel()
	for body, place := range map[string]string{
		`{"a":1,"a":2}`:                     "a",
		`{"a":{"b":1,"b":2}}`:               "a.b",
		`{"a":[0,[{"b":[{"c":1,"c":2}]}]]}`: "a[1][0].b[0].c",
		`{"a":[{},{}],"b":{"a":1},"b":2}`:   "b",
		`[{"a":1,"a":2}]`:                   "[0].a",
	} {
		require.EqualError(t, checkJSON([]byte(body)), `the member "`+place+`" occurs twice in the body`)
	}
}

// Who sends a large body waits for it alone: it is read while somebody else has the
// lock. The test is not parallel: it sees the reading by what the process allocates.
func TestPerform_readsTheBodyBeforeTheLock(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	defer s.Close()
	const length = 200_000
	body := []byte(`{"a":[` + strings.Repeat("1,", length) + `1]}`)
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	read := false
	op := &operation{
		name: "Test", route: func(r *revv.Routes) *string { return &r.CreateDocument }, body: true, open: true,
		run: func(_ *account, c *call) (any, error) {
			read = c.json != nil
			return struct{}{}, nil
		},
	}
	request := httptest.NewRequestWithContext(t.Context(), "POST", "/api/docs", nil)
	request.Header.Set("Content-Type", "application/json")

	s.mu.Lock()
	performed := make(chan struct{})
	before, limit := allocated(), time.Now().Add(10*time.Second)
	go func() {
		s.perform(&call{sandbox: s, request: request, op: op, body: body})
		close(performed)
	}()
	for allocated()-before < length && time.Now().Before(limit) {
		runtime.Gosched()
	}
	assert.GreaterOrEqual(t, allocated()-before, uint64(length), "nothing was read as long as the lock was held")
	s.mu.Unlock()
	<-performed
	assert.True(t, read)
}
