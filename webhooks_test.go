package revv_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func withSubscription(t *testing.T, s *revvtest.Server) {
	t.Helper()
	_, err := s.Client().Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: revv.EventClosed, URL: "https://example.com/hooks/1"})
	require.NoError(t, err)
}

func TestSubscribe_sendsEventAndURL(t *testing.T) {
	t.Parallel()
	p := insert(t, "SubscribeWebhook", nil)
	webhook, err := p.Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: revv.EventStageChanged, URL: "https://example.com/hooks?a=1&b=2"})
	require.NoError(t, err)
	p.sent(`POST /api/webhooks {"event":"DOCUMENT_STAGE_CHANGED","url":"https://example.com/hooks?a=1&b=2"}`)
	assert.Equal(t, &revv.Webhook{
		ID: "1", Event: revv.EventStageChanged, URL: "https://example.com/hooks?a=1&b=2",
		Raw: json.RawMessage(`{"id":1,"event":"DOCUMENT_STAGE_CHANGED","url":"https://example.com/hooks?a=1&b=2"}`),
	}, webhook)
}

func TestListWebhooks_sendsNoQuery(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListWebhooks", withSubscription)
	webhooks, err := p.Webhooks.List(t.Context())
	require.NoError(t, err)
	p.sent("GET /api/webhooks")
	assert.Equal(t, []revv.Webhook{{
		ID: "1", Event: revv.EventClosed, URL: "https://example.com/hooks/1",
		Raw: json.RawMessage(`{"id":1,"event":"DOCUMENT_CLOSED","url":"https://example.com/hooks/1"}`),
	}}, webhooks)
}

func TestUnsubscribe_sendsTheIDAsItCame(t *testing.T) {
	t.Parallel()
	p := insert(t, "UnsubscribeWebhook", withSubscription)
	require.NoError(t, p.Webhooks.Unsubscribe(t.Context(), "1"))
	p.sent("DELETE /api/webhooks/1")
}

func TestUnsubscribe_textualID_staysOneSegment(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{}`)
	require.NoError(t, s.client(t).Webhooks.Unsubscribe(t.Context(), "wh_1/2 ü"))
	assert.Equal(t, []string{"DELETE /api/webhooks/wh_1%2F2%20%C3%BC"}, s.Lines())
}

func TestSubscribe_targetsThatCarryASecret_areSentUnchanged(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"https://user:secret@example.com/hooks", "https://example.com/hooks?token=secret", "http://127.0.0.1:8080/hooks", "http://[::1]/hooks", "http://localhost/hooks"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			s := always(http.StatusOK, `{"Webhook":{"id":"wh_1","event":"X","url":"https://example.com"}}`)
			webhook, err := s.client(t).Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: "X", URL: target})
			require.NoError(t, err)
			assert.Equal(t, revv.WebhookID("wh_1"), webhook.ID)
			assert.Equal(t, []string{`POST /api/webhooks {"event":"X","url":"` + target + `"}`}, s.Lines())
		})
	}
}
