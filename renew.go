package revv

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
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
	renewed digest // the access token that a renewal of this authenticator has brought; mu guards it

	// What only the flight touches, and there is one at a time.
	dead      digest // the refresh token that the endpoint declared invalid
	refresher refresher
}

// digest stands for a token that is only compared.
type digest [sha256.Size]byte

func digestOf(text string) digest {
	if text == "" {
		return digest{}
	}
	return sha256.Sum256([]byte(text))
}

// span says how much of a token's life is left, as far as it is known.
type span uint8

const (
	life  span = iota // enough, or not known
	dusk              // about to end
	night             // over
)

// remaining looks at the expiry. That is a hint, which leads to one renewal ahead of
// time at most; the 401 of the service decides.
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

// settle waits for the renewals of the store's tokens that are under way, and then has
// the pairs saved that wait to be saved.
func (a *storeAuth) settle(ctx context.Context) error {
	if err := a.keeper.settle(ctx); err != nil { // a new flight is not among the renewals yet
		return err
	}
	for _, other := range a.renewing() {
		if err := other.keeper.settle(ctx); err != nil {
			return err
		}
	}
	var problems []error
	for _, other := range a.waiting() {
		other.mu.Lock()
		other.pending = true // no error has said so if the store has panicked
		other.mu.Unlock()
		_, err := other.Token(ctx) // which saves first
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// found reports whether a token was found in the store, and not brought by the last
// renewal of this authenticator.
func (a *storeAuth) found(token *oauth2.Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return digestOf(token.AccessToken) != a.renewed
}

// renew returns the token in the store if that is usable, for somebody else may have put
// it there, and replaces the pair otherwise.
func (a *storeAuth) renew(rejected digest) (fresh, spare *oauth2.Token, err error) {
	renewals.Store(a, nil)
	defer renewals.Delete(a)
	posted, begun := false, time.Now()
	err = abandoned()
	defer func() { a.log(fresh, posted, time.Since(begun), err) }()
	ctx, cancel := context.WithTimeout(context.Background(), flightLimit)
	defer cancel()
	usable := func(token *oauth2.Token) bool {
		return token.AccessToken != "" && digestOf(token.AccessToken) != rejected && remaining(token) == life
	}
	var refused error
	for {
		if a.unsaved() == nil {
			stored, err := a.store.Load(ctx, a.account)
			if err == nil && stored == nil {
				err = ErrNoToken
			}
			if err != nil {
				return nil, nil, cmp.Or(refused, a.storeFailure(err))
			}
			if usable(stored) {
				return stored, nil, nil
			}
			if stored.AccessToken != "" {
				spare = stored
				a.offer(stored)
			}
			if stored.RefreshToken != "" && digestOf(stored.RefreshToken) == a.dead {
				return nil, spare, cmp.Or(refused, unrenewable("the refresh token was refused before"))
			}
		}
		fresh, spent, err := a.replace(ctx, usable)
		posted = posted || spent != nil
		if spent != nil && errors.Is(err, ErrReauthorizationRequired) {
			// That holds until the store changes. It may have changed already: another
			// program may have used the refresh token first. So look again, once.
			a.dead = digestOf(spent.RefreshToken)
			if refused == nil {
				refused = err
				continue
			}
		}
		return fresh, spare, err
	}
}

// log tells how a renewal has ended. A logger that panics must not keep the result from
// those who wait.
func (a *storeAuth) log(fresh *oauth2.Token, posted bool, took time.Duration, err error) {
	logger := a.refresher.config.Reveal().Logger
	if logger == nil {
		return
	}
	defer func() { _ = recover() }()
	level, message := slog.LevelInfo, "revv: token renewed"
	last := slog.Any("error", err)
	switch {
	case errors.Is(err, ErrTokenNotPersisted):
		level, message = slog.LevelError, "revv: renewed token not saved"
	case errors.Is(err, ErrReauthorizationRequired) && !posted: // known before; every call says so again
		level, message = slog.LevelDebug, "revv: token cannot be renewed"
	case err != nil:
		level, message = slog.LevelWarn, "revv: token not renewed"
	default:
		last = slog.Time("expiry", fresh.Expiry)
		if a.found(fresh) {
			level, message = slog.LevelDebug, "revv: token read from the store"
		}
	}
	logger.LogAttrs(context.Background(), level, message, slog.String("account", a.account), slog.Duration("took", took), last)
}

// replace fetches a new pair and returns it once the store has saved it. spent is the
// pair whose refresh token went to the endpoint, nil if none did. If the store fails to
// save a pair that the endpoint has given out, the pair is remembered and saving it is
// tried again: the pair that it replaces is of no use to anybody.
func (a *storeAuth) replace(ctx context.Context, usable func(*oauth2.Token) bool) (fresh, spent *oauth2.Token, err error) {
	var (
		failure error     // why there is nothing to save
		saving  *rotation // what the store is to save, nil if it has a usable pair
	)
	next := func(stored *oauth2.Token) (*oauth2.Token, error) {
		if failure != nil {
			return nil, failure // a store that asks twice must not spend a token twice
		}
		saving = a.unsaved()
		if saving != nil && stored != nil && !saving.replaces(stored) {
			forget(saving) // somebody else has saved a pair since
			saving = nil
		}
		switch {
		case stored == nil: // removed: a pair that is not saved yet does not bring the account back
			failure = a.storeFailure(ErrNoToken)
		case saving != nil:
			return saving.to, nil
		case usable(stored):
			return stored, nil
		case stored.RefreshToken == "":
			failure = unrenewable("the store holds no refresh token")
		default:
			spent = cloneToken(stored) // the store may use its memory again
			token, e := a.refresher.refresh(ctx, stored.RefreshToken)
			if e == nil {
				saving = &rotation{a, spent, token}
				remember(saving)
				return token, nil
			}
			failure = e
		}
		return nil, failure
	}
	for try := 1; ; try++ {
		saving = nil
		fresh, err = a.store.Update(ctx, a.account, next)
		switch {
		case failure != nil:
			return nil, spent, failure
		case err == nil && (fresh == nil || saving != nil && !samePair(fresh, saving.to)):
			err = errors.New("the store has not kept the pair")
		case err == nil:
			forget(saving)
			return fresh, spent, nil
		}
		waiting := cmp.Or(saving, a.unsaved()) // the store may have failed before it asked
		if waiting == nil {
			return nil, spent, a.storeFailure(err, spent)
		}
		if try >= saveTries || sleep(ctx, retry.Backoff(try, defaultBaseDelay, defaultMaxDelay)) != nil {
			err = concealed(err, textsOf(waiting.from, waiting.to)...)
			return nil, spent, &Error{Op: opRefresh, kinds: []error{ErrTokenNotPersisted}, cause: err}
		}
	}
}

// storeFailure is an error of the store, without the tokens that are known: a store may
// quote what it was given.
func (a *storeAuth) storeFailure(err error, known ...*oauth2.Token) error {
	a.mu.Lock()
	known = append(known, a.current.Reveal())
	a.mu.Unlock()
	if r := a.unsaved(); r != nil {
		known = append(known, r.from, r.to)
	}
	return &Error{Op: opRefresh, cause: concealed(err, textsOf(known...)...)}
}

// textsOf lists what must not be printed of tokens.
func textsOf(tokens ...*oauth2.Token) (texts []string) {
	for _, token := range tokens {
		if token != nil {
			texts = append(texts, token.AccessToken, token.RefreshToken)
		}
	}
	return texts
}

func unrenewable(why string) error {
	return &Error{Op: opRefresh, Message: why, kinds: []error{ErrReauthorizationRequired}}
}

func samePair(a, b *oauth2.Token) bool {
	return a != nil && b != nil && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}
