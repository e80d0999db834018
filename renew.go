package revv

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

const (
	// flightLimit is how long a renewal may take, whoever waits for it.
	flightLimit = 30 * time.Second
	// earliness is how long before its expiry a token is renewed, where its
	// life is long enough for that.
	earliness = 30 * time.Second
	saveTries = 3
)

// storeAuth keeps one account's token pair in a store, and renews it.
type storeAuth struct {
	config   secret.Value[OAuthConfig]
	endpoint *tokenEndpoint
	store    TokenStore
	account  string

	mu       sync.Mutex
	current  secret.Value[*oauth2.Token]
	rejected digest // the access token that the service answered 401 to
	early    digest // the access token whose renewal ahead of time was tried
	pending  bool   // a new pair waits to be saved
	flight   *flight

	// What only the flight touches, and there is one at a time.
	unsaved   secret.Value[*rotation]
	dead      digest // the refresh token that the endpoint declared invalid
	refresher *refresher
}

// rotation is a pair that the endpoint has given out, and the one it replaces.
type rotation struct{ from, to *oauth2.Token }

// digest stands for a token where it is only compared.
type digest [sha256.Size]byte

func digestOf(text string) digest {
	if text == "" {
		return digest{}
	}
	return sha256.Sum256([]byte(text))
}

// span says how much of a token's life is left, as far as is known.
type span uint8

const (
	life  span = iota // enough, or not known
	dusk              // about to end
	night             // over
)

// remaining looks at the expiry, which is a hint: no more than one renewal ahead
// of time follows from it, and the 401 of the service decides.
func remaining(token *oauth2.Token) span {
	if token.Expiry.IsZero() {
		return life
	}
	ahead := earliness
	if token.ExpiresIn > 0 {
		ahead = min(ahead, time.Duration(token.ExpiresIn)*time.Second/10)
	}
	switch left := time.Until(token.Expiry); {
	case left <= 0:
		return night
	case left <= ahead:
		return dusk
	}
	return life
}

// Token implements [Authenticator].
func (a *storeAuth) Token(ctx context.Context) (*oauth2.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	token := a.current.Reveal()
	var still bool // the token can be used if the renewal fails
	if token != nil && !a.pending {
		sum := digestOf(token.AccessToken)
		if sum != a.rejected {
			left := remaining(token)
			still = left == dusk
			if left == life || still && sum == a.early {
				a.mu.Unlock()
				return token, nil
			}
			a.early = sum
		}
	}
	f := a.flight
	if f == nil {
		f = newFlight()
		a.flight = f
		go a.fly(f) //nolint:contextcheck // the renewal outlives the caller that began it
	}
	a.mu.Unlock()
	fresh, err := f.wait(ctx)
	if err != nil && still && ctx.Err() == nil && !errors.Is(err, ErrTokenNotPersisted) {
		return token, nil
	}
	return fresh, err
}

// Reject implements [Authenticator].
func (a *storeAuth) Reject(_ context.Context, bad *oauth2.Token) {
	if bad == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if token := a.current.Reveal(); token == nil || token.AccessToken == bad.AccessToken {
		a.rejected = digestOf(bad.AccessToken)
	}
}

func (a *storeAuth) fly(f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), flightLimit)
	defer cancel()
	a.mu.Lock()
	rejected := a.rejected
	a.mu.Unlock()

	token, err := a.renew(ctx, rejected)

	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.current = secret.New(token)
	}
	a.pending = a.unsaved.Reveal() != nil
	a.flight = nil
	f.land(token, err)
}

// renew returns a pair that the service has not rejected: the one in the store
// if somebody else has put it there, a new one otherwise.
func (a *storeAuth) renew(ctx context.Context, rejected digest) (*oauth2.Token, error) {
	const op = "OAuth.Refresh"
	usable := func(token *oauth2.Token) bool {
		return token != nil && token.AccessToken != "" && digestOf(token.AccessToken) != rejected && remaining(token) == life
	}
	if a.unsaved.Reveal() == nil {
		stored, err := a.store.Load(ctx, a.account)
		switch {
		case err != nil:
			return nil, tokenFailure(op, err)
		case stored == nil:
			return nil, tokenFailure(op, ErrNoToken)
		case usable(stored):
			return stored, nil
		case a.spent(stored):
			return nil, &Error{Op: op, Message: "the refresh token was refused before", kinds: []error{ErrReauthorizationRequired}}
		}
	}
	var from *oauth2.Token // what was in the store when the endpoint was asked
	token, err := a.update(ctx, func(stored *oauth2.Token) (*oauth2.Token, error) {
		if r := a.unsaved.Reveal(); r != nil {
			if stored == nil || samePair(stored, r.from) {
				return r.to, nil
			}
			a.unsaved = secret.New[*rotation](nil) // somebody else has saved a pair since
		}
		switch {
		case stored == nil:
			return nil, tokenFailure(op, ErrNoToken)
		case usable(stored):
			return stored, nil
		case stored.RefreshToken == "":
			return nil, &Error{Op: op, Message: "the store holds no refresh token", kinds: []error{ErrReauthorizationRequired}}
		}
		from = stored
		fresh, failure := a.refresh(ctx, stored.RefreshToken)
		if failure != nil {
			return nil, failure
		}
		a.unsaved = secret.New(&rotation{stored, fresh})
		return fresh, nil
	})
	if err != nil && errors.Is(err, ErrReauthorizationRequired) && from != nil {
		return a.adopt(ctx, from, usable, err)
	}
	return token, err
}

// spent reports whether the endpoint has declared the refresh token of a pair
// invalid. That holds until the store changes.
func (a *storeAuth) spent(token *oauth2.Token) bool {
	return token.RefreshToken != "" && digestOf(token.RefreshToken) == a.dead
}

// refresh asks the endpoint.
func (a *storeAuth) refresh(ctx context.Context, refreshToken string) (*oauth2.Token, *Error) {
	if a.refresher == nil {
		endpoint := *a.endpoint
		endpoint.op = "OAuth.Refresh"
		a.refresher = &refresher{endpoint: &endpoint, config: a.config}
	}
	return a.refresher.refresh(ctx, refreshToken)
}

// adopt looks into the store once more after the endpoint has refused a refresh
// token: another program may have used it first and saved its pair.
func (a *storeAuth) adopt(ctx context.Context, from *oauth2.Token, usable func(*oauth2.Token) bool, refused error) (*oauth2.Token, error) {
	stored, err := a.store.Load(ctx, a.account)
	if err == nil && !samePair(stored, from) && usable(stored) {
		return stored, nil
	}
	a.dead = digestOf(from.RefreshToken)
	return nil, refused
}

// update runs fn in the store. A pair that the endpoint has given out and the
// store has failed to save is kept, and saving it is tried again: the pair that
// it replaces is of no use to anybody.
func (a *storeAuth) update(ctx context.Context, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	const op = "OAuth.Refresh"
	for try := 1; ; try++ {
		var inside error // what fn itself returned
		token, err := a.store.Update(ctx, a.account, func(stored *oauth2.Token) (*oauth2.Token, error) {
			var next *oauth2.Token
			next, inside = fn(stored)
			return next, inside
		})
		switch {
		case err == nil && token == nil:
			err = errors.New("the store returned no token")
		case err == nil:
			a.unsaved = secret.New[*rotation](nil)
			return token, nil
		case inside != nil:
			return nil, inside
		}
		if a.unsaved.Reveal() == nil {
			return nil, tokenFailure(op, err)
		}
		if try >= saveTries || sleep(ctx, retry.Backoff(try, defaultBaseDelay, defaultMaxDelay)) != nil {
			return nil, &Error{Op: op, kinds: []error{ErrTokenNotPersisted}, cause: err}
		}
	}
}

func tokenFailure(op string, err error) error { return &Error{Op: op, cause: err} }

func samePair(a, b *oauth2.Token) bool {
	return a != nil && b != nil && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}
