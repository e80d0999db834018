package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/revv-go/revv/internal/console"
	"github.com/revv-go/revv/internal/sandbox"
)

// A server of net/http lingers for half a second at a connection that it gives up, which is
// longer than goleak waits.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const base = "http://127.0.0.1:8787"

// hostile is a title that must not become part of a page.
const hostile = `<script>alert("x")</script>'&amp;`

// browser looks at the pages of a console of its own.
type browser struct {
	*console.Console

	t testing.TB
}

func open(t *testing.T, change ...func(*sandbox.Options)) *browser {
	t.Helper()
	seed := uint64(1)
	opts := sandbox.Options{Seed: &seed, BaseURL: base, WebhookBackoff: []time.Duration{}}
	for _, fn := range change {
		fn(&opts)
	}
	return openTB(t, opts)
}

func openTB(tb testing.TB, opts sandbox.Options) *browser {
	tb.Helper()
	c, err := console.New(opts)
	require.NoError(tb, err)
	tb.Cleanup(c.Close)
	c.Sandbox().SetTime(time.Date(2021, 6, 18, 12, 0, 0, 0, time.UTC))
	return &browser{c, tb}
}

func serve(b *browser, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	return w
}

// do sends a request as a browser would that is on one of our pages. Headers come
// in pairs; an empty value removes one.
func (b *browser) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = base + target
	}
	r := httptest.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", base)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(b, r)
}

// get opens a page that must be there, and returns what it shows.
func (b *browser) get(target string) string {
	b.t.Helper()
	w := b.do(http.MethodGet, target, "")
	require.Equal(b.t, http.StatusOK, w.Code, "%s: %s", target, w.Body)
	return w.Body.String()
}

// post sends a form and expects the status.
func (b *browser) post(status int, target string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	w := b.do(http.MethodPost, target, form.Encode())
	require.Equal(b.t, status, w.Code, "%s: %s", target, w.Body)
	return w
}

// call does what a program does with an access token.
func (b *browser) call(status int, method, path, body string) {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, base+path, strings.NewReader(body))
	r.Header.Set("AccessToken", b.Sandbox().IssueTokens().AccessToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := serve(b, r)
	require.Equal(b.t, status, w.Code, "%s %s: %s", method, path, w.Body)
}

// sent makes document 14 and sends it for signing to one@example.com and then, in
// order, to two@example.com. It returns the paths of their pages.
func (b *browser) sent(title string) (first, second string) {
	b.t.Helper()
	id, err := b.Sandbox().CreateDocument(21, title, 0)
	require.NoError(b.t, err)
	b.call(http.StatusOK, http.MethodPost, "/api/v2/doc-signers/14", `{"email_message":"Please","signers":[
		{"user_email":"one@example.com","first_name":"One","last_name":"","order":1},
		{"user_email":"two@example.com","order":2}]}`)
	d, ok := b.Sandbox().Document(id)
	require.True(b.t, ok)
	return "/sign/" + d.Signers[0].Token, "/sign/" + d.Signers[1].Token
}

// full has something on every page, with a hostile text wherever one can be.
func full(t *testing.T) *browser {
	t.Helper()
	b := open(t)
	s := b.Sandbox()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(receiver.Close)
	b.call(http.StatusOK, http.MethodPost, "/api/webhooks", `{"event":"DOCUMENT_STAGE_CHANGED","url":"`+receiver.URL+`/?a=%3Cscript%3E"}`)
	b.sent(hostile)
	b.call(http.StatusOK, http.MethodPost, "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com","first_name":"<script>alert(1)</script>","last_name":""}],"isReview":false,"reviewerEmailMessage":"<script>alert(1)</script>"}`)
	d, ok := s.Document(14)
	require.True(t, ok)
	b.call(http.StatusOK, http.MethodPost, "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`)
	id, err := s.CreateDocument(23, hostile, 0)
	require.NoError(t, err)
	require.Equal(t, int64(15), int64(id))
	b.call(http.StatusOK, http.MethodPost, "/api/v2/doc-acceptors/15", `{"acceptors":[{"user_email":"a@example.com"}]}`)
	_, err = s.CreateDocument(23, hostile, 0)
	require.NoError(t, err)
	b.call(http.StatusOK, http.MethodPost, "/api/v2/doc-approvers/16", `{"approvers":[{"user_email":"b@example.com"}]}`)
	_, err = s.AddTemplate(sandbox.Template{Title: hostile, Fields: []sandbox.Field{{Name: hostile, Type: sandbox.FieldText, Required: true}}})
	require.NoError(t, err)
	_, err = s.AddContact(sandbox.Contact{Name: hostile, Email: "c@example.com", Title: hostile})
	require.NoError(t, err)
	_, err = s.AddFolder(sandbox.Folder{Name: hostile})
	require.NoError(t, err)
	require.NoError(t, s.Fail(sandbox.Fault{Operation: "Documents.Get", Times: 2, Body: hostile}))
	b.call(http.StatusBadRequest, http.MethodPost, "/api/docs", `{"template_id":"<script>alert(1)</script>"}`)
	b.call(http.StatusNotFound, http.MethodGet, "/api/%3Cscript%3Ealert(1)%3C/script%3E", "")
	b.call(http.StatusOK, http.MethodGet, "/api/docs/14", "") // meets the fault
	require.NoError(t, s.WaitDeliveries(t.Context()))
	return b
}

// consentPath is where an application sends its user.
const consentPath = "/oauth/authorize?client_id=sandbox-application&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcallback&response_type=code&state=s"

// paths lists every page of the console from full, and every page behind a link.
func (b *browser) paths() []string {
	b.t.Helper()
	paths := []string{
		"/", "/?stage=sent", "/?q=nothing-like-it", "/?folder=1", "/documents/14", "/documents/15", "/documents/16", "/folders", "/folders?q=zzz",
		"/contacts", "/contacts?q=zzz", "/templates", "/templates?q=zzz", "/templates/new", "/templates/21", "/templates/24", "/templates/25",
		"/outbox", "/outbox?q=zzz", "/webhooks", "/webhooks?state=delivered", "/webhooks/deliveries/1", "/traffic", "/traffic?show=refused",
		"/traffic?show=faults", "/faults", "/help", consentPath,
	}
	for _, q := range b.Sandbox().Requests() {
		paths = append(paths, "/traffic/"+number(q.ID))
	}
	for _, m := range b.Sandbox().Mails() {
		for name, target := range m.Links {
			if name == "sign" || name == "open" {
				paths = append(paths, strings.TrimPrefix(target, base))
			}
		}
	}
	for _, link := range regexp.MustCompile(`href="(/(?:perma|sign|shared)/[^"]*)"`).FindAllStringSubmatch(b.get("/documents/14"), -1) {
		paths = append(paths, link[1])
	}
	return paths
}

const (
	waitLong  = 10 * time.Second
	waitShort = 20 * time.Millisecond
)
