package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/revv-go/revv/internal/sandbox"
)

const (
	firstRows = 3   // empty rows of a new form
	mostRows  = 100 // fields of a template that is made here
)

// templateForm is what has been filled in for a new template.
type templateForm struct {
	Title      string
	TitleError string
	Rows       []fieldRow
	Problem    string
}

// fieldRow is one field of it. A row without a name is left out.
type fieldRow struct {
	Index    int
	Number   int // counted from 1, for people
	Name     string
	Type     string
	Required bool
	Error    string
}

func (f *templateForm) grow(n int) {
	for range n {
		if len(f.Rows) < mostRows {
			f.Rows = append(f.Rows, fieldRow{Index: len(f.Rows), Number: len(f.Rows) + 1, Type: sandbox.FieldText})
		}
	}
}

// readTemplateForm reads the form; its rows are numbered, since a box that is not
// ticked is not sent.
func readTemplateForm(form url.Values) templateForm {
	f := templateForm{Title: strings.TrimSpace(form.Get("title"))}
	for i := range mostRows {
		suffix := "-" + strconv.Itoa(i)
		if !form.Has("name" + suffix) {
			break
		}
		f.grow(1)
		row := &f.Rows[i]
		row.Name = strings.TrimSpace(form.Get("name" + suffix))
		row.Type = form.Get("type" + suffix)
		row.Required = form.Has("required" + suffix)
	}
	return f
}

// check notes at each place what is wrong there, and returns the template.
func (f *templateForm) check() (t sandbox.Template, ok bool) {
	t.Title, ok = f.Title, true
	if f.TitleError = titleProblem(f.Title); f.TitleError != "" {
		ok = false
	}
	seen := map[string]int{}
	for i := range f.Rows {
		row := &f.Rows[i]
		if row.Name == "" {
			if row.Required {
				row.Error, ok = "A required field needs a name.", false
			}
			continue
		}
		if first := seen[row.Name]; first > 0 {
			row.Error, ok = fmt.Sprintf("Field %d has this name already.", first), false
		} else if problem := titleProblem(row.Name); problem != "" {
			row.Error, ok = problem, false
		}
		seen[row.Name] = row.Number
		t.Fields = append(t.Fields, sandbox.Field{Name: row.Name, Type: row.Type, Required: row.Required})
	}
	return t, ok
}

// titleProblem says what is wrong with the name of something.
func titleProblem(text string) string {
	const longest = 255
	switch {
	case text == "":
		return "Give it a name."
	case len([]rune(text)) > longest:
		return fmt.Sprintf("This is longer than %d characters.", longest)
	case strings.ContainsFunc(text, func(char rune) bool { return char < ' ' || char == 0x7f }):
		return "This has characters that cannot be printed."
	}
	return ""
}

func (c *Console) newTemplatePage(w http.ResponseWriter, _ *http.Request) error {
	var f templateForm
	f.grow(firstRows)
	return c.templateForm(w, http.StatusOK, f)
}

func (c *Console) templateForm(w http.ResponseWriter, status int, f templateForm) error {
	return c.render(w, status, "newtemplate", view{Title: "New template", Nav: "templates", Data: f})
}

// createTemplate makes the template, or only gives the form more rows.
func (c *Console) createTemplate(w http.ResponseWriter, r *http.Request) error {
	f := readTemplateForm(r.PostForm)
	if r.PostForm.Get("action") == "rows" {
		f.grow(firstRows)
		return c.templateForm(w, http.StatusOK, f)
	}
	t, ok := f.check()
	if !ok {
		f.Problem = "The template was not made yet. Please look at what is marked below."
		return c.templateForm(w, http.StatusUnprocessableEntity, f)
	}
	id, err := c.sandbox.AddTemplate(t)
	if err != nil {
		f.Problem = "The template was not made: " + err.Error() + "."
		return c.templateForm(w, http.StatusUnprocessableEntity, f)
	}
	return back(w, "/templates/"+strconv.FormatInt(int64(id), 10))
}
