package e2e

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

//go:embed audit.js
var audit string

// scheme makes the browser prefer light or dark colours.
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// audit tries the rules on the page as it is: in the light, in the dark, and on a
// narrow phone.
func (b *tab) audit(name string) {
	b.t.Helper()
	b.until("a page that has its style sheet", func() (bool, error) { // its text is there before
		return chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState === "complete"`))
	})
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		assert.Empty(b.t, ask[[]string](b, audit), "%s, %s", name, scheme)
	}
	b.size(360, 640)
	assert.Empty(b.t, ask[[]string](b, audit), "%s, on a phone", name)
	b.size(1200, 800)
	b.axe(name)
}

// axe asks another judge, where there is one: E2E_AXE=axe.min.js is the script of
// axe-core.
func (b *tab) axe(name string) {
	b.t.Helper()
	path := os.Getenv("E2E_AXE")
	if path == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Minute)
	defer cancel()
	script, err := os.ReadFile(path)
	require.NoError(b.t, err)
	_ = ask[any](b, string(script)+";null")
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run().then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 100) + " " + n.failureSummary)))`, chromedp.EvalAwaitPromise))
		require.NoError(b.t, err)
		assert.Empty(b.t, found, "axe-core: %s, %s", name, scheme)
	}
}

func TestAccessibility_everyPage(t *testing.T) {
	t.Parallel()
	p := start(t)
	client := p.client(t)
	places := world(t, p, client)
	const windows = 3
	for w := range windows {
		t.Run(fmt.Sprintf("window %d", w+1), func(t *testing.T) {
			t.Parallel()
			b := newTab(t)
			// From here on the focus is one of the keyboard.
			b.do(chromedp.KeyEvent(kb.Tab))
			for i := w; i < len(places); i += windows {
				b.open(places[i].url)
				b.audit(places[i].name)
			}
		})
	}
}

// Pages that come as an answer to a form, with what was wrong or done.
func TestAccessibility_answersToForms(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	app := newApplication(t, p)
	b.open(p.url + "/")
	b.audit("an empty dashboard")
	b.open(app.config.AuthCodeURL(oauthState, app.verifier))
	b.audit("consent")

	b.open(p.url + "/templates/new")
	b.press("Make the template")
	b.sees("The template was not made yet")
	b.audit("a template without a title")
	b.open(p.url + "/folders")
	b.on(b.find("Name", "textbox"), `function() { this.form.noValidate = true }`)
	b.press("Make the folder")
	b.sees("Give it a name.")
	b.audit("a folder without a name")
	b.open(p.url + "/faults")
	b.press("Switch on")
	b.sees("Calls left")
	b.audit("a fault")
	b.open(p.url + "/help")
	b.press("Show the secret")
	b.sees(p.clientSecret)
	b.audit("the secret")

	sent(t, client, "With mistakes", ann, ben)
	b.open(p.url + "/documents/14")
	b.follow("Open the page of ben@example.com")
	b.sees("It is not your turn yet")
	b.audit("not your turn")
	b.openToSign(p, ann)
	b.fill("Fee", "fifteen")
	b.press("Sign")
	b.sees("Nothing is signed yet")
	b.audit("values that are wrong")
	link := b.address()
	b.fill("Fee", "")
	b.fillAndSign()
	b.audit("thank you")
	b.open(link)
	b.audit("signed already")
	b.openToSign(p, ben)
	b.audit("fields that are filled")
	b.press("Decline")
	b.sees("Your answer is noted")
	b.audit("declined")
}

// The rules find what they are there for: a page that breaks them all.
func TestAudit_findsWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.open("data:text/html,<html><title></title><body><div style='width:3000px'><h2>x</h2><h4>y</h4><img src='data:,'><input id=a>" +
		"<input id=a aria-invalid=true aria-describedby=none><p style='color:%23bbb;background:%23fff'>pale</p><a href='/1'></a><button style='outline:none' tabindex=1></button>" +
		"<button>a</button><button style='width:9px;height:9px;padding:0'>b</button><button style='width:9px;height:9px;padding:0'>c</button>" +
		"<table><tr><th></th></tr></table><ul><p>z</p></ul><p class=error>wrong</p><input type=radio><div style='overflow:auto;height:9px'>1<br>2<br>3</div>")
	found := strings.Join(ask[[]string](b, audit), "\n")
	for _, want := range []string{
		"no language", "no title", "zoomed", "one main", "one h1", "follows one of level", "outside of all landmarks", "skips to the content",
		"the id a is not unique", "points to nothing", "positive tabindex", "no alternative", "children that are no items", "no caption", "no scope", "header is empty",
		"no label", "not told beside it", "belongs to no input", "in no group", "a link has no name", "a button has no name", "px large", "its contrast is",
		"not by keyboard", "px wide on a screen",
	} {
		assert.Contains(t, found, want)
	}
}
