package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

func TestTemplates_madeByHand_usedByAProgram(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	b.open(p.url + "/templates")
	b.follow("New template")
	b.sees("Its fields")
	b.press("Make the template")
	b.sees("The template was not made yet")
	title := b.find("Title", "textbox")
	assert.True(t, title.invalid)
	assert.Contains(t, title.description, "Give it a name.")
	b.fill("Title", "Lease of a flat")
	b.fill("Name", "Tenant")
	b.click("Required", "checkbox")
	b.press("More fields")
	b.sees("Field 4")
	assert.Equal(t, "Tenant", b.find("Name", "textbox").value, "more rows forget nothing")
	b.press("Make the template")
	b.sees("Lease of a flat", "Tenant", "yes")

	found, err := client.Templates.List(t.Context(), revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	require.NoError(t, err)
	var lease revv.TemplateID
	for _, template := range found.Items {
		if template.Title == "Lease of a flat" {
			lease = template.ID
		}
	}
	d, err := client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: lease, Title: "Lease of Ann"})
	require.NoError(t, err)
	require.Len(t, d.Fields, 1)
	assert.Equal(t, "Tenant", d.Fields[0].Name)
	assert.True(t, d.Fields[0].Required)

	b.fill("Title", "Lease by hand")
	b.press("Make a document")
	b.sees("Lease by hand", "Draft", "It has not been sent to anybody")
}

func TestFoldersAndLists_areSearched(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	_, err := client.Contacts.Upsert(t.Context(), revv.UpsertContactParams{Name: "Zoe Zander", Email: "zoe@example.com"})
	require.NoError(t, err)
	b.open(p.url + "/contacts")
	b.sees("Zoe Zander", "First Signer")
	b.fill("Search", "zander")
	b.press("Show")
	b.sees("1–1 of 1")
	assert.NotContains(t, b.text(), "First Signer")
	b.fill("Search", "nobody has this name")
	b.press("Show")
	b.sees("Nothing matches your search.")

	b.open(p.url + "/folders")
	b.fill("Name", "Leases")
	b.press("Make the folder")
	b.sees("Leases")
	d := agreement(t, client, "Moved")
	folders, err := client.Folders.List(t.Context(), revv.ListFoldersParams{})
	require.NoError(t, err)
	var leases revv.FolderID
	for _, f := range folders.Items {
		if f.Name == "Leases" {
			leases = f.ID
		}
	}
	_, err = client.Documents.Move(t.Context(), d.ID, leases)
	require.NoError(t, err)
	b.follow("Leases")
	b.sees("In the folder Leases", "Moved")
}

func TestWebhooks_deliveryIsSeenAndResent(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	bodies := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	}))
	t.Cleanup(receiver.Close)
	_, err := client.Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: revv.EventStageChanged, URL: receiver.URL + "/hook"})
	require.NoError(t, err)
	b.open(p.url + "/webhooks")
	b.sees("DOCUMENT_STAGE_CHANGED", receiver.URL+"/hook", "No deliveries yet")
	sent(t, client, "Told", ann)
	first := receive(b, bodies)

	b.sees("Delivered", "200", "1 attempt") // without a reload
	b.press("Resend")
	second := receive(b, bodies)
	assert.JSONEq(t, first, second, "the same event, so that a receiver can tell")
	b.sees("1–2 of 2")
	b.follow("Document stage changed")
	b.sees("Answers", "200", "POST "+receiver.URL+"/hook", `"previous_status"`, `"Draft"`)
}

// receive waits for a message to a server of the test.
func receive(b *tab, messages <-chan string) string {
	b.t.Helper()
	select {
	case m := <-messages:
		return m
	case <-b.ctx.Done():
		b.t.Fatalf("nothing came:\n%s", b.lastWords())
		return ""
	}
}

func TestFaults_switchedOn_metByTheSDK_andSeenInTheTraffic(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := agreement(t, client, "With a fault")
	b.open(p.url + "/faults")
	b.sees("Everything works")
	b.fill("Next calls", "0")
	b.on(b.find("Next calls", "spinbutton"), `function() { this.form.noValidate = true }`)
	b.press("Switch on")
	b.sees("A whole number from 1 to 10,000 is due.")
	b.fill("Operation", "Documents.SendForESign")
	b.fill("Next calls", "1")
	b.click("Done, then 500", "radio")
	b.press("Switch on")
	b.sees("Calls left", "Done, then 500 Documents.SendForESign 1")

	err := client.Documents.SendForESign(t.Context(), d.ID, revv.SendParams{Recipients: []revv.Person{ann}})
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	b.sees("Everything works") // the fault is used up, and the page hears of it
	assert.Equal(t, revv.StageSent, stage(t, client, d), "it was done all the same")
	err = client.Documents.SendForESign(t.Context(), d.ID, revv.SendParams{Recipients: []revv.Person{ann}})
	require.ErrorIs(t, err, revv.ErrConflict)

	b.open(p.url + "/traffic")
	b.sees("500 Internal Server Error", "A fault that was asked for", "409 Conflict", "only a draft is sent")
	b.fill("Requests", "With a fault")
	b.press("Show")
	b.sees("1–1 of 1")
	b.follow("POST /api/v2/doc-signers/")
	b.sees("It met a fault that was asked for", "user_email")
	b.open(p.url + "/traffic")
	b.fill("Search", "409")
	b.press("Show")
	b.sees("1–1 of 1")
	b.follow("POST /api/v2/doc-signers/")
	b.sees("What was wrong", "only a draft is sent", "docs/wire.md", "Sending")
	text := b.text()
	assert.NotContains(t, text, p.clientSecret)
	assert.Contains(t, strings.ToLower(text), "accesstoken")
}

// Of a page that is open nothing has to be asked: the sandbox tells it.
func TestLive_theDashboardFollows_withoutAReload(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	b.open(p.url + "/")
	b.sees("No documents yet")
	ask[any](b, `window.notReloaded = true`)
	d := agreement(t, client, "Seen at once")
	b.sees("Seen at once", "Draft")
	require.NoError(t, client.Documents.SendForESign(t.Context(), d.ID, revv.SendParams{Recipients: []revv.Person{ann}}))
	b.sees("Sent", "to sign")
	assert.True(t, ask[bool](b, `window.notReloaded === true`))
}

// Without scripts everything works, by forms, links and reloading.
func TestWithoutScripts_everythingWorks(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(p.url + "/templates")
	b.follow("New template")
	b.fill("Title", "Plain")
	b.fill("Name", "Client")
	b.press("Make the template")
	b.sees("Make a document")
	b.press("Make a document")
	b.sees("Plain", "Draft")
	b.open(p.url + "/")
	b.sees("Plain")
	d := sent(t, client, "Behind the back of the page", ann)
	assert.NotContains(t, b.text(), "Behind the back of the page", "scripts are off")
	b.reload()
	b.sees("Behind the back of the page")
	b.openToSign(p, ann)
	b.press("Sign")
	b.sees("Nothing is signed yet", "This field is required.")
	b.fillAndSign()
	assert.Equal(t, revv.StageSigned, stage(t, client, d))
	b.open(p.url + "/")
	b.follow("Behind the back of the page")
	b.press("Mark as completed")
	b.sees("Completed")
	assert.Equal(t, revv.StageCompleted, stage(t, client, d))
	b.open(p.url + "/help")
	assert.NotContains(t, b.text(), p.clientSecret)
	b.press("Show the secret")
	b.sees(p.clientSecret)
	b.open(p.url + "/faults")
	b.press("Switch on")
	b.sees("503 Service Unavailable")
	b.press("Switch all off")
	b.sees("Everything works")
	b.open(p.url + "/traffic")
	b.press("Clear the list")
	b.sees("No requests yet")
}
