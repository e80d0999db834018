package revvtest

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// clientAccount is the account that [Server.Client] keeps its tokens under.
const clientAccount = "revvtest"

// Client returns a client of the server with a fresh token pair, which it renews by
// itself. A bad option ends the test.
//
// The options are added to [revv.WithBaseURL] and, on a server without a network,
// [revv.WithHTTPClient]. Neither of these can be given a second time: a test that needs
// another value calls [revv.NewClient] with [Server.URL].
func (s *Server) Client(opts ...revv.Option) *revv.Client {
	store := revv.NewMemoryStore()
	if err := revv.SaveToken(context.Background(), store, clientAccount, s.Token()); err != nil {
		s.fail(err)
	}
	auth, err := s.OAuthConfig().Authenticator(store, clientAccount)
	if err != nil {
		s.fail(err)
	}
	own := []revv.Option{revv.WithBaseURL(s.URL())}
	if s.network.inMemory {
		own = append(own, revv.WithHTTPClient(s.HTTPClient()))
	}
	client, err := revv.NewClient(auth, append(own, opts...)...)
	if err != nil {
		s.fail(err)
	}
	return client
}

// OAuthConfig returns the application that is registered on the server.
func (s *Server) OAuthConfig() revv.OAuthConfig {
	app := s.sandbox.App()
	c := revv.OAuthConfig{ClientID: app.ClientID, ClientSecret: app.ClientSecret, Endpoint: revv.Endpoint(s.URL())}
	if len(app.RedirectURLs) > 0 {
		c.RedirectURL = app.RedirectURLs[0]
	}
	if s.network.inMemory {
		c.HTTPClient = s.HTTPClient()
	}
	return c
}

// Token returns a fresh pair, as if the user had just authorized the application. Its
// expiry goes by the clock of the system, because clients compare it with that; the
// server goes by its own clock.
func (s *Server) Token() *oauth2.Token {
	pair := s.sandbox.IssueTokens()
	t := &oauth2.Token{AccessToken: pair.AccessToken, RefreshToken: pair.RefreshToken, TokenType: "Bearer"}
	if pair.ExpiresIn > 0 {
		t.Expiry = time.Now().Add(pair.ExpiresIn)
		t.ExpiresIn = int64(pair.ExpiresIn / time.Second)
	}
	return t
}
