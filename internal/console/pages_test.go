package console_test

import (
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestPages_renderWithHostileTexts(t *testing.T) {
	t.Parallel()
	b := full(t)
	own := 0
	for _, path := range b.paths() {
		w := b.do(http.MethodGet, path, "")
		page := w.Body.String()
		if !assert.Equal(t, http.StatusOK, w.Code, "%s: %s", path, page) {
			continue
		}
		checkHTML(t, path, page)
		assert.NotContains(t, page, "<script>", path)
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store",
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		} {
			assert.Equal(t, want, w.Header().Get(name), "%s of %s", name, path)
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			assert.Contains(t, policy, part, path)
		}
		assert.NotContains(t, policy, "unsafe", path)
		if path != consentPath { // its form ends at the application
			assert.Contains(t, policy, "form-action 'self'", path)
		}
		if behindLink := regexp.MustCompile(`^/(sign|shared|perma|oauth|api)/`); !behindLink.MatchString(path) {
			own++
			assert.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Opener-Policy"), "no window of another site: %s", path)
			assert.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Resource-Policy"), "nor any use of it there: %s", path)
		}
	}
	assert.Greater(t, own, 25)
	for _, path := range []string{"/", "/documents/14", "/folders", "/contacts", "/templates", "/templates/25", "/outbox"} {
		assert.Contains(t, b.get(path), "&lt;script&gt;alert(", "%s: the text is there, as text", path)
	}
}

func TestPages_emptySandbox_saysWhatToDoNext(t *testing.T) {
	t.Parallel()
	b := open(t, func(o *sandbox.Options) { o.NoSeedData = true })
	for path, want := range map[string]string{
		"/": "No documents yet", "/contacts": "No contacts yet", "/templates": "No templates yet", "/outbox": "No mails yet",
		"/webhooks": "Nobody has subscribed", "/traffic": "No requests yet", "/faults": "Everything works", "/folders": "Main folder",
	} {
		page := b.get(path)
		checkHTML(t, path, page)
		assert.Contains(t, page, want, path)
	}
}

func TestPages_thatAreNotThere(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, path := range []string{"/nothing", "/documents/14", "/documents/x", "/templates/1", "/webhooks/deliveries/1", "/traffic/1", "/sign/x", "/shared/x", "/perma/DOC/x/y", "/assets/", "/assets/x"} {
		w := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusNotFound, w.Code, path)
		checkHTML(t, path, w.Body.String())
	}
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodDelete, "/faults", "").Code)
}

// What a page says is a sentence, and only behind a link is there somebody to ask.
func TestPages_refusalsAreSentences(t *testing.T) {
	t.Parallel()
	b := open(t)
	const ask = "Ask whoever sent it for a new one."
	for _, path := range []string{"/sign/x", "/shared/x", "/api/shared/documents/1/x"} {
		page := b.do(http.MethodGet, path, "").Body.String()
		assert.Contains(t, page, "<p>This link is not valid, or not valid any more.</p>", path)
		assert.Contains(t, page, ask, path)
	}
	for path, message := range map[string]string{
		"/oauth/authorize":             "<p>client_id is missing.</p>",
		"/oauth/authorize?client_id=x": "<p>No application with the client_id &#34;x&#34; is registered.</p>",
		"/nothing":                     `<a href="/">Back to the documents</a>`,
	} {
		page := b.do(http.MethodGet, path, "", "Accept", "text/html").Body.String()
		assert.Contains(t, page, message, path)
		assert.NotContains(t, page, ask, path)
	}
	broken := b.do(http.MethodPut, "/sign/x", "") // a new link would not help
	assert.NotEqual(t, http.StatusNotFound, broken.Code)
	assert.NotContains(t, broken.Body.String(), ask)
	tooMuch := b.do(http.MethodPost, "/sign/x", "name="+strings.Repeat("x", 2<<20), "Content-Type", "application/x-www-form-urlencoded")
	assert.NotContains(t, []int{http.StatusOK, http.StatusNotFound}, tooMuch.Code)
	assert.Contains(t, tooMuch.Body.String(), "<h1>")
	assert.NotContains(t, tooMuch.Body.String(), ask)
}

// A program that has lost its way gets an answer for programs, and is seen.
func TestPages_programAtAWrongPath(t *testing.T) {
	t.Parallel()
	b := open(t)
	w := b.do(http.MethodGet, "/v3/docs", "", "Accept", "application/json")
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Contains(t, w.Body.String(), `"error":"NOT_FOUND"`)
	assert.Contains(t, b.get("/traffic"), "no operation lives at /v3/docs; did you mean")
}

func TestDocument_showsFieldsPartiesTimelineAndMails(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.sent("Deal")
	page := b.get("/documents/14")
	for _, want := range []string{"Deal", "DOC-000040", "Sent", "Start date", "one@example.com", "Waiting for their turn", "Document sent for sign", "Please sign", "/documents/14/pdf"} {
		assert.Contains(t, page, want)
	}
	w := b.do(http.MethodGet, "/documents/14/pdf", "")
	assert.Equal(t, "application/pdf", w.Header().Get("Content-Type"))
	assert.Equal(t, `inline; filename="DOC-000040.pdf"`, w.Header().Get("Content-Disposition"))
	assert.True(t, strings.HasPrefix(w.Body.String(), "%PDF-"))
}

func TestDocument_personWithoutAName_hasTheAddressOnce(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.sent("Deal")
	row := func(person string) string { return `<th scope="row" data-label="Person">` + person + `</th>` }
	page := b.get("/documents/14")
	assert.Contains(t, page, row(`<bdi>One</bdi><span class="sub">one@example.com</span>`))
	assert.Contains(t, page, row("<bdi>two@example.com</bdi>"))
}

func TestDashboard_searchesAndFilters(t *testing.T) {
	t.Parallel()
	b := open(t)
	folder, err := b.Sandbox().AddFolder(sandbox.Folder{Name: "Archive"})
	require.NoError(t, err)
	b.sent("Alpha")
	_, err = b.Sandbox().CreateDocument(23, "Beta", folder)
	require.NoError(t, err)
	for query, want := range map[string][2]bool{
		"": {true, true}, "?q=ALPHA": {true, false}, "?q=doc-000041": {false, true}, "?q=two@example.com": {true, false},
		"?stage=Sent": {true, false}, "?stage=Draft": {false, true}, "?folder=" + number(int64(folder)): {false, true}, "?q=gamma": {false, false},
	} {
		page := b.get("/" + query)
		assert.Equal(t, want, [2]bool{strings.Contains(page, ">Alpha<"), strings.Contains(page, ">Beta<")}, query)
	}
}

func TestLists_areCutIntoPages(t *testing.T) {
	t.Parallel()
	b := open(t, func(o *sandbox.Options) { o.NoSeedData = true })
	for i := range 120 {
		_, err := b.Sandbox().AddContact(sandbox.Contact{Name: "Contact " + strconv.Itoa(i), Email: "c" + strconv.Itoa(i) + "@example.com"})
		require.NoError(t, err)
	}
	first := b.get("/contacts")
	assert.Contains(t, first, "1–50 of 120")
	assert.Contains(t, first, `href="/contacts?page=2"`)
	assert.NotContains(t, first, ">Contact 50<")
	last := b.get("/contacts?page=3")
	assert.Contains(t, last, "101–120 of 120")
	assert.Contains(t, last, ">Contact 119<")
	assert.Equal(t, last, b.get("/contacts?page=3"))
	assert.Contains(t, b.get("/contacts?page=99"), "101–120 of 120")
	assert.Contains(t, b.get("/contacts?page=-1"), "1–50 of 120")
	found := b.get("/contacts?q=contact+1") // 1, 10 to 19, 100 to 119
	assert.Contains(t, found, "1–31 of 31")
	checkHTML(t, "contacts", first)
	assert.Contains(t, b.get("/contacts?q=contact"), `href="/contacts?page=2&amp;q=contact"`)
}

// Two thousand documents, two hundred templates and five thousand contacts leave
// every page far below a fifth of a second. The best of a few tries counts: others
// may use this machine as well.
func TestPages_stayFastWhenThereIsMuch(t *testing.T) {
	b := crowded(t)
	const limit = 200 * time.Millisecond
	for _, path := range crowdedPaths() {
		best := time.Duration(math.MaxInt64)
		for range 5 {
			start := time.Now()
			b.get(path)
			best = min(best, time.Since(start))
		}
		t.Logf("%-28s %v", path, best.Round(10*time.Microsecond))
		assert.Less(t, best, limit, path)
	}
}

func crowdedPaths() []string {
	return []string{
		"/", "/?page=40", "/?q=agreement+1999", "/?stage=Sent", "/documents/1000", "/folders", "/contacts", "/contacts?page=100", "/contacts?q=4999",
		"/templates", "/templates?q=150", "/templates/100", "/outbox", "/webhooks", "/traffic", "/traffic?show=refused", "/traffic/1", "/faults", "/help",
	}
}

func crowded(tb testing.TB) *browser {
	tb.Helper()
	seed := uint64(1)
	b := openTB(tb, sandbox.Options{Seed: &seed, BaseURL: base})
	s := b.Sandbox()
	for i := range 196 {
		_, err := s.AddTemplate(sandbox.Template{Title: "Template " + strconv.Itoa(i), Fields: []sandbox.Field{{Name: "Client", Required: true}, {Name: "Date", Type: sandbox.FieldDate}}})
		require.NoError(tb, err)
	}
	for i := range 4998 {
		_, err := s.AddContact(sandbox.Contact{Name: "Contact " + strconv.Itoa(i+2), Email: "c" + strconv.Itoa(i) + "@example.com", Type: "individual"})
		require.NoError(tb, err)
	}
	token := s.IssueTokens().AccessToken
	for i := range 2000 {
		id, err := s.CreateDocument(23, "Agreement "+strconv.Itoa(i), 0)
		require.NoError(tb, err)
		r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, base+"/api/v2/doc-signers/"+number(int64(id)),
			strings.NewReader(`{"signers":[{"user_email":"one@example.com","order":1},{"user_email":"two@example.com","order":2}]}`))
		require.NoError(tb, err)
		r.Header.Set("AccessToken", token)
		r.Header.Set("Content-Type", "application/json")
		require.Equal(tb, http.StatusOK, serve(b, r).Code)
	}
	return b
}

func BenchmarkPages(b *testing.B) {
	console := crowded(b)
	for _, path := range crowdedPaths() {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				console.get(path)
			}
		})
	}
}

// Every pair of colours that text is set in is readable, in the light and in the
// dark; what is no text needs less.
func TestStyle_contrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/style.css")
	require.NoError(t, err)
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	require.Len(t, schemes, 2)
	for i, scheme := range schemes {
		colour := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(scheme[1], -1) {
			colour[m[1]] = luminance(t, m[2])
		}
		for _, pair := range [][2]string{
			{"ink", "ground"},
			{"ink", "surface"},
			{"ink", "sunken"},
			{"soft", "ground"},
			{"soft", "surface"},
			{"soft", "sunken"},
			{"accent", "ground"},
			{"accent", "surface"},
			{"accent", "sunken"},
			{"accent-strong", "surface"},
			{"on-accent", "accent"},
			{"on-accent", "accent-strong"},
			{"good", "good-ground"},
			{"wait", "wait-ground"},
			{"bad", "bad-ground"},
			{"calm", "calm-ground"},
			{"bad", "surface"},
			{"bad", "ground"},
			{"bad", "sunken"},
		} {
			assert.GreaterOrEqual(t, contrast(colour[pair[0]], colour[pair[1]]), 4.5, "scheme %d: %v", i, pair)
		}
		for _, pair := range [][2]string{{"edge", "ground"}, {"edge", "surface"}} {
			assert.GreaterOrEqual(t, contrast(colour[pair[0]], colour[pair[1]]), 3.0, "scheme %d: %v", i, pair)
		}
	}
}

// luminance and contrast are those of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		require.NoError(t, err)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

func TestAssets_areCheckedAgainAndNotSentTwice(t *testing.T) {
	t.Parallel()
	b := open(t)
	for path, kind := range map[string]string{"/assets/style.css": "text/css; charset=utf-8", "/assets/console.js": "text/javascript; charset=utf-8", "/assets/icon.svg": "image/svg+xml"} {
		w := b.do(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, w.Code)
		assert.Equal(t, kind, w.Header().Get("Content-Type"))
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		assert.Equal(t, http.StatusNotModified, b.do(http.MethodGet, path, "", "If-None-Match", w.Header().Get("ETag")).Code)
	}
}
