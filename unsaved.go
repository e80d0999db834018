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
)

// rotation is a pair that the endpoint has issued to an authenticator, and the pair that
// it replaces.
type rotation struct {
	owner    *storeAuth
	from, to *oauth2.Token
}

// replaces reports whether the rotation replaces the stored pair. It does if that is the
// pair it was made from, or one with the same refresh token if the rotation has spent
// that.
func (r *rotation) replaces(stored *oauth2.Token) bool {
	return samePair(stored, r.from) || stored.RefreshToken == r.from.RefreshToken && r.to.RefreshToken != r.from.RefreshToken
}

// unsavedPairs are the rotations that a store has not saved yet. Apart from renewals,
// this is the only state that the clients of a process share. They have to share it: the
// refresh token in the store is spent, and if another authenticator of the account posted
// it again, the endpoint could take it for stolen.
//
//nolint:gochecknoglobals // see above
var unsavedPairs struct {
	mu  sync.Mutex // not embedded, as each of its methods would be compiled twice
	all []*rotation
}

// renewals are the authenticators that are renewing a token. Only [Client.Settle] needs
// them: a program may have dropped a client whose renewal still runs.
//
//nolint:gochecknoglobals // see above
var renewals = struct {
	mu sync.Mutex
	by map[*storeAuth]bool
}{by: make(map[*storeAuth]bool)}

// begin and end record that a renewal is under way. (A [sync.Map] would add more compiled code
// than the whole token endpoint.)
func (a *storeAuth) begin() {
	renewals.mu.Lock()
	defer renewals.mu.Unlock()
	renewals.by[a] = true
}

func (a *storeAuth) end() {
	renewals.mu.Lock()
	defer renewals.mu.Unlock()
	delete(renewals.by, a)
}

// renewing returns the authenticators of the same store, a included, that are renewing a token.
func (a *storeAuth) renewing() (sharing []*storeAuth) {
	renewals.mu.Lock()
	all := make([]*storeAuth, 0, len(renewals.by))
	for other := range renewals.by {
		all = append(all, other)
	}
	renewals.mu.Unlock()
	// Without this lock, which begin waits for: to compare stores can take as long as a disk does.
	for _, other := range all {
		if a.sharesStoreWith(other) {
			sharing = append(sharing, other)
		}
	}
	return sharing
}

// withUnsaved returns the authenticators of the same store, a included, with an unsaved pair.
func (a *storeAuth) withUnsaved() (sharing []*storeAuth) {
	unsavedPairs.mu.Lock()
	defer unsavedPairs.mu.Unlock()
	for _, unsaved := range unsavedPairs.all {
		if a.sharesStoreWith(unsaved.owner) {
			sharing = append(sharing, unsaved.owner)
		}
	}
	return sharing
}

// sharesPairWith reports whether two authenticators keep the same pair, that of one
// account in one store.
func (a *storeAuth) sharesPairWith(other *storeAuth) bool {
	return a.account == other.account && a.sharesStoreWith(other)
}

// sharesStoreWith reports whether two authenticators are known to have the same store, which
// may have been opened twice or be wrapped for encryption. If stores cannot be compared, an
// authenticator shares its store only with itself.
func (a *storeAuth) sharesStoreWith(other *storeAuth) bool {
	if a == other {
		return true
	}
	here, there := unwrapStore(a.store), unwrapStore(other.store)
	if here, ok := here.(*FileStore); ok {
		there, ok := there.(*FileStore)
		return ok && here.sharesDirWith(there)
	}
	return reflect.ValueOf(here).Comparable() && here == there // which panics only for two of one type
}

func unwrapStore(store TokenStore) TokenStore {
	for {
		encrypted, ok := store.(*EncryptedStore)
		if !ok {
			return store
		}
		store = encrypted.inner
	}
}

// unsaved returns the rotation that is not saved yet, nil if there is none.
func (a *storeAuth) unsaved() *rotation {
	unsavedPairs.mu.Lock()
	defer unsavedPairs.mu.Unlock()
	for _, unsaved := range unsavedPairs.all {
		if a.sharesPairWith(unsaved.owner) {
			return unsaved
		}
	}
	return nil
}

// remember keeps a rotation until it is saved, in place of an earlier one.
func remember(r *rotation) {
	r.owner.mu.Lock()
	r.owner.renewed, r.owner.renewedAt = digestOf(r.to.AccessToken), time.Now()
	r.owner.mu.Unlock()
	unsavedPairs.mu.Lock()
	defer unsavedPairs.mu.Unlock()
	dropUnsaved(func(earlier *rotation) bool { return r.owner.sharesPairWith(earlier.owner) })
	unsavedPairs.all = append(unsavedPairs.all, r)
}

// forget drops a rotation, unless another one has taken its place.
func forget(r *rotation) {
	unsavedPairs.mu.Lock()
	defer unsavedPairs.mu.Unlock()
	dropUnsaved(func(kept *rotation) bool { return kept == r })
}

// dropUnsaved drops the rotations for which drop reports true. The caller holds the lock.
func dropUnsaved(drop func(*rotation) bool) {
	unsavedPairs.all = slices.DeleteFunc(unsavedPairs.all, drop)
}

// The first and the longest wait before another try to save an unsaved pair.
const (
	firstSaveDelay = time.Second
	lastSaveDelay  = 128 * time.Second
)

// saveAfter tries again after delay to save a pair that a renewal of this authenticator
// could not save. If that fails, it tries again after twice the time. Until the pair is
// saved, every other program that uses the account posts the refresh token that is spent.
func (a *storeAuth) saveAfter(delay time.Duration) {
	if delay > lastSaveDelay || !a.hasUnsaved() {
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

// hasUnsaved reports whether an unsaved pair was issued to this authenticator.
func (a *storeAuth) hasUnsaved() bool {
	r := a.unsaved()
	return r != nil && r.owner == a
}

// saveNow saves the unsaved pair.
func (a *storeAuth) saveNow(ctx context.Context) error {
	a.mu.Lock()
	a.pending = true // after a panic of the store, no error has set it
	a.mu.Unlock()
	_, err := a.Token(ctx)
	switch {
	case errors.Is(err, ErrNoToken):
		return nil // somebody has removed the account, so no pair has to be saved
	case err == nil && a.unsaved() != nil: // the store has panicked again
		return newError(opRefresh, ErrTokenNotPersisted, "")
	}
	return err
}

// settle waits for the renewals of the store's tokens that are under way, and saves the
// unsaved pairs. Saving waits neither for other pairs nor for a renewal that hangs.
func (a *storeAuth) settle(ctx context.Context) error {
	var (
		saves    sync.WaitGroup
		mu       sync.Mutex
		problems []error
		begun    = make(map[*storeAuth]bool)
	)
	saveUnsaved := func() {
		for _, other := range a.withUnsaved() {
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
	renewing := a.renewing()
	flights := make([]*flight, len(renewing))
	for i, other := range renewing {
		flights[i] = other.currentFlight()
	}
	saveUnsaved()
	var late error
	for _, f := range flights {
		late = cmp.Or(late, f.settle(ctx))
	}
	saveUnsaved() // the pairs that those renewals could not save
	saves.Wait()
	return join(append(problems, late)...)
}
