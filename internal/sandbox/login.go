package sandbox

import (
	"crypto/subtle"
	"net/http"
)

// userJSON is what the login of 2020 answers with.
type userJSON struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Subdomain    string `json:"subdomain"`
	ImageURL     string `json:"image_url"`
}

// login answers POST /api/v2/auth/initiate-auth: the login of 2020, which trades
// a password, or a refresh token in a header, for an access token. Its refresh
// tokens are not rotated: the one program that was seen to refresh read the
// access token alone.
func (a *account) login(c *call) (any, error) {
	if err := c.checkLogin(); err != nil {
		return nil, err
	}
	switch kind := c.request.Header.Get("GrantType"); kind {
	case "password":
		return a.loginWithPassword(c)
	case "refreshToken":
		text := c.request.Header.Get("RefreshToken")
		if text == "" {
			return nil, badRequest("the header RefreshToken is missing")
		}
		pair, err := a.refresh(text, false)
		if err != nil {
			return nil, problem(http.StatusUnauthorized, codeUnauthorized, "%s", err)
		}
		pair.RefreshToken = text
		return a.userAnswer(pair), nil
	default:
		return nil, badRequest("the header GrantType is %q; it is password or refreshToken", shorten(kind))
	}
}

// checkLogin refuses what no login of 2020 was seen to send, as a credential in a
// place that is none. A lenient sandbox tolerates it.
func (c *call) checkLogin() error {
	if c.sandbox.opts.Lenient {
		return nil
	}
	if c.request.URL.RawQuery != "" {
		return badRequest("the login takes no query: secrets in a URL end up in logs")
	}
	header := c.request.Header
	for _, name := range []string{"GrantType", "RefreshToken"} {
		if len(header.Values(name)) > 1 {
			return badRequest("the header %s occurs twice", name)
		}
	}
	foreign := []string{accessTokenHeader, "Authorization"}
	switch header.Get("GrantType") {
	case "password":
		foreign = append(foreign, "RefreshToken")
	case "refreshToken":
		if len(c.body) > 0 {
			return badRequest("a login with GrantType refreshToken has no body; %d bytes were sent", len(c.body))
		}
	}
	for _, name := range foreign {
		if len(header.Values(name)) > 0 {
			return badRequest("the header %s does not belong here: a login takes a password in its body, or a token in the header RefreshToken", name)
		}
	}
	return nil
}

func (a *account) loginWithPassword(c *call) (any, error) {
	b, err := c.object()
	if err != nil {
		return nil, err
	}
	email, password, domain := b.text("user_email", required), b.text("password", required), b.text("org_domain", required)
	if err := b.end(); err != nil {
		return nil, err
	}
	right := 1
	for _, pair := range [][2]string{{email, a.Owner.Email}, {password, a.Owner.Password}, {domain, a.Organisation}} {
		right &= subtle.ConstantTimeCompare([]byte(hash(pair[0])), []byte(hash(pair[1])))
	}
	if right != 1 {
		return nil, problem(http.StatusUnauthorized, codeUnauthorized, "user_email, password or org_domain is wrong")
	}
	return a.userAnswer(a.issue(a.newGrant(""), true)), nil
}

func (a *account) userAnswer(pair Tokens) any {
	return struct {
		User userJSON `json:"User"`
	}{userJSON{pair.AccessToken, pair.RefreshToken, a.Owner.FirstName, a.Owner.LastName, a.Organisation, a.Owner.ImageURL}}
}
