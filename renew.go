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
	"github.com/revv-go/revv/internal/secret"
)

// opRefresh is the name of a renewal in errors.
const opRefresh = "OAuth.Refresh"

const (
	// flightLimit is how long a renewal may take, whoever waits for it.
	flightLimit = 30 * time.Second
	// renewAhead is how long before its expiry a token is renewed, if its life is long
	// enough for that.
	renewAhead = 30 * time.Second
	saveTries  = 3
)

// storeAuth keeps one account's token pair in a store, and renews it.
type storeAuth struct {
	unprintable // because a store of the program may not hide what it holds
	keeper

	store   TokenStore
	account string

	// Also guarded by mu.
	renewed      digest    // the access token from the last renewal of this authenticator
	renewedAt    time.Time // when that was
	refusedFresh digest    // the access token that was refused although it was fresh
	pausedUntil  time.Time // until then, no other token is fetched in its place
	saving       bool      // a timer runs that will try again to save the pair

	// Used only by the flight, of which there is one at a time.
	refusedPair digest                        // the pair whose refresh token is invalid, as the endpoint said, or spent
	seen        []secret.Value[*oauth2.Token] // the pairs that the store has shown to this flight
	posted      bool                          // this flight has sent a refresh token to the endpoint
	saved       bool                          // this flight has saved a pair that the endpoint has issued
	loggedLevel slog.Level                    // of the failure that was logged last
	loggedAt    time.Time                     // zero if a renewal has succeeded since
	refresher   refresher
}

// digest replaces a token that is only compared.
type digest [sha256.Size]byte

func digestOf(text string) digest {
	if text == "" {
		return digest{}
	}
	return sha256.Sum256([]byte(text))
}

func pairDigest(pair *oauth2.Token) digest {
	return digestOf(pair.AccessToken + " " + pair.RefreshToken)
}

// expiryState says how much of a token's life is left, as far as it is known.
type expiryState uint8

const (
	notExpiring  expiryState = iota // enough, or not known
	expiringSoon                    // about to end
	expired                         // over
)

// expiryStateOf looks at the expiry. That is only a hint, which leads to at most one renewal
// ahead of time; the 401 of the service decides.
func expiryStateOf(token *oauth2.Token) expiryState {
	if token.Expiry.IsZero() {
		return notExpiring
	}
	ahead := renewAhead
	if token.ExpiresIn > 0 {
		ahead = min(ahead, time.Duration(token.ExpiresIn)*time.Second/10)
	}
	switch left := time.Until(token.Expiry); {
	case left <= 0:
		return expired
	case left <= ahead:
		return expiringSoon
	}
	return notExpiring
}

// Token implements [Authenticator].
func (a *storeAuth) Token(ctx context.Context) (*oauth2.Token, error) {
	return a.token(ctx, a.begin, a.renew)
}

// found reports whether a token was found in the store, instead of brought by the last
// renewal of this authenticator.
func (a *storeAuth) found(token *oauth2.Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return digestOf(token.AccessToken) != a.renewed
}

// renew returns the token in the store if it is usable, because somebody else may have
// put it there. Otherwise it replaces the pair.
func (a *storeAuth) renew(rejected digest) (fresh, spare *oauth2.Token, err error) {
	defer a.end()
	begun := time.Now()
	a.posted, a.saved, err = false, false, errAbandoned() // which is logged if the store panics
	defer func() {
		a.log(fresh, time.Since(begun), err)
		a.seen = nil
		a.saveAfter(firstSaveDelay)
	}()
	ctx, cancel := withAwakeTimeout(context.Background(), flightLimit)
	defer cancel()
	var refused error // by the endpoint, after which this looks at the store once more
	for {
		if a.unsaved() == nil {
			stored, failure := a.load(ctx)
			if failure != nil {
				return nil, nil, cmp.Or(refused, failure)
			}
			if isUsable(stored, rejected) || a.paused(stored) {
				return stored, nil, nil
			}
			if stored.AccessToken != "" {
				spare = stored
				a.offer(stored)
			}
			if stored.RefreshToken != "" && pairDigest(stored) == a.refusedPair {
				return nil, spare, cmp.Or(refused, unrenewable("the refresh token was refused before"))
			}
		}
		pair, failure := a.replace(ctx, rejected)
		if refused == nil && a.posted && errors.Is(failure, ErrReauthorizationRequired) {
			refused = failure // the store may have changed: another program may have used the refresh token first
			continue
		}
		return pair, spare, failure
	}
}

// isUsable reports whether a stored token can be sent as it is, and need not be renewed.
func isUsable(stored *oauth2.Token, rejected digest) bool {
	return stored.AccessToken != "" && digestOf(stored.AccessToken) != rejected && (expiryStateOf(stored) == notExpiring || stored.RefreshToken == "")
}

// load returns the pair in the store.
func (a *storeAuth) load(ctx context.Context) (*oauth2.Token, error) {
	stored, err := a.store.Load(ctx, a.account)
	if err == nil && stored == nil {
		err = ErrNoToken
	}
	if err != nil {
		return nil, a.storeFailure(err)
	}
	a.recordSeen(stored)
	return stored, nil
}

// failureLogInterval is how often a failure is logged that goes on.
const failureLogInterval = time.Minute

// log logs how a renewal ended. A failure that comes again with every call is logged once
// a minute.
func (a *storeAuth) log(fresh *oauth2.Token, took time.Duration, err error) {
	attrs := []slog.Attr{slog.Duration("took", took)}
	if err != nil {
		level, message := slog.LevelWarn, "revv: token not renewed"
		if errors.Is(err, ErrTokenNotPersisted) {
			level, message = slog.LevelError, "revv: renewed token not saved"
		}
		if level > a.loggedLevel || time.Since(a.loggedAt) >= failureLogInterval {
			a.loggedLevel, a.loggedAt = level, time.Now()
		} else {
			level = slog.LevelDebug
		}
		a.logMessage(level, message, append(attrs, slog.Any("error", err))...)
		return
	}
	a.loggedAt = time.Time{}
	if !fresh.Expiry.IsZero() {
		attrs = append(attrs, slog.Time("expiry", fresh.Expiry))
	}
	switch {
	case !a.saved:
		a.logMessage(slog.LevelDebug, "revv: token read from the store", attrs...)
	case a.posted:
		a.logMessage(slog.LevelInfo, "revv: token renewed", attrs...)
	default: // by an earlier renewal, which could not save it
		a.logMessage(slog.LevelInfo, "revv: renewed token saved", attrs...)
	}
}

// loggerLimit is how long a call of the logger is waited for.
const loggerLimit = time.Second

// logMessage logs a message with the account. A logger that panics or hangs must not keep the
// token from those who wait for it.
func (a *storeAuth) logMessage(level slog.Level, message string, attrs ...slog.Attr) {
	logger := a.refresher.config.Reveal().Logger
	if logger == nil {
		return
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		defer func() { _ = recover() }()
		logger.LogAttrs(context.Background(), level, message, append(attrs, slog.String("account", a.account))...)
	}()
	select {
	case <-told:
	case <-time.After(loggerLimit):
	}
}

const (
	// freshPeriod is how long after its renewal a token counts as fresh if the service
	// refuses it.
	freshPeriod = 5 * time.Second
	// renewalPause is how long no other token is fetched after that. If the service
	// answers everything with 401, each call would otherwise spend a refresh token.
	renewalPause = 30 * time.Second
)

// noteRefused records that the service has answered 401 to a token that had replaced another
// one in the same call. If it is fresh, another one would not help.
func (a *storeAuth) noteRefused(token *oauth2.Token) {
	a.mu.Lock()
	fresh := digestOf(token.AccessToken)
	first := fresh == a.renewed && fresh != a.refusedFresh && time.Since(a.renewedAt) < freshPeriod
	if first {
		a.refusedFresh, a.pausedUntil = fresh, time.Now().Add(renewalPause)
	}
	a.mu.Unlock()
	if first {
		a.logMessage(slog.LevelWarn, "revv: fresh token refused by the service")
	}
}

// paused reports whether the stored pair must not be replaced yet, because its access
// token is the fresh one that was refused.
func (a *storeAuth) paused(stored *oauth2.Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return digestOf(stored.AccessToken) == a.refusedFresh && time.Now().Before(a.pausedUntil) && expiryStateOf(stored) == notExpiring
}

// replace fetches a new pair and returns it once the store has saved it. If the store fails
// to save a pair that the endpoint has issued, the pair is remembered and saving is tried
// again, because the old pair is useless by then.
func (a *storeAuth) replace(ctx context.Context, rejected digest) (*oauth2.Token, error) {
	var (
		failure error     // why there is nothing to save
		saving  *rotation // what the store is to save, nil if it has a usable pair
	)
	next := func(stored *oauth2.Token) (*oauth2.Token, error) {
		if failure == nil { // a store that calls twice must not spend a token twice
			saving, failure = a.successor(ctx, stored, rejected)
		}
		switch {
		case failure != nil:
			return nil, failure
		case saving != nil:
			return saving.to, nil
		}
		return stored, nil
	}
	for try := 1; ; try++ {
		saving = nil
		fresh, err := a.store.Update(ctx, a.account, next)
		switch {
		case failure != nil:
			return nil, failure
		case err == nil && (fresh == nil || saving != nil && !samePair(fresh, saving.to)):
			err = errors.New("the store has not kept the pair")
		case err == nil && saving == nil:
			return fresh, nil
		case err == nil:
			forget(saving)
			a.saved = true
			if expiryStateOf(fresh) == expired { // most likely the store has lost its zone; the 401 decides
				fresh = cloneToken(fresh)
				fresh.Expiry = time.Time{}
			}
			return fresh, nil
		}
		unsaved := saving
		if unsaved == nil {
			unsaved = a.unsaved() // the store may have failed before it called next
		}
		if unsaved == nil {
			return nil, a.storeFailure(err)
		}
		if try >= saveTries || sleep(ctx, retry.Backoff(try, defaultBaseDelay, defaultMaxDelay)) != nil {
			e := a.storeFailure(err, unsaved.from, unsaved.to)
			e.kinds = []error{ErrTokenNotPersisted}
			return nil, e
		}
	}
}

// successor returns the rotation that replaces the stored pair: one that is not saved yet, or
// a new one from the endpoint. It returns nil if the stored pair is usable.
func (a *storeAuth) successor(ctx context.Context, stored *oauth2.Token, rejected digest) (*rotation, error) {
	a.recordSeen(stored)
	if stored == nil { // removed: a pair that is not saved yet must not bring the account back
		return nil, a.storeFailure(ErrNoToken)
	}
	if unsaved := a.unsaved(); unsaved != nil {
		if unsaved.replaces(stored) {
			return unsaved, nil
		}
		forget(unsaved) // somebody else has saved a pair since
		if unsaved.from.RefreshToken != unsaved.to.RefreshToken {
			a.refusedPair = pairDigest(unsaved.from) // is spent, should the store show it again
		}
	}
	if isUsable(stored, rejected) {
		return nil, nil
	}
	if stored.RefreshToken == "" {
		return nil, unrenewable("the store holds no refresh token")
	}
	a.posted = true
	spent := cloneToken(stored) // the store may use its memory again
	token, err := a.refresher.refresh(ctx, stored.RefreshToken)
	if err != nil {
		if errors.Is(err, ErrReauthorizationRequired) {
			a.refusedPair = pairDigest(spent) // until the store changes
		}
		return nil, err
	}
	issued := &rotation{a, spent, token}
	remember(issued)
	return issued, nil
}

// recordSeen records a pair that the store has shown.
func (a *storeAuth) recordSeen(stored *oauth2.Token) {
	a.seen = append(a.seen, secret.New(cloneToken(stored))) // the store may use its memory again
}

// storeFailure is an error of the store without the known tokens: a store may quote what
// it was given, and what it holds.
func (a *storeAuth) storeFailure(err error, known ...*oauth2.Token) *Error {
	for _, pair := range a.seen {
		known = append(known, pair.Reveal())
	}
	a.mu.Lock()
	known = append(known, a.current.Reveal())
	a.mu.Unlock()
	if r := a.unsaved(); r != nil {
		known = append(known, r.from, r.to)
	}
	return &Error{Op: opRefresh, Message: "the token store", cause: concealed(err, textsOf(known...)...)}
}

// textsOf lists the secrets of tokens. Like join it is not inlined.
//
//go:noinline
func textsOf(tokens ...*oauth2.Token) (texts []string) {
	for _, token := range tokens {
		if token != nil {
			texts = append(texts, token.AccessToken, token.RefreshToken)
		}
	}
	return texts
}

func unrenewable(why string) error {
	return newError(opRefresh, ErrReauthorizationRequired, why)
}

// samePair reports whether two pairs are there and have the same tokens. Like join it is not
// inlined.
//
//go:noinline
func samePair(a, b *oauth2.Token) bool {
	return a != nil && b != nil && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}
