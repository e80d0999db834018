// Package console is the face of the sandbox program: web pages, rendered on the
// server, in which a developer sees what their program did, answers the mails that
// it sent, and makes calls go wrong on purpose. They work without scripts; a small
// one keeps them up to date.
package console

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/revv-go/revv/internal/sandbox"
)

// Console is a sandbox with its web pages. It is safe for concurrent use.
type Console struct {
	sandbox   *sandbox.Sandbox
	mux       *http.ServeMux
	pages     map[string]*template.Template // by name of the page
	listeners chan struct{}                 // holds a token for each page that follows changes
}

// New builds the sandbox and the pages around it. They answer under the names of
// loopback, under the host of the base URL, under any IP address and under the
// names in opts.Hosts. Pages of other sites may call the API if they are on loopback
// or their origin is in opts.Origins.
func New(opts sandbox.Options) (*Console, error) {
	pages, public, err := parseTemplates()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c := &Console{pages: pages, listeners: make(chan struct{}, maxListeners)}
	if c.mux, err = c.routes(); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	opts.Fallback = http.HandlerFunc(c.servePage)
	opts.Pages = public
	opts.Hosts = append([]string{}, opts.Hosts...)     // not nil, which would be any name
	opts.Origins = append([]string{}, opts.Origins...) // nor any origin
	if c.sandbox, err = sandbox.New(opts); err != nil {
		return nil, err
	}
	return c, nil
}

// Sandbox is the service behind the pages.
func (c *Console) Sandbox() *sandbox.Sandbox { return c.sandbox }

// Handler serves everything: the API, OAuth, the links of mails and the pages.
func (c *Console) Handler() http.Handler { return c.sandbox.Handler() }

// Close closes the sandbox and ends all live updates.
func (c *Console) Close() { c.sandbox.Close() }

// handler answers a request for a page. An error that is a *sandbox.Problem is
// told on a page of its own.
type handler func(w http.ResponseWriter, r *http.Request) error

func (c *Console) routes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /{$}":                              c.documentsPage,
		"GET /documents/{id}":                   c.documentPage,
		"GET /documents/{id}/pdf":               c.documentPDF,
		"POST /documents/{id}/complete":         c.completeDocument,
		"GET /folders":                          c.foldersPage,
		"POST /folders":                         c.createFolder,
		"GET /contacts":                         c.contactsPage,
		"GET /templates":                        c.templatesPage,
		"POST /templates":                       c.createTemplate,
		"GET /templates/new":                    c.newTemplatePage,
		"GET /templates/{id}":                   c.templatePage,
		"POST /templates/{id}/documents":        c.createDocument,
		"GET /outbox":                           c.outboxPage,
		"GET /outbox.json":                      c.outboxData,
		"GET /webhooks":                         c.webhooksPage,
		"GET /webhooks/deliveries/{id}":         c.deliveryPage,
		"POST /webhooks/deliveries/{id}/resend": c.resendDelivery,
		"GET /traffic":                          c.trafficPage,
		"GET /traffic.json":                     c.trafficData,
		"GET /traffic/{id}":                     c.requestPage,
		"POST /traffic/clear":                   c.clearTraffic,
		"GET /faults":                           c.faultsPage,
		"POST /faults":                          c.addFault,
		"POST /faults/clear":                    c.clearFaults,
		"GET /help":                             c.helpPage,
		"POST /help/secret":                     c.secretPage,
		"GET /help/secret":                      c.noSecretPage,
		"GET /events":                           c.events,
	} {
		mux.Handle(pattern, c.page(h))
	}
	if err := serveAssets(mux); err != nil {
		return nil, err
	}
	mux.Handle("/", c.page(func(http.ResponseWriter, *http.Request) error { return missing("page") }))
	return mux, nil
}

// servePage answers everything that the sandbox leaves to its pages.
func (c *Console) servePage(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", c.sandbox.ReferrerPolicy(r))
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store") // nearly every page shows a secret, be it a link
	if _, pattern := c.mux.Handler(r); pattern == "/" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		// A program that came here has the path of an operation wrong: it is told so,
		// and its request is among the traffic.
		c.sandbox.NotFound(w, r)
		return
	}
	if err := c.sandbox.Guard(r); err != nil {
		c.problem(w, err)
		return
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := parseForm(r); err != nil {
			c.problem(w, err)
			return
		}
	}
	c.mux.ServeHTTP(w, r)
}

const maxForm = 1 << 20 // bytes of a form

// parseForm reads the form of a request, of either kind. Where a handler reads it by
// itself, with PostFormValue, one that cannot be read is like one without fields.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxForm) //nolint:gosec // the body is limited already
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &sandbox.Problem{Status: http.StatusRequestEntityTooLarge, Message: "The form is larger than 1 MiB. Nothing was changed."}
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return &sandbox.Problem{Status: http.StatusBadRequest, Message: "The form could not be read: " + err.Error() + ". Nothing was changed."}
	}
	return nil
}

// page makes a handler of net/http of h.
func (c *Console) page(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			c.problem(w, err)
		}
	})
}

// onlyInputs refuses a form with an input that the page does not have, or has once, and one
// that is in the query, where nobody reads it.
func onlyInputs(r *http.Request, names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(r.Form)) { // query and body
		if len(r.Form[name]) > 1 || len(r.PostForm[name]) == 0 || !slices.Contains(names, name) {
			return &sandbox.Problem{Status: http.StatusBadRequest, Message: fmt.Sprintf("%.40q: this form has, once each and in the body, %s. Nothing was changed.", name, strings.Join(names, ", "))}
		}
	}
	return nil
}
