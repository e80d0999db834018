package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// pages are plain and work without scripts. The program brings better ones by
// [Options.Pages]; these make every link of a mail work in a test.
//
//nolint:gochecknoglobals // parsed once, never changed
var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.}} - Revv sandbox</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}
label{display:block;margin:.75rem 0}input{font:inherit;width:100%;box-sizing:border-box}button{font:inherit;padding:.4rem 1rem;margin-right:.5rem}
dt{font-weight:600}dd{margin:0 0 .5rem}</style></head><body><main><h1>{{.}}</h1>{{end}}
{{define "foot"}}</main></body></html>
{{end}}
{{define "paper"}}<p>{{.Number}}, {{.Stage}}</p><dl>{{range .Fields}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>{{end}}
{{define "document"}}{{template "head" .Title}}{{template "paper" .Document}}{{with .PDF}}<p><a href="{{.}}">Download as PDF</a></p>{{end}}{{template "foot"}}{{end}}
{{define "sign"}}{{template "head" .Title}}<p>For {{.View.Party.Email}}</p>{{with .Error}}<p role="alert">{{.}}</p>{{end}}
{{if .View.Open}}<form method="post">{{range .Inputs}}
<label>{{.Name}}{{if .Required}} (required){{end}}{{with .Error}} - {{.}}{{end}}<input name="{{.Input}}" value="{{.Value}}"{{if eq .Type "date"}} type="date"{{end}}{{if .Required}} required{{end}}{{if .Locked}} readonly{{end}}></label>{{end}}
<button name="answer" value="sign">Sign</button></form>
<form method="post"><label>Reason<input name="reason"></label><button name="answer" value="decline">Decline</button></form>
{{else}}{{template "paper" .View.Document}}<p>{{if .View.Waiting}}It is not your turn yet.{{else}}Nothing is left to do here.{{end}}</p>{{end}}{{template "foot"}}{{end}}
{{define "answer"}}{{template "head" .Title}}<p>For {{.View.Party.Email}}</p>{{with .Error}}<p role="alert">{{.}}</p>{{end}}{{template "paper" .View.Document}}
{{if .View.Open}}<form method="post" action="{{.Accept}}"><button>{{.Label}}</button></form>
<form method="post" action="{{.Reject}}"><label>Reason<input name="reason"></label><button>Reject</button></form>
{{else}}<p>Nothing is left to do here.</p>{{end}}{{template "foot"}}{{end}}
{{define "done"}}{{template "head" .Title}}<p>Thank you. {{.Document.Number}} is {{.Document.Stage}} now.</p>{{template "foot"}}{{end}}
{{define "problem"}}{{template "head" .Title}}<p>{{.Message}}</p>{{template "foot"}}{{end}}
{{define "consent"}}{{template "head" .Title}}{{with .Consent}}<p>{{.AppName}} asks {{.UserEmail}} for permission to</p>
<ul><li>create documents on your behalf</li><li>send documents on your behalf</li><li>download signed documents</li></ul>
<form method="post" action="/oauth/authorize"><input type="hidden" name="ticket" value="{{.Ticket}}">
<button name="decision" value="authorize">Authorize</button><button name="decision" value="cancel">Cancel</button></form>{{end}}{{template "foot"}}{{end}}
`))

// checkPages reports which of the templates that the sandbox renders are missing.
func checkPages(given *template.Template) error {
	if given == nil {
		return nil
	}
	var problems []error
	for _, name := range []string{"document", "sign", "answer", "done", "problem", "consent"} {
		if given.Lookup(name) == nil {
			problems = append(problems, fmt.Errorf("Pages: the template %q is missing", name))
		}
	}
	return errors.Join(problems...)
}

// htmlAnswer renders one of the pages.
func (s *Sandbox) htmlAnswer(status int, name string, data map[string]any) *answer {
	templates, styles := s.opts.Pages, "'self'"
	if templates == nil {
		templates, styles = pages, "'unsafe-inline'"
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return newAnswer(http.StatusInternalServerError, "text/plain; charset=utf-8", fmt.Appendf(nil, "the sandbox could not render its page: %v", err))
	}
	reply := newAnswer(status, "text/html; charset=utf-8", b.Bytes())
	policy := "default-src 'none'; style-src " + styles + "; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
	if name != "consent" { // its form ends at the application, and browsers hold the redirect to form-action, too
		policy += "; form-action 'self'"
	}
	reply.header.Set("Content-Security-Policy", policy)
	return reply
}

// problemPage tells a person why there is no page. Link says that a link from a mail
// is of no use.
func (s *Sandbox) problemPage(op *operation, p *Problem) *answer {
	reply := s.htmlAnswer(p.Status, "problem", map[string]any{
		"Title": http.StatusText(p.Status), "Message": asSentence(p),
		"Link": p.Status == http.StatusNotFound && strings.HasPrefix(op.name, "Shared."),
	})
	reply.problem = p.Message
	return reply
}

// donePage thanks the party that has answered.
func (a *account) donePage(l link) *answer {
	view := a.view(l)
	return a.sandbox.htmlAnswer(http.StatusOK, "done", map[string]any{"Title": view.Document.Title, "Document": view.Document, "View": view})
}

// authorizePage asks the user, or sends the application its mistake.
func (a *account) authorizePage(c *call) (any, error) {
	consent, err := a.beginConsent(c.request.URL.RawQuery)
	if r, ok := errors.AsType[*redirect](err); ok {
		return redirectAnswer(r.location), nil
	}
	if err != nil {
		return nil, err
	}
	return a.sandbox.htmlAnswer(http.StatusOK, "consent", map[string]any{"Title": "Authorize " + consent.AppName, "Consent": consent}), nil
}

// consentForm carries the user's decision back to the application.
func (a *account) consentForm(c *call) (any, error) {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, badRequest("the form is malformed")
	}
	decision := form.Get("decision")
	if decision != "authorize" && decision != "cancel" {
		return nil, badRequest("the decision must be authorize or cancel")
	}
	location, err := a.decideConsent(form.Get("ticket"), decision == "authorize")
	if err != nil {
		return nil, err
	}
	return redirectAnswer(location), nil
}

// redirectAnswer sends a browser on with a GET.
func redirectAnswer(location string) *answer {
	reply := newAnswer(http.StatusSeeOther, "text/plain; charset=utf-8", nil)
	reply.header.Set("Location", location)
	return reply
}
