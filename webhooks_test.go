package revv_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
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

// Where a secret stands in the URL, it stays there: a service that cannot reach the
// URL may say so with all of it or with a part.
func TestSubscribe_serviceRepeatsTheURL_theSecretIsNotShown(t *testing.T) {
	t.Parallel()
	const password, segment, token = "hunter2-SENTINEL", "path-SENTINEL", "query SENTINEL"
	target := "https://user:" + password + "@hooks.example.com/revv/" + segment + "?token=" + url.QueryEscape(token)
	for name, text := range map[string]string{
		"all of it":        "cannot reach " + target,
		"as a query":       "cannot reach ?url=" + url.QueryEscape(target),
		"without the user": "cannot reach https://hooks.example.com/revv/" + segment + "?token=" + url.QueryEscape(token),
		"its path":         "/revv/" + segment + " is not there",
		"a part of it":     segment + " is not there",
		"the parameter":    "token " + token + " is not known",
		"the password":     password + " is wrong",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			body, err := json.Marshal(map[string]string{"error": "UNREACHABLE", "message": text})
			require.NoError(t, err)
			s := always(http.StatusUnprocessableEntity, string(body), "X-Request-Id", text, "X-Reason", text)
			var captured revv.Response
			_, err = s.client(t, revv.WithLogger(logger)).Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: "E", URL: target}, revv.CaptureResponse(&captured))
			require.ErrorIs(t, err, revv.ErrInvalid)
			assert.Equal(t, "UNREACHABLE", failure(t, err).Code)
			for _, shown := range []string{printed(err) + contents(err), printed(captured), out.String()} {
				assert.NotContains(t, shown, "SENTINEL")
			}
			_, err = (&service{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New(text) }}).client(t).
				Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: "E", URL: target})
			require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
			assert.NotContains(t, printed(err)+contents(err), "SENTINEL")
		})
	}
}

func TestLists_withAnElementThatDoesNotFit_returnNothing(t *testing.T) {
	t.Parallel()
	webhooks, err := always(http.StatusOK, `{"Webhooks":[{"id":"a"},{"id":{}}]}`).client(t).Webhooks.List(t.Context())
	require.ErrorIs(t, err, revv.ErrMalformedResponse)
	assert.Nil(t, webhooks)
	activities, err := always(http.StatusOK, `[{"event":"a"},{"event":{}}]`).client(t).Documents.Activities(t.Context(), "DOC-aB3dE5gH7jK9", revv.ListActivitiesParams{})
	require.ErrorIs(t, err, revv.ErrMalformedResponse)
	assert.Nil(t, activities)
}
