package sandbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv/internal/sandbox"
)

// gone sends a request whose client leaves before it is answered.
func (a *api) gone(w http.ResponseWriter, method, path string) {
	ctx, cancel := context.WithCancel(a.t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, http.NoBody)
	r.Header.Set("AccessToken", a.tokens.AccessToken)
	a.Handler().ServeHTTP(w, r)
}

// The log names the fault even if the client did not wait for it.
func TestFaults_thatTheClientDidNotWaitFor_areInTheLog(t *testing.T) {
	for _, fault := range []sandbox.Fault{{Delay: time.Hour}, {Hang: true}, {Hang: true, Commit: true}} {
		a := newAPI(t)
		a.fail(fault)
		assert.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { a.gone(httptest.NewRecorder(), "DELETE", "/api/contacts/5001") })
		request := a.Requests()[0]
		assert.Equal(t, fault.String(), request.Problem)
		assert.Zero(t, request.Status, "it has no answer")
		assert.Equal(t, fault.Commit, len(a.Contacts()) == 1, "%s", request.Problem)
	}
}

// sent notes how much of an answer was on its way when.
type sent struct {
	*httptest.ResponseRecorder

	begun time.Time
	steps []step
}

type step struct {
	bytes int
	after time.Duration
}

func (s *sent) Flush() { s.steps = append(s.steps, step{s.Body.Len(), time.Since(s.begun)}) }

// A client that reads an answer byte by byte has each of them when it is due, and not all of
// them at the end.
func TestFaults_drip_sendsEachByteWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		a.fail(sandbox.Fault{Status: http.StatusTeapot, Body: "[1]", Drip: time.Minute})
		w := &sent{ResponseRecorder: httptest.NewRecorder(), begun: time.Now()}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/webhooks", http.NoBody)
		a.Handler().ServeHTTP(w, r)
		assert.Equal(t, []step{{0, 0}, {1, time.Minute}, {2, 2 * time.Minute}, {3, 3 * time.Minute}}, w.steps)
	})
}

func TestFaults_drip_endsWhenTheClientLeaves(t *testing.T) {
	a := newAPI(t)
	a.fail(sandbox.Fault{Status: http.StatusTeapot, Body: "[1]", Drip: time.Hour})
	w := httptest.NewRecorder()
	assert.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { a.gone(w, "GET", "/api/webhooks") })
	assert.Equal(t, "[", w.Body.String())
}
