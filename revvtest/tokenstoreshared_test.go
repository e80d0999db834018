package revvtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

func TestSharedTokenStore_ofThisPackage_keepsAllPromises(t *testing.T) {
	t.Parallel()
	files := func(t *testing.T) (one, another revv.TokenStore) {
		t.Helper()
		dir := t.TempDir()
		one, err := revv.NewFileStore(dir)
		require.NoError(t, err)
		another, err = revv.NewFileStore(dir)
		require.NoError(t, err)
		return one, another
	}
	for name, newStores := range map[string]func(*testing.T) (one, another revv.TokenStore){
		"file": files,
		"encrypted file": func(t *testing.T) (one, another revv.TokenStore) {
			t.Helper()
			one, another = files(t)
			one, err := revv.NewEncryptedStore(one, []byte(strings.Repeat("k", 32)))
			require.NoError(t, err)
			another, err = revv.NewEncryptedStore(another, []byte(strings.Repeat("k", 32)))
			require.NoError(t, err)
			return one, another
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			TestSharedTokenStore(t, newStores)
		})
	}
}

// A suite that runs nothing would find nothing wrong with any store.
func TestTokenStore_checksEveryPromise(t *testing.T) {
	opened := 0
	TestTokenStore(t, func(*testing.T) revv.TokenStore {
		opened++
		return revv.NewMemoryStore()
	})
	assert.Equal(t, len(tokenStorePromises()), opened)

	opened = 0
	TestSharedTokenStore(t, func(*testing.T) (one, another revv.TokenStore) {
		opened++
		one = revv.NewMemoryStore()
		return one, one
	})
	assert.Equal(t, len(tokenStorePromises())+len(sharedPromises()), opened)
}

// Each of these keeps all promises as long as there is one replica, which is why
// [TestTokenStore] finds nothing.
func TestSharedTokenStore_brokenPromise_isFound(t *testing.T) {
	t.Parallel()
	promises := make(map[string]func(*storeCheck))
	for _, promise := range append(tokenStorePromises(), sharedPromises()...) {
		promises[promise.name] = promise.check
	}
	for _, tt := range []struct {
		lapses lapses
		finds  []string
	}{
		{lapses{}, nil},
		{lapses{ownLocks: true}, []string{"updates of an account happen one after the other", "waiting for the lock ends with the context"}},
		{lapses{ownTokens: true}, []string{"what fn returns is saved", "either side sees what the other has saved"}},
		{lapses{remembersLoads: true}, []string{"either side sees what the other has saved"}},
		{lapses{remembersSaves: true}, []string{"either side sees what the other has saved"}},
		{lapses{lags: true}, []string{"what fn returns is saved", "either side sees what the other has saved"}},
	} {
		t.Run(fmt.Sprintf("%+v", tt.lapses), func(t *testing.T) {
			t.Parallel()
			const unhurried = 5 * hasty // what keeps its promises must not fail on a busy machine
			for name, check := range promises {
				alone, _ := newReplicas(tt.lapses)
				one, another := newReplicas(tt.lapses)
				assert.Empty(t, failuresOf(t, unhurried, check, alone, nil), "alone: %s", name)
				if len(tt.finds) == 0 {
					assert.Empty(t, failuresOf(t, unhurried, check, one, another), "together: %s", name)
				}
			}
			for _, name := range tt.finds {
				require.Contains(t, promises, name)
				one, another := newReplicas(tt.lapses)
				assert.NotEmpty(t, failuresOf(t, hasty, promises[name], one, another), name)
			}
		})
	}
}

// lapses are the mistakes that a store shows to two replicas alone.
type lapses struct {
	ownLocks,
	ownTokens,
	remembersLoads, // gives away again what it has once read or saved
	remembersSaves, // hands fn what it has saved itself
	lags bool // what one saves reaches the other a little later
}

// replica is one of two ways to the tokens of a [modelStore].
type replica struct {
	lapses        lapses
	tokens, locks *modelStore
	peer          *modelStore // where what is saved here has to arrive

	mu     sync.Mutex
	loaded map[string]*oauth2.Token
	saved  map[string]*oauth2.Token
}

func newReplicas(l lapses) (one, another revv.TokenStore) {
	tokens := [2]*modelStore{newModelStore(defects{noLock: true}), newModelStore(defects{noLock: true})}
	locks := [2]*modelStore{newModelStore(defects{}), newModelStore(defects{})}
	if !l.ownTokens && !l.lags {
		tokens[1] = tokens[0]
	}
	if !l.ownLocks {
		locks[1] = locks[0]
	}
	replicas := [2]*replica{}
	for i := range replicas {
		replicas[i] = &replica{
			lapses: l, tokens: tokens[i], locks: locks[i], peer: tokens[1-i],
			loaded: make(map[string]*oauth2.Token), saved: make(map[string]*oauth2.Token),
		}
	}
	return replicas[0], replicas[1]
}

func (r *replica) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if token := r.loaded[account]; token != nil && r.lapses.remembersLoads {
		return r.tokens.copied(token), nil
	}
	token, err := r.tokens.Load(ctx, account)
	if err == nil {
		r.loaded[account] = r.tokens.copied(token)
	}
	return token, err
}

func (r *replica) Update(
	ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	unlock, err := r.locks.lock(ctx, account)
	if err != nil {
		return nil, err
	}
	defer unlock()
	token, err := r.tokens.Update(ctx, account, func(current *oauth2.Token) (*oauth2.Token, error) {
		r.mu.Lock()
		if mine := r.saved[account]; mine != nil && r.lapses.remembersSaves {
			current = r.tokens.copied(mine)
		}
		r.mu.Unlock()
		return fn(current)
	})
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.loaded[account], r.saved[account] = r.tokens.copied(token), r.tokens.copied(token)
		if r.lapses.lags {
			late := r.tokens.copied(token)
			time.AfterFunc(20*time.Millisecond, func() { r.peer.put(account, late) })
		}
	}
	return token, err
}
