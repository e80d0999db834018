package console_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/revv-go/revv/internal/console"
	"github.com/revv-go/revv/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSmoke(t *testing.T) {
	c, err := console.New(sandbox.Options{})
	require.NoError(t, err)
	defer c.Close()
	for _, p := range []string{"/", "/templates", "/templates/21", "/templates/new", "/folders", "/contacts", "/outbox", "/webhooks", "/traffic", "/faults", "/help"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://127.0.0.1"+p, nil)
		r.Header.Set("Accept", "text/html")
		c.Handler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusOK, w.Code, "%s %s", p, w.Body)
	}
}
