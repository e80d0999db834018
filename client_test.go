package revv_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hoarder keeps what it is given to decode, although it should not.
type hoarder struct{ kept []byte }

// UnmarshalJSON implements [json.Unmarshaler].
func (h *hoarder) UnmarshalJSON(data []byte) error {
	h.kept = data
	return nil
}

func TestDo_whatTheCallerKeepsOfAnAnswer_isNotOverwrittenByTheNext(t *testing.T) {
	t.Parallel()
	bodies := []string{`{"number":1}`, `{"number":2}`}
	client := newSwitchboard(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/first" {
			return reply(http.StatusOK, bodies[0]), nil
		}
		return reply(http.StatusOK, bodies[1]), nil
	}).client(t)
	var (
		first hoarder
		bytes []byte
		other any
	)
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/first", nil, &first))
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/first", nil, &bytes))
	for range 100 {
		require.NoError(t, client.Do(t.Context(), http.MethodGet, "/second", nil, &other))
	}
	assert.JSONEq(t, bodies[0], string(first.kept))
	assert.JSONEq(t, bodies[0], string(bytes))
}
