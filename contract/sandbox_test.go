package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// recorder notes what goes over the wire below it.
type recorder struct {
	from  string
	next  http.RoundTripper
	amiss bool // of what is recorded from now on

	mu        sync.Mutex
	exchanges []*exchange
}

// RoundTrip implements [http.RoundTripper].
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	amiss := r.amiss
	r.mu.Unlock()
	x := &exchange{from: r.from, method: req.Method, url: req.URL, header: req.Header.Clone(), amiss: amiss}
	if info, ok := revv.CallInfoFrom(req.Context()); ok {
		x.call = info.Operation
	}
	if req.Body != nil {
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		x.sent, req.Body = sent, io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	received, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(received))
	x.status, x.answered, x.received = resp.StatusCode, resp.Header.Clone(), received
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, x)
	return resp, nil
}

// wrong says that the requests within fn are wrong on purpose.
func (r *recorder) wrong(fn func()) {
	set := func(amiss bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.amiss = amiss
	}
	set(true)
	defer set(false)
	fn()
}

// sandbox is a server whose traffic is recorded.
type sandbox struct {
	*recorder
	*revvtest.Server
}

func newSandbox(t *testing.T, from string, opts ...revvtest.Option) *sandbox {
	t.Helper()
	server := revvtest.NewServer(t, opts...)
	return &sandbox{&recorder{from: from, next: server.HTTPClient().Transport}, server}
}

// client is a client whose requests carry what they are for.
func (s *sandbox) client(t *testing.T, auth revv.Authenticator, opts ...revv.Option) *revv.Client {
	t.Helper()
	transparent := func(next http.RoundTripper) http.RoundTripper { return next }
	own := []revv.Option{revv.WithBaseURL(s.URL()), revv.WithHTTPClient(&http.Client{Transport: s.recorder}), revv.WithMiddleware(transparent)}
	client, err := revv.NewClient(auth, append(own, opts...)...)
	require.NoError(t, err)
	return client
}

// raw sends what the client does not send.
func (s *sandbox) raw(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{Transport: s.recorder, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	return resp
}

// ids are the ids of everything that calls need.
type ids struct {
	template revv.TemplateID
	document revv.DocumentID
	number   revv.DocumentNumber
	object   revv.ObjectID
	folder   revv.FolderID
	contact  revv.ContactID
	webhook  revv.WebhookID
}

var people = []revv.Person{{Email: "ann@example.com", FirstName: "Ann", LastName: "Lee"}}

func only(_ any, err error) error { return err }

// calls are the calls of the client by the field of revv.Routes, with every
// argument that the client knows. The order is one in which they succeed.
func calls() []struct {
	field string
	do    func(ctx context.Context, c *revv.Client, id *ids) error
} {
	type call = struct {
		field string
		do    func(ctx context.Context, c *revv.Client, id *ids) error
	}
	send := revv.SendParams{Recipients: people, Message: "Please"}
	draft := func(ctx context.Context, c *revv.Client, id *ids) (revv.DocumentID, error) {
		d, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: id.template})
		if err != nil {
			return id.document, err
		}
		return d.ID, nil
	}
	return []call{
		{"CreateFolder", func(ctx context.Context, c *revv.Client, id *ids) error {
			f, err := c.Folders.Create(ctx, revv.CreateFolderParams{Name: "Offers", ParentID: 1})
			if err == nil {
				id.folder = f.ID
			}
			return err
		}},
		{"CreateDocument", func(ctx context.Context, c *revv.Client, id *ids) error {
			d, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: id.template, Title: "Offer", FolderID: id.folder})
			if err == nil {
				id.document, id.number, id.object = d.ID, d.Number, d.ObjectID
			}
			return err
		}},
		{"ListDocuments", func(ctx context.Context, c *revv.Client, _ *ids) error {
			return only(c.Documents.List(ctx, revv.ListDocumentsParams{SortByNumber: true}))
		}},
		{"ListFolderContents", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.List(ctx, revv.ListDocumentsParams{FolderID: id.folder, SortByNumber: true}))
		}},
		{"GetDocument", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.Get(ctx, id.document))
		}},
		{"GetDocumentByNumber", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.GetByNumber(ctx, id.number))
		}},
		{"SetFields", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.SetFields(ctx, id.document, []revv.FieldValue{{Name: "Counterparty", Value: "Acme"}}))
		}},
		{"CloneDocument", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.Clone(ctx, id.document, revv.CloneDocumentParams{Title: "Copy"}))
		}},
		{"DownloadDocument", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.Download(ctx, id.document, io.Discard))
		}},
		{"ShareDocument", func(ctx context.Context, c *revv.Client, id *ids) error {
			return c.Documents.Share(ctx, id.document, revv.ShareParams{Recipients: people, Message: "For you", Review: true})
		}},
		{"ListActivities", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.Activities(ctx, id.object, revv.ListActivitiesParams{After: time.Unix(0, 0), Limit: 10}))
		}},
		{"CreateMagicLink", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.MagicLink(ctx, id.object))
		}},
		{"MoveDocument", func(ctx context.Context, c *revv.Client, id *ids) error {
			return only(c.Documents.Move(ctx, id.document, id.folder))
		}},
		{"SendForApproval", func(ctx context.Context, c *revv.Client, id *ids) error {
			draft, err := draft(ctx, c, id)
			return errors.Join(err, c.Documents.SendForApproval(ctx, draft, send))
		}},
		{"SendForAcceptance", func(ctx context.Context, c *revv.Client, id *ids) error {
			draft, err := draft(ctx, c, id)
			return errors.Join(err, c.Documents.SendForAcceptance(ctx, draft, send))
		}},
		{"SendForESign", func(ctx context.Context, c *revv.Client, id *ids) error {
			draft, err := draft(ctx, c, id)
			return errors.Join(err, c.Documents.SendForESign(ctx, draft, revv.SendParams{
				Recipients: []revv.Person{{Email: "ann@example.com", Order: 1}, {Email: "bob@example.com", Order: 2}}, Message: "Please",
			}))
		}},
		{"ListTemplates", func(ctx context.Context, c *revv.Client, _ *ids) error {
			return only(c.Templates.List(ctx, revv.ListTemplatesParams{Status: revv.ActiveTemplates}))
		}},
		{"ListFolders", func(ctx context.Context, c *revv.Client, _ *ids) error {
			return only(c.Folders.List(ctx, revv.ListFoldersParams{}))
		}},
		{"UpsertContact", func(ctx context.Context, c *revv.Client, id *ids) error {
			contact, err := c.Contacts.Upsert(ctx, revv.UpsertContactParams{
				Name: "Ann Lee", Email: "ann@example.com", Title: new("Buyer"), Description: new(""), Phone: new("+1 555 0100"), Type: revv.ContactIndividual,
				LinkedIn: new(""), Instagram: new(""), Twitter: new(""), Notes: new("by a test"),
			})
			if err == nil {
				id.contact = contact.ID
			}
			return err
		}},
		{"ListContacts", func(ctx context.Context, c *revv.Client, _ *ids) error {
			return only(c.Contacts.List(ctx, revv.ListContactsParams{}))
		}},
		{"GetContact", func(ctx context.Context, c *revv.Client, id *ids) error { return only(c.Contacts.Get(ctx, id.contact)) }},
		{"GetContactByEmail", func(ctx context.Context, c *revv.Client, _ *ids) error {
			return only(c.Contacts.GetByEmail(ctx, "ann@example.com"))
		}},
		{"DeleteContact", func(ctx context.Context, c *revv.Client, id *ids) error { return c.Contacts.Delete(ctx, id.contact) }},
		{"SubscribeWebhook", func(ctx context.Context, c *revv.Client, id *ids) error {
			hook, err := c.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventClosed, URL: "https://example.com/hooks"})
			if err == nil {
				id.webhook = hook.ID
			}
			return err
		}},
		{"ListWebhooks", func(ctx context.Context, c *revv.Client, _ *ids) error { return only(c.Webhooks.List(ctx)) }},
		{"UnsubscribeWebhook", func(ctx context.Context, c *revv.Client, id *ids) error {
			return c.Webhooks.Unsubscribe(ctx, id.webhook)
		}},
		{"DeleteFolder", func(ctx context.Context, c *revv.Client, id *ids) error { return c.Folders.Delete(ctx, id.folder) }},
	}
}

// ownTemplate is the template that documents are made from here: "Mutual NDA" of
// every sandbox, which has no required fields.
const ownTemplate = 23

// anyID are ids of the right form that lead nowhere.
func anyID() *ids {
	return &ids{template: 1, document: 1, number: "DOC-000001", object: "DOC-aB3dE5gH7jK9", folder: 2, contact: 1, webhook: "1"}
}

func TestCalls_coverEveryRoute(t *testing.T) {
	t.Parallel()
	var fields, covered []string
	for field := range reflect.TypeFor[revv.Routes]().Fields() {
		fields = append(fields, field.Name)
	}
	for _, call := range calls() {
		covered = append(covered, call.field)
	}
	assert.ElementsMatch(t, fields, covered)
}

// The sandbox and the client speak exactly what is documented, and all of it.
func TestTraffic_isWhatIsDocumented(t *testing.T) {
	t.Parallel()
	c := load(t)
	recorders := []*recorder{
		driveCalls(t), driveRefusals(t), driveDownload(t), driveOAuth(t), driveLogin(t), driveSharedLinks(t), driveWebhooks(t),
	}
	total := 0
	for _, r := range recorders {
		require.NotEmpty(t, r.exchanges, r.from)
		total += len(r.exchanges)
		for _, x := range r.exchanges {
			request, response := c.check(x)
			for _, problem := range slices.Concat(request, response) {
				assert.Fail(t, "not as documented", "%s\nsent %.500s\nreceived %.500s", problem, x.sent, x.received)
			}
		}
	}
	require.Greater(t, total, 4*len(calls()))
	require.Greater(t, len(c.documented()), 10*len(calls()))
	assert.Empty(t, c.missing(), "documented, and never spoken")
	for _, op := range c.operations {
		var calls []string
		for _, r := range list(op.spec["x-routes"]) {
			calls = append(calls, text(object(r)["call"]))
		}
		assert.ElementsMatch(t, calls, slices.Collect(maps.Keys(op.calls)), "the calls of %s", op)
	}
}

// driveCalls makes every call succeed, with the token in either header.
func driveCalls(t *testing.T) *recorder {
	t.Helper()
	s := newSandbox(t, "calls")
	for _, opts := range [][]revv.Option{nil, {revv.WithBearerHeader()}} {
		client, id := s.client(t, revv.StaticToken(s.Token().AccessToken), opts...), &ids{template: ownTemplate}
		for _, call := range calls() {
			require.NoError(t, call.do(t.Context(), client, id), call.field)
		}
	}
	return s.recorder
}

// driveRefusals makes every call fail: for its token, and for a limit.
func driveRefusals(t *testing.T) *recorder {
	t.Helper()
	s := newSandbox(t, "refusals", revvtest.WithRateLimit(1, time.Hour))
	expired := s.Token().AccessToken
	s.ExpireTokens()
	client := s.client(t, revv.StaticToken(expired))
	for _, call := range calls() {
		require.ErrorIs(t, call.do(t.Context(), client, anyID()), revv.ErrUnauthorized, call.field)
	}
	client = s.client(t, revv.StaticToken(s.Token().AccessToken))
	_, err := client.Webhooks.List(t.Context()) // the one that is within the limit
	require.NoError(t, err)
	for _, call := range calls() {
		fresh := s.client(t, revv.StaticToken(s.Token().AccessToken)) // another client has not been told to wait
		require.ErrorIs(t, call.do(t.Context(), fresh, anyID()), revv.ErrRateLimited, call.field)
	}
	return s.recorder
}

// driveDownload asks for parts of a file.
func driveDownload(t *testing.T) *recorder {
	t.Helper()
	s := newSandbox(t, "download")
	token := s.Token().AccessToken
	path := fmt.Sprintf("/api/docs/%d/download", s.AddDocument(ownTemplate, "Offer"))
	whole := s.raw(t, http.MethodGet, path, "", "AccessToken", token)
	part := s.raw(t, http.MethodGet, path, "", "AccessToken", token, "Range", "bytes=5-", "If-Range", whole.Header.Get("Etag"))
	require.Equal(t, http.StatusPartialContent, part.StatusCode)
	none := s.raw(t, http.MethodGet, path, "", "AccessToken", token, "Range", "bytes=9999999-")
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, none.StatusCode)
	return s.recorder
}

// driveOAuth authorizes, exchanges and refreshes, well and badly.
func driveOAuth(t *testing.T) *recorder {
	t.Helper()
	s := newSandbox(t, "OAuth", revvtest.WithClientAuthRequired())
	config := s.OAuthConfig()
	config.HTTPClient = &http.Client{Transport: s.recorder}
	verifier := oauth2.GenerateVerifier()
	authURL := config.AuthCodeURL("a-state", verifier)
	page, err := url.Parse(authURL)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, s.raw(t, http.MethodGet, page.RequestURI(), "").StatusCode)

	mistaken := page.Query()
	mistaken.Del("code_challenge")
	require.Equal(t, http.StatusSeeOther, s.raw(t, http.MethodGet, page.Path+"?"+mistaken.Encode(), "").StatusCode)
	mistaken.Set("client_id", "another")
	require.Equal(t, http.StatusBadRequest, s.raw(t, http.MethodGet, page.Path+"?"+mistaken.Encode(), "").StatusCode)

	redirect, err := s.Authorize(authURL)
	require.NoError(t, err)
	back, err := url.Parse(redirect)
	require.NoError(t, err)
	require.Equal(t, "a-state", back.Query().Get("state"))
	_, err = config.Exchange(t.Context(), "no-code", verifier)
	require.ErrorIs(t, err, revv.ErrReauthorizationRequired)
	token, err := config.Exchange(t.Context(), back.Query().Get("code"), verifier)
	require.NoError(t, err)
	s.wrong(func() {
		form := strings.Repeat("x", 2<<20)
		require.Equal(t, http.StatusRequestEntityTooLarge, s.raw(t, http.MethodPost, "/oauth/token", form, "Content-Type", "application/x-www-form-urlencoded").StatusCode)
	})

	store := revv.NewMemoryStore()
	require.NoError(t, revv.SaveToken(t.Context(), store, "acme", token))
	auth, err := config.Authenticator(store, "acme")
	require.NoError(t, err)
	s.ExpireTokens()
	_, err = s.client(t, auth).Webhooks.List(t.Context()) // 401, invalid_client, a refresh with credentials, and again
	require.NoError(t, err)
	renewed, err := store.Load(t.Context(), "acme")
	require.NoError(t, err)
	require.NotEqual(t, token.AccessToken, renewed.AccessToken)
	return s.recorder
}

// driveLogin logs in as the programs of 2020 did.
func driveLogin(t *testing.T) *recorder {
	t.Helper()
	s := newSandbox(t, "login of 2020")
	const right, wrong = "revv-sandbox", "another"
	login := func(password string) string {
		return fmt.Sprintf(`{"user_email":"owner@example.com","password":%q,"org_domain":"sandbox"}`, password)
	}
	for _, path := range []string{"/api/v2/auth/initiate-auth", "/api/auth/initiate-auth"} {
		status := func(want int, body string, headers ...string) {
			require.Equal(t, want, s.raw(t, http.MethodPost, path, body, headers...).StatusCode, "%s %v", path, headers)
		}
		status(http.StatusOK, login(right), "GrantType", "password", "Content-Type", "application/json")
		status(http.StatusUnauthorized, login(wrong), "GrantType", "password", "Content-Type", "application/json")
		status(http.StatusOK, "", "GrantType", "refreshToken", "RefreshToken", s.Token().RefreshToken)
		s.wrong(func() { status(http.StatusBadRequest, "", "GrantType", "another") })
	}
	return s.recorder
}

// driveSharedLinks accepts, approves and rejects by the links of mails.
func driveSharedLinks(t *testing.T) *recorder {
	t.Helper()
	s := newSandbox(t, "shared links")
	client := s.Client()
	for _, to := range []struct {
		send   func(context.Context, revv.DocumentID, revv.SendParams, ...revv.CallOption) error
		answer string
	}{
		{client.Documents.SendForAcceptance, "accept"},
		{client.Documents.SendForAcceptance, "reject"},
		{client.Documents.SendForApproval, "approve"},
		{client.Documents.SendForApproval, "reject"},
	} {
		require.NoError(t, to.send(t.Context(), s.AddDocument(ownTemplate, "Offer"), revv.SendParams{Recipients: people}))
		outbox := s.Outbox()
		link, err := url.Parse(outbox[len(outbox)-1].Links[to.answer])
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, s.raw(t, http.MethodPost, link.Path, "").StatusCode)
		require.Equal(t, http.StatusConflict, s.raw(t, http.MethodPost, link.Path, "").StatusCode)
	}
	return s.recorder
}

// driveWebhooks receives every event, the first of them at the second attempt.
func driveWebhooks(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{from: "webhooks", next: &http.Transport{}}
	s := newSandbox(t, "", revvtest.WithWebhookClient(&http.Client{Transport: r}))
	var (
		mu     sync.Mutex
		events = map[revv.EventType]int{}
	)
	handler, err := revv.NewWebhookHandler(revv.PathSecret("a-secret-of-a-test"), func(_ context.Context, event *revv.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if events[event.Type]++; events[event.Type] == 1 {
			return errors.New("not now")
		}
		return nil
	})
	require.NoError(t, err)
	receiver := httptest.NewServer(handler)
	t.Cleanup(receiver.Close)
	client := s.Client()
	all := []revv.EventType{revv.EventStageChanged, revv.EventClosed, revv.EventSigned, revv.EventAccepted}
	for _, event := range all {
		_, err := client.Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: event, URL: receiver.URL + "/" + string(event) + "/a-secret-of-a-test"})
		require.NoError(t, err)
	}
	signed, accepted := s.AddDocument(ownTemplate, "Offer"), s.AddDocument(ownTemplate, "Offer")
	require.NoError(t, client.Documents.SendForESign(t.Context(), signed, revv.SendParams{Recipients: people}))
	require.NoError(t, s.Sign(signed, "ann@example.com"))
	require.NoError(t, client.Documents.SendForAcceptance(t.Context(), accepted, revv.SendParams{Recipients: people}))
	require.NoError(t, s.Accept(accepted, "ann@example.com"))
	require.NoError(t, s.WaitDeliveries(t.Context()))
	require.Len(t, events, len(all))
	for _, x := range r.exchanges {
		event, _, found := strings.Cut(strings.TrimPrefix(x.url.Path, "/"), "/")
		require.True(t, found)
		x.url = &url.URL{Scheme: "http", Host: "localhost", Path: webhookPath(event)}
	}
	return r
}
