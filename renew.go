package revv

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

// opRefresh is the renewal of a token pair, as errors have it.
const opRefresh = "OAuth.Refresh"

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
	keeper

	store   TokenStore
	account string

	// What only the flight touches, and there is one at a time.
	unsaved   secret.Value[*rotation]
	dead      digest // the refresh token that the endpoint declared invalid
	refresher refresher
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
func (a *storeAuth) Token(ctx context.Context) (*oauth2.Token, error) { return a.token(ctx, a.renew) }

// renew returns the token in the store if somebody else has put a usable one
// there, and has the pair replaced otherwise.
func (a *storeAuth) renew(rejected digest) (fresh, spare *oauth2.Token, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), flightLimit)
	defer cancel()
	usable := func(token *oauth2.Token) bool {
		return token.AccessToken != "" && digestOf(token.AccessToken) != rejected && remaining(token) == life
	}
	var refused error
	for {
		if a.unsaved.Reveal() == nil {
			stored, err := a.store.Load(ctx, a.account)
			switch {
			case err == nil && stored == nil:
				err = ErrNoToken
				fallthrough
			case err != nil:
				return nil, nil, cmp.Or(refused, tokenFailure(err))
			case usable(stored):
				return stored, nil, nil
			}
			if stored.AccessToken != "" {
				spare = stored
			}
			if stored.RefreshToken != "" && digestOf(stored.RefreshToken) == a.dead {
				return nil, spare, cmp.Or(refused, unrenewable("the refresh token was refused before"))
			}
		}
		fresh, spent, err := a.replace(ctx, usable)
		if spent != nil && errors.Is(err, ErrReauthorizationRequired) {
			// That holds until the store changes. Perhaps it has: another program may
			// have used the refresh token first.
			a.dead = digestOf(spent.RefreshToken)
			if refused == nil {
				refused = err
				continue
			}
		}
		return fresh, spare, err
	}
}

// replace puts a new pair into the store, saved before it is returned. spent is
// the pair whose refresh token went to the endpoint, nil if none did.
func (a *storeAuth) replace(ctx context.Context, usable func(*oauth2.Token) bool) (fresh, spent *oauth2.Token, err error) {
	fresh, err = a.update(ctx, func(stored *oauth2.Token) (*oauth2.Token, error) {
		if r := a.unsaved.Reveal(); r != nil && stored != nil {
			if samePair(stored, r.from) {
				return r.to, nil
			}
			a.unsaved = secret.New[*rotation](nil) // somebody else has saved a pair since
		}
		switch {
		case stored == nil: // removed: a pair that is not saved yet does not bring the account back
			return nil, tokenFailure(ErrNoToken)
		case usable(stored):
			return stored, nil
		case stored.RefreshToken == "":
			return nil, unrenewable("the store holds no refresh token")
		}
		spent = stored
		next, failure := a.refresher.refresh(ctx, stored.RefreshToken)
		if failure != nil {
			return nil, failure
		}
		a.unsaved = secret.New(&rotation{stored, next})
		return next, nil
	})
	return fresh, spent, err
}

// update runs fn in the store. A pair that the endpoint has given out and the
// store has failed to save is kept, and saving it is tried again: the pair that
// it replaces is of no use to anybody.
func (a *storeAuth) update(ctx context.Context, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
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
		r := a.unsaved.Reveal()
		if r == nil {
			return nil, tokenFailure(err)
		}
		if try >= saveTries || sleep(ctx, retry.Backoff(try, defaultBaseDelay, defaultMaxDelay)) != nil {
			err = concealed(err, r.from.AccessToken, r.from.RefreshToken, r.to.AccessToken, r.to.RefreshToken)
			return nil, &Error{Op: opRefresh, kinds: []error{ErrTokenNotPersisted}, cause: err}
		}
	}
}

func tokenFailure(err error) error { return &Error{Op: opRefresh, cause: err} }

func unrenewable(why string) error {
	return &Error{Op: opRefresh, Message: why, kinds: []error{ErrReauthorizationRequired}}
}

func samePair(a, b *oauth2.Token) bool {
	return a != nil && b != nil && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}
