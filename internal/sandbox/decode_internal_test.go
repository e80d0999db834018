package sandbox

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

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

// An operation finds its body read, which perform does before it takes the lock.
func TestPerform_hasReadTheBody(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	require.NoError(t, err)
	defer s.Close()
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
	s.perform(&call{sandbox: s, request: request, op: op, body: []byte(`{}`)})
	assert.True(t, read)
}
