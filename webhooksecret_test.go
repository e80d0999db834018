package revv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

const (
	newSecret = "n3w-s3ntinel-of-20-b"
	oldSecret = "0ld-s3ntinel-of-20-b"
)

// ignoreEvent is the function of handlers that are not about it.
func ignoreEvent(context.Context, *revv.Event) error { return nil }

// eventRequest is a good request but for its secret.
func eventRequest(path string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(stageChanged))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func withHeader(r *http.Request, name string, values ...string) *http.Request {
	r.Header[http.CanonicalHeaderKey(name)] = values
	return r
}

func withBasic(r *http.Request, user, password string) *http.Request {
	r.SetBasicAuth(user, password)
	return r
}

// unreadBody fails the test when a handler reads it.
type unreadBody struct{ t *testing.T }

func (b unreadBody) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

func (unreadBody) Close() error { return nil }

func serve(t *testing.T, handler http.Handler, r *http.Request) *http.Response {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Result()
}

func newHandler(t *testing.T, secret revv.WebhookSecret, fn func(context.Context, *revv.Event) error, opts ...revv.WebhookOption) http.Handler {
	t.Helper()
	handler, err := revv.NewWebhookHandler(secret, fn, opts...)
	require.NoError(t, err)
	return handler
}

// Row H02 of the fault matrix.
func TestNewWebhookHandler_isNeverOpenByOmission(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := map[string]struct {
		secret revv.WebhookSecret
		want   []string
	}{
		"zero secret":               {revv.WebhookSecret{}, []string{"must be made by HeaderSecret, BasicSecret or PathSecret"}},
		"no value":                  {revv.HeaderSecret("X-Secret"), []string{"values must not be empty"}},
		"empty value":               {revv.HeaderSecret("X-Secret", ""), []string{"values[0] must be at least 16 bytes long"}},
		"short value":               {revv.HeaderSecret("X-Secret", newSecret, "fifteen-bytes-1"), []string{"values[1] must be at least 16 bytes long"}},
		"no header name":            {revv.HeaderSecret("", newSecret), []string{"header name"}},
		"bad header name":           {revv.HeaderSecret("X Secret:", newSecret), []string{"header name"}},
		"header of every delivery":  {revv.HeaderSecret("content-type", "application/json"), []string{"name must be a header for the secret alone"}},
		"header that is taken away": {revv.HeaderSecret("Host", newSecret), []string{"name must be a header for the secret alone"}},
		"line break":                {revv.HeaderSecret("X-Secret", newSecret+"\r\nX: y"), []string{"values[0] must be printable ASCII on one line"}},
		"other than ASCII":          {revv.HeaderSecret("X-Secret", newSecret+"ü"), []string{"values[0] must be printable ASCII"}},
		"trailing space":            {revv.HeaderSecret("X-Secret", newSecret+" "), []string{"values[0] must be printable ASCII on one line, without spaces around it"}},
		"no password":               {revv.BasicSecret("revv"), []string{"passwords must not be empty"}},
		"short password":            {revv.BasicSecret("a-user-with-a-long-name", "short"), []string{"passwords[0] must be at least 16 bytes long"}},
		"control in a password":     {revv.BasicSecret("revv", newSecret+"\x00"), []string{"passwords[0] must not contain control characters"}},
		"colon in a user":           {revv.BasicSecret("re:vv", newSecret), []string{"user must not contain a colon"}},
		"no segment":                {revv.PathSecret(), []string{"values must not be empty"}},
		"two segments":              {revv.PathSecret(newSecret + "/" + newSecret), []string{"values[0] must be one segment"}},
		"control in a segment":      {revv.PathSecret(newSecret + "\n"), []string{"values[0] must not contain control characters"}},
		"segment of spaces":         {revv.PathSecret(strings.Repeat(" ", 16)), []string{"values[0] must not be empty"}},
		"password of spaces":        {revv.BasicSecret("revv", strings.Repeat("\t ", 8)), []string{"passwords[0] must not"}},
		"segment that is too long":  {revv.PathSecret(long), []string{"values[0] must not be longer than 256 bytes"}},
		"several problems together": {revv.HeaderSecret("X Secret", "short", newSecret+"\n"), []string{"header name", "values[0]", "values[1]"}},
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "TE", "Trailer", "Upgrade", "User-Agent", "Accept", "Accept-Encoding", "Content-Encoding", "Keep-Alive", "Proxy-Authorization", "X-Forwarded-For"} {
		tests[name] = struct {
			secret revv.WebhookSecret
			want   []string
		}{revv.HeaderSecret(name, newSecret), []string{"name must be a header for the secret alone"}}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			handler, err := revv.NewWebhookHandler(test.secret, ignoreEvent)
			assert.Nil(t, handler)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			for _, text := range test.want {
				assert.ErrorContains(t, err, text)
			}
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "s3ntinel")
		})
	}
}

func TestWebhookHandler_letsTheSenderIn(t *testing.T) {
	tests := map[string]struct {
		secret  revv.WebhookSecret
		request *http.Request
	}{
		"header":                {revv.HeaderSecret("x-secret", newSecret), withHeader(eventRequest("/"), "X-Secret", newSecret)},
		"Authorization":         {revv.HeaderSecret("Authorization", "Bearer "+newSecret), withHeader(eventRequest("/"), "Authorization", "Bearer "+newSecret)},
		"basic":                 {revv.BasicSecret("revv", newSecret), withBasic(eventRequest("/"), "revv", newSecret)},
		"basic without a user":  {revv.BasicSecret("", newSecret), withBasic(eventRequest("/"), "", newSecret)},
		"basic with a colon":    {revv.BasicSecret("revv", newSecret+":x"), withBasic(eventRequest("/"), "revv", newSecret+":x")},
		"basic beyond ASCII":    {revv.BasicSecret("Jörg", newSecret+"ü"), withBasic(eventRequest("/"), "Jörg", newSecret+"ü")},
		"path":                  {revv.PathSecret(newSecret), eventRequest("/hooks/revv/" + newSecret + "?source=revv")},
		"path, escaped":         {revv.PathSecret("50% of a secret?#"), eventRequest("/50%25%20of%20a%20secret%3F%23")},
		"header while rotating": {revv.HeaderSecret("X-Secret", newSecret, oldSecret), withHeader(eventRequest("/"), "X-Secret", oldSecret)},
		"basic while rotating":  {revv.BasicSecret("revv", newSecret, oldSecret), withBasic(eventRequest("/"), "revv", oldSecret)},
		"path while rotating":   {revv.PathSecret(newSecret, oldSecret), eventRequest("/" + oldSecret)},
		"shortest secret":       {revv.PathSecret("sixteen-bytes-16"), eventRequest("/sixteen-bytes-16")},
		"nothing asked for":     {revv.InsecureNoSecret(), eventRequest("/")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			calls := 0
			handler := newHandler(t, test.secret, func(_ context.Context, event *revv.Event) error {
				calls++
				assert.Equal(t, "evt_7Qm2", event.ID)
				return nil
			})
			response := serve(t, handler, test.request)
			assert.Equal(t, http.StatusNoContent, response.StatusCode)
			assert.Equal(t, 1, calls)
		})
	}
}

// withBasicTwice is a request with two passwords, in the order of two headers.
func withBasicTwice(user, first, second string) *http.Request {
	r, other := withBasic(eventRequest("/"), user, first), withBasic(eventRequest("/"), user, second)
	return withHeader(r, "Authorization", r.Header.Get("Authorization"), other.Header.Get("Authorization"))
}

// Row H01 of the fault matrix.
func TestWebhookHandler_refusesEverybodyElseUnread(t *testing.T) {
	header, basic, path := revv.HeaderSecret("X-Secret", newSecret), revv.BasicSecret("revv", newSecret), revv.PathSecret(newSecret)
	tests := map[string]struct {
		secret  revv.WebhookSecret
		request *http.Request
	}{
		"header missing":          {secret: header, request: eventRequest("/")},
		"header empty":            {secret: header, request: withHeader(eventRequest("/"), "X-Secret", "")},
		"header without a value":  {secret: header, request: withHeader(eventRequest("/"), "X-Secret")},
		"header wrong":            {secret: header, request: withHeader(eventRequest("/"), "X-Secret", oldSecret)},
		"header cut":              {secret: header, request: withHeader(eventRequest("/"), "X-Secret", newSecret[:len(newSecret)-1])},
		"header with more":        {secret: header, request: withHeader(eventRequest("/"), "X-Secret", newSecret+"x")},
		"header in other case":    {secret: header, request: withHeader(eventRequest("/"), "X-Secret", strings.ToUpper(newSecret))},
		"header twice":            {secret: header, request: withHeader(eventRequest("/"), "X-Secret", newSecret, newSecret)},
		"header in the path":      {secret: header, request: eventRequest("/" + newSecret)},
		"basic missing":           {secret: basic, request: eventRequest("/")},
		"basic, wrong password":   {secret: basic, request: withBasic(eventRequest("/"), "revv", oldSecret)},
		"basic, wrong user":       {secret: basic, request: withBasic(eventRequest("/"), "other", newSecret)},
		"basic, not base64":       {secret: basic, request: withHeader(eventRequest("/"), "Authorization", "Basic "+newSecret)},
		"basic, other scheme":     {secret: basic, request: withHeader(eventRequest("/"), "Authorization", "Bearer "+newSecret)},
		"basic twice":             {secret: basic, request: withHeader(eventRequest("/"), "Authorization", "Basic cmV2djp4", "Basic cmV2djp4")},
		"basic, right and wrong":  {secret: basic, request: withBasicTwice("revv", newSecret, oldSecret)},
		"basic, right twice":      {secret: basic, request: withBasicTwice("revv", newSecret, newSecret)},
		"path missing":            {secret: path, request: eventRequest("/")},
		"path wrong":              {secret: path, request: eventRequest("/" + oldSecret)},
		"path with a slash more":  {secret: path, request: eventRequest("/" + newSecret + "/")},
		"path in another segment": {secret: path, request: eventRequest("/" + newSecret + "/hook")},
		"path in the query":       {secret: path, request: eventRequest("/?" + newSecret)},
		"no secret at all":        {secret: revv.BasicSecret("", newSecret), request: withBasic(eventRequest("/"), "", "")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var results []revv.WebhookResult
			observer := revv.WithWebhookObserver(func(result revv.WebhookResult) { results = append(results, result) })
			handler := newHandler(t, test.secret, func(context.Context, *revv.Event) error {
				t.Error("the function was called")
				return nil
			}, observer)
			test.request.Body = unreadBody{t}
			response := serve(t, handler, test.request)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
			assert.Equal(t, "Unauthorized\n", string(body))
			assert.Equal(t, "close", response.Header.Get("Connection"))
			assert.Equal(t, strings.HasPrefix(name, "basic") || name == "no secret at all", response.Header.Get("WWW-Authenticate") != "")
			require.Len(t, results, 1)
			assert.Equal(t, revv.WebhookResult{Status: 401, Reason: "secret", Duration: results[0].Duration}, results[0])
		})
	}
}

// Row H01 of the fault matrix.
func TestWebhookHandler_wrongAndMissingSecretsLookTheSame(t *testing.T) {
	for name, test := range map[string]struct {
		secret revv.WebhookSecret
		wrong  *http.Request
	}{
		"header": {revv.HeaderSecret("X-Secret", newSecret), withHeader(eventRequest("/"), "X-Secret", oldSecret)},
		"basic":  {revv.BasicSecret("revv", newSecret), withBasic(eventRequest("/"), "revv", oldSecret)},
		"path":   {revv.PathSecret(newSecret), eventRequest("/" + oldSecret)},
	} {
		t.Run(name, func(t *testing.T) {
			handler := newHandler(t, test.secret, ignoreEvent)
			wrong, missing := httptest.NewRecorder(), httptest.NewRecorder()
			handler.ServeHTTP(wrong, test.wrong)
			handler.ServeHTTP(missing, eventRequest("/"))
			assert.Equal(t, http.StatusUnauthorized, missing.Code)
			assert.Equal(t, missing.Code, wrong.Code)
			assert.Equal(t, missing.Header(), wrong.Header())
			assert.Equal(t, missing.Body.String(), wrong.Body.String())
		})
	}
}

// Row H19 of the fault matrix.
func TestWebhookHandler_rotationEndsWithTheRemovalOfTheOldSecret(t *testing.T) {
	status := func(secret revv.WebhookSecret, shown string) int {
		return serve(t, newHandler(t, secret, ignoreEvent), withHeader(eventRequest("/"), "X-Secret", shown)).StatusCode
	}
	during, after := revv.HeaderSecret("X-Secret", newSecret, oldSecret), revv.HeaderSecret("X-Secret", newSecret)
	assert.Equal(t, http.StatusNoContent, status(during, oldSecret))
	assert.Equal(t, http.StatusNoContent, status(during, newSecret))
	assert.Equal(t, http.StatusUnauthorized, status(after, oldSecret))
	assert.Equal(t, http.StatusNoContent, status(after, newSecret))
}

func TestWebhookSecret_isNeverPrinted(t *testing.T) {
	for name, secret := range map[string]revv.WebhookSecret{
		"header": revv.HeaderSecret("X-Secret", newSecret, oldSecret),
		"basic":  revv.BasicSecret("s3ntinel", newSecret),
		"path":   revv.PathSecret(newSecret, "s3ntinel"),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb+"\n"+verb+"\n", secret, &secret)
			}
			if handler, err := revv.NewWebhookHandler(secret, ignoreEvent); err == nil {
				fmt.Fprintf(&out, "%v %+v %#v %s\n", handler, handler, handler, handler)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("", "secret", secret)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("", "secret", secret)
			require.NoError(t, json.NewEncoder(&out).Encode(map[string]any{"secret": secret}))
			assert.NotContains(t, out.String(), "s3ntinel")
			assert.NotContains(t, out.String(), fmt.Sprintf("%x", "s3ntinel"))
		})
	}
}
