package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// receiver keeps what was posted to it, and answers what it is told to.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	bodies []string
	status func(nth int) int
}

func newReceiver(t *testing.T, status func(nth int) int) *receiver {
	t.Helper()
	r := &receiver{status: status}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.bodies = append(r.bodies, string(body))
		n := len(r.bodies)
		r.mu.Unlock()
		assert.Equal(t, "application/json", req.Header.Get("Content-Type"))
		w.WriteHeader(status(n))
	}))
	t.Cleanup(r.Close)
	return r
}

func always(status int) func(int) int { return func(int) int { return status } }

func (r *receiver) events(t *testing.T) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, body := range r.bodies {
		name, _ := field(t, body, "event").(string)
		names = append(names, name)
	}
	return names
}

func (a *api) subscribe(url string, events ...string) {
	a.t.Helper()
	for _, event := range events {
		a.ok("POST", "/api/webhooks", `{"event":"`+event+`","url":"`+url+`"}`)
	}
}

func (a *api) wait() {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(a.t, a.WaitDeliveries(ctx))
}

func TestWebhooks_tellTheLifeOfADocument(t *testing.T) {
	a := newAPI(t)
	r := newReceiver(t, always(http.StatusNoContent))
	a.subscribe(r.URL, "DOCUMENT_STAGE_CHANGED", "DOCUMENT_SIGNED", "DOCUMENT_CLOSED", "DOCUMENT_ACCEPTED")
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","first_name":"S","last_name":"One"},{"user_email":"t@example.com"}]}`)
	require.NoError(t, a.Sign(d.ID, "s@example.com", nil))
	require.NoError(t, a.Sign(d.ID, "t@example.com", nil))
	other := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/15", `{"acceptors":[{"user_email":"a@example.com"}]}`)
	require.NoError(t, a.Accept(other.ID, "a@example.com"))
	a.wait()
	assert.Equal(t, []string{
		"DOCUMENT_STAGE_CHANGED", "DOCUMENT_SIGNED", "DOCUMENT_SIGNED", "DOCUMENT_STAGE_CHANGED", "DOCUMENT_CLOSED",
		"DOCUMENT_STAGE_CHANGED", "DOCUMENT_ACCEPTED", "DOCUMENT_STAGE_CHANGED",
	}, r.events(t), "in order")

	var first, second map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.bodies[0]), &first))
	require.NoError(t, json.Unmarshal([]byte(r.bodies[1]), &second))
	assert.Regexp(t, `^evt_[A-Za-z0-9]{32}$`, first["id"])
	assert.NotEqual(t, first["id"], second["id"])
	assert.Equal(t, map[string]any{"name": "Draft"}, first["previous_status"])
	assert.NotContains(t, first, "recipient")
	assert.Equal(t, map[string]any{
		"id": 14.0, "doc_no": "DOC-000040", "object_id": string(d.ObjectID), "title": "Mutual NDA", "document_status": map[string]any{"name": "Sent"},
	}, first["document"])
	assert.Equal(t, map[string]any{"user_email": "s@example.com", "first_name": "S", "last_name": "One"}, second["recipient"])
	assert.NotContains(t, second, "previous_status")
	for _, delivery := range a.Deliveries() {
		assert.Equal(t, sandbox.DeliveryDelivered, delivery.State)
		assert.Len(t, delivery.Attempts, 1)
	}
	assert.Len(t, a.Webhooks(), 4)
}

func TestWebhooks_areTriedThreeTimes(t *testing.T) {
	a := newAPI(t)
	recovers := newReceiver(t, func(n int) int {
		if n < 3 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	fails := newReceiver(t, always(http.StatusBadGateway))
	a.subscribe(recovers.URL, "DOCUMENT_STAGE_CHANGED")
	a.subscribe(fails.URL, "DOCUMENT_STAGE_CHANGED")
	a.subscribe("http://127.0.0.1:1/secret", "DOCUMENT_STAGE_CHANGED")
	a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	a.wait()
	deliveries := a.Deliveries()
	require.Len(t, deliveries, 3)
	for i, state := range []string{sandbox.DeliveryDelivered, sandbox.DeliveryFailed, sandbox.DeliveryFailed} {
		assert.Equal(t, state, deliveries[i].State)
		require.Len(t, deliveries[i].Attempts, 3)
	}
	assert.Equal(t, 500, deliveries[0].Attempts[0].Status)
	assert.Contains(t, deliveries[1].Attempts[0].Error, "answered 502")
	assert.Contains(t, deliveries[2].Attempts[0].Error, "refused")
	assert.NotContains(t, deliveries[2].Attempts[0].Error, "secret")

	require.NoError(t, a.Resend(deliveries[0].ID))
	a.wait()
	again := a.Deliveries()[3]
	assert.Equal(t, deliveries[0].Body, again.Body, "the same event")
	assert.Equal(t, sandbox.DeliveryDelivered, again.State)
	require.ErrorContains(t, a.Resend(99), "no delivery has the id 99")
}

func TestWebhooks_unsubscribed(t *testing.T) {
	a := newAPI(t)
	r := newReceiver(t, always(http.StatusOK))
	a.subscribe(r.URL, "DOCUMENT_STAGE_CHANGED")
	a.ok("DELETE", "/api/webhooks/1", "")
	a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	a.wait()
	assert.Empty(t, r.events(t))
}

type transport func(*http.Request) (*http.Response, error)

func (fn transport) RoundTrip(r *http.Request) (*http.Response, error) { return fn(r) }

// Close does not wait for a receiver that never answers, nor for a backoff.
func TestWebhooks_endWithTheSandbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := make(chan struct{}, 1)
		a := newAPI(t, func(o *sandbox.Options) {
			o.WebhookBackoff = []time.Duration{time.Hour}
			o.WebhookClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				started <- struct{}{}
				if strings.HasSuffix(r.URL.Host, "hang") {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return nil, errors.New("down")
			})}
		})
		a.subscribe("http://hang", "DOCUMENT_STAGE_CHANGED")
		a.subscribe("http://down", "DOCUMENT_STAGE_CHANGED")
		for range 2 {
			d := a.draft()
			a.ok("POST", fmt.Sprintf("/api/v2/doc-signers/%d", d.ID), `{"signers":[{"user_email":"s@example.com"}]}`)
		}
		<-started
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.WaitDeliveries(ctx), context.DeadlineExceeded)
		a.Close()
		a.Close()
		a.wait()
		for _, d := range a.Deliveries() {
			assert.Equal(t, sandbox.DeliveryPending, d.State, "whoever imports the account takes it up again")
		}
		require.NoError(t, a.Resend(1))
		assert.Empty(t, a.Deliveries()[4].Attempts, "nothing leaves after Close")
	})
}

func TestWebhooks_badURLAtDelivery(t *testing.T) {
	a := newAPI(t)
	a.subscribe("http://user:secret@127.0.0.1:1/x", "DOCUMENT_STAGE_CHANGED")
	a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	a.wait()
	assert.Equal(t, sandbox.DeliveryFailed, a.Deliveries()[0].State)
}
