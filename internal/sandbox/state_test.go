package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// A snapshot in another sandbox behaves as the one it was taken of.
func TestSnapshot(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	folder, err := a.AddFolder(sandbox.Folder{Name: "Customers"})
	require.NoError(t, err)
	a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	link := a.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`)
	a.subscribe("http://127.0.0.1:1/", "DOCUMENT_SIGNED")
	data, err := a.Export()
	require.NoError(t, err)
	for _, secret := range []string{a.tokens.AccessToken, a.tokens.RefreshToken} {
		assert.NotContains(t, string(data), secret)
	}

	b := newAPI(t)
	own := b.tokens
	require.NoError(t, b.Import(data))
	b.tokens = a.tokens
	b.SetTime(noon)
	for _, path := range []string{"/api/folders/", "/api/docs/14", "/api/contacts/all", "/api/docstemplate/", "/api/webhooks"} {
		assert.Equal(t, a.ok("GET", path, ""), b.ok("GET", path, ""), path)
	}
	assert.Equal(t, link, b.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`))
	assert.Equal(t, a.Folders(), b.Folders())
	assert.Equal(t, a.Contacts(), b.Contacts())
	assert.Equal(t, a.Templates(), b.Templates())
	assert.Equal(t, a.Mails(), b.Mails())
	assert.Equal(t, folder, b.Folders()[1].ID)
	assert.Equal(t, a.ok("POST", "/api/docs", `{"template_id":21}`), b.ok("POST", "/api/docs", `{"template_id":21}`), "the sequences go on, and so does the seed")
	require.NoError(t, b.AnswerLink(secretOf(b.Mails()[0].Links["sign"]), nil))
	b.wait()
	again, err := b.Export()
	require.NoError(t, err)
	assert.Contains(t, string(again), `"state": "failed"`)
	_ = own

	// What was on its way starts again.
	require.NoError(t, b.Import([]byte(strings.ReplaceAll(string(again), `"state": "failed"`, `"state": "pending"`))))
	b.wait()
	assert.Len(t, b.Deliveries()[0].Attempts, 6)

	for _, bad := range []string{
		`{`, `{"version":2}`, `{"version":1}`, `{"version":1,"account":{"folders":[null]}}`,
		`{"version":1,"account":{"folders":[{"id":1}],"documents":[null]}}`,
		`{"version":1,"random":"AAAA","account":{"folders":[{"id":1}]}}`,
		`{"version":1,"account":{"folders":[{"id":1}]}}`,
	} {
		require.Error(t, b.Import([]byte(bad)), bad)
	}
	require.NoError(t, b.Import(again))
	require.Error(t, b.Import(damaged(t, again, `"random": "[^"]*"`, `"random": "AAAA"`)), "ids would come twice")
	require.ErrorContains(t, b.Import(damaged(t, again, `"folders": \[\s*\{\s*"id": 1,`, `"folders": [{"id": 2,`)), "main folder")
	for _, missing := range []string{"client_id", "client_secret", "email"} { // the first e-mail is the owner's
		require.Error(t, b.Import(damaged(t, again, `"`+missing+`": "[^"]*"`, `"`+missing+`": ""`)), missing)
	}
	for _, next := range []string{"document", "number", "entry", "template", "contact", "webhook", "mail", "delivery", "grant"} {
		require.Error(t, b.Import(damaged(t, again, `"`+next+`": [0-9]+`, `"`+next+`": 0`)), next)
	}
	b.ok("GET", "/api/docs/14", "")
}

// damaged replaces the first place that a pattern fits.
func damaged(t *testing.T, state []byte, pattern, by string) []byte {
	t.Helper()
	place := regexp.MustCompile(pattern).FindIndex(state)
	require.NotNil(t, place, pattern)
	return slices.Concat(state[:place[0]], []byte(by), state[place[1]:])
}

// A seed draws nothing twice from one state, whatever ran on it meanwhile.
func TestImport_aSeedGoesOnWhereItStood(t *testing.T) {
	first := newAPI(t)
	given := first.IssueTokens()
	exported, err := first.Export()
	require.NoError(t, err)
	unseeded := newAPI(t, func(o *sandbox.Options) { o.Seed = nil })
	require.NoError(t, unseeded.Import(exported))
	unseeded.IssueTokens()
	exported, err = unseeded.Export()
	require.NoError(t, err)
	again := newAPI(t)
	require.NoError(t, again.Import(exported))
	next := again.IssueTokens()
	assert.NotEqual(t, given, next)
	assert.Equal(t, first.IssueTokens(), next)
}

func TestRequests_holdNoSecret(t *testing.T) {
	a := newAPI(t)
	const password = "correct horse"
	a.do("POST", "/api/v2/auth/initiate-auth", `{"user_email":"owner@example.com","password":"`+password+`","org_domain":"sandbox"}`, "GrantType", "password")
	a.do("POST", "/api/v2/auth/initiate", `{"password":"`+password+`"}`)
	a.do("POST", "/api/v2/auth/initiate", `password=`+password)
	a.do("POST", "/api/v2/auth/initiate-auth", password, "GrantType", "password")
	a.do("POST", "/api/v2/auth/initiate-auth", "", "GrantType", "refreshToken", "RefreshToken", a.tokens.RefreshToken, "Cookie", password)
	a.do("GET", "/api/webhooks", "", "AccessToken", "", "Authorization", "Bearer "+a.tokens.AccessToken)
	a.do("GET", "/api/webhooks", "", "AccessToken", "", "Authorization", a.tokens.AccessToken)
	a.do("GET", "/api/webhooks?access_token="+a.tokens.AccessToken, "")
	code := a.code()
	a.token(a.trade(code))
	a.token(refresh(a.tokens.RefreshToken))
	a.ok("GET", "/api/webhooks", "")

	requests := a.Requests()
	text, err := json.Marshal(requests)
	require.NoError(t, err)
	for _, secret := range []string{password, a.tokens.AccessToken, a.tokens.RefreshToken, code, verifier, a.App().ClientSecret} {
		assert.NotContains(t, string(text), secret)
	}
	last := requests[len(requests)-2]
	assert.Equal(t, "OAuth.Token", last.Operation)
	assert.Regexp(t, `^grant_type=refresh_token&refresh_token=sha256:[0-9a-f]{8}$`, last.Body, "the keys stay")
	assert.Regexp(t, `^Bearer sha256:[0-9a-f]{8}$`, requests[5].Header.Get("Authorization"))
	assert.Equal(t, requests[0].Header.Get("AccessToken"), requests[len(requests)-1].Header.Get("AccessToken"), "the same secret, the same fingerprint")
	a.ClearRequests()
	assert.Empty(t, a.Requests())
}

// What looks like one of our tokens or codes is one, whatever it is called and wherever it
// stands: a program that is being written puts them anywhere.
func TestRequests_holdNoTokenInAWrongPlace(t *testing.T) {
	a := newAPI(t)
	code := a.code()
	a.ClearRequests()
	secrets := []string{a.tokens.AccessToken, a.tokens.RefreshToken, code}
	for _, secret := range secrets {
		d := a.draft() // whose second signer is told to wait for the first one
		a.ok("POST", fmt.Sprintf("/api/v2/doc-signers/%d", d.ID), `{"signers":[{"user_email":"`+secret+`@example.com","order":1},{"user_email":"t@example.com","order":2}]}`)
		a.do("POST", "/sign/"+a.document(d).Signers[1].Token, "answer=sign", "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
		for _, path := range []string{
			"/api/docs/" + secret, "/api/docs?q=" + secret, "/api/docs?q=Bearer%20" + secret, "/api/docs?q=%22" + secret + "_", "/sign/xyz/" + secret, "/nowhere/" + secret,
			"/api/contacts?email=" + secret,
		} {
			a.do("GET", path, "", "X-Foo", "the "+secret+"_", "Authorization", secret+" x", "AccessToken", "", "Referer", "http://127.0.0.1:1/#"+secret)
		}
		for _, body := range []string{
			`{"note":"` + secret + `"}`, `{"note":"a\n` + secret + `b"}`, `{"event":"` + secret + `","url":"https://example.com"}`, secret, strings.Repeat(secret+" ", 4000),
		} {
			for _, path := range []string{"/api/docs", "/api/webhooks", "/api/nowhere", "/oauth/token", "/api/v2/auth/initiate-auth"} {
				a.do("POST", path, body)
			}
		}
	}
	text, err := json.Marshal(a.Requests())
	require.NoError(t, err)
	for _, secret := range secrets {
		at := strings.Index(string(text), secret[:20])
		assert.Negative(t, at, "…%s", string(text)[max(at-200, 0):max(at, 0)]) // not all of it, which is long
	}
	assert.Positive(t, strings.Count(string(text), sandbox.Fingerprint(code)))
}

// The secret of a link opens a document, and the one of a webhook lets events in.
func TestRequests_holdNoSecretOfLinksAndWebhooks(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}]}`)
	a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"a@example.com"}]}`)
	require.NoError(t, a.Approve(d.ID, "a@example.com"))
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	a.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`)
	d = a.document(d)
	var secrets []string
	for _, link := range []struct{ before, secret, behind string }{
		{"/shared/", d.Readers[0].Token, ""},
		{"/sign/", d.Signers[0].Token, ""},
		{"/api/shared/documents/1/", d.Approvers[0].Token, "/doc-approval/approve"},
		{"/perma/DOC/", d.MagicToken, "/Mutual-NDA"},
	} {
		secrets = append(secrets, link.secret)
		for _, behind := range []string{link.behind, "", "/", "/x/y"} { // the latter lead nowhere
			a.do("GET", link.before+link.secret+behind, "", "Referer", "http://127.0.0.1:1"+link.before+link.secret+"?ticket="+link.secret)
			entry := a.Requests()[len(a.Requests())-1]
			assert.Regexp(t, "^"+link.before+"sha256:[0-9a-f]{8}"+behind+"$", entry.Path)
			assert.Contains(t, entry.Header.Get("Referer"), "http://127.0.0.1:1"+link.before+"sha256:")
		}
	}

	const user, segment, query = "user:opensesame", "0123456789abcdef", "token=fedcba9876543210"
	secrets = append(secrets, "opensesame", segment, query)
	const address = "https://" + user + "@example.com/hooks/" + segment
	for _, body := range []string{
		`{"event":"DOCUMENT_SIGNED","url":"` + address + `?` + query + `"}`,
		`{"event":"DOCUMENT_SIGNED","url":"` + address + `/"}`,
		`{"event":"DOCUMENT_SIGNED","URL":"` + address + `"}`,
		`{"event":"DOCUMENT_SIGNED","url":"` + address + `","url":"x"}`,
		`{"event":"DOCUMENT_SIGNED","url":"ftp` + address[5:] + `"}`,
		`{"event":"DOCUMENT_SIGNED","url":":` + address + `"}`,
		`{"event":"DOCUMENT_SIGNED","url":["` + address + `"]}`,
		`{"event":"DOCUMENT_SIGNED","url":"` + address,
		`{"url":"` + address + `","x":"` + strings.Repeat("x", 70<<10) + `"}`,
	} {
		a.do("POST", "/api/webhooks", body)
		a.do("POST", "/api/webhook", body) // a wrong path
	}

	requests := a.Requests()
	text, err := json.Marshal(requests)
	require.NoError(t, err)
	for _, secret := range secrets {
		assert.NotContains(t, string(text), secret)
	}
	subscribed := slices.IndexFunc(requests, func(r sandbox.Request) bool { return r.Operation == "Webhooks.Subscribe" })
	assert.Regexp(t, `^\{"event":"DOCUMENT_SIGNED","url":"https://sha256:[0-9a-f]{8}@example.com/hooks/sha256:[0-9a-f]{8}\?sha256:[0-9a-f]{8}"\}$`, requests[subscribed].Body)
}

func TestRequests_areBounded(t *testing.T) {
	longTest(t)
	a := newAPI(t)
	for range 10_500 {
		a.do("GET", "/api/webhooks", "")
	}
	requests := a.Requests()
	assert.LessOrEqual(t, len(requests), 10_000)
	assert.GreaterOrEqual(t, len(requests), 9_000)
	assert.Equal(t, int64(10_500), requests[len(requests)-1].ID)

	a.ClearRequests()
	body := strings.Repeat("x", 70<<10)
	for range 1200 {
		a.do("POST", "/api/docs", body, "Content-Type", "text/plain")
	}
	assert.LessOrEqual(t, len(a.Requests()), 1024, "64 KiB of each, 64 MiB of all")
	a.do("POST", "/api/v2/auth/x", strings.Repeat("x", 70<<10))
	assert.Equal(t, "(too long)", a.Requests()[len(a.Requests())-1].Body)
	a.do("POST", "/api/docs", "\xff")
	assert.Equal(t, "\uFFFD", a.Requests()[len(a.Requests())-1].Body)
}

func TestMails_areBounded(t *testing.T) {
	longTest(t)
	a := newAPI(t)
	a.draft()
	for range 10_100 {
		a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}]}`)
	}
	mails := a.Mails()
	assert.LessOrEqual(t, len(mails), 10_000)
	assert.Equal(t, int64(10_100), mails[len(mails)-1].ID)
	assert.LessOrEqual(t, len(a.Documents()[0].Activities), 1000)
}

// The oldest login ends when there are too many, as if it had been revoked.
func TestLogins_areBounded(t *testing.T) {
	a := newAPI(t)
	oldest, second := a.tokens, a.IssueTokens()
	for range 9_998 {
		a.IssueTokens()
	}
	a.ok("GET", "/api/webhooks", "")
	newest := a.IssueTokens() // of the login with the number 10,001
	assert.Contains(t, a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", "", "AccessToken", oldest.AccessToken), "revoked")
	for _, kept := range []sandbox.Tokens{second, newest} {
		a.tokens = kept
		a.ok("GET", "/api/webhooks", "")
	}
}

func TestWatch(t *testing.T) {
	a := newAPI(t)
	changes, end := a.Watch()
	d := a.draft()
	assert.Equal(t, sandbox.Change{Kind: "document", ID: strconv.FormatInt(int64(d.ID), 10)}, <-changes)
	for range 1000 {
		a.draft() // a reader that lags loses changes and holds up nobody
	}
	end()
	end()
	for range changes { // closed in the end
	}
	other, _ := a.Watch()
	a.Close()
	_, open := <-other
	assert.False(t, open)
	late, endLate := a.Watch()
	endLate()
	_, open = <-late
	assert.False(t, open)
}

// Lists stay fast when they are long: 100 pages of each within seconds even
// under the race detector.
func TestLists_ofThousands(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.PageSize = 50 })
	for i := range 5000 {
		_, err := a.AddContact(sandbox.Contact{Name: "Contact", Email: fmt.Sprintf("c%d@example.com", i)})
		require.NoError(t, err)
	}
	for range 2000 {
		a.draft()
	}
	count := func(path, member string, inner ...string) int {
		n, page := 0, 1
		for ; ; page++ {
			rows, ok := field(t, a.ok("GET", fmt.Sprintf(path, page), ""), append(inner, member)...).([]any)
			require.True(t, ok)
			if len(rows) == 0 {
				return n
			}
			n += len(rows)
		}
	}
	assert.Equal(t, 5002, count("/api/contacts/all?page_num=%d", "Contacts"))
	assert.Equal(t, 2000, count("/api/folders/?page_num=%d", "inodes", "page"))
	assert.Equal(t, 2000, count("/api/folders/1?page_num=%d&sort_by_doc_num=true", "inodes", "page"))
	assert.InDelta(t, 40, field(t, a.ok("GET", "/api/folders/", ""), "page", "count"), 0)
	a.ok("DELETE", "/api/contacts/7000", "")
	a.refused(http.StatusNotFound, "GET", "/api/contacts/7000", "")
	a.ok("GET", "/api/contacts/7001", "")
}

func TestSandbox_isSafeForConcurrentUse(t *testing.T) {
	a := newAPI(t)
	r := newReceiver(t, always(http.StatusOK))
	a.subscribe(r.URL, "DOCUMENT_STAGE_CHANGED", "DOCUMENT_SIGNED")
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for range 5 {
				w := httptest.NewRecorder()
				req := httptest.NewRequest(http.MethodPost, "/api/docs", strings.NewReader(`{"template_id":23}`))
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("AccessToken", a.tokens.AccessToken)
				a.Handler().ServeHTTP(w, req)
				id, _ := a.CreateDocument(templateNDA, "", 0)
				_ = a.Sign(id, "s@example.com", nil)
				_, _ = a.Export()
				_ = a.Documents()
				_ = a.Deliveries()
				_ = a.Requests()
				a.Advance(time.Second)
				_ = a.Fail(sandbox.Fault{Operation: "Contacts.List", Times: 1, Status: 500})
				_ = a.Faults()
				a.IssueTokens()
				_, end := a.Watch()
				end()
				_ = worker
			}
		})
	}
	wg.Wait()
	a.wait()
	assert.Len(t, a.Documents(), 160)
	ids := map[revv.ObjectID]bool{}
	for _, d := range a.Documents() {
		ids[d.ObjectID] = true
	}
	assert.Len(t, ids, 160)
}

func TestClock(t *testing.T) {
	base := noon
	s, err := sandbox.New(sandbox.Options{Clock: func() time.Time { return base }})
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, noon, s.Now())
	s.Advance(time.Hour)
	assert.Equal(t, noon.Add(time.Hour), s.Now())
	base = base.Add(time.Minute)
	assert.Equal(t, noon.Add(61*time.Minute), s.Now())
	s.SetTime(noon)
	s.Advance(time.Second)
	base = base.Add(time.Minute)
	assert.Equal(t, noon.Add(time.Second), s.Now())
}

func TestSetBaseURL(t *testing.T) {
	a := newAPI(t)
	for _, bad := range []string{"", "localhost:80", "ftp://example.com", ":"} {
		require.Error(t, a.SetBaseURL(bad), bad)
	}
	require.NoError(t, a.SetBaseURL("https://acme.example.com/"))
	assert.Equal(t, "https://acme.example.com", a.BaseURL())
}

func TestAdd_refusesWhatTheAPIWould(t *testing.T) {
	a := newAPI(t)
	for _, bad := range []sandbox.Template{
		{},
		{Title: "a\nb"},
		{Title: strings.Repeat("x", 256)},
		{Title: "x", Fields: []sandbox.Field{{Name: "a\x00"}}},
		{Title: "x", Fields: []sandbox.Field{{Name: strings.Repeat("x", 256)}}},
		{Title: "x", Fields: []sandbox.Field{{}}},
		{Title: "x", Fields: []sandbox.Field{{Name: "a"}, {Name: "a"}}},
		{Title: "x", Fields: []sandbox.Field{{Name: "a", Type: "colour"}}},
		{Title: "x", Fields: []sandbox.Field{{Name: "a", Type: "date", Value: "x"}}},
	} {
		_, err := a.AddTemplate(bad)
		require.Error(t, err)
	}
	_, err := a.AddFolder(sandbox.Folder{})
	require.Error(t, err)
	_, err = a.AddFolder(sandbox.Folder{Name: "x", ParentID: 5})
	require.Error(t, err)
	for message, bad := range map[string]sandbox.Contact{
		"needs a name or an email":         {Name: " ", Notes: "x"},
		"none of individual and corporate": {Name: "x", Type: "x"},
		"notes: at most 10000 bytes":       {Name: "x", Notes: strings.Repeat("x", 10_001)},
	} {
		_, err = a.AddContact(bad)
		require.ErrorContains(t, err, message)
	}
	_, err = a.CreateDocument(templateInactive, "", 0)
	require.Error(t, err)
	_, err = a.CreateDocument(templateNDA, "\x00", 0)
	require.Error(t, err)
	_, ok := a.Document(99)
	assert.False(t, ok)

	bare := newAPI(t, func(o *sandbox.Options) { o.NoSeedData = true })
	assert.Empty(t, bare.Templates())
	assert.Empty(t, bare.Contacts())
	_, err = bare.AddContact(sandbox.Contact{Email: "twice@example.com"})
	require.NoError(t, err)
	_, err = bare.AddContact(sandbox.Contact{Email: "twice@example.com"})
	require.NoError(t, err)
	assert.Len(t, bare.Contacts(), 2, "one address can occur twice")
}

// A copy has a title that could have been given to it, whatever the original is called.
func TestClone_ofALongTitle(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateNDA, strings.Repeat("ü", 255), 0)
	require.NoError(t, err)
	copied, _ := field(t, a.ok("POST", fmt.Sprintf("/api/documents/%d/clone", id), `{}`), "Document", "title").(string)
	assert.Equal(t, "Copy of "+strings.Repeat("ü", 247), copied)
	a.ok("POST", fmt.Sprintf("/api/documents/%d/clone", id), `{"title":"`+copied+`"}`)
}

func TestFolders_deletionKeepsWhatWasInside(t *testing.T) {
	a := newAPI(t)
	outer, err := a.AddFolder(sandbox.Folder{Name: "Outer"})
	require.NoError(t, err)
	inner, err := a.AddFolder(sandbox.Folder{Name: "Inner", ParentID: outer})
	require.NoError(t, err)
	id, err := a.CreateDocument(templateNDA, "", outer)
	require.NoError(t, err)
	a.ok("DELETE", fmt.Sprintf("/api/folders/%d", outer), "")
	d, _ := a.Document(id)
	assert.Equal(t, revv.FolderID(1), d.FolderID)
	assert.Equal(t, []sandbox.Folder{{ID: 1, Name: "Main folder"}, {ID: inner, Name: "Inner", ParentID: 1}}, a.Folders())
	before := a.document(d).UpdatedAt
	a.ok("PUT", fmt.Sprintf("/api/docs/%d/folder", id), fmt.Sprintf(`{"folder_id":%d}`, inner))
	moved := a.document(d).UpdatedAt
	assert.NotEqual(t, before, moved)
	a.ok("PUT", fmt.Sprintf("/api/docs/%d/folder", id), fmt.Sprintf(`{"folder_id":%d}`, inner))
	assert.Equal(t, moved, a.document(d).UpdatedAt, "a repetition leaves no trace")
}
