package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The stand-in paths of OAuth.
const (
	authorizePath = "/oauth/authorize"
	tokenPath     = "/oauth/token" //nolint:gosec // a path, no credential
)

// tokenEndpoint answers POST /oauth/token. The article lists the fields of each
// of the two grants; code_verifier is the only one added.
func (a *account) tokenEndpoint(c *call) (any, error) {
	form, err := tokenForm(c)
	if err != nil {
		return nil, err
	}
	var pair Tokens
	switch form.Get("grant_type") {
	case "authorization_code":
		pair, err = a.tradeCode(form)
	case "refresh_token":
		pair, err = a.tradeRefreshToken(form)
	case "":
		err = oauthProblem("invalid_request", "grant_type: the field is missing")
	default:
		err = oauthProblem("unsupported_grant_type", "grant_type: only authorization_code and refresh_token are known")
	}
	if err != nil {
		return nil, err
	}
	reply := jsonAnswer(http.StatusOK, struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token,omitzero"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int64  `json:"expires_in,omitzero"`
	}{pair.AccessToken, pair.RefreshToken, "Bearer", wholeSeconds(pair.ExpiresIn)})
	return reply, nil
}

// wholeSeconds is a lifetime as expires_in gives it. Less than a second gives 1, because
// 0 is left out, which means no end.
func wholeSeconds(lifetime time.Duration) int64 {
	if lifetime == 0 {
		return 0
	}
	return max(1, int64(lifetime/time.Second))
}

// tokenForm reads the form. It accepts only the form of the contract.
func tokenForm(c *call) (url.Values, error) {
	media, _, err := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, oauthProblem("invalid_request", "Content-Type is %q; the token endpoint takes application/x-www-form-urlencoded",
			shorten(c.request.Header.Get("Content-Type")))
	}
	if c.request.URL.RawQuery != "" {
		return nil, oauthProblem("invalid_request", "the token endpoint takes no query: secrets in a URL end up in logs")
	}
	for _, name := range []string{"Authorization", accessTokenHeader} {
		if c.request.Header.Get(name) != "" {
			return nil, oauthProblem("invalid_request", "the header %s does not belong here: the contract puts credentials into the form", name)
		}
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, oauthProblem("invalid_request", "the form is malformed")
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if len(form[name]) > 1 {
			return nil, oauthProblem("invalid_request", "%s: the field occurs twice", shorten(name))
		}
	}
	return form, nil
}

// checkForm demands exactly the fields of the contract.
func (a *account) checkForm(form url.Values, fields ...string) error {
	for _, name := range fields {
		if form.Get(name) == "" {
			return oauthProblem("invalid_request", "%s: the field is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if !slices.Contains(fields, name) && name != "code_verifier" && !a.sandbox.opts.Lenient {
			return oauthProblem("invalid_request", "%s: the contract knows no such field for this grant; it knows %s", shorten(name), list(fields))
		}
	}
	return nil
}

func (a *account) checkClient(form url.Values) error {
	id := subtle.ConstantTimeCompare([]byte(hash(form.Get("client_id"))), []byte(hash(a.App.ClientID)))
	secret := subtle.ConstantTimeCompare([]byte(hash(form.Get("client_secret"))), []byte(hash(a.App.ClientSecret)))
	if id&secret != 1 {
		return oauthProblem("invalid_client", "client_id or client_secret is wrong")
	}
	return nil
}

func (a *account) tradeCode(form url.Values) (Tokens, error) {
	if err := a.checkForm(form, "client_id", "client_secret", "redirect_uri", "code", "grant_type"); err != nil {
		return Tokens{}, err
	}
	if err := a.checkClient(form); err != nil {
		return Tokens{}, err
	}
	code := a.codes[hash(form.Get("code"))]
	verifier := form.Get("code_verifier")
	switch {
	case code == nil || !a.sandbox.clock.now().Before(code.expires):
		return Tokens{}, oauthProblem("invalid_grant", "code: it is not known or has expired")
	case code.grant != nil: // somebody else holds the code: end what came of it
		code.grant.Revoked = true
		a.changed("token", code.grant.ID)
		return Tokens{}, oauthProblem("invalid_grant", "code: it was used before; the tokens that it gave are revoked now")
	case code.redirectURL != form.Get("redirect_uri"):
		return Tokens{}, oauthProblem("invalid_grant", "redirect_uri: it is not the one of the authorization request")
	case code.challenge == "" && verifier != "":
		return Tokens{}, oauthProblem("invalid_request", "code_verifier: the authorization request had no code_challenge")
	case code.challenge != "" && verifier == "":
		return Tokens{}, oauthProblem("invalid_request", "code_verifier: the field is missing; the authorization request had a code_challenge")
	case verifier != "" && !codeVerifier.MatchString(verifier):
		return Tokens{}, oauthProblem("invalid_request", "code_verifier: 43 to 128 letters, digits, hyphens, dots, underscores and tildes are due")
	}
	if code.challenge != "" {
		sum := sha256.Sum256([]byte(verifier))
		challenge := base64.RawURLEncoding.EncodeToString(sum[:])
		if subtle.ConstantTimeCompare([]byte(challenge), []byte(code.challenge)) != 1 {
			return Tokens{}, oauthProblem("invalid_grant", "code_verifier: it does not match the code_challenge of the authorization request")
		}
	}
	code.grant = a.newGrant(a.App.ClientID)
	return a.issue(code.grant, true), nil
}

func (a *account) tradeRefreshToken(form url.Values) (Tokens, error) {
	fields := []string{"refresh_token", "grant_type"}
	// Credentials are not due, but a client that was told invalid_client may add them.
	given := form.Has("client_secret") || form.Has("client_id") && !a.sandbox.opts.Lenient
	identified := given || a.sandbox.opts.ClientAuthRequired
	if identified {
		if form.Get("client_id") == "" || form.Get("client_secret") == "" {
			return Tokens{}, oauthProblem("invalid_client", "client_id and client_secret: one of them is missing, or both")
		}
		fields = append(fields, "client_id", "client_secret")
	}
	if err := a.checkForm(form, fields...); err != nil {
		return Tokens{}, err
	}
	if form.Get("code_verifier") != "" && !a.sandbox.opts.Lenient {
		return Tokens{}, oauthProblem("invalid_request", "code_verifier: the contract knows no such field for this grant")
	}
	if identified {
		if err := a.checkClient(form); err != nil {
			return Tokens{}, err
		}
	}
	return a.refresh(form.Get("refresh_token"), !a.sandbox.opts.NoRotation)
}

const accessTokenHeader = "AccessToken"

// authenticate checks the access token of a call of the API. The header that
// was observed and the one of the OAuth standard are both taken, never together.
func (a *account) authenticate(c *call) error {
	own, bearer := c.request.Header.Values(accessTokenHeader), c.request.Header.Values("Authorization")
	refused := func(format string, args ...any) error {
		return problem(http.StatusUnauthorized, codeUnauthorized, format, args...)
	}
	var text string
	switch {
	case len(own) > 0 && len(bearer) > 0:
		return badRequest("the headers AccessToken and Authorization are both there; one of them is due")
	case len(own) > 1 || len(bearer) > 1:
		return badRequest("the access token is there twice")
	case len(own) == 1:
		text = own[0]
		if scheme, _, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "bearer") {
			return refused("the header AccessToken takes the bare access token, without Bearer")
		}
	case len(bearer) == 1:
		scheme, rest, ok := strings.Cut(bearer[0], " ")
		if !ok || !strings.EqualFold(scheme, "bearer") {
			return refused("the header Authorization takes Bearer and the access token")
		}
		text = rest
	default:
		return refused("the header AccessToken is missing")
	}
	if reason := a.checkAccess(text); reason != "" {
		return refused("%s", reason)
	}
	return nil
}
