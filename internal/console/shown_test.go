package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// Whoever has ten of these pages open finds each by the title of its tab, and in the menu.
func TestPages_haveTheirTitleAndTheirPlaceInTheMenu(t *testing.T) {
	t.Parallel()
	b := full(t)
	for path, want := range map[string][2]string{
		"/": {"Documents", "Documents"}, "/folders": {"Folders", "Folders"}, "/contacts": {"Contacts", "Contacts"}, "/templates": {"Templates", "Templates"},
		"/templates/new": {"New template", "Templates"}, "/templates/21": {"Service agreement", "Templates"}, "/outbox": {"Outbox", "Outbox"},
		"/webhooks": {"Webhooks", "Webhooks"}, "/webhooks/deliveries/1": {"Delivery 1", "Webhooks"}, "/traffic": {"Traffic", "Traffic"},
		"/traffic/1": {"Request 1", "Traffic"}, "/faults": {"Faults", "Faults"}, "/help": {"Connect a program", "Connect"},
	} {
		page := b.get(path)
		assert.Contains(t, page, "<title>"+want[0]+" · Revv sandbox</title>", path)
		assert.Contains(t, page, ` aria-current="page">`+want[1]+"</a>", path)
	}
	id, err := b.Sandbox().CreateDocument(23, "Deal", 0)
	require.NoError(t, err)
	page := b.get("/documents/" + number(int64(id)))
	assert.Contains(t, page, "<title>Deal · ")
	assert.Contains(t, page, ` aria-current="page">Documents</a>`)
}

// A search finds what fits, by each of the texts that people know it by, and nothing else.
func TestLists_searched_showOnlyWhatFits(t *testing.T) {
	t.Parallel()
	b := open(t)
	_, err := b.Sandbox().AddFolder(sandbox.Folder{Name: "Archive"})
	require.NoError(t, err)
	b.sent("Deal")
	b.call(http.StatusNotFound, http.MethodGet, "/api/docs/99", "")
	for _, c := range []struct {
		path, row string
		finds     []string
	}{
		{"/folders", ">Archive<", []string{"archive"}},
		{"/templates", ">Offer letter<", []string{"offer", "22", "candidate"}},
		{"/contacts", ">First Signer<", []string{"first signer", "first.signer@", "director"}},
		{"/outbox", "one@example.com", []string{"one@example.com", "deal", "please"}},
		{"/traffic", `href="/traffic/2"`, []string{"documents.get", "get /api/docs/99", "404", "no document"}},
	} {
		for _, query := range c.finds {
			assert.Contains(t, b.get(c.path+"?q="+url.QueryEscape(query)), c.row, "%s: %s", c.path, query)
		}
		assert.NotContains(t, b.get(c.path+"?q=zzz"), c.row, c.path)
	}
	assert.NotContains(t, b.get("/traffic?q=404"), `href="/traffic/1"`)
	assert.NotContains(t, b.get("/traffic?show=refused"), `href="/traffic/1"`)
	assert.NotContains(t, b.get("/traffic?show=faults"), `href="/traffic/2"`)
}

// Folders are shown by their names, wherever something is in one.
func TestFolders_areNamedWhereSomethingIsInside(t *testing.T) {
	t.Parallel()
	b := open(t)
	outer, err := b.Sandbox().AddFolder(sandbox.Folder{Name: "Customers"})
	require.NoError(t, err)
	_, err = b.Sandbox().AddFolder(sandbox.Folder{Name: "Acme", ParentID: outer})
	require.NoError(t, err)
	_, err = b.Sandbox().CreateDocument(23, "Deal", outer)
	require.NoError(t, err)
	assert.Contains(t, b.get("/folders"), `data-label="Inside">Customers</td>`)
	assert.Contains(t, b.get("/"), `data-label="Folder">Customers</td>`)
	assert.Contains(t, b.get("/?folder="+number(int64(outer))), "In the folder <strong>Customers</strong>")
}

// The page of a document lists everybody whom it was sent to, with their link and how far
// they are, and only its own mails.
func TestDocument_listsPeopleInAllRoles(t *testing.T) {
	t.Parallel()
	b := full(t)
	for id, people := range map[int][]struct{ address, role, path, state string }{
		14: {{"one@example.com", "Signer, 1 in order", "/sign/", "Open"}, {"two@example.com", "Signer, 2 in order", "/sign/", "Waiting for their turn"}, {"r@example.com", "Reader", "/shared/", "Has a copy"}},
		15: {{"a@example.com", "Acceptor", "/api/shared/documents/1/", "Open"}},
		16: {{"b@example.com", "Approver", "/api/shared/documents/1/", "Open"}},
	} {
		page := b.get(fmt.Sprintf("/documents/%d", id))
		_, table, _ := strings.Cut(page, "<h2 id=\"parties\">")
		table, mails, _ := strings.Cut(table, "<h2 id=\"mails\">")
		rows := strings.Split(table, `<th scope="row"`)[1:]
		require.Len(t, rows, len(people), id)
		for i, p := range people {
			assert.Contains(t, rows[i], p.address)
			assert.Contains(t, rows[i], `data-label="Role">`+p.role+"<", p.address)
			assert.Contains(t, rows[i], `href="`+p.path, p.address)
			assert.Contains(t, rows[i], p.state, p.address)
		}
		for _, other := range []string{"one@example.com", "a@example.com", "b@example.com"} {
			assert.Equal(t, other == people[0].address, strings.Contains(mails, "to "+other), "the mail to %s, at document %d", other, id)
		}
	}
	require.NoError(t, b.Sandbox().Accept(15, "a@example.com"))
	assert.Contains(t, b.get("/documents/15"), ">Accepted<")
	assert.NotContains(t, b.get("/documents/15"), "as “", "nobody typed a name")
	require.NoError(t, b.Sandbox().Approve(16, "b@example.com"))
	assert.Contains(t, b.get("/documents/16"), ">Approved<")
}

// A form that was refused says what was wrong, at the place where it was.
func TestForms_refused_sayWhatWasWrong(t *testing.T) {
	t.Parallel()
	b := open(t)
	fault := func(preset, operation, times string) string {
		return b.post(http.StatusUnprocessableEntity, "/faults", url.Values{"preset": {preset}, "operation": {operation}, "times": {times}}).Body.String()
	}
	assert.Contains(t, fault("unavailable", "", "many"), `id="etimes">A whole number from 1 to 10,000 is due.`)
	assert.Contains(t, fault("nothing", "", "1"), "Please choose what goes wrong.")
	assert.Contains(t, fault("unavailable", "Nothing.AtAll", "1"), "The fault was not switched on: ")
	shown := b.get("/faults")
	assert.Contains(t, shown, `value="unavailable" checked`, "what is likely, to begin with")
	assert.Contains(t, shown, `max="10000" value="1"`)

	template := b.post(http.StatusUnprocessableEntity, "/templates", url.Values{"title": {""}}).Body.String()
	assert.Contains(t, template, `id="etitle">Give it a name.`)
	assert.Contains(t, template, "The template was not made yet.")
	assert.Len(t, b.Sandbox().Templates(), 4)
	empty := b.get("/templates/new")
	assert.Equal(t, 3, strings.Count(empty, "<fieldset"))
	assert.Equal(t, 3, strings.Count(empty, `<option value="text" selected>`))

	first, _ := b.sent("Deal")
	page := b.post(http.StatusUnprocessableEntity, first, url.Values{"answer": {"sign"}, "name": {"Ann"}, "reason": {"too dear"}, "field:Client": {""}}).Body.String()
	assert.Contains(t, page, `value="Ann"`, "nobody types it twice")
	assert.Contains(t, page, "too dear")
}

// A delivery that arrived, and one that did not, are told apart by their badges.
func TestWebhooks_sayHowDeliveriesEnded(t *testing.T) {
	t.Parallel()
	b := full(t) // whose receiver refuses everything
	assert.Contains(t, b.get("/webhooks/deliveries/1"), `class="badge bad">Failed<`)
	assert.Contains(t, b.get("/webhooks/deliveries/1"), "&#34;event&#34;: &#34;DOCUMENT_STAGE_CHANGED&#34;", "the body, indented")
}
