package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/revv-go/revv/internal/sandbox"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// view is what a page of the console is rendered from.
type view struct {
	Title string
	Nav   string // the entry of the navigation that it belongs to
	Watch string // the kinds of changes that it shows, with blanks between
	Data  any
}

// parseTemplates returns the pages of the console, each with the layout, and the
// set for the pages behind links.
func parseTemplates() (pages map[string]*template.Template, public *template.Template, err error) {
	shared, err := template.New("").Funcs(functions()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/pages/*.html")
	if err != nil {
		return nil, nil, err
	}
	pages = make(map[string]*template.Template, len(names))
	for _, name := range names {
		set, err := shared.Clone()
		if err == nil {
			set, err = set.ParseFS(templateFiles, name)
		}
		if err != nil {
			return nil, nil, err
		}
		pages[strings.TrimSuffix(path.Base(name), ".html")] = set
	}
	if public, err = shared.Clone(); err == nil {
		public, err = public.ParseFS(templateFiles, "templates/public.html")
	}
	return pages, public, err
}

func functions() template.FuncMap {
	return template.FuncMap{
		"when":    when,
		"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"person":  personName,
		"event":   eventText,
		"lower":   strings.ToLower,
		"group":   group,
		"dict":    dict,
		"add":     func(x, y int) int { return x + y },
	}
}

// when is a time as people read it. All times are in UTC, as on the wire.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04:05")
}

func personName(p sandbox.Person) string {
	if name := strings.TrimSpace(p.FirstName + " " + p.LastName); name != "" {
		return name
	}
	return p.Email
}

// eventText makes a sentence of the name of an event, as DOCUMENT_SENT_FOR_SIGN.
func eventText(name string) string {
	text := strings.ToLower(strings.ReplaceAll(name, "_", " "))
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// group writes a count with commas, as 5,000.
func group(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// dict hands several values to a part.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	values := make(map[string]any)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a name that is no text")
		}
		values[name] = pairs[i+1]
	}
	return values, nil
}

// render sends a page.
func (c *Console) render(w http.ResponseWriter, status int, name string, v view) error {
	var b bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&b, "layout", v); err != nil {
		return fmt.Errorf("the page %s cannot be rendered: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
	return nil
}

// data sends a list to a program that is no browser.
func data(w http.ResponseWriter, list any) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n'))
	return nil
}

// problem shows why there is no page.
func (c *Console) problem(w http.ResponseWriter, err error) {
	p, ok := errors.AsType[*sandbox.Problem](err)
	if !ok {
		p = &sandbox.Problem{Status: http.StatusInternalServerError, Message: "The console itself failed: " + err.Error()}
	}
	v := view{Title: http.StatusText(p.Status), Data: p.Message}
	if err := c.render(w, p.Status, "problem", v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// missing is the refusal to show what does not exist.
func missing(what string) error {
	return &sandbox.Problem{Status: http.StatusNotFound, Message: "There is no such " + what + "."}
}

// back sends the browser on with a GET after a form has done its work, so that a
// reload does not do it again.
func back(w http.ResponseWriter, where string) error {
	w.Header().Set("Location", where)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// serveAssets serves style, script and icon. Their ETags are made from their
// content, since embedded files have no time.
func serveAssets(mux *http.ServeMux) error {
	names, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := assetFiles.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("ETag", tag)
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
		})
	}
	return nil
}
