package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestRun_withoutAnEnvironment_printsATreeOfAttempts(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, environment(nil), &out))
	text := out.String()
	assert.Equal(t, 1, strings.Count(text, "send contract "))
	assert.Equal(t, 2, strings.Count(text, "\n  PUT /api/docs/{id}/fields "))
	assert.Contains(t, text, "\nPOST /oauth/token ", "a renewal is for all who wait, and below no single call")
	assert.True(t, strings.HasSuffix(text, "\ndone: 6 calls, 11 requests, 4 of them repeated; as many spans, and measurements in 11 series\n"), text)
}

func TestRun_stdout_exportsNoSecret(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	token := server.Token().AccessToken
	var out bytes.Buffer
	values := map[string]string{"REVV_BASE_URL": server.URL(), "REVV_ACCESS_TOKEN": token}
	require.NoError(t, run(t.Context(), []string{"-stdout"}, environment(values), &out))
	assert.Contains(t, out.String(), `"Name":"GET /api/docstemplate/"`)
	assert.Contains(t, out.String(), `"Name":"http.client.request.duration"`)
	assert.NotContains(t, out.String(), token)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.True(t, strings.HasPrefix(lines[len(lines)-1], "done: 2 calls, 2 requests, 0 of them repeated"), lines[len(lines)-1])
}

func TestRun_badInput_isNamed(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, run(t.Context(), []string{"here"}, environment(nil), io.Discard), `"here"`)
	require.ErrorIs(t, run(t.Context(), nil, environment(map[string]string{"REVV_BASE_URL": "http://acme.example.com"}), io.Discard), revv.ErrInvalidArgument)
}

// observed is a client with its spans.
func observed(t *testing.T) (*revvtest.Server, *revv.Client, *pipeline) {
	t.Helper()
	p, err := newPipeline(false, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.shutdown(context.Background())) })
	telemetry, err := newTelemetry(p.traces, p.metrics)
	require.NoError(t, err)
	server := revvtest.NewServer(t)
	client := server.Client(revv.WithMiddleware(telemetry.middleware))
	return server, client, p
}

func only(t *testing.T, p *pipeline) tracetest.SpanStub {
	t.Helper()
	spans := p.spans.GetSpans()
	require.Len(t, spans, 1)
	return spans[0]
}

func TestMiddleware_span_hasTheAttributesOfTheConventionsAndNoQuery(t *testing.T) {
	t.Parallel()
	server, client, p := observed(t)
	_, err := client.Contacts.GetByEmail(t.Context(), "nobody@example.com")
	require.ErrorIs(t, err, revv.ErrNotFound)
	span := only(t, p)
	assert.Equal(t, "GET /api/contacts", span.Name)
	assert.Equal(t, codes.Unset, span.Status.Code, "an empty list is no error of HTTP")
	_, host, _ := strings.Cut(server.URL(), "//")
	_, port, _ := strings.Cut(host, ":")
	for key, want := range map[attribute.Key]string{
		"http.request.method": "GET", "http.response.status_code": "200", "network.protocol.version": "1.1",
		"server.address": "127.0.0.1", "server.port": port, "url.template": "/api/contacts",
		"url.full": server.URL() + "/api/contacts?email=REDACTED", "revv.operation": "Contacts.GetByEmail", "error.type": "", "http.request.resend_count": "",
	} {
		assert.Equal(t, want, value(span.Attributes, key), key)
	}
}

func TestMiddleware_idsThatACallerWrites_areNotInNames(t *testing.T) {
	t.Parallel()
	_, client, p := observed(t)
	require.ErrorIs(t, client.Do(t.Context(), http.MethodGet, "/api/docs/4711", nil, nil), revv.ErrNotFound)
	span := only(t, p)
	assert.Equal(t, "GET", span.Name)
	assert.Empty(t, value(span.Attributes, "url.template"))
	require.NoError(t, checkName(span.Name))
	require.Error(t, checkName("GET /api/docs/4711"))
}

func TestMiddleware_failures_endTheSpanWithAnErrorType(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault revvtest.Fault
		want  string
	}{
		"status":   {revvtest.Fault{Status: http.StatusForbidden}, "403"},
		"cut":      {revvtest.Fault{CutAfter: 3}, "*errors.errorString"},
		"no bytes": {revvtest.Fault{CutAfter: -1}, "*errors.errorString"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client, p := observed(t)
			server.Fail(test.fault)
			_, err := client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
			require.Error(t, err)
			span := only(t, p)
			assert.Equal(t, codes.Error, span.Status.Code)
			assert.Empty(t, span.Status.Description)
			assert.Equal(t, test.want, value(span.Attributes, "error.type"))
			count, _, err := p.measured(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, 1, count)
		})
	}
}

// The body is a reader for the SDK as before: it ends once, and is closed once.
func TestObservedBody_endsOnce(t *testing.T) {
	t.Parallel()
	ends, fails := 0, 0
	cause := errors.New("cut")
	body := &observedBody{
		ReadCloser: io.NopCloser(io.MultiReader(strings.NewReader("abc"), failing{cause})),
		end:        func() { ends++ }, fail: func(attribute.KeyValue) { fails++ },
	}
	content, err := io.ReadAll(body)
	require.ErrorIs(t, err, cause)
	assert.Equal(t, "abc", string(content))
	_, _ = body.Read(make([]byte, 1))
	require.NoError(t, body.Close())
	assert.Equal(t, 1, fails)
	assert.Positive(t, ends)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
