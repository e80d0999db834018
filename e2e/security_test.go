package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// A page of another site, open in the same browser, sends forms to the sandbox.
func TestCrossSite_formsChangeNothing(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	b.expected = "blocked by CORS policy"
	d := sent(t, client, "Not for strangers", ann)
	link := mails(t, p)["ann@example.com"]
	require.NotEmpty(t, link)
	forms := []struct{ action, fields string }{
		{p.url + "/folders", `<input name="name" value="Forged">`},
		{p.url + "/templates", `<input name="title" value="Forged"><input name="action" value="make">`},
		{p.url + "/faults", `<input name="times" value="1"><input name="preset" value="unavailable">`},
		{p.url + "/traffic/clear", ``},
		{link, `<input name="answer" value="decline"><input name="reason" value="Forged">`},
	}
	// localhost and 127.0.0.1 are two sites, and two ports of one are two origins.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><title>Another site</title><link rel="icon" href="data:,">`)
		for i, f := range forms {
			_, _ = fmt.Fprintf(w, `<form method="post" action="%s">%s<button>Win a prize %d</button></form>`, f.action, f.fields, i)
		}
	}))
	t.Cleanup(evil.Close)
	for site, forged := range map[string]int{evil.URL: 1, strings.Replace(evil.URL, "127.0.0.1", "localhost", 1): len(forms)} {
		for i := range forged {
			b.open(site)
			b.press(fmt.Sprintf("Win a prize %d", i))
			b.sees("Forbidden", "another site has sent this")
		}
		b.open(site)
		answered := ask[bool](b, `fetch("`+p.url+`/folders", {method: "POST", body: new URLSearchParams({name: "Forged"})}).then(() => true, () => false)`)
		assert.False(t, answered, "a script cannot even read the answer")
		// Nor can it look into the pages, in a frame or behind a link.
		assert.False(t, ask[bool](b, `fetch("`+p.url+`/outbox").then((r) => r.text()).then(() => true, () => false)`))
	}
	b.open(p.url + "/folders")
	b.sees("Main folder")
	assert.NotContains(t, b.text(), "Forged")
	b.open(p.url + "/templates")
	assert.NotContains(t, b.text(), "Forged")
	b.open(p.url + "/faults")
	b.sees("Everything works")
	b.open(p.url + "/traffic")
	b.sees("Documents.SendForESign")
	assert.Equal(t, revv.StageSent, stage(t, client, d))
}

// What others have typed is text, wherever it stands.
func TestStoredMarkup_isShownAsText(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	shown := 0
	for _, place := range world(t, p, client) {
		switch place.name {
		case "dashboard", "document-hostile", "contacts", "outbox", "sign-hostile":
			shown++
			b.open(place.url)
			assert.Zero(t, ask[int](b, `document.querySelectorAll("script:not([src^='/assets/']), img:not([src^='/assets/'])").length`), place.name)
			assert.Contains(t, b.text()+ask[string](b, `[...document.querySelectorAll("input,textarea")].map((e) => e.value).join()`), hostile, place.name)
		}
	}
	assert.Equal(t, 5, shown, "pages with a hostile name")
	b.open(p.url + "/contacts?" + url.Values{"q": {hostile}}.Encode())
	assert.Equal(t, hostile, b.find("Search", "searchbox").value)
	b.sees("1–1 of 1")
}
