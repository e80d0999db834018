package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// document is the first document as it is now.
func (b *browser) document() sandbox.Document {
	b.t.Helper()
	d, ok := b.Sandbox().Document(14)
	require.True(b.t, ok)
	return d
}

func TestConsent_authorizeAndCancel(t *testing.T) {
	t.Parallel()
	b := open(t)
	for decision, want := range map[string]string{"authorize": "code=", "cancel": "error=access_denied"} {
		page := b.get(consentPath)
		for _, text := range []string{"create documents", "send documents", "download signed documents", ">Authorize<", ">Cancel<"} {
			assert.Contains(t, page, text)
		}
		_, rest, ok := strings.Cut(page, `name="ticket" value="`)
		require.True(t, ok)
		ticket, _, _ := strings.Cut(rest, `"`)
		w := b.post(http.StatusSeeOther, "/oauth/authorize", url.Values{"ticket": {ticket}, "decision": {decision}})
		assert.Contains(t, w.Header().Get("Location"), "http://127.0.0.1:9/callback?")
		assert.Contains(t, w.Header().Get("Location"), want)
		assert.Contains(t, w.Header().Get("Location"), "state=s")
		again := b.post(http.StatusBadRequest, "/oauth/authorize", url.Values{"ticket": {ticket}, "decision": {decision}})
		checkHTML(t, "answered", again.Body.String())
		assert.Contains(t, again.Body.String(), "answered already")
	}
	// A browser holds the redirect after the form to form-action as well.
	assert.NotContains(t, b.do(http.MethodGet, consentPath, "").Header().Get("Content-Security-Policy"), "form-action")
}

func TestSign_inOrder_withNamesAndFields(t *testing.T) {
	t.Parallel()
	b := open(t)
	first, second := b.sent("Deal")
	waiting := b.get(second)
	assert.Contains(t, waiting, "It is not your turn yet")
	assert.Contains(t, waiting, "<li>one@example.com</li>")
	assert.NotContains(t, waiting, "<form")
	early := b.post(http.StatusConflict, second, url.Values{"name": {"Two"}, "answer": {"sign"}})
	assert.Contains(t, early.Body.String(), "It is not your turn yet")
	checkHTML(t, "early", early.Body.String())

	form := url.Values{"field:Client": {"Example Ltd"}, "field:Start date": {"2021-07-01"}, "field:Fee": {"12.50"}, "name": {" One O'Signer "}, "answer": {"sign"}}
	done := b.post(http.StatusOK, first, form).Body.String()
	checkHTML(t, "done", done)
	assert.Contains(t, done, "Thank you")
	assert.Equal(t, "One O'Signer", b.document().Signers[0].SignedAs)
	assert.Contains(t, b.get("/documents/14"), "as “One O&#39;Signer”")
	assert.Contains(t, b.do(http.MethodGet, "/documents/14/pdf", "").Body.String(), "Signed by One O'Signer <one@example.com>")
	assert.Contains(t, b.get(first), "You signed as <strong>One O&#39;Signer</strong>")

	locked := b.get(second) // what the first one has filled in is not theirs to change
	assert.Contains(t, locked, "cannot be changed any more")
	assert.NotContains(t, locked, `name="field:Client"`)
	b.post(http.StatusOK, second, url.Values{"name": {"Two"}, "answer": {"sign"}})
	assert.Equal(t, revv.StageSigned, b.document().Stage)
	twice := b.post(http.StatusConflict, second, url.Values{"name": {"Two"}, "answer": {"sign"}}).Body.String()
	assert.Contains(t, twice, "has signed document 14 (DOC-000040) already")

	assert.Contains(t, b.get("/documents/14"), "Mark as completed")
	b.post(http.StatusSeeOther, "/documents/14/complete", nil)
	assert.Equal(t, revv.StageCompleted, b.document().Stage)
	assert.NotContains(t, b.get("/documents/14"), "Mark as completed")
	b.post(http.StatusConflict, "/documents/14/complete", nil)
}

func TestSign_withMistakes_comesBackWithWhatWasFilledIn(t *testing.T) {
	t.Parallel()
	b := open(t)
	first, _ := b.sent("Deal")
	w := b.post(http.StatusUnprocessableEntity, first, url.Values{
		"field:Client": {"Example & Sons"}, "field:Start date": {""}, "field:Fee": {"much"}, "name": {""}, "answer": {"sign"},
	})
	page := w.Body.String()
	checkHTML(t, "mistakes", page)
	for _, want := range []string{
		`role="alert"`, `aria-invalid="true" autofocus>`, "Nothing is signed yet", "Example &amp; Sons</textarea>", `value="much"`,
		`id="e1">This field is required.`, `id="e2">The field &#34;Fee&#34; is a number such as 1500 or 1500.50, which &#34;much&#34; is not.`,
		`id="ename">Type your name to sign.`,
	} {
		assert.Contains(t, page, want)
	}
	d := b.document()
	assert.Equal(t, sandbox.PartyOpen, d.Signers[0].State)
	assert.Empty(t, d.Fields[0].Value)
	assert.Contains(t, b.get("/traffic?show=refused"), "Shared.Sign")

	long := b.post(http.StatusUnprocessableEntity, first, url.Values{
		"field:Client": {"c"}, "field:Start date": {"2021-07-01"}, "name": {strings.Repeat("n", 300)}, "answer": {"sign"},
	})
	assert.Contains(t, long.Body.String(), "The name must not be longer than 255 characters.")
	missing := b.post(http.StatusUnprocessableEntity, first, url.Values{"name": {"One"}, "answer": {"sign"}})
	assert.Contains(t, missing.Body.String(), `id="e0">This field is required.`)
	odd := b.post(http.StatusBadRequest, first, url.Values{"name": {"One"}, "answer": {"perhaps"}})
	assert.Contains(t, odd.Body.String(), "The answer must be sign or decline.")
}

func TestSign_linesOfATextAreKept(t *testing.T) {
	t.Parallel()
	b := open(t)
	first, _ := b.sent("Deal")
	b.post(http.StatusOK, first, url.Values{"field:Client": {"Example Ltd\r\n1 Street"}, "field:Start date": {"2021-07-01"}, "name": {"One"}, "answer": {"sign"}})
	assert.Equal(t, "Example Ltd\n1 Street", b.document().Fields[0].Value)
}

func TestSign_decline(t *testing.T) {
	t.Parallel()
	b := open(t)
	first, second := b.sent("Deal")
	page := b.post(http.StatusOK, first, url.Values{"reason": {"too <dear>"}, "answer": {"decline"}}).Body.String()
	assert.Contains(t, page, "You declined to sign")
	d := b.document()
	assert.Equal(t, revv.StageDraft, d.Stage)
	assert.Equal(t, "too <dear>", d.Signers[0].Reason)
	assert.Contains(t, b.get(first), "too &lt;dear&gt;")
	assert.Contains(t, b.get(second), "waits for no answer of yours")
	assert.Contains(t, b.get("/documents/14"), "Declined")
}

func TestAnswer_acceptanceAndApproval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ send, members, button, action, done, event string }{
		{"doc-acceptors", "acceptors", ">Accept<", "/doc-acceptance/accept", "You accepted", "Document completed"},
		{"doc-acceptors", "acceptors", ">Reject<", "/doc-acceptance/reject", "You rejected", "Document rejected"},
		{"doc-approvers", "approvers", ">Approve<", "/doc-approval/approve", "You approved", "Document approved"},
		{"doc-approvers", "approvers", ">Reject<", "/doc-approval/reject", "You rejected", "Document approval rejected"},
	} {
		b := open(t)
		_, err := b.Sandbox().CreateDocument(23, "", 0)
		require.NoError(t, err)
		b.call(http.StatusOK, http.MethodPost, "/api/v2/"+c.send+"/14", `{"`+c.members+`":[{"user_email":"a@example.com"}]}`)
		path := strings.TrimPrefix(b.Sandbox().Mails()[0].Links["open"], base)
		page := b.get(path)
		assert.Contains(t, page, c.button)
		assert.Contains(t, page, `action="`+path+c.action+`"`)
		done := b.post(http.StatusOK, path+c.action, url.Values{"reason": {"because"}}).Body.String()
		checkHTML(t, c.action, done)
		assert.Contains(t, done, c.done)
		assert.Contains(t, b.get("/documents/14"), c.event)

		again := b.post(http.StatusConflict, path+c.action, url.Values{"reason": {"because"}}).Body.String()
		checkHTML(t, c.action, again)
		assert.Contains(t, again, "has answered already")
		assert.NotContains(t, again, "<form")
	}
}

func TestNewTemplate(t *testing.T) {
	t.Parallel()
	b := open(t)
	more := b.post(http.StatusOK, "/templates", url.Values{
		"title": {"Lease"}, "name-0": {"Rent"}, "type-0": {"number"}, "required-0": {"yes"}, "name-1": {""}, "type-1": {"text"}, "action": {"rows"},
	}).Body.String()
	checkHTML(t, "more", more)
	assert.Contains(t, more, `value="Lease"`)
	assert.Contains(t, more, `value="Rent"`)
	assert.Contains(t, more, `<option value="number" selected>`)
	assert.Contains(t, more, `name="name-4"`, "two rows and three more")
	assert.NotContains(t, more, `name="name-5"`)
	before := len(b.Sandbox().Templates())

	wrong := b.post(http.StatusUnprocessableEntity, "/templates", url.Values{
		"title": {" "}, "name-0": {"Rent"}, "type-0": {"number"}, "name-1": {"Rent"}, "type-1": {"text"}, "name-2": {""}, "type-2": {"text"}, "required-2": {"yes"},
		"name-3": {strings.Repeat("x", 300)}, "type-3": {"text"}, "name-4": {"a\x00b"}, "type-4": {"text"},
	}).Body.String()
	checkHTML(t, "wrong", wrong)
	for _, want := range []string{"Give it a name.", "Field 1 has this name already.", "A required field needs a name.", "longer than 255 characters", "cannot be printed", `value="Rent"`} {
		assert.Contains(t, wrong, want)
	}
	odd := b.post(http.StatusUnprocessableEntity, "/templates", url.Values{"title": {"Lease"}, "name-0": {"Rent"}, "type-0": {"colour"}})
	assert.Contains(t, odd.Body.String(), "none of text, date and number")
	assert.Len(t, b.Sandbox().Templates(), before)

	w := b.post(http.StatusSeeOther, "/templates", url.Values{
		"title": {"Lease"}, "name-0": {"Rent"}, "type-0": {"number"}, "required-0": {"yes"}, "name-1": {""}, "type-1": {"text"}, "name-2": {"From"}, "type-2": {"date"}, "action": {"make"},
	})
	templates := b.Sandbox().Templates()
	made := templates[len(templates)-1]
	assert.Equal(t, "/templates/"+number(int64(made.ID)), w.Header().Get("Location"))
	assert.Equal(t, []sandbox.Field{{Name: "Rent", Type: "number", Required: true}, {Name: "From", Type: "date"}}, made.Fields)
	assert.Contains(t, b.get(w.Header().Get("Location")), "Lease")

	made2 := b.post(http.StatusSeeOther, w.Header().Get("Location")+"/documents", url.Values{"title": {"My lease"}})
	assert.Equal(t, "/documents/14", made2.Header().Get("Location"))
	assert.Equal(t, "My lease", b.document().Title)
	bad := b.post(http.StatusUnprocessableEntity, w.Header().Get("Location")+"/documents", url.Values{"title": {strings.Repeat("x", 300)}}).Body.String()
	checkHTML(t, "title", bad)
	assert.Contains(t, bad, "must not be longer than 255 characters")
	b.post(http.StatusUnprocessableEntity, "/templates/24/documents", nil) // inactive
}

// A form that cannot be read is not one with nothing in it.
func TestForms_thatCannotBeRead_areToldSo(t *testing.T) {
	t.Parallel()
	b := open(t)
	large := "title=Mine&name=Mine&preset=error&times=1&x=" + strings.Repeat("x", 1<<20)
	multipart := "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n" + strings.Repeat("x", 1<<20) + "\r\n--b--\r\n"
	before := b.Sandbox().Revision()
	for _, path := range []string{"/templates", "/templates/23/documents", "/folders", "/faults", "/help/secret", "/traffic/clear"} {
		for body, contentType := range map[string]string{large: "application/x-www-form-urlencoded", multipart: "multipart/form-data; boundary=b"} {
			w := b.do(http.MethodPost, path, body, "Content-Type", contentType)
			assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code, "%s as %s", path, contentType)
			assert.Contains(t, w.Body.String(), "The form is larger than 1 MiB.")
			checkHTML(t, path, w.Body.String())
		}
		for body, contentType := range map[string]string{"name=%zz": "application/x-www-form-urlencoded", "x": "multipart/form-data"} {
			w := b.do(http.MethodPost, path, body, "Content-Type", contentType)
			assert.Equal(t, http.StatusBadRequest, w.Code, "%s as %s", path, contentType)
			assert.Contains(t, w.Body.String(), "The form could not be read: ")
		}
	}
	assert.Equal(t, before, b.Sandbox().Revision(), "nothing was changed")
	assert.Empty(t, b.Sandbox().Faults())

	// As a program sends a form with -F.
	small := "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nMine\r\n--b--\r\n"
	w := b.do(http.MethodPost, "/folders", small, "Content-Type", "multipart/form-data; boundary=b")
	assert.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	assert.Contains(t, b.get("/folders"), ">Mine<")
}

func TestNewFolder(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.post(http.StatusSeeOther, "/folders", url.Values{"name": {"Archive"}})
	assert.Contains(t, b.get("/folders"), ">Archive<")
	page := b.post(http.StatusUnprocessableEntity, "/folders", url.Values{"name": {""}}).Body.String()
	checkHTML(t, "folders", page)
	assert.Contains(t, page, "Give it a name.")
	assert.Len(t, b.Sandbox().Folders(), 2)
}

func TestWebhooks_resend(t *testing.T) {
	t.Parallel()
	arrived := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { arrived <- r.URL.Path }))
	t.Cleanup(receiver.Close)
	b := open(t)
	b.call(http.StatusOK, http.MethodPost, "/api/webhooks", `{"event":"DOCUMENT_STAGE_CHANGED","url":"`+receiver.URL+`/hook"}`)
	b.sent("Deal")
	require.NoError(t, b.Sandbox().WaitDeliveries(t.Context()))
	assert.Contains(t, b.get("/webhooks"), "Delivered")
	page := b.get("/webhooks/deliveries/1")
	assert.Contains(t, page, "&#34;event&#34;: &#34;DOCUMENT_STAGE_CHANGED&#34;")
	assert.Contains(t, page, `data-label="Status">200<`)
	w := b.post(http.StatusSeeOther, "/webhooks/deliveries/1/resend", nil)
	assert.Equal(t, "/webhooks", w.Header().Get("Location"))
	require.NoError(t, b.Sandbox().WaitDeliveries(t.Context()))
	assert.Equal(t, "/hook", <-arrived)
	assert.Equal(t, "/hook", <-arrived)
	assert.Contains(t, b.get("/webhooks"), "No. 2")
	b.post(http.StatusNotFound, "/webhooks/deliveries/99/resend", nil)
}

func TestTraffic_saysWhatWasWrongAndWhereTheContractSaysSo(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.call(http.StatusBadRequest, http.MethodGet, "/api/folders/?page_num=0", "")
	b.call(http.StatusOK, http.MethodGet, "/api/folders/", "")
	page := b.get("/traffic/1")
	assert.Contains(t, page, "page_num: a whole number from 1 is due")
	assert.Contains(t, page, "section “Paging”")
	assert.Contains(t, page, "sha256:", "the token is a fingerprint")
	assert.Contains(t, b.get("/traffic/2"), "Nothing was wrong with it")
	refused := b.get("/traffic?show=refused")
	assert.Contains(t, refused, `href="/traffic/1"`)
	assert.NotContains(t, refused, `href="/traffic/2"`)
	b.post(http.StatusSeeOther, "/traffic/clear", nil)
	assert.Empty(t, b.Sandbox().Requests())
}

func TestFaults(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.post(http.StatusSeeOther, "/faults", url.Values{"preset": {"unavailable"}, "operation": {"Documents.List"}, "times": {"2"}})
	assert.Contains(t, b.get("/faults"), `data-label="Calls left" class="number">2<`)
	b.call(http.StatusServiceUnavailable, http.MethodGet, "/api/folders/", "")
	assert.Contains(t, b.get("/faults"), `data-label="Calls left" class="number">1<`)
	assert.Contains(t, b.get("/traffic/1"), "It met a fault that was asked for")
	b.post(http.StatusSeeOther, "/faults/clear", nil)
	assert.Empty(t, b.Sandbox().Faults())

	b.post(http.StatusSeeOther, "/faults", url.Values{"preset": {"outcome-unknown"}, "times": {"1"}})
	b.call(http.StatusInternalServerError, http.MethodPost, "/api/docs", `{"template_id":23}`)
	assert.Len(t, b.Sandbox().Documents(), 1, "done, and then an error")

	for _, form := range []url.Values{
		{"preset": {"unavailable"}, "times": {"0"}},
		{"preset": {"unavailable"}, "times": {"many"}},
		{"preset": {"nothing"}, "times": {"1"}},
		{"preset": {"unavailable"}, "times": {"1"}, "operation": {"Nothing.AtAll"}},
	} {
		checkHTML(t, form.Encode(), b.post(http.StatusUnprocessableEntity, "/faults", form).Body.String())
	}
	assert.Empty(t, b.Sandbox().Faults())
}

// A program that misspells an operation must not get a fault of every call.
func TestForms_inputThatIsNotThere_isRefused(t *testing.T) {
	t.Parallel()
	b := open(t)
	folders := len(b.Sandbox().Folders())
	for target, form := range map[string]url.Values{
		"/faults":                         {"preset": {"error"}, "times": {"1"}, "operatoin": {"Documents.Get"}},
		"/faults?operation=Documents.Get": {"preset": {"error"}, "times": {"1"}},
		"/faults?times=2":                 {"preset": {"error"}, "times": {"1"}},
		"/faults?":                        {"preset": {"error"}, "times": {"1"}, "operation": {"Documents.Get", "Documents.List"}},
		"/folders":                        {"name": {"Leases"}, "parent": {"1"}},
		"/templates/23/documents":         {"title": {"Lease"}, "folder": {"1"}},
		"/templates/23/documents?title=Something": {},
	} {
		page := b.post(http.StatusBadRequest, target, form).Body.String()
		checkHTML(t, target, page)
		assert.Contains(t, page, "this form has", target)
	}
	assert.Empty(t, b.Sandbox().Faults())
	assert.Empty(t, b.Sandbox().Documents())
	assert.Len(t, b.Sandbox().Folders(), folders)
}

// Every preset is one that the sandbox takes, and is shown under its own name.
func TestFaults_everyPreset(t *testing.T) {
	t.Parallel()
	b := open(t)
	keys := strings.Split(b.get("/faults"), `name="preset" value="`)[1:]
	assert.Greater(t, len(keys), 15)
	for _, rest := range keys {
		key, rest, _ := strings.Cut(rest, `"`)
		_, rest, _ = strings.Cut(rest, `<label for="p-`+key+`">`)
		label, _, _ := strings.Cut(rest, "<")
		b.post(http.StatusSeeOther, "/faults", url.Values{"preset": {key}, "times": {"3"}})
		faults := b.Sandbox().Faults()
		require.Len(t, faults, 1, key)
		assert.Equal(t, 3, faults[0].Times)
		assert.Contains(t, b.get("/faults"), `data-label="Fault">`+label+"<")
		b.Sandbox().ClearFaults()
	}
}

func TestHelp_showsTheSecretOnDemand(t *testing.T) {
	t.Parallel()
	b := full(t)
	secret := b.Sandbox().App().ClientSecret
	page := b.get("/help")
	assert.NotContains(t, page, secret)
	for _, want := range []string{base, "sandbox-application", "REVV_CLIENT_SECRET=…", "owner@example.com"} {
		assert.Contains(t, page, want)
	}
	shown := b.post(http.StatusOK, "/help/secret", nil)
	checkHTML(t, "secret", shown.Body.String())
	assert.Contains(t, shown.Body.String(), "REVV_CLIENT_SECRET="+secret)
	assert.Equal(t, "/help", b.do(http.MethodGet, "/help/secret", "").Header().Get("Location"))
	assert.Equal(t, "no-store", shown.Header().Get("Cache-Control"))
	for _, path := range b.paths() {
		assert.NotContains(t, b.do(http.MethodGet, path, "").Body.String(), secret, path)
	}
}
