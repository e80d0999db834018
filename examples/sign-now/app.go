package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/revv-go/revv"
)

// app is a web application whose customer has contracts to sign. It stores the object ids
// of their documents but no links, because whoever has a magic link can read the document
// permanently.
type app struct {
	documents *revv.DocumentsService
	contracts []contract
	password  [sha256.Size]byte
	log       *slog.Logger
}

// contract is what the application knows of a document of its customer.
type contract struct {
	Number revv.DocumentNumber
	Title  string
	Object revv.ObjectID
}

// patience is how long a click may take: somebody is waiting.
const patience = 10 * time.Second

// signNow answers the click: it makes the link and sends it to the browser that clicked,
// in a redirect that is not stored.
func (a *app) signNow(w http.ResponseWriter, r *http.Request) {
	contract, ok := a.find(revv.DocumentNumber(r.PathValue("number")))
	if !ok {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	link, err := a.documents.MagicLink(ctx, contract.Object)
	if err != nil {
		a.log.Error("no link", "document", contract.Number, "error", err) // the error holds no secret
		http.Error(w, "The contract cannot be opened at the moment. Please go back and try again.", http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, link.URL(), http.StatusSeeOther)
}

// find looks only among the customer's own contracts: the number in the path comes from
// the browser and cannot be trusted.
func (a *app) find(number revv.DocumentNumber) (contract, bool) {
	for _, c := range a.contracts {
		if c.Number == number {
			return c, true
		}
	}
	return contract{}, false
}

// handler puts the application together: a log without answers, headers that keep answers
// out of caches and addresses away from other sites, and protection against forms of
// other sites and users who are not signed in.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.page)
	mux.HandleFunc("POST /contracts/{number}/sign", a.signNow)
	return a.logged(private(http.NewCrossOriginProtection().Handler(a.signedIn(mux))))
}

// private sets the headers of every answer, because each is for one person.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY") // nobody lays the button under another one
		next.ServeHTTP(w, r)
	})
}

// signedIn lets the customer in. Put the sessions of your application here.
func (a *app) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		given := sha256.Sum256([]byte(password))
		if right := subtle.ConstantTimeCompare(given[:], a.password[:]) == 1; user != customer || !right {
			w.Header().Set("WWW-Authenticate", `Basic realm="contracts"`)
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// customer is the name of the only user.
const customer = "customer"

// logged logs what was requested and how it ended. Never log the headers of an answer
// here: Location is the link.
func (a *app) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		a.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", status.status)
	})
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// page lists the contracts, each with a button. The button is a form and not a link,
// because what follows links ahead of the user, such as a mail scanner or a prefetch,
// does not post forms.
func (a *app) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := pageTemplate.Execute(w, a.contracts); err != nil {
		a.log.Error("page", "error", err)
	}
}

// pageTemplate is the page with the buttons.
//
//nolint:gochecknoglobals // parsed once, never changed
var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Your contracts</title></head>
<body>
<h1>Your contracts</h1>
{{range .}}<form method="post" action="/contracts/{{.Number}}/sign"><p>{{.Title}} ({{.Number}}) <button>Sign now</button></p></form>
{{else}}<p>There is nothing to sign.</p>
{{end}}</body>
</html>
`))
