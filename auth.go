package revv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

// Authenticator hands out access tokens. [StaticToken], [FromTokenSource] and
// [OAuthConfig.Authenticator] make one; programs can bring their own. Both methods must
// be safe for concurrent use.
type Authenticator interface {
	// Token returns the token to send with the next request, and does not wait longer
	// than ctx. The caller must not modify the token. An error ends the call, which wraps
	// it, before anything more is sent: if a person has to authorize again, it should be
	// [ErrReauthorizationRequired]. A token without AccessToken ends the call, too: that is
	// ErrInvalidArgument if nothing was sent before.
	Token(ctx context.Context) (*oauth2.Token, error)
	// Reject says that the service answered 401 to the token bad, or that bad cannot be sent
	// in a header. The next call of Token should return another one, if there is one. If bad
	// has been replaced in the meantime, Reject must change nothing. It must return at once:
	// only Token may wait.
	Reject(ctx context.Context, bad *oauth2.Token)
}

// validateAuth says what is wrong with an authenticator, as far as that shows before it
// is used.
func validateAuth(auth Authenticator) error {
	if isNil(auth) {
		return errors.New("must not be nil")
	}
	if s, ok := auth.(interface{ check() error }); ok {
		return s.check()
	}
	return nil
}

// isNil reports whether an interface holds nothing, or a nil pointer or function.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return (value.Kind() == reflect.Pointer || value.Kind() == reflect.Func) && value.IsNil()
}

// StaticToken returns an authenticator for an access token that is used as it
// is. It cannot be renewed: a 401 is returned as [ErrUnauthorized]. The token stands
// alone, without "Bearer", in printable ASCII without spaces; [NewClient] refuses any
// other.
func StaticToken(accessToken string) Authenticator {
	return &staticToken{secret.New(&oauth2.Token{AccessToken: accessToken, TokenType: "Bearer"})}
}

type staticToken struct{ token secret.Value[*oauth2.Token] }

func (s *staticToken) Token(context.Context) (*oauth2.Token, error) { return s.token.Reveal(), nil }
func (s *staticToken) Reject(context.Context, *oauth2.Token)        {}

func (s *staticToken) check() error {
	switch token := s.token.Reveal().AccessToken; {
	case token == "":
		return errors.New("must hold an access token that is not empty")
	case !isAccessToken(token):
		return errors.New("must hold an access token of printable ASCII without spaces")
	}
	return nil
}

// FromTokenSource returns an authenticator that takes its tokens from an
// [oauth2.TokenSource]. A token is used until it is about to expire or the service
// rejects it. Then the source is asked again, once for all callers that wait, and each
// caller waits no longer than its own context allows. The error of a call wraps that of
// the source. An [oauth2.RetrieveError] is wrapped without its body: it is
// [ErrReauthorizationRequired] for invalid_grant, [ErrUnauthorized] for any other 4xx
// except 408 and 429, else what its status says.
//
// The sources of golang.org/x/oauth2 renew by the clock alone and do not save a rotated
// refresh token: prefer [OAuthConfig.Authenticator].
func FromTokenSource(source oauth2.TokenSource) Authenticator {
	a := new(sourceAuth)
	if !isNil(source) {
		a.source = source.Token
	}
	return a
}

type sourceAuth struct {
	unprintable
	keeper

	source func() (*oauth2.Token, error) // a method of the source, whose fields could be printed
}

func (a *sourceAuth) check() error {
	if a.source == nil {
		return errors.New("must have a token source that is not nil")
	}
	return nil
}

// Token implements [Authenticator].
func (a *sourceAuth) Token(ctx context.Context) (*oauth2.Token, error) {
	return a.token(ctx, func() {}, a.ask)
}

func (a *sourceAuth) ask(digest) (fresh, spare *oauth2.Token, err error) {
	if err := a.check(); err != nil {
		return nil, nil, invalidArgument("FromTokenSource", "source", err.Error())
	}
	token, err := a.source()
	if err == nil && token == nil {
		err = errors.New("the token source returned no token")
	}
	if err != nil {
		return nil, nil, opError("TokenSource", withoutBody(err))
	}
	return token, nil, nil
}

// withoutBody keeps the body of the token endpoint, which x/oauth2 puts into its
// errors, out of ours.
func withoutBody(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		out := &Error{Op: opRefresh, Code: knownCode(e.ErrorCode)}
		if e.Response != nil {
			out.StatusCode = e.Response.StatusCode
		}
		if out.Code == codeInvalidGrant {
			out.kinds = []error{ErrReauthorizationRequired}
		}
		return out
	}
	return withoutURL(err)
}

// keeper holds the token of an authenticator and renews it, once for all callers that
// wait.
type keeper struct {
	mu       sync.Mutex
	current  secret.Value[*oauth2.Token]
	rejected digest // the access token that the service answered 401 to
	early    digest // the access token that is not renewed ahead of time (again)
	pending  bool   // a new pair waits to be saved; until then no token goes out
	flight   *flight
}

// renewal fetches a token other than the rejected one. If it fails, it can return a spare
// token with the error, to be used for the time being.
type renewal func(rejected digest) (fresh, spare *oauth2.Token, err error)

// token returns the current token if that is good, and a renewed one otherwise. If the
// current token is only about to expire, the caller that begins the renewal waits for it,
// and the others go on with the current token. begin is called when a renewal begins, before
// any caller can leave.
func (k *keeper) token(ctx context.Context, begin func(), renew renewal) (*oauth2.Token, error) {
	if err := checkContext(ctx, "Authenticator.Token"); err != nil {
		return nil, err
	}
	k.mu.Lock()
	if token := k.current.Reveal(); !k.pending && k.accepted(token) {
		left := expiryStateOf(token)
		if left == notExpiring || left == expiringSoon && (k.flight != nil || digestOf(token.AccessToken) == k.early) {
			k.mu.Unlock()
			return token, nil
		}
	}
	f := k.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		k.flight = f
		begin()
		go k.runRenewal(f, renew)
	}
	k.mu.Unlock()
	return k.wait(ctx, f)
}

// renewalPatience is how long a caller waits for a renewal while the current token is still
// good.
const renewalPatience = 5 * time.Second

// offerInterval is how often a caller looks, after that, whether the renewal has offered a
// token that is good for the time being.
const offerInterval = 100 * time.Millisecond

// wait waits until the flight has landed or ctx is done. If the flight takes long, it
// returns the current token as long as that is good.
func (k *keeper) wait(ctx context.Context, f *flight) (*oauth2.Token, error) {
	limit := renewalPatience
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		select {
		case <-f.done:
			if f.err != nil {
				return nil, f.err
			}
			return f.token.Reveal(), nil
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a renewal of the token: %w", ctx.Err())
		case <-late.C:
			k.mu.Lock()
			token := k.current.Reveal()
			good := !k.pending && k.accepted(token) && expiryStateOf(token) != expired
			k.mu.Unlock()
			if good {
				return token, nil
			}
			late.Reset(offerInterval)
		}
	}
}

// settle waits for the renewal that is under way.
func (k *keeper) settle(ctx context.Context) error { return k.currentFlight().settle(ctx) }

// currentFlight is the renewal that is under way, nil if none is.
func (k *keeper) currentFlight() *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.flight
}

// runRenewal runs a renewal in a goroutine of its own, and lands. It recovers a panic of the
// program's own store or source: the program could not recover it here, and callers would
// be left waiting.
func (k *keeper) runRenewal(f *flight, renew renewal) {
	var token, spare *oauth2.Token
	err := errAbandoned()
	defer func() {
		_ = recover() // its value may hold a token
		k.finishRenewal(f, token, spare, err)
	}()
	k.mu.Lock()
	rejected := k.rejected
	k.mu.Unlock()
	token, spare, err = renew(rejected)
}

// errAbandoned is the error of a renewal that did not return.
func errAbandoned() error {
	return &Error{Op: opRefresh, Message: "the token store or the token source has panicked, or ended its goroutine"}
}

// finishRenewal ends a flight with the result of the renewal.
func (k *keeper) finishRenewal(f *flight, token, spare *oauth2.Token, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending = errors.Is(err, ErrTokenNotPersisted)
	if err != nil && !k.pending {
		// A token that could not be renewed ahead of time is used until it expires.
		for _, old := range []*oauth2.Token{spare, k.current.Reveal()} {
			if k.accepted(old) && expiryStateOf(old) != expired {
				token, err, k.early = old, nil, digestOf(old.AccessToken)
				break
			}
		}
	}
	if err == nil {
		k.current = secret.New(token)
		switch {
		case !k.accepted(token): // the rejected one again: use it, and ask once more after the next 401
			k.rejected = digest{}
		case expiryStateOf(token) == expiringSoon: // its life is short from the beginning
			k.early = digestOf(token.AccessToken)
		}
	}
	k.flight = nil
	f.token, f.err = secret.New(token), err
	close(f.done)
}

// offer makes a token the current one while its successor is fetched, if there is no
// better one.
func (k *keeper) offer(token *oauth2.Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	current := k.current.Reveal()
	if k.accepted(token) && (!k.accepted(current) || expiryStateOf(current) == expired && expiryStateOf(token) != expired) {
		k.current = secret.New(token)
	}
}

// accepted reports whether there is a token and the service has not rejected it.
func (k *keeper) accepted(token *oauth2.Token) bool {
	return token != nil && digestOf(token.AccessToken) != k.rejected
}

// Reject implements [Authenticator].
func (k *keeper) Reject(_ context.Context, bad *oauth2.Token) {
	if bad == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if token := k.current.Reveal(); token == nil || token.AccessToken == bad.AccessToken {
		k.rejected = digestOf(bad.AccessToken)
	}
}

// flight is one renewal, which any number of callers wait for.
type flight struct {
	done  chan struct{}
	token secret.Value[*oauth2.Token]
	err   error
}

// settle waits for the end of the flight.
func (f *flight) settle(ctx context.Context) error {
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return &Error{Op: opRefresh, Message: "a renewal is under way", cause: ctx.Err()}
	}
}

// Endpoint returns the OAuth URLs of a base URL: /oauth/authorize and
// /oauth/token. Both are stand-ins: the flow is documented, its URLs are not.
// Client credentials go into the form, as documented.
func Endpoint(baseURL string) oauth2.Endpoint {
	base := strings.TrimRight(baseURL, "/")
	return oauth2.Endpoint{AuthURL: base + "/oauth/authorize", TokenURL: base + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams}
}

// OAuthConfig is an OAuth application, as the settings of an account show it. It holds
// the client secret, so it prints as a placeholder. In an unexported field of another
// struct fmt prints the secret, because it cannot call methods there: keep it in an exported
// field, or do not print that struct.
type OAuthConfig struct { //nolint:recvcheck // the embedded methods have their own receivers
	unprintable

	ClientID     string
	ClientSecret string
	RedirectURL  string          // exactly as registered
	Endpoint     oauth2.Endpoint // from the function Endpoint, or as the settings of the account show it

	// HTTPClient is for the token endpoint; nil means a default with timeouts. The
	// ResponseHeaderTimeout of an [http.Transport] is not applied: it runs on while the program
	// is frozen, and the answer with the new pair would be lost.
	HTTPClient *http.Client

	// Logger receives what no call returns:
	//
	//   - info: a token was renewed, or a callback of Handlers was refused;
	//   - warn: a renewal failed, or the service refused a fresh token;
	//   - error: a new pair could not be saved;
	//   - debug: a token was read from the store.
	//
	// A failure that goes on is logged once a minute at its level, and at debug level in
	// between. The keys are account, took, expiry, error and reason; none shows a secret.
	// nil means no log.
	Logger *slog.Logger
}

// AuthCodeURL returns the URL where a person authorizes the application. state comes back
// to RedirectURL and must be compared there. verifier is a PKCE code verifier
// ([oauth2.GenerateVerifier]) that [OAuthConfig.Exchange] needs again; an empty one means
// no PKCE. Both must be new and unguessable for every authorization. Nothing is checked
// here: without ClientID or Endpoint the URL does not work.
func (c OAuthConfig) AuthCodeURL(state, verifier string) string {
	var opts []oauth2.AuthCodeOption
	if verifier != "" {
		opts = append(opts, oauth2.S256ChallengeOption(verifier))
	}
	return (&oauth2.Config{ClientID: c.ClientID, RedirectURL: c.RedirectURL, Endpoint: c.Endpoint}).AuthCodeURL(state, opts...)
}

// Exchange trades an authorization code for a token pair, which the caller saves, for
// example with [SaveToken]. A code can be used once. The error is [ErrOutcomeUnknown],
// and the authorization has to be started again, if the connection is lost after the code
// was sent, or if the answer is unreadable, 408 or 5xx. Exceptions are 501 and 505, which
// are refusals, and 503 with Retry-After, after which the code is sent again, as it is after
// a 429, or if it never left: three times in all. A code that is refused ("invalid_grant",
// with any status) is [ErrReauthorizationRequired]. Without ClientID, ClientSecret, code or a
// valid Endpoint.TokenURL it is [ErrInvalidArgument].
func (c OAuthConfig) Exchange(ctx context.Context, code, verifier string) (*oauth2.Token, error) {
	const op = "OAuth.Exchange"
	if err := checkContext(ctx, op); err != nil {
		return nil, err
	}
	missing := ""
	switch "" {
	case c.ClientID:
		missing = "ClientID"
	case c.ClientSecret:
		missing = "ClientSecret"
	case code:
		missing = "code"
	}
	if missing != "" {
		return nil, invalidArgument(op, missing, "must not be empty")
	}
	endpoint, err := newTokenEndpoint(op, c)
	if err != nil {
		return nil, err
	}
	defer endpoint.close()
	form := formOf("client_id", c.ClientID, "client_secret", c.ClientSecret, "code", code, "grant_type", "authorization_code",
		"redirect_uri", c.RedirectURL, "code_verifier", verifier) // AuthCodeURL leaves out what is empty, too
	arrived := false
	for try := 1; ; try++ {
		reply := endpoint.post(ctx, form, arrived)
		arrived = arrived || reply.sent
		if reply.outcome == retry.Success {
			return reply.token, nil
		}
		next := retry.Decide(retry.Consequences, reply.outcome, reply.sent)
		if next == retry.Again && reply.waitToRepeat(ctx, try, 0) {
			continue
		}
		if next == retry.StopUnknown || next == retry.StopApplied {
			reply.err.also(ErrOutcomeUnknown)
			reply.err.Message = "the code may be spent; start the authorization again"
		}
		reply.err.Attempts = try
		return nil, reply.err
	}
}

// Authenticator returns an authenticator that keeps the token pair of account in store,
// renews it when it is about to expire or the service rejects it, and saves a new pair
// before it is used. Any number of clients, programs and machines may share the store, if
// the store supports that.
//
// account is a name of your choice. Put the first pair there with [SaveToken], after
// [OAuthConfig.Exchange] or [OAuthConfig.Login]. If a later pair belongs to another
// account of Revv, a client goes on with the old pair as long as it is accepted, and then
// with the new one, even in the middle of a call. So if another account can be connected,
// give each connection its own name, such as "acme/7": then nothing that was begun in one
// account goes on in another.
//
// A pair is renewed 30 s before its access token expires, or in the last tenth of its
// life if that is shorter. While the old token is good, the call that begins the renewal
// waits for it 5 s at most, and no more than half of the time that its context has left.
// A renewal may take 30 s, and goes on after the calls that wait for it have ended;
// [Client.Settle] waits for it before a program ends. The client id and secret are sent
// only after the endpoint has demanded them; Endpoint.AuthStyle is not used. When the
// service refuses the new token as well, the call ends with [ErrUnauthorized], and for 30
// s no other token is fetched.
//
// A pair that the store fails to save is kept in memory, for all authenticators of the
// process with the same store and account. The next call saves it first; without a call,
// saving is tried again for some minutes. Pass the store as a pointer, so that it can be
// recognised as the same one.
//
// The error is [ErrInvalidArgument] if something is missing. Calls of a client with this
// authenticator can be [ErrNoToken], [ErrReauthorizationRequired], [ErrTokenNotPersisted]
// or [ErrTokenStoreCorrupt].
func (c OAuthConfig) Authenticator(store TokenStore, account string) (Authenticator, error) {
	const op = "OAuthConfig.Authenticator"
	r := refusals{op: op}
	if isNil(store) {
		r.reject("store", "must not be nil")
	}
	r.require("account", account)
	if (c.ClientID == "") != (c.ClientSecret == "") {
		r.reject("ClientID and ClientSecret", "must both be set, or none")
	}
	endpoint, err := newTokenEndpoint(op, c)
	if err := join(append(r.problems, err)...); err != nil {
		return nil, err
	}
	endpoint.op = opRefresh
	return &storeAuth{store: store, account: account, refresher: refresher{endpoint: endpoint, config: secret.New(&c)}}, nil
}
