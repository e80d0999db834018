package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	patience = 15 * time.Second      // with a page that is not as it should be
	longest  = 90 * time.Second      // that a test may take
	glance   = 40 * time.Millisecond // between two looks at a page
)

// tab is a window of the browser that belongs to one test. Whatever it waits for,
// it waits for no longer than the test may take.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is what chromedp knows a window by

	mu       sync.Mutex
	problems []string // what a page must not do
	expected string   // the part of a problem that the test asks for
}

// newTab opens a window with cookies and storage of its own. When the test ends,
// no page may have thrown, complained, asked anything or called anybody else.
func newTab(t *testing.T) *tab {
	t.Helper()
	b := &tab{t: t}
	window, closeWindow := chromedp.NewContext(theBrowser,
		chromedp.WithNewBrowserContext(), chromedp.WithNewWindow(true), chromedp.WithListener(b.watch))
	t.Cleanup(closeWindow)
	opening := context.AfterFunc(t.Context(), closeWindow)
	require.NoError(t, chromedp.Do(window), "a window opens")
	opening()
	ctx, cancel := context.WithTimeout(window, longest)
	t.Cleanup(cancel)
	b.ctx = ctx
	call(b, cdplog.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, accessibility.Enable, cdp.Empty{})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.size(1200, 800)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Empty(t, b.problems, "the pages have problems")
	})
	return b
}

// size makes the window as large as the screen of some device.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

// watch notes what a page must not do.
func (b *tab) watch(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			problem = "console." + string(e.Type)
		}
	case *cdplog.EventEntryAdded:
		// An answer such as 404 or 422 is an error in this log, too; it is part of
		// some tests, and seen by the others.
		if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork {
			problem = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		problem = "dialog: " + e.Message
		go func() { // this function must not call the browser
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
			problem = "a request leaves this machine: " + e.Request.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if problem == "" || b.expected != "" && strings.Contains(problem, b.expected) {
		return
	}
	b.problems = append(b.problems, problem)
}

// call runs a command of the browser.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	require.NoError(b.t, err, command.Method)
	return result
}

// ask is the value of an expression on the page, or of its promise.
func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, "%.80s", expression)
	return value
}

// do runs actions of the browser.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// open goes to a page, as by the address bar.
func (b *tab) open(target string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(target)), "open a page")
}

// reload is what a person does who wants to see what is new.
func (b *tab) reload() {
	b.t.Helper()
	b.do(chromedp.Reload())
}

// until looks again until the page is as it should be.
func (b *tab) until(what string, done func() (bool, error)) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		ok, err := done() // fails on a page that is just being left
		if ok && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("there was no %s (%v)\nThe page says:\n%s", what, err, b.lastWords())
		case <-ticker.C:
		}
	}
}

// lastWords is the page as it was when the patience was over.
func (b *tab) lastWords() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// sees waits until the page shows each of the texts.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	for _, want := range texts {
		b.until(fmt.Sprintf("text %q", want), func() (bool, error) {
			text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](pageText))
			return strings.Contains(text, want), err
		})
	}
}

// pageText is what a page shows, without line breaks.
const pageText = `document.body ? document.body.innerText.replace(/\s+/g, " ") : ""`

// text is what the page shows.
func (b *tab) text() string { b.t.Helper(); return ask[string](b, pageText) }

// address is the URL of the page.
func (b *tab) address() string { b.t.Helper(); return ask[string](b, "location.href") }

// element is something on a page, as assistive technology is told about it.
type element struct {
	role, name, description, value string

	invalid bool
	node    cdp.BackendNodeID
}

// elements lists what is on the page, in its order.
func (b *tab) elements() ([]element, error) {
	document, err := chromedp.Call(b.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
	if err != nil {
		return nil, err
	}
	tree, err := chromedp.Call(b.ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{ObjectID: document.Result.ObjectID})
	if err != nil {
		return nil, err
	}
	all := make([]element, 0, len(tree.Nodes))
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		e := element{role: said(n.Role), name: said(n.Name), description: said(n.Description), value: said(n.Value), node: n.BackendDOMNodeID}
		for _, p := range n.Properties {
			if p.Name == accessibility.PropertyNameInvalid {
				e.invalid = said(p.Value) == "true"
			}
		}
		all = append(all, e)
	}
	return all, nil
}

func said(v *accessibility.Value) string {
	if v == nil || len(v.Value) == 0 {
		return ""
	}
	var text string
	if json.Unmarshal(v.Value, &text) != nil {
		return string(v.Value) // a number or a truth value
	}
	return text
}

// The roles of what takes a text or a choice.
var inputRoles = []string{"textbox", "searchbox", "spinbutton", "combobox", "checkbox", "radio", "Date"}

// named is what has one of the roles and a name that begins with name: a label
// goes on with what is required, a link with what it belongs to.
func named(name string, roles ...string) func(element) bool {
	return func(e element) bool { return slices.Contains(roles, e.role) && strings.HasPrefix(e.name, name) }
}

// has reports whether the page has such an element now.
func (b *tab) has(name string, roles ...string) bool {
	b.t.Helper()
	all, err := b.elements()
	require.NoError(b.t, err)
	return slices.ContainsFunc(all, named(name, roles...))
}

// find waits for such an element.
func (b *tab) find(name string, roles ...string) element {
	b.t.Helper()
	e, _, _ := b.locate(fmt.Sprintf("%s %q", strings.Join(roles, " or "), name), named(name, roles...))
	return e
}

// locate waits for an element and returns its middle, having brought it into view.
// What the page replaces in between, as live updates do, is looked for again.
func (b *tab) locate(what string, wanted func(element) bool) (found element, x, y float64) {
	b.t.Helper()
	b.until(what, func() (bool, error) {
		all, err := b.elements()
		i := slices.IndexFunc(all, wanted)
		if err != nil || i < 0 {
			return false, err
		}
		found = all[i]
		if _, err := chromedp.Call(b.ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: found.node}); err != nil {
			return false, err
		}
		place, err := chromedp.Call(b.ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: found.node})
		if err != nil || len(place.Quads) == 0 {
			return false, err
		}
		x, y = 0, 0
		for corner := 0; corner < 8; corner += 2 {
			x += place.Quads[0][corner] / 4
			y += place.Quads[0][corner+1] / 4
		}
		return true, nil
	})
	return found, x, y
}

// click presses the mouse in the middle of an element, whatever lies there.
func (b *tab) click(name string, roles ...string) {
	b.t.Helper()
	b.clickOn(fmt.Sprintf("%s %q", strings.Join(roles, " or "), name), named(name, roles...))
}

func (b *tab) clickOn(what string, wanted func(element) bool) {
	b.t.Helper()
	_, x, y := b.locate(what, wanted)
	b.do(chromedp.MouseClickXY(x, y))
}

func (b *tab) press(button string) { b.t.Helper(); b.click(button, "button") }
func (b *tab) follow(link string)  { b.t.Helper(); b.click(link, "link") }

// openMail follows the main link of a mail in the outbox: its name ends with the
// address of whom it went to.
func (b *tab) openMail(address string) {
	b.t.Helper()
	b.clickOn("mail to "+address, func(e element) bool {
		return e.role == "link" && strings.HasPrefix(e.name, "Open ") && strings.HasSuffix(e.name, ", "+address)
	})
}

// fill puts a text into the input with the label, in the place of what is there.
func (b *tab) fill(label, text string) {
	b.t.Helper()
	e := b.find(label, inputRoles...)
	if e.role == "Date" || e.role == "combobox" {
		b.set(e, text)
		return
	}
	b.click(label, e.role)
	b.on(e, `function() { this.select() }`)
	if text == "" {
		b.do(chromedp.KeyEvent(kb.Delete))
		return
	}
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

// set fills what people open a list or a calendar for.
func (b *tab) set(e element, value string) {
	b.t.Helper()
	quoted, err := json.Marshal(value)
	require.NoError(b.t, err)
	b.on(e, `function() {
		const text = `+string(quoted)+`;
		const option = [...(this.options || [])].find((o) => o.label === text);
		this.value = option ? option.value : text;
		this.dispatchEvent(new Event("input", {bubbles: true}));
		this.dispatchEvent(new Event("change", {bubbles: true}));
	}`)
}

// on calls a function with the element as its "this".
func (b *tab) on(e element, function string) {
	b.t.Helper()
	object := call(b, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: e.node}).Object
	result := call(b, runtime.CallFunctionOn, runtime.CallFunctionOnParams{FunctionDeclaration: function, ObjectID: object.ObjectID})
	require.Nil(b.t, result.ExceptionDetails, function)
}
