package revv

import (
	"reflect"
	"sync"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/secret"
)

// rotation is a pair that the endpoint has given out, and the one it replaces.
type rotation struct{ from, to *oauth2.Token }

// replaces reports whether stored is what the rotation replaces, be it that its
// access token alone has been written over: its refresh token is spent.
func (r *rotation) replaces(stored *oauth2.Token) bool {
	return samePair(stored, r.from) || stored.RefreshToken == r.from.RefreshToken && r.to.RefreshToken != r.from.RefreshToken
}

// unsavedPairs are the rotations that a store has not taken yet. This is the only
// state of the package that its clients share, and they have to: the refresh token
// in the store is spent, whichever of the authenticators of an account looks at it
// next, and to post it again would be taken for theft.
//
//nolint:gochecknoglobals // see above
var unsavedPairs struct {
	sync.Mutex

	of map[unsavedKey]secret.Value[*rotation]
}

type unsavedKey struct {
	store   any
	account string
}

// unsavedKey says where the pair of an authenticator waits: with those of all
// authenticators of the same account in the same store.
func (a *storeAuth) unsavedKey() unsavedKey {
	if store := identity(a.store); store != nil {
		return unsavedKey{store, a.account}
	}
	return unsavedKey{a, a.account}
}

// directory is what makes one file store the same as another.
type directory string

// identity returns what is equal for stores that are the same, nil if that cannot
// be known.
func identity(store TokenStore) any {
	switch s := store.(type) {
	case *FileStore:
		return directory(s.canonical)
	case *EncryptedStore:
		return identity(s.inner)
	}
	if reflect.ValueOf(store).Comparable() {
		return store
	}
	return nil
}

// unsaved returns the rotation that waits to be saved, nil if none does.
func (a *storeAuth) unsaved() *rotation {
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	return unsavedPairs.of[a.unsavedKey()].Reveal()
}

func (a *storeAuth) remember(r *rotation) {
	a.mu.Lock()
	a.renewed = digestOf(r.to.AccessToken)
	a.mu.Unlock()
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	if unsavedPairs.of == nil {
		unsavedPairs.of = make(map[unsavedKey]secret.Value[*rotation])
	}
	unsavedPairs.of[a.unsavedKey()] = secret.New(r)
}

// forget drops a rotation, unless another one has taken its place.
func (a *storeAuth) forget(r *rotation) {
	unsavedPairs.Lock()
	defer unsavedPairs.Unlock()
	if key := a.unsavedKey(); r != nil && unsavedPairs.of[key].Reveal() == r {
		delete(unsavedPairs.of, key)
	}
}
