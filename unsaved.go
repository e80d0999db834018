package revv

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/secret"
)

// rotation is a pair that the endpoint has given out to an authenticator, and the one that
// it replaces.
type rotation struct {
	owner    *storeAuth
	from, to *oauth2.Token
}

// replaces reports whether the rotation replaces the stored pair: that is the pair it was
// made from, or another one with the same refresh token, if the rotation has spent it.
func (r *rotation) replaces(stored *oauth2.Token) bool {
	return samePair(stored, r.from) || stored.RefreshToken == r.from.RefreshToken && r.to.RefreshToken != r.from.RefreshToken
}

// unsavedPairs are the rotations that a store has not taken yet. Apart from renewals,
// this is the only state that the clients of a process share. They have to: the refresh
// token in the store is spent, and whichever authenticator of the account posted it
// again would be taken for a thief.
//
//nolint:gochecknoglobals // see above
var unsavedPairs struct {
	sync.Mutex

	all []secret.Value[*rotation]
}

// renewals are the authenticators that renew a token at this moment. Only [Client.Settle]
// needs them: a program may have dropped a client whose renewal still goes on.
//
//nolint:gochecknoglobals // see above
var renewals = struct {
	sync.Mutex

	by map[*storeAuth]bool
}{by: make(map[*storeAuth]bool)}

// note says whether a renewal is under way. (A [sync.Map] would be compiled anew here, with
// more code than all of the token endpoint.)
func (a *storeAuth) note(underWay bool) {
	renewals.Lock()
	defer renewals.Unlock()
	if underWay {
		renewals.by[a] = true
	} else {
		delete(renewals.by, a)
	}
}

// renewing returns the authenticators of the same store that renew a token.
func (a *storeAuth) renewing() (others []*storeAuth) {
	renewals.Lock()
	defer renewals.Unlock()
	for other := range renewals.by {
		if a.sharesStoreWith(other) {
			others = append(others, other)
		}
	}
	return others
}

// waiting returns the authenticators of the same store whose pair waits to be saved.
func (a *storeAuth) waiting() (others []*storeAuth) {
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	for _, waiting := range unsavedPairs.all {
		if owner := waiting.Reveal().owner; a.sharesStoreWith(owner) {
			others = append(others, owner)
		}
	}
	return others
}

// sharesPairWith reports whether two authenticators keep the same pair: that of one
// account in one store.
func (a *storeAuth) sharesPairWith(other *storeAuth) bool {
	return a.account == other.account && a.sharesStoreWith(other)
}

// sharesStoreWith reports whether two authenticators have the same store. Where stores
// cannot be compared, an authenticator shares one with itself alone.
func (a *storeAuth) sharesStoreWith(other *storeAuth) bool {
	return a == other || sameStore(a.store, other.store)
}

// sameStore reports whether two stores are known to be the same one. It may have been
// opened twice, or be wrapped for encryption.
func sameStore(a, b TokenStore) bool {
	a, b = innermost(a), innermost(b)
	if a, ok := a.(*FileStore); ok {
		b, ok := b.(*FileStore)
		return ok && a.shares(b)
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

func innermost(store TokenStore) TokenStore {
	for {
		encrypted, ok := store.(*EncryptedStore)
		if !ok {
			return store
		}
		store = encrypted.inner
	}
}

// unsaved returns the rotation that waits to be saved, nil if none does.
func (a *storeAuth) unsaved() *rotation {
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	for _, waiting := range unsavedPairs.all {
		if r := waiting.Reveal(); a.sharesPairWith(r.owner) {
			return r
		}
	}
	return nil
}

// remember keeps a rotation until it is saved, in the place of the one before.
func remember(r *rotation) {
	r.owner.mu.Lock()
	r.owner.renewed, r.owner.renewedAt = digestOf(r.to.AccessToken), time.Now()
	r.owner.mu.Unlock()
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	unsavedPairs.all = slices.DeleteFunc(unsavedPairs.all, func(waiting secret.Value[*rotation]) bool { return r.owner.sharesPairWith(waiting.Reveal().owner) })
	unsavedPairs.all = append(unsavedPairs.all, secret.New(r))
}

// forget drops a rotation, unless another one has taken its place.
func forget(r *rotation) {
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	unsavedPairs.all = slices.DeleteFunc(unsavedPairs.all, func(waiting secret.Value[*rotation]) bool { return waiting.Reveal() == r })
}

// The first wait before a pair is saved that the store has not taken, and the last one.
const (
	firstSave = time.Second
	lastSave  = 4 * time.Minute
)

// saveAfter has the pair saved after a while that a renewal of this authenticator could not
// save, and if that fails, after twice the time: until it is, every other program that uses
// the account posts the refresh token that is spent.
func (a *storeAuth) saveAfter(delay time.Duration) {
	if delay > lastSave || !a.hasUnsaved() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.saving {
		return
	}
	a.saving = true
	time.AfterFunc(delay, func() {
		if a.hasUnsaved() {
			_ = a.saveNow(context.Background())
		}
		a.mu.Lock()
		a.saving = false
		a.mu.Unlock()
		a.saveAfter(2 * delay)
	})
}

// hasUnsaved reports whether a pair waits to be saved that was given to this authenticator.
func (a *storeAuth) hasUnsaved() bool {
	r := a.unsaved()
	return r != nil && r.owner == a
}

// saveNow has the pair saved that waits.
func (a *storeAuth) saveNow(ctx context.Context) error {
	a.mu.Lock()
	a.pending = true // no error has said so if the store has panicked
	a.mu.Unlock()
	_, err := a.Token(ctx)
	switch {
	case errors.Is(err, ErrNoToken):
		return nil // somebody has removed the account, and wants no pair of it
	case err == nil && a.unsaved() != nil: // the store has panicked again
		return &Error{Op: opRefresh, kinds: []error{ErrTokenNotPersisted}}
	}
	return err
}

// settle waits for the renewals of the store's tokens that are under way, and has the
// pairs saved that wait to be saved. They wait neither for one another nor for a renewal
// that hangs.
func (a *storeAuth) settle(ctx context.Context) error {
	var (
		saves    sync.WaitGroup
		mu       sync.Mutex
		problems []error
		begun    = make(map[*storeAuth]bool)
	)
	save := func() {
		for _, other := range a.waiting() {
			if begun[other] {
				continue
			}
			begun[other] = true
			saves.Go(func() {
				err := other.saveNow(ctx)
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, err)
			})
		}
	}
	renewing := append(a.renewing(), a) // a flight that has just begun is not among the renewals yet
	flights := make([]*flight, len(renewing))
	for i, other := range renewing {
		flights[i] = other.underWay()
	}
	save()
	var late error
	for _, f := range flights {
		late = cmp.Or(late, f.settle(ctx))
	}
	save() // what those renewals have left
	saves.Wait()
	return errors.Join(append(problems, late)...)
}
