package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// answering is a webhook client whose receiver is a function.
func answering(fn transport) func(*sandbox.Options) {
	return func(o *sandbox.Options) { o.WebhookClient = &http.Client{Transport: fn} }
}

func backoff(waits ...time.Duration) func(*sandbox.Options) {
	return func(o *sandbox.Options) { o.WebhookBackoff = append([]time.Duration{}, waits...) }
}

func answer(r *http.Request, status int, statusLine string) *http.Response {
	return &http.Response{StatusCode: status, Status: statusLine, Header: http.Header{}, Body: http.NoBody, Request: r}
}

// sendDraft sends a new document for signing, which is an event.
func (a *api) sendDraft() {
	a.t.Helper()
	a.ok("POST", fmt.Sprintf("/api/v2/doc-signers/%d", a.draft().ID), `{"signers":[{"user_email":"s@example.com"}]}`)
}

// A receiver that moved has to subscribe again, whichever client delivers: what a
// redirect leads to gets nothing.
func TestDelivery_followsNoRedirect(t *testing.T) {
	follow := func(*http.Request, []*http.Request) error { return nil }
	for name, c := range map[string]struct {
		client   *http.Client
		followed bool
	}{
		"the sandbox's own client":          {nil, false},
		"a client that was given":           {&http.Client{Transport: &http.Transport{}}, false},
		"a client that says it follows one": {&http.Client{Transport: &http.Transport{}, CheckRedirect: follow}, true},
	} {
		t.Run(name, func(t *testing.T) {
			target := newTarget(t)
			for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
				moved := httptest.NewServer(http.RedirectHandler(target.URL, status))
				t.Cleanup(moved.Close)
				a := newAPI(t, func(o *sandbox.Options) { o.WebhookClient = c.client }, backoff())
				a.subscribe(moved.URL, "DOCUMENT_STAGE_CHANGED")
				a.sendDraft()
				a.wait()
				delivery := a.Deliveries()[0]
				require.Len(t, delivery.Attempts, 1)
				if c.followed {
					assert.Equal(t, sandbox.DeliveryDelivered, delivery.State)
					continue
				}
				assert.Equal(t, sandbox.DeliveryFailed, delivery.State)
				assert.Equal(t, status, delivery.Attempts[0].Status)
			}
			assert.Equal(t, c.followed, len(target.requests) > 0)
			if c.client != nil {
				assert.Equal(t, c.followed, c.client.CheckRedirect != nil, "the caller's client stays as it is")
				c.client.CloseIdleConnections()
			}
		})
	}
}

// target is where a redirect leads.
type target struct {
	*httptest.Server

	requests chan struct{}
}

func newTarget(t *testing.T) *target {
	t.Helper()
	seen := &target{requests: make(chan struct{}, 10)}
	seen.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.requests <- struct{}{} }))
	t.Cleanup(seen.Close)
	return seen
}

// A receiver that never answers holds up what comes after it for ten seconds.
func TestDelivery_attemptEndsAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, backoff(), answering(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		a.subscribe("http://hang", "DOCUMENT_STAGE_CHANGED")
		start := time.Now()
		a.sendDraft()
		a.wait()
		assert.Equal(t, 10*time.Second, time.Since(start))
		delivery := a.Deliveries()[0]
		assert.Equal(t, sandbox.DeliveryFailed, delivery.State)
		assert.Contains(t, delivery.Attempts[0].Error, "deadline exceeded")
	})
}

// What a receiver says is kept with the delivery, so it is bounded.
func TestDelivery_errorsAreShort(t *testing.T) {
	long := strings.Repeat("E", 1<<20)
	for name, fn := range map[string]transport{
		"status line": func(r *http.Request) (*http.Response, error) { return answer(r, 500, "500 "+long), nil },
		"error":       func(*http.Request) (*http.Response, error) { return nil, errors.New(long) },
	} {
		a := newAPI(t, backoff(), answering(fn))
		a.subscribe("http://long", "DOCUMENT_STAGE_CHANGED")
		a.sendDraft()
		a.wait()
		said := a.Deliveries()[0].Attempts[0].Error
		assert.Contains(t, said, "EEE", name)
		assert.Less(t, len(said), 210, name)
	}
}

// Nothing more is posted for a subscription that has ended: neither what waits between
// two attempts nor what waits behind it.
func TestUnsubscribe_dropsWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var posted []string
		a := newAPI(t, backoff(time.Hour), answering(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			name, _ := field(t, string(body), "event").(string)
			posted = append(posted, name)
			return answer(r, 500, "500 down"), nil
		}))
		a.subscribe("http://down", "DOCUMENT_STAGE_CHANGED", "DOCUMENT_SIGNED")
		a.sendDraft()
		require.NoError(t, a.Sign(14, "s@example.com", nil))
		a.sendDraft()
		synctest.Wait() // until the first waits for its second attempt
		require.Equal(t, []string{"DOCUMENT_STAGE_CHANGED"}, posted)
		a.subscribe("http://down", "DOCUMENT_CLOSED")
		a.ok("DELETE", "/api/webhooks/3", "")
		synctest.Wait()
		assert.Equal(t, sandbox.DeliveryPending, a.Deliveries()[0].State, "it is of another subscription")

		start := time.Now()
		a.ok("DELETE", "/api/webhooks/1", "")
		require.NoError(t, a.WaitDeliveries(t.Context()))
		assert.Equal(t, time.Hour, time.Since(start), "of the other subscription")
		assert.Equal(t, []string{"DOCUMENT_STAGE_CHANGED", "DOCUMENT_SIGNED", "DOCUMENT_SIGNED"}, posted)
		var reasons []string
		for _, d := range a.Deliveries() {
			assert.Equal(t, sandbox.DeliveryFailed, d.State)
			assert.Equal(t, noon, d.Attempts[len(d.Attempts)-1].At)
			reasons = append(reasons, d.Event+": "+d.Attempts[len(d.Attempts)-1].Error)
		}
		assert.Equal(t, []string{
			"DOCUMENT_STAGE_CHANGED: the webhook was unsubscribed",
			"DOCUMENT_SIGNED: answered 500 down",
			"DOCUMENT_STAGE_CHANGED: the webhook was unsubscribed",
			"DOCUMENT_STAGE_CHANGED: the webhook was unsubscribed",
		}, reasons)
	})
}

// An attempt that is on its way comes to its end: nobody can call it back.
func TestUnsubscribe_duringAnAttempt(t *testing.T) {
	for status, want := range map[int]string{200: sandbox.DeliveryDelivered, 500: sandbox.DeliveryFailed} {
		synctest.Test(t, func(t *testing.T) {
			release, attempts := make(chan struct{}), 0
			a := newAPI(t, backoff(time.Hour), answering(func(r *http.Request) (*http.Response, error) {
				attempts++
				<-release
				return answer(r, status, "as it is"), nil
			}))
			a.subscribe("http://slow", "DOCUMENT_STAGE_CHANGED")
			a.sendDraft()
			synctest.Wait()
			a.ok("DELETE", "/api/webhooks/1", "")
			a.subscribe("http://slow", "DOCUMENT_STAGE_CHANGED")
			a.ok("DELETE", "/api/webhooks/2", "")
			close(release)
			start := time.Now()
			a.wait()
			assert.Zero(t, time.Since(start))
			assert.Equal(t, 1, attempts)
			assert.Equal(t, want, a.Deliveries()[0].State)
		})
	}
}

// The end of the sandbox cuts an attempt whose webhook is not there any more: it must not
// be made again after a restart.
func TestUnsubscribe_thenTheEnd_isNotDeliveredAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, begun := range map[string]func(*http.Request) (*http.Response, error){
			"during an attempt":   func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
			"between two of them": func(r *http.Request) (*http.Response, error) { return answer(r, 500, "as it is"), nil },
		} {
			a := newAPI(t, backoff(time.Hour), answering(begun))
			a.subscribe("http://slow", "DOCUMENT_STAGE_CHANGED")
			a.sendDraft()
			synctest.Wait()
			a.subscribe("http://slow", "DOCUMENT_SIGNED") // neither is what was removed
			a.subscribe("http://other", "DOCUMENT_STAGE_CHANGED")
			a.ok("DELETE", "/api/webhooks/1", "")
			killed, err := a.Export() // what a state file holds of it when the program is killed
			require.NoError(t, err)
			a.Close()
			assert.Equal(t, sandbox.DeliveryFailed, a.Deliveries()[0].State, name)

			var posted atomic.Int32
			next := newAPI(t, answering(func(r *http.Request) (*http.Response, error) { posted.Add(1); return answer(r, 200, "{}"), nil }))
			require.NoError(t, next.Import(killed))
			synctest.Wait()
			assert.Zero(t, posted.Load(), name)
			assert.Equal(t, sandbox.DeliveryFailed, next.Deliveries()[0].State, name)
			next.Close()
		}
	})
}

// A receiver that is behind by ten thousand deliveries gets no further ones, and nothing
// waits for those.
func TestDelivery_tooManyWaitForOneURL_isGivenUp(t *testing.T) {
	longTest(t)
	synctest.Test(t, func(t *testing.T) {
		release, posted := make(chan struct{}), 0
		a := newAPI(t, backoff(), answering(func(r *http.Request) (*http.Response, error) {
			<-release
			posted++
			return answer(r, 200, "200 OK"), nil
		}))
		a.subscribe("http://slow", "DOCUMENT_STAGE_CHANGED")
		a.sendDraft()
		synctest.Wait() // until the first is on its way, and waits no longer
		for id := range int64(10_000) {
			require.NoError(t, a.Resend(id+1))
		}
		newest := func() sandbox.Delivery { d := a.Deliveries(); return d[len(d)-1] }
		assert.Equal(t, sandbox.DeliveryPending, newest().State)
		require.NoError(t, a.Resend(newest().ID))
		refused := newest()
		assert.Equal(t, sandbox.DeliveryFailed, refused.State)
		assert.Equal(t, []sandbox.Attempt{{At: noon, Error: "too many deliveries wait for this URL"}}, refused.Attempts)

		close(release)
		a.wait()
		assert.Equal(t, 10_001, posted)
		assert.Equal(t, refused, newest())
	})
}
