package revv_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A program on a person's own machine asks once, saves the pair, and renews it by itself
// from then on.
func ExampleOAuthConfig_Login() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	config := server.OAuthConfig() // in a program: the values from the settings of the account
	ctx, store := context.Background(), revv.NewMemoryStore()

	// In a program, the function opens a browser or prints the URL.
	token, err := config.Login(ctx, func(authURL string) error {
		callback, err := server.Authorize(authURL) // somebody clicks Authorize
		go openCallback(callback)
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := revv.SaveToken(ctx, store, "acme", token); err != nil {
		fmt.Println(err)
		return
	}
	auth, err := config.Authenticator(store, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}

	server.ExpireTokens() // an hour later
	page, err := client.Templates.List(ctx, revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	saved, _ := store.Load(ctx, "acme")
	fmt.Println(len(page.Items), err, saved.AccessToken != token.AccessToken)
	// Output: 3 <nil> true
}

// openCallback is a browser that follows a redirect to the program.
func openCallback(address string) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err == nil {
		_ = response.Body.Close()
	}
}

// A program that a person starts: it asks the first time, and not again.
func ExampleOAuthConfig_Connect() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	ctx, store := context.Background(), revv.NewMemoryStore()

	open := func(authURL string) error { // a browser, and a person who agrees
		callback, err := server.Authorize(authURL)
		go openCallback(callback)
		return err
	}
	for range 2 { // the second time, nobody is asked
		auth, err := server.OAuthConfig().Connect(ctx, store, "acme", open)
		if err != nil {
			fmt.Println(err)
			return
		}
		client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
		if err != nil {
			fmt.Println(err)
			return
		}
		templates, err := client.Templates.List(ctx, revv.ListTemplatesParams{Status: revv.ActiveTemplates})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(templates.Items), "templates")
	}
	fmt.Println(len(server.Requests("OAuth.Token")), "exchange")
	// Output:
	// 3 templates
	// 3 templates
	// 1 exchange
}

// A web application whose customers each connect their own account.
func ExampleOAuthConfig_Handlers() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	store := revv.NewMemoryStore() // a TokenStore over your database in real life

	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	defer web.Close()
	config := server.OAuthConfig()
	config.RedirectURL = web.URL + "/callback" // exactly as registered
	start, callback, err := config.Handlers(func(w http.ResponseWriter, r *http.Request, token *oauth2.Token, err error) {
		if err == nil {
			err = revv.SaveToken(r.Context(), store, "customer-7", token) // the one who is logged in
		}
		if err != nil {
			http.Error(w, "Revv is not connected.", http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, "/settings", http.StatusSeeOther)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux.Handle("POST /connect", start) // of a button: a link can be fetched by something that only looks ahead
	mux.Handle("GET /callback", callback)

	fmt.Println(connectInBrowser(server, web.URL+"/connect"))
	token, err := store.Load(context.Background(), "customer-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.RefreshToken != "")
	// Output:
	// /settings
	// true
}

// connectInBrowser does what a customer does: follows the link, agrees, comes
// back. It returns where that leads.
func connectInBrowser(server *revvtest.Server, link string) string {
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{
		Jar: jar, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	follow := func(method, address string) string {
		r, err := http.NewRequestWithContext(context.Background(), method, address, http.NoBody)
		if err != nil {
			return err.Error()
		}
		response, err := browser.Do(r)
		if err != nil {
			return err.Error()
		}
		_ = response.Body.Close()
		return response.Header.Get("Location")
	}
	callback, err := server.Authorize(follow(http.MethodPost, link))
	if err != nil {
		return err.Error()
	}
	return follow(http.MethodGet, callback)
}

// The parts of the flow, for a program that has its own way to receive the code.
func ExampleOAuthConfig_Exchange() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	config := server.OAuthConfig()
	state, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier() // new ones each time

	callback, err := server.Authorize(config.AuthCodeURL(state, verifier)) // the browser
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := url.Parse(callback)
	if err != nil || back.Query().Get("state") != state {
		fmt.Println("not an answer to this request")
		return
	}
	token, err := config.Exchange(context.Background(), back.Query().Get("code"), verifier)
	fmt.Println(err, token.AccessToken != "", token.RefreshToken != "")

	_, err = config.Exchange(context.Background(), back.Query().Get("code"), verifier) // a code is good once
	fmt.Println(errors.Is(err, revv.ErrReauthorizationRequired))
	// Output:
	// <nil> true true
	// true
}

// Many processes can share the tokens of an account: one of them renews, the others use
// what it saved.
func ExampleOAuthConfig_Authenticator() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	dir, err := os.MkdirTemp("", "revv-example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store, err := revv.NewFileStore(filepath.Join(dir, "tokens"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = store.Update(ctx, "acme", func(*oauth2.Token) (*oauth2.Token, error) { return server.Token(), nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	server.ExpireTokens()

	for range 2 { // two programs
		auth, err := server.OAuthConfig().Authenticator(store, "acme")
		if err != nil {
			fmt.Println(err)
			return
		}
		client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
		fmt.Println(err)
	}
	fmt.Println(len(server.Requests("OAuth.Token")), "renewal")
	// Output:
	// <nil>
	// <nil>
	// 1 renewal
}

// At its end, a program waits for a renewal that is still under way, and for a pair that
// is still to be saved.
func ExampleClient_Settle() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	store, ctx := revv.NewMemoryStore(), context.Background()
	if err := revv.SaveToken(ctx, store, "acme", server.Token()); err != nil {
		fmt.Println(err)
		return
	}
	auth, err := server.OAuthConfig().Authenticator(store, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}
	server.ExpireTokens()
	hurried, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	_, _ = client.Templates.List(hurried, revv.ListTemplatesParams{})

	last, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	fmt.Println(client.Settle(last))
	// Output: <nil>
}

// What the settings of an account show, in one value.
func ExampleEndpoint() {
	config := revv.OAuthConfig{
		ClientID: "the id", ClientSecret: "the secret",
		RedirectURL: "http://127.0.0.1:8765/callback",
		Endpoint:    revv.Endpoint("https://acme.revv.so"),
	}
	fmt.Println(config.Endpoint.AuthURL)
	fmt.Println(config.Endpoint.TokenURL)
	// Output:
	// https://acme.revv.so/oauth/authorize
	// https://acme.revv.so/oauth/token
}

func ExampleFromTokenSource() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	source := oauth2.StaticTokenSource(server.Token()) // or a broker of your own
	client, err := revv.NewClient(revv.FromTokenSource(source), revv.WithBaseURL(server.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Templates.List(context.Background(), revv.ListTemplatesParams{})
	fmt.Println(err)
	// Output: <nil>
}

// counting is an authenticator that wraps another one and counts the rejections.
type counting struct {
	revv.Authenticator

	rejected atomic.Int64
}

// Reject implements [revv.Authenticator].
func (c *counting) Reject(ctx context.Context, bad *oauth2.Token) {
	c.rejected.Add(1)
	c.Authenticator.Reject(ctx, bad)
}

// An authenticator of your own, around another one.
func ExampleAuthenticator() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	ctx, store := context.Background(), revv.NewMemoryStore()
	if err := revv.SaveToken(ctx, store, "acme", server.Token()); err != nil {
		fmt.Println(err)
		return
	}
	inner, err := server.OAuthConfig().Authenticator(store, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	auth := &counting{Authenticator: inner}
	client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}

	server.ExpireTokens()
	before, _ := auth.Token(ctx)
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	after, _ := auth.Token(ctx)
	fmt.Println(err, auth.rejected.Load(), before.AccessToken != after.AccessToken)
	// Output: <nil> 1 true
}

// A refresh token may be accepted only once: change a stored pair only within Update,
// which keeps everybody else out meanwhile.
func ExampleTokenStore() {
	var store revv.TokenStore = revv.NewMemoryStore()
	ctx := context.Background()

	_, err := store.Update(ctx, "acme", func(current *oauth2.Token) (*oauth2.Token, error) {
		if current != nil {
			return current, nil // somebody else was faster
		}
		return &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := store.Load(ctx, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.RefreshToken)
	// Output: refresh
}
