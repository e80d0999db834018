package console

import (
	"net/http"

	"github.com/revv-go/revv/internal/sandbox"
)

// helpPage says how to connect. It keeps the secret of the application to itself,
// since this is the page that one shows to others.
func (c *Console) helpPage(w http.ResponseWriter, r *http.Request) error { return c.help(w, r, false) }

// secretPage is the same with the secret. It is the answer to a form, so that no
// link and no history leads to it.
func (c *Console) secretPage(w http.ResponseWriter, r *http.Request) error { return c.help(w, r, true) }

// noSecretPage is for a browser that comes back to the address of secretPage.
func (c *Console) noSecretPage(w http.ResponseWriter, _ *http.Request) error { return back(w, "/help") }

func (c *Console) help(w http.ResponseWriter, r *http.Request, withSecret bool) error {
	app := c.sandbox.App()
	base := c.sandbox.BaseURL()
	if base == "" {
		base = "http://" + r.Host
	}
	secret, shown := "…", ""
	if withSecret {
		secret, shown = app.ClientSecret, app.ClientSecret
	}
	redirect := ""
	if len(app.RedirectURLs) > 0 {
		redirect = app.RedirectURLs[0]
	}
	return c.render(w, http.StatusOK, "help", view{Title: "Connect a program", Nav: "help", Data: struct {
		App          sandbox.App
		Base, Secret string
		Environment  []string
		Email        string
		Password     string
		Organisation string
	}{
		app, base, shown,
		[]string{
			"export REVV_BASE_URL=" + base,
			"export REVV_CLIENT_ID=" + app.ClientID,
			"export REVV_CLIENT_SECRET=" + secret,
			"export REVV_REDIRECT_URL=" + redirect,
			"export REVV_WEBHOOK_URL=http://127.0.0.1:8788",
			"export REVV_SIGNERS=first.signer@example.com,second.signer@example.com",
			"go run ./examples/quickstart",
		},
		sandbox.OwnerEmail, sandbox.OwnerPassword, sandbox.Organisation,
	}})
}
