package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
)

// App is the one application that is registered in the organisation.
type App struct {
	Name         string   `json:"name"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	RedirectURLs []string `json:"redirect_urls"`
}

// Tokens is an issued pair.
type Tokens struct {
	AccessToken  string
	RefreshToken string
	ExpiresIn    time.Duration // 0 when the access token does not expire
}

// grant is a permission that a user has given: the family of all tokens that were issued
// for it.
type grant struct {
	ID      string `json:"id"`
	Client  string `json:"client"` // the client id, "" for the login of 2020
	Revoked bool   `json:"revoked,omitzero"`
}

// token is an access or a refresh token. Only its hash is kept, so that neither a
// snapshot nor the timing of a lookup reveals one.
type token struct {
	Hash    string    `json:"hash"`
	Grant   string    `json:"grant"`
	Refresh bool      `json:"refresh,omitzero"`
	Spent   bool      `json:"spent,omitzero"`   // a refresh token that was rotated away
	Expires time.Time `json:"expires,omitzero"` // zero for never
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// newGrant opens a family.
func (a *account) newGrant(client string) *grant {
	g := &grant{ID: strconv.FormatInt(take(&a.Next.Grant), 10), Client: client}
	a.grants[g.ID] = g
	a.Grants = append(a.Grants, g)
	if len(a.Grants) > ringSize {
		delete(a.grants, a.Grants[0].ID)
		a.Grants = slices.Delete(a.Grants, 0, 1)
	}
	return g
}

// issue adds an access token to the family, and a refresh token if asked.
func (a *account) issue(g *grant, withRefresh bool) Tokens {
	pair := Tokens{AccessToken: "at_" + a.source.text(tokenLength)}
	access := &token{Hash: hash(pair.AccessToken), Grant: g.ID}
	if lifetime := a.sandbox.opts.TokenLifetime; lifetime > 0 {
		pair.ExpiresIn = lifetime
		access.Expires = a.sandbox.clock.now().Add(lifetime)
	}
	a.addToken(access)
	if withRefresh {
		pair.RefreshToken = "rt_" + a.source.text(tokenLength)
		a.addToken(&token{Hash: hash(pair.RefreshToken), Grant: g.ID, Refresh: true})
	}
	a.changed("token", g.ID)
	return pair
}

const maxTokens = 4 * ringSize

// addToken forgets a tenth of the tokens when there are many.
func (a *account) addToken(t *token) {
	if len(a.Tokens) >= maxTokens {
		a.forgetTokens(maxTokens / 10)
	}
	a.Tokens = append(a.Tokens, t)
	a.tokens[t.Hash] = t
}

// forgetTokens forgets n tokens: the oldest of those that are good for nothing any more, and
// then the oldest of all. A refresh token that is not rotated is the oldest of its family, but
// the only one that its program still needs after a night of renewals.
func (a *account) forgetTokens(n int) {
	forget := func(t *token) bool {
		if n == 0 {
			return false
		}
		n--
		delete(a.tokens, t.Hash)
		return true
	}
	a.Tokens = slices.DeleteFunc(a.Tokens, func(t *token) bool { return a.isDead(t) && forget(t) })
	a.Tokens = slices.DeleteFunc(a.Tokens, forget)
}

// isDead reports whether no program can use a token: it has expired, was rotated away, or its
// family has ended.
func (a *account) isDead(t *token) bool {
	g := a.grants[t.Grant]
	return g == nil || g.Revoked || t.Spent || !t.Expires.IsZero() && !a.sandbox.clock.now().Before(t.Expires)
}

// checkAccess reports why an access token is not valid, or "".
func (a *account) checkAccess(text string) string {
	t := a.tokens[hash(text)]
	switch {
	case t == nil:
		return "the access token is not known"
	case t.Refresh:
		return "this is a refresh token; the header takes the access token"
	case a.grants[t.Grant] == nil || a.grants[t.Grant].Revoked:
		return "the access token was revoked"
	case !t.Expires.IsZero() && !a.sandbox.clock.now().Before(t.Expires):
		return "the access token has expired"
	}
	return ""
}

// refresh trades a refresh token for a new pair. With rotation the old one is
// spent; spending it a second time means that two parties hold it, so the
// whole family ends.
func (a *account) refresh(text string, rotate bool) (Tokens, error) {
	t := a.tokens[hash(text)]
	if t == nil || !t.Refresh {
		return Tokens{}, oauthProblem("invalid_grant", "the refresh token is not known")
	}
	g := a.grants[t.Grant]
	switch {
	case g == nil || g.Revoked:
		return Tokens{}, oauthProblem("invalid_grant", "the refresh token was revoked")
	case t.Spent && a.sandbox.opts.NoReuseDetection:
		return Tokens{}, oauthProblem("invalid_grant", "the refresh token was used before")
	case t.Spent:
		g.Revoked = true
		a.changed("token", g.ID)
		return Tokens{}, oauthProblem("invalid_grant", "the refresh token was used before; every token of its family is revoked now")
	}
	t.Spent = rotate
	return a.issue(g, rotate), nil
}

// IssueTokens gives a fresh pair, as if the user had just authorized the
// application.
func (s *Sandbox) IssueTokens() Tokens {
	var pair Tokens
	_ = s.do(func(a *account) error { // nothing in it fails
		pair = a.issue(a.newGrant(a.App.ClientID), true)
		return nil
	})
	return pair
}

// ExpireTokens makes every access token expire now. Refresh tokens stay valid.
func (s *Sandbox) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	for _, t := range s.account.Tokens {
		if !t.Refresh {
			t.Expires = now
		}
	}
	s.notify(Change{Kind: "token"})
}

// RevokeTokens ends every family: access tokens answer 401, refresh tokens
// invalid_grant.
func (s *Sandbox) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.account.Grants {
		g.Revoked = true
	}
	s.notify(Change{Kind: "token"})
}

// App returns the registered application.
func (s *Sandbox) App() App {
	return read(s, func(a *account) App {
		app := a.App
		app.RedirectURLs = slices.Clone(app.RedirectURLs)
		return app
	})
}
