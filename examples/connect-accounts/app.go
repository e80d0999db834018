package main

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// app is one replica of the web application. All state of its customers is in the store
// and in their cookies, so that any replica can serve any request.
type app struct {
	config    revv.OAuthConfig
	baseURL   string
	database  *sqliteStore
	store     revv.TokenStore // the database, sealed
	cookieKey []byte
	secure    bool // cookies go over https alone
	logger    *slog.Logger
	network   *http.Transport // of all clients, so that customers share connections
	options   []revv.Option   // of all clients

	mu      sync.Mutex
	clients map[string]customerClient
}

// customerClient is the client of a customer, for one account in the store.
type customerClient struct {
	*revv.Client

	account string
}

// newApp opens a replica. The tokens are sealed, and the cookies signed, with keys
// that are made of key, which is the same for all replicas.
func newApp(ctx context.Context, config revv.OAuthConfig, baseURL, databasePath string, key []byte, logger *slog.Logger) (*app, error) {
	config.Logger = logger // renewals happen behind the requests, and failed ones are not always seen in them
	if len(key) != 32 {
		return nil, fmt.Errorf("the key must be of 32 bytes, not %d", len(key))
	}
	tokenKey, err := hkdf.Key(sha256.New, key, nil, "tokens", 32)
	if err != nil {
		return nil, err
	}
	cookieKey, err := hkdf.Key(sha256.New, key, nil, "cookies", 32)
	if err != nil {
		return nil, err
	}
	database, err := openStore(ctx, databasePath)
	if err != nil {
		return nil, err
	}
	sealed, err := revv.NewEncryptedStore(database, tokenKey)
	if err != nil {
		return nil, errors.Join(err, database.Close())
	}
	network := revv.NewTransport()
	return &app{
		network: network, options: []revv.Option{revv.WithHTTPClient(&http.Client{Transport: network})},
		config: config, baseURL: baseURL, database: database, store: sealed, cookieKey: cookieKey,
		secure: strings.HasPrefix(config.RedirectURL, "https:"), logger: logger, clients: make(map[string]customerClient),
	}, nil
}

// settle waits for the renewals that are under way, whichever client began them: one
// client does so for all of a store.
func (a *app) settle(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, client := range a.clients {
		return client.Settle(ctx)
	}
	return nil
}

func (a *app) close() error {
	a.network.CloseIdleConnections()
	return a.database.Close()
}

// handler returns the pages of the application. Customers sign in, connect their
// own account, and see what is in it.
func (a *app) handler() (http.Handler, error) {
	start, callback, err := a.config.Handlers(a.connected)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.Handle("POST /connect", a.signedIn(func(w http.ResponseWriter, r *http.Request, customer string) {
		a.setCookie(w, connectingCookie, customer, "/callback")
		start.ServeHTTP(w, r)
	}))
	mux.Handle("GET /callback", callback)
	mux.Handle("GET /templates", a.signedIn(a.templates))
	mux.Handle("POST /disconnect", a.signedIn(a.disconnect))
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// connected is called when a customer comes back from the consent page. The pair is saved
// for the customer who began, and who must still be signed in: the SDK knows browsers,
// but not who uses them.
func (a *app) connected(w http.ResponseWriter, r *http.Request, token *oauth2.Token, err error) {
	customer, ok := a.customer(r)
	began, known := a.named(r, connectingCookie)
	switch {
	case !ok:
		a.page(w, http.StatusUnauthorized, "", "Please sign in.")
	case !known || began != customer:
		a.page(w, http.StatusConflict, customer, "Somebody else has begun this. Please connect your account.")
	case errors.Is(err, revv.ErrForbidden):
		a.page(w, http.StatusOK, customer, "You have not agreed, so nothing is connected.")
	case err != nil:
		a.fail(w, customer, err)
	default:
		// A name of its own: if the pair is that of another account, nothing that was begun
		// in the old one, as a document that is sent by its id, goes on in the new one.
		account := customer + "/" + rand.Text()
		err := revv.SaveToken(r.Context(), a.store, account, token)
		if err == nil {
			err = a.database.connect(r.Context(), customer, account)
		}
		if err != nil {
			err = errors.Join(err, a.database.Forget(r.Context(), account)) // nobody would use it
			a.fail(w, customer, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// clientOf returns the client of a customer's own account. The client is kept, so that
// requests at the same time share one renewal, but only while the customer is connected to
// its account: a client uses a token as long as the service accepts it, and would not notice
// that the customer has disconnected, or connected again, at another replica.
func (a *app) clientOf(ctx context.Context, customer string) (*revv.Client, error) {
	account, err := a.database.connection(ctx, customer)
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(err, revv.ErrNoToken) {
		delete(a.clients, customer) // nobody will use it again
	}
	if err != nil {
		return nil, err
	}
	if kept, ok := a.clients[customer]; ok && kept.account == account {
		return kept.Client, nil
	}
	auth, err := a.config.Authenticator(a.store, account)
	if err != nil {
		return nil, err
	}
	client, err := revv.NewClient(auth, append(a.options, revv.WithBaseURL(a.baseURL))...)
	if err == nil {
		a.clients[customer] = customerClient{client, account}
	}
	return client, err
}

// templates lists the templates of the customer's account.
func (a *app) templates(w http.ResponseWriter, r *http.Request, customer string) {
	client, err := a.clientOf(r.Context(), customer)
	if err != nil {
		a.fail(w, customer, err)
		return
	}
	var titles []string
	for item, err := range client.Templates.All(r.Context(), revv.ListTemplatesParams{Status: revv.ActiveTemplates}) {
		if err != nil {
			a.fail(w, customer, err)
			return
		}
		titles = append(titles, item.Title)
	}
	a.page(w, http.StatusOK, customer, "Your templates: "+strings.Join(titles, ", "))
}

// disconnect forgets the token of the customer. The service still knows the authorization,
// which no known call ends, and the webhooks of the account: an application that has any ends
// them before.
func (a *app) disconnect(w http.ResponseWriter, r *http.Request, customer string) {
	if err := a.database.connect(r.Context(), customer, ""); err != nil {
		a.fail(w, customer, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	customer, ok := a.customer(r)
	if !ok {
		a.page(w, http.StatusOK, "", "Please sign in.")
		return
	}
	switch _, err := a.database.connection(r.Context(), customer); {
	case errors.Is(err, revv.ErrNoToken):
		a.page(w, http.StatusOK, customer, "Your account is not connected.")
	case err != nil:
		a.fail(w, customer, err)
	default:
		a.page(w, http.StatusOK, customer, "Your account is connected.")
	}
}

// fail tells the customer what to do, and logs what has happened.
func (a *app) fail(w http.ResponseWriter, customer string, err error) {
	a.logger.Warn("request failed", "customer", customer, "error", err)
	if errors.Is(err, revv.ErrNoToken) || errors.Is(err, revv.ErrReauthorizationRequired) {
		a.page(w, http.StatusConflict, customer, "Please connect your account.")
		return
	}
	a.page(w, http.StatusBadGateway, customer, "That did not work. Please try again later.")
}

const (
	cookieName       = "customer"   // who is signed in
	connectingCookie = "connecting" // who has begun to connect an account
)

// signIn takes the place of the application's own login: it accepts any name.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	customer := r.PostFormValue("customer")
	if customer == "" || len(customer) > 100 {
		a.page(w, http.StatusBadRequest, "", "A name of at most 100 bytes, please.")
		return
	}
	a.setCookie(w, cookieName, customer, "/")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) setCookie(w http.ResponseWriter, name, customer, path string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the redirect URL, which is plain http on loopback alone
		Name: name, Value: base64.RawURLEncoding.EncodeToString(append(a.sign(name, customer), customer...)),
		Path: path, HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (a *app) sign(cookie, customer string) []byte {
	mac := hmac.New(sha256.New, a.cookieKey)
	_, _ = mac.Write([]byte(cookie + "\x00" + customer)) // it never fails
	return mac.Sum(nil)
}

// customer returns who is signed in.
func (a *app) customer(r *http.Request) (customer string, ok bool) { return a.named(r, cookieName) }

// named returns whom a cookie names.
func (a *app) named(r *http.Request, name string) (customer string, ok bool) {
	cookie, err := r.Cookie(name)
	if err != nil {
		return "", false
	}
	value, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(value) <= sha256.Size {
		return "", false
	}
	customer = string(value[sha256.Size:])
	return customer, hmac.Equal(value[:sha256.Size], a.sign(name, customer))
}

// signedIn lets customers through and nobody else.
func (a *app) signedIn(next func(w http.ResponseWriter, r *http.Request, customer string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		customer, ok := a.customer(r)
		if !ok {
			a.page(w, http.StatusUnauthorized, "", "Please sign in.")
			return
		}
		next(w, r, customer)
	})
}

const layout = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Connect accounts</title>
<p>{{.Text}}</p>
{{if .Customer}}<p>Signed in as {{.Customer}}. <a href="/templates">Templates</a></p>
<form method="post" action="/connect"><button>Connect</button></form>
<form method="post" action="/disconnect"><button>Disconnect</button></form>
{{else}}<form method="post" action="/sign-in"><label for="customer">Name</label> <input id="customer" name="customer" autocomplete="username" maxlength="100" required> <button>Sign in</button></form>{{end}}
`

func (a *app) page(w http.ResponseWriter, status int, customer, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	err := template.Must(template.New("page").Parse(layout)).Execute(w, struct{ Customer, Text string }{customer, text})
	if err != nil {
		a.logger.Debug("page not written", "error", err)
	}
}
