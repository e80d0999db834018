package console_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

var (
	tagForm  = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"]|"[^"]*")*)>`)
	attrForm = regexp.MustCompile(`([a-zA-Z-]+)(?:="([^"]*)")?`)
)

// element is a start tag.
type element struct {
	name  string
	attrs map[string]string
}

// checkHTML holds a page against the rules that every page keeps: tags that nest,
// ids that are there once, controls with names, headings in their order, and no
// script or style but those in files.
func checkHTML(t *testing.T, where, page string) {
	t.Helper()
	assert.True(t, strings.HasPrefix(page, "<!DOCTYPE html>\n<html lang=\"en\">"), where)
	void := []string{"meta", "link", "input", "img", "br"}
	var open []string
	var elements []element
	rest := tagForm.ReplaceAllStringFunc(strings.TrimPrefix(page, "<!DOCTYPE html>"), func(tag string) string {
		m := tagForm.FindStringSubmatch(tag)
		name := m[2]
		switch {
		case m[1] == "" && !slices.Contains(void, name):
			open = append(open, name)
		case m[1] != "" && (len(open) == 0 || open[len(open)-1] != name):
			assert.Fail(t, "tags do not nest", "%s: </%s> within %v", where, name, open)
		case m[1] != "":
			open = open[:len(open)-1]
		}
		if m[1] == "" {
			e := element{name, map[string]string{}}
			for _, a := range attrForm.FindAllStringSubmatch(m[3], -1) {
				if _, twice := e.attrs[a[1]]; twice {
					assert.Fail(t, "attribute twice", "%s: %s", where, tag)
				}
				e.attrs[a[1]] = a[2]
			}
			elements = append(elements, e)
		}
		return ""
	})
	assert.Empty(t, open, "%s: not closed", where)
	assert.NotContains(t, rest, "<", "%s: a bare < in the text", where)
	assert.NotContains(t, page, "ZgotmplZ", "%s: html/template has refused a value", where)

	ids := map[string]bool{}
	labels := map[string]bool{}
	for _, e := range elements {
		if id, ok := e.attrs["id"]; ok {
			assert.False(t, ids[id], "%s: the id %q is there twice", where, id)
			ids[id] = true
		}
		if e.name == "label" {
			labels[e.attrs["for"]] = true
		}
	}
	heading := 0
	ones := 0
	for _, e := range elements {
		checkElement(t, where, e, ids, labels)
		if len(e.name) == 2 && e.name[0] == 'h' && e.name[1] >= '1' && e.name[1] <= '6' {
			level := int(e.name[1] - '0')
			assert.LessOrEqual(t, level, heading+1, "%s: a heading is left out before %s", where, e.name)
			if heading = level; level == 1 {
				ones++
			}
		}
	}
	assert.Equal(t, 1, ones, "%s: one h1", where)
}

func checkElement(t *testing.T, where string, e element, ids, labels map[string]bool) {
	t.Helper()
	for name, value := range e.attrs {
		assert.False(t, strings.HasPrefix(name, "on") || name == "style", "%s: inline %s", where, name)
		switch name {
		case "aria-describedby", "aria-labelledby", "for":
			for id := range strings.FieldsSeq(value) {
				assert.True(t, ids[id], "%s: %s=%q leads nowhere", where, name, id)
			}
		}
	}
	switch e.name {
	case "script":
		assert.Equal(t, "/assets/console.js", e.attrs["src"], where)
	case "style", "iframe", "object", "embed", "base":
		assert.Fail(t, "element", "%s: %s", where, e.name)
	case "th":
		assert.Contains(t, []string{"row", "col"}, e.attrs["scope"], where)
	case "img":
		assert.Contains(t, e.attrs, "alt", where)
	case "form":
		assert.Contains(t, []string{"get", "post"}, e.attrs["method"], where)
	case "input", "select", "textarea":
		if e.attrs["type"] != "hidden" {
			assert.True(t, labels[e.attrs["id"]], "%s: %s %q has no label", where, e.name, e.attrs["name"])
		}
		if e.attrs["aria-invalid"] == "true" {
			assert.NotEmpty(t, e.attrs["aria-describedby"], "%s: %q is wrong without saying why", where, e.attrs["name"])
		}
	}
}

// The check itself finds what it is for.
func TestCheckHTML(t *testing.T) {
	t.Parallel()
	const good = "<!DOCTYPE html>\n<html lang=\"en\"><body><h1>a</h1>%s</body></html>"
	for name, part := range map[string]string{
		"nesting": "<p><b></p></b>", "open": "<p>", "bare": "a < b", "id twice": `<p id="a"></p><p id="a"></p>`, "label": `<input name="a">`,
		"heading": "<h3>a</h3>", "inline": `<p onclick="x"></p>`, "script": "<script></script>", "scope": "<table><th></th></table>",
		"reference": `<p aria-labelledby="b"></p>`, "second h1": "<h1>b</h1>", "attribute": `<p class="a" class="b"></p>`,
	} {
		probe := &testing.T{}
		checkHTML(probe, name, fmt.Sprintf(good, part))
		assert.True(t, probe.Failed(), name)
	}
	checkHTML(t, "good", fmt.Sprintf(good, `<h2 id="a">b</h2><label for="c">d</label><input id="c" required>`))
}
