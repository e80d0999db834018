package main

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests of this file play programs that were written against the live service
// in 2020: their calls, in their order, with what they sent and read.

// browserPage is a page of some other origin that calls the API with fetch.
type browserPage struct {
	*program

	origin  string
	allowed string // what the sandbox says of the origin
}

// fetch asks the preflight question first, as browsers do before they send a
// header of the page's own. Without a Content-Type of the page's own, browsers
// say that a text is text/plain.
func (b *browserPage) fetch(method, path, body string, headers ...string) any {
	t := b.t
	t.Helper()
	var asked []string
	for i := 0; i < len(headers); i += 2 {
		asked = append(asked, strings.ToLower(headers[i]))
	}
	preflight := b.send("OPTIONS", path, "", "Origin", b.origin, "Access-Control-Request-Method", method,
		"Access-Control-Request-Headers", strings.Join(asked, ","))
	require.Equal(t, http.StatusNoContent, preflight.status, "%s", preflight.body)
	assert.Equal(t, b.allowed, preflight.header.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, preflight.header.Get("Access-Control-Allow-Methods"), method)
	for _, name := range asked {
		assert.Contains(t, strings.ToLower(preflight.header.Get("Access-Control-Allow-Headers")), name)
	}
	headers = append(headers, "Origin", b.origin)
	if body != "" {
		headers = append(headers, "Content-Type", "text/plain;charset=UTF-8")
	}
	r := b.send(method, path, body, headers...)
	assert.Equal(t, b.allowed, r.header.Get("Access-Control-Allow-Origin"), "or the page could not read the answer")
	require.Equal(t, http.StatusOK, r.status, "%s %s: %s", method, path, r.body)
	return decode(t, r.body)
}

// Login, templates, a document, its acceptors, a link to it, and its history: the
// whole way of the most common kind of program, a page without a server.
func TestProgramsOf2020_aPageInABrowser(t *testing.T) {
	t.Parallel()
	for _, b := range []*browserPage{
		{start(t), "http://localhost:3000", "http://localhost:3000"},
		{start(t, "-allow-origin", "https://app.example.com"), "https://app.example.com", "https://app.example.com"},
		{start(t, "-allow-origin", "*"), "null", "*"},
	} {
		user := at(t, b.fetch("POST", "/api/v2/auth/initiate-auth", ownerLogin, "GrantType", "password"), "User")
		for _, member := range []string{"access_token", "refresh_token", "first_name", "last_name", "image_url"} {
			assert.NotEmpty(t, textAt(t, user, member))
		}
		assert.Equal(t, "sandbox", textAt(t, user, "subdomain"))
		token := textAt(t, user, "access_token")

		templates := listAt(t, b.fetch("GET", "/api/docstemplate/?page_num=1&status=ACTIVE", "", "AccessToken", token), "Templates")
		require.Len(t, templates, 3)
		template := at(t, templates, 0)
		assert.Equal(t, "Service agreement", textAt(t, template, "title"))
		assert.True(t, strings.HasPrefix(textAt(t, template, "thumbnail"), "https://"))
		assert.Empty(t, at(t, b.fetch("GET", "/api/docstemplate/?page_num=2&status=ACTIVE", "", "AccessToken", token), "Templates"))

		// One program sent the id as text, another one members that nobody reads.
		document := at(t, b.fetch("POST", "/api/docs", `{"template_id":"21","title":"Offer / 1","folder_id":1,"source":"web","tags":[]}`,
			"AccessToken", token), "Document")
		assert.Equal(t, "DOC-000040", textAt(t, document, "doc_no"))
		assert.Regexp(t, `^DOC-[A-Za-z0-9]{12}$`, textAt(t, document, "object_id"))
		id, ok := at(t, document, "id").(float64)
		require.True(t, ok)

		b.fetch("POST", "/api/v2/doc-acceptors/"+strconv.Itoa(int(id)),
			`{"acceptors":[{"user_email":"a@example.com","first_name":"","last_name":""},{"user_email":"b@example.com","first_name":"B","last_name":"","phone":""}],
			"email_message":"Please accept","subject":"ignored"}`, "AccessToken", token, "Access-Control-Allow-Origin", "*")

		link := b.fetch("POST", "/api/perma-link", `{"object_id":"`+textAt(t, document, "object_id")+`","object_type":"DOC"}`, "AccessToken", token)
		assert.Regexp(t, `/perma/DOC/[A-Za-z0-9]{14,15}/Offer---1$`, textAt(t, link, "url"))

		// The first acceptor opens the mail's link: the author's page waits for that.
		page, _ := b.open("/outbox")
		b.open(regexp.MustCompile(`/api/shared/documents/1/[A-Za-z0-9]+|/shared/documents/1/[A-Za-z0-9]+`).FindString(page))
		activities := b.fetch("GET", "/api/object-activities/objects/"+textAt(t, document, "object_id"), "", "AccessToken", token)
		var events []string
		rows, ok := activities.([]any)
		require.True(t, ok, "a bare array")
		for _, row := range rows {
			events = append(events, textAt(t, row, "event"))
			assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`, textAt(t, row, "timestamp"))
			for _, member := range []string{"name", "image_url", "user_email"} {
				textAt(t, row, "actor", member)
			}
			switch textAt(t, row, "event") {
			case "DOCUMENT_SENT_FOR_ACCEPT":
				assert.Equal(t, "owner@example.com", textAt(t, row, "actor", "user_email"), "the actor is the sender")
				assert.Len(t, at(t, row, "subjects"), 2, "the subjects are the acceptors")
				textAt(t, row, "subjects", 0, "name")
			case "ACCEPTANCE_EMAIL_DELIVERED":
				assert.NotEqual(t, "owner@example.com", textAt(t, row, "actor", "user_email"), "the actor is the recipient")
			}
		}
		for _, event := range []string{"DOCUMENT_CREATED", "DOCUMENT_SENT_FOR_ACCEPT", "ACCEPTANCE_EMAIL_DELIVERED", "DOCUMENT_OPENED"} {
			assert.Contains(t, events, event)
		}
	}
}

// What a page of any other site finds: it can neither log in nor read anything.
func TestProgramsOf2020_aPageOfAStranger(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, origin := range []string{"https://evil.example", "null"} {
		asked := p.send("OPTIONS", "/api/v2/auth/initiate-auth", "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "granttype")
		assert.Equal(t, http.StatusForbidden, asked.status)
		assert.Empty(t, asked.header.Get("Access-Control-Allow-Origin"))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/api/v2/auth/initiate-auth", strings.NewReader(ownerLogin))
	require.NoError(t, err)
	req.Host = "rebound.example:8787" // a name that its owner lets point to this machine
	req.Header.Set("GrantType", "password")
	resp, err := p.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode)
}

// The unversioned login, the listing by pages, and from each entry by its number
// to its history. The id of an entry is no document id: one program subtracted 1
// and was right by luck.
func TestProgramsOf2020_aReportOfAllDocuments(t *testing.T) {
	t.Parallel()
	p := start(t)
	r := p.send("POST", "/api/auth/initiate-auth", ownerLogin, "GrantType", "password", "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	p.token = textAt(t, decode(t, r.body), "User", "access_token")
	const documents = 25
	for range documents {
		p.call("POST", "/api/docs", `{"template_id":23}`)
	}
	seen := 0
	for page, pages := 1, 1.0; float64(page) <= pages; page++ {
		listing := at(t, p.call("GET", "/api/folders/?page_num="+strconv.Itoa(page)+"&sort_by_doc_num=true", ""), "page")
		pages, _ = at(t, listing, "count").(float64)
		for _, inode := range listAt(t, listing, "inodes") {
			if textAt(t, inode, "type") != "f" {
				continue
			}
			seen++
			assert.Equal(t, "draft", strings.ToLower(textAt(t, inode, "document_status", "name")))
			textAt(t, inode, "document_tag", "name")
			textAt(t, inode, "name")
			if seen > 3 {
				continue
			}
			document := at(t, p.call("GET", "/api/documents/"+textAt(t, inode, "doc_no"), ""), "Document")
			assert.Equal(t, textAt(t, inode, "doc_no"), textAt(t, document, "doc_no"))
			entry, _ := at(t, inode, "id").(float64)
			id, _ := at(t, document, "id").(float64)
			assert.NotEqual(t, id, entry)
			assert.NotEqual(t, id, entry-1)
			byID := p.call("GET", "/api/docs/"+strconv.Itoa(int(id)), "")
			assert.Equal(t, document, at(t, byID, "Document"))
			p.call("GET", "/api/object-activities/objects/"+textAt(t, document, "object_id"), "")
		}
	}
	assert.Equal(t, documents, seen)
	assert.Empty(t, at(t, p.call("GET", "/api/folders/?page_num=3", ""), "page", "inodes"), "programs asked until nothing came")
}

// Ten texts, blank ones as "", and pages until nothing comes.
func TestProgramsOf2020_contacts(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.login()
	p.call("POST", "/api/contacts", `{"name":"Acme","title":"","description":"","email":"acme@example.com","phone":"+1 555 0100",
		"type":"corporate","linkedin":"","instagram":"","twitter":"","notes":"","company":"tolerated"}`)
	var emails []string
	for page := 1; ; page++ {
		rows := listAt(t, p.call("GET", "/api/contacts/all?page_num="+strconv.Itoa(page), ""), "Contacts")
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			for _, member := range []string{"name", "title", "phone"} {
				textAt(t, row, member) // a text, never null
			}
			emails = append(emails, textAt(t, row, "email"))
		}
	}
	assert.Contains(t, emails, "acme@example.com")
}

// A token that has expired is a 401; the refresh has headers and no body.
func TestProgramsOf2020_refresh(t *testing.T) {
	t.Parallel()
	p := start(t, "-token-lifetime", "1s")
	refreshToken := p.login()
	require.Eventually(t, func() bool {
		return p.send("GET", "/api/contacts/all?page_num=1", "", "AccessToken", p.token).status == http.StatusUnauthorized
	}, waiting, tick)
	for range 2 { // the one program that refreshed kept its refresh token
		r := p.send("POST", "/api/v2/auth/initiate-auth", "", "GrantType", "refreshToken", "RefreshToken", refreshToken)
		require.Equal(t, http.StatusOK, r.status, "%s", r.body)
		p.token = textAt(t, decode(t, r.body), "User", "access_token")
		p.call("GET", "/api/contacts/all?page_num=1", "")
	}
}

// Shared by mail, and accepted by whoever has the link, without any token.
func TestProgramsOf2020_shareAndAccept(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.login()
	p.call("POST", "/api/docs", `{"template_id":23}`)
	p.call("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"reader@example.com","first_name":"A","last_name":"Reader"}],
		"isReview":false,"reviewerEmailMessage":"Please read"}`)
	p.call("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com","first_name":"A","last_name":""}],"email_message":"Please accept"}`)
	page, _ := p.open("/outbox")
	hash := regexp.MustCompile(`/shared/documents/1/([A-Za-z0-9]+)`).FindStringSubmatch(page)
	require.NotNil(t, hash)
	r := p.send("POST", "/api/shared/documents/1/"+hash[1]+"/doc-acceptance/accept", "")
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, http.StatusNotFound, p.send("POST", "/api/shared/documents/1/wrong/doc-acceptance/accept", "").status)
}

// Paths are what they were, slash or not: the service did not redirect either.
func TestProgramsOf2020_trailingSlashes(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.login()
	for _, path := range []string{"/api/docstemplate/", "/api/folders/", "/api/contacts/all"} {
		p.call("GET", path+"?page_num=1", "")
	}
	for _, path := range []string{"/api/docstemplate", "/api/folders", "/api/docs/", "/api/contacts/all/", "/api/v2/doc-acceptors/14/"} {
		r := p.send("GET", path, "", "AccessToken", p.token)
		assert.Equal(t, http.StatusNotFound, r.status, path)
		assert.Contains(t, r.body, "did you mean", path)
	}
}

// With -strict, what was only tolerated is refused, and says why.
func TestStrict_refusesWhatWasOnlyTolerated(t *testing.T) {
	t.Parallel()
	p := start(t, "-strict")
	p.login()
	for body, contentType := range map[string]string{
		`{"template_id":21,"source":"web"}`: "application/json", `{"template_id":"21"}`: "application/json", `{"template_id":21}`: "text/plain",
	} {
		r := p.send("POST", "/api/docs", body, "AccessToken", p.token, "Content-Type", contentType)
		assert.GreaterOrEqual(t, r.status, 400, body)
		assert.NotEmpty(t, textAt(t, decode(t, r.body), "message"))
	}
}
