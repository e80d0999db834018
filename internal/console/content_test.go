package console_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestDashboard_countsStages(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.sent("Alpha")
	for range 2 {
		_, err := b.Sandbox().CreateDocument(23, "Beta", 0)
		require.NoError(t, err)
	}
	page := b.get("/")
	for _, want := range []string{">Draft (2)<", ">Sent (1)<", ">Signed (0)<", ">Completed (0)<"} {
		assert.Contains(t, page, want)
	}
}

func TestFolders_countDocuments(t *testing.T) {
	t.Parallel()
	b := open(t)
	folder, err := b.Sandbox().AddFolder(sandbox.Folder{Name: "Archive"})
	require.NoError(t, err)
	for range 2 {
		_, err := b.Sandbox().CreateDocument(23, "Beta", folder)
		require.NoError(t, err)
	}
	assert.Contains(t, b.get("/folders?q=archive"), `data-label="Documents" class="number">2<`)
	assert.Contains(t, b.get("/folders?q=main"), `data-label="Documents" class="number">0<`)
}

func TestDocument_namesItsTemplateItsFolderAndItsMagicLink(t *testing.T) {
	t.Parallel()
	b := open(t)
	folder, err := b.Sandbox().AddFolder(sandbox.Folder{Name: "Archive"})
	require.NoError(t, err)
	last, err := b.Sandbox().AddFolder(sandbox.Folder{Name: "Last"})
	require.NoError(t, err)
	require.NotEqual(t, folder, last)
	template := b.Sandbox().Templates()[1]
	id, err := b.Sandbox().CreateDocument(template.ID, "Deal", folder)
	require.NoError(t, err)
	page := b.get("/documents/" + number(int64(id)))
	assert.Contains(t, page, `<a href="/templates/`+number(int64(template.ID))+`">`+template.Title+`</a>`)
	assert.Contains(t, page, `<a href="/?folder=`+number(int64(folder))+`">Archive</a>`)
	assert.NotContains(t, page, "Magic link")
	d, _ := b.Sandbox().Document(id)
	b.call(http.StatusOK, http.MethodPost, "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`)
	d, _ = b.Sandbox().Document(id)
	assert.Contains(t, b.get("/documents/"+number(int64(id))), `<a href="/perma/DOC/`+d.MagicToken+`/Deal">`)
}

// A list of full pages ends with a full one.
func TestLists_ofFullPages_linkNoEmptyOne(t *testing.T) {
	t.Parallel()
	b := open(t, func(o *sandbox.Options) { o.NoSeedData = true })
	add := func(i int) {
		_, err := b.Sandbox().AddContact(sandbox.Contact{Name: "Contact " + strconv.Itoa(i), Email: "c" + strconv.Itoa(i) + "@example.com"})
		require.NoError(t, err)
	}
	for i := range 100 {
		add(i)
	}
	first, second := b.get("/contacts"), b.get("/contacts?page=2")
	assert.Contains(t, first, "Page 1 of 2")
	assert.NotContains(t, first, `rel="prev"`)
	assert.Contains(t, first, `rel="next" href="/contacts?page=2"`)
	assert.Contains(t, second, "51–100 of 100")
	assert.Contains(t, second, `rel="prev" href="/contacts?page=1"`)
	assert.NotContains(t, second, `rel="next"`)
	add(100)
	assert.Contains(t, b.get("/contacts?page=3"), "101–101 of 101")
}

func TestWebhooks_showAttemptsAndFilterByState(t *testing.T) {
	t.Parallel()
	b := open(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bad") {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer receiver.Close()
	for _, path := range []string{"/bad", "/good"} {
		b.call(http.StatusOK, http.MethodPost, "/api/webhooks", `{"event":"DOCUMENT_STAGE_CHANGED","url":"`+receiver.URL+path+`"}`)
	}
	b.sent("Deal")
	require.NoError(t, b.Sandbox().WaitDeliveries(t.Context()))
	badly, well := b.get("/webhooks?state=failed"), b.get("/webhooks?state=delivered")
	row := func(page, path string) bool {
		return strings.Contains(page, `class="code">`+receiver.URL+path+"</td>\n")
	}
	assert.True(t, row(badly, "/bad"))
	assert.False(t, row(badly, "/good"))
	assert.Contains(t, badly, `data-label="Last answer">418<span class="sub">1 attempt</span>`)
	assert.True(t, row(well, "/good"))
	assert.False(t, row(well, "/bad"))
	both := b.get("/webhooks")
	assert.True(t, row(both, "/good") && row(both, "/bad"))
	found := b.get("/webhooks?q=" + url.QueryEscape(receiver.URL+"/GOOD"))
	assert.True(t, row(found, "/good"))
	assert.False(t, row(found, "/bad"))
	assert.Contains(t, b.get("/webhooks/deliveries/1"), "No. 1</th>")
}

func TestHelp_takesTheAddressOfTheRequestWhereNoOtherIsKnown(t *testing.T) {
	t.Parallel()
	known := open(t).get("/help")
	assert.Contains(t, known, "REVV_BASE_URL="+base)
	assert.Contains(t, known, `<span class="line">http://127.0.0.1/callback</span>`)
	unknown := open(t, func(o *sandbox.Options) { o.BaseURL = "" }).do(http.MethodGet, "http://localhost:9999/help", "").Body.String()
	assert.Contains(t, unknown, "REVV_BASE_URL=http://localhost:9999")
	assert.Contains(t, known, "REVV_REDIRECT_URL=http://127.0.0.1")
}

func TestFaults_countAtItsBounds(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.post(http.StatusSeeOther, "/faults", url.Values{"preset": {"unavailable"}, "times": {"10000"}})
	b.post(http.StatusSeeOther, "/faults", url.Values{"preset": {"unavailable"}, "times": {"1"}})
	assert.Len(t, b.Sandbox().Faults(), 2)
	b.post(http.StatusUnprocessableEntity, "/faults", url.Values{"preset": {"unavailable"}, "times": {"10001"}})
}

// A program reads mails and traffic as JSON, and a page of another site does not.
func TestData_isForPrograms(t *testing.T) {
	t.Parallel()
	b := full(t)
	s := b.Sandbox()
	require.NotEmpty(t, s.Mails())
	for path, want := range map[string]any{"/outbox.json": s.Mails(), "/traffic.json": s.Requests()} {
		w := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, w.Code, path)
		text, err := json.Marshal(want)
		require.NoError(t, err)
		assert.JSONEq(t, string(text), w.Body.String(), path)
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"), path)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), path)
		assert.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Resource-Policy"), path)
		assert.Equal(t, http.StatusMisdirectedRequest, b.do(http.MethodGet, "http://evil.example"+path, "").Code, path)
		assert.Empty(t, b.do(http.MethodGet, path, "", "Origin", "http://localhost:3000").Header().Get("Access-Control-Allow-Origin"), path)
		assert.Equal(t, "[]\n", open(t).get(path), path)
	}
}
