package revvtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

func TestTokenStore_ofThisPackage_keepsAllPromises(t *testing.T) {
	t.Parallel()
	newFileStore := func(t *testing.T) revv.TokenStore {
		t.Helper()
		store, err := revv.NewFileStore(t.TempDir())
		require.NoError(t, err)
		return store
	}
	stores := map[string]func(*testing.T) revv.TokenStore{
		"memory": func(*testing.T) revv.TokenStore { return revv.NewMemoryStore() },
		"file":   newFileStore,
		"encrypted file": func(t *testing.T) revv.TokenStore {
			t.Helper()
			store, err := revv.NewEncryptedStore(newFileStore(t), []byte(strings.Repeat("k", 32)))
			require.NoError(t, err)
			return store
		},
		"the model": func(*testing.T) revv.TokenStore { return newModelStore(defects{}) },
	}
	for name, newStore := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			TestTokenStore(t, newStore)
		})
	}
}

// A conformance suite is worth what it finds: every promise is broken once.
func TestTokenStore_brokenPromise_isFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		defects defects
		finds   string
	}{
		{defects{nilForNone: true}, "an empty store has no token"},
		{defects{tokenForNone: true}, "an empty store has no token"},
		{defects{hidesError: true}, "an empty store has no token"},
		{defects{dropsRefresh: true}, "what fn returns is saved"},
		{defects{savesLate: true}, "what fn returns is saved"},
		{defects{losesExpiry: true}, "what fn returns is saved"},
		{defects{shiftsExpiry: true}, "what fn returns is saved"},
		{defects{forgetsExpired: true}, "what fn returns is saved"},
		{defects{merges: true}, "a token is replaced as a whole"},
		{defects{callsTwice: true}, "fn is called once"},
		{defects{savesOnError: true}, "a failure of fn saves nothing"},
		{defects{forgets: true}, "a failure of fn saves nothing"},
		{defects{forgets: true}, "a token that fn changes in place is saved"},
		{defects{hidesError: true}, "a failure of fn saves nothing"},
		{defects{acceptsNil: true}, "neither a token nor an error is an error"},
		{defects{losesSame: true}, "the same token stays"},
		{defects{comparesPointers: true}, "a token that fn changes in place is saved"},
		{defects{sharesMemory: true}, "tokens are copies"},
		{defects{keepsHanded: true}, "tokens are copies"},
		{defects{foldsCase: true}, "accounts that look alike are kept apart"},
		{defects{cutsAccounts: true}, "accounts that look alike are kept apart"},
		{defects{noLock: true}, "waiting for the lock ends with the context"},
		{defects{noLock: true, slow: true}, "updates of an account happen one after the other"},
		{defects{optimistic: true}, "updates of an account happen one after the other"},
		{defects{oneLock: true}, "accounts do not wait for one another"},
		{defects{impatient: true}, "a lock lasts as long as fn takes, and is waited for as long"},
		{defects{leases: true}, "a lock lasts as long as fn takes, and is waited for as long"},
		{defects{fewConnections: true}, "many accounts are updated at once"},
		{defects{loadLocks: true}, "Load does not wait for Update"},
		{defects{ignoresContext: true}, "waiting for the lock ends with the context"},
		{defects{hidesContext: true}, "waiting for the lock ends with the context"},
		{defects{ignoresContext: true}, "a context that is done calls nothing"},
		{defects{hidesContext: true}, "a context that is done calls nothing"},
		{defects{tossesCoin: true}, "a context that is done calls nothing"},
		{defects{savesWithContext: true}, "a token is saved although the context ended"},
		{defects{keepsLockOnPanic: true}, "a panic of fn unlocks the account"},
	}
	promises := make(map[string]func(*storeCheck))
	found := make(map[string]bool)
	for _, promise := range append(tokenStorePromises(), sharedPromises()[1]) {
		promises[promise.name] = promise.check
	}
	for _, tt := range tests {
		found[tt.finds] = true
		t.Run(fmt.Sprintf("%s/%+v", tt.finds, tt.defects), func(t *testing.T) {
			t.Parallel()
			require.Contains(t, promises, tt.finds)
			failures := failuresOf(t, hasty, promises[tt.finds], newModelStore(tt.defects), nil)
			assert.NotEmpty(t, failures)
		})
	}
	assert.Len(t, found, len(promises), "every promise has a store that breaks it")
}

// A store that breaks one promise does not end the program in the check of another one.
func TestTokenStore_fnIsCalledTwice_noCheckPanics(t *testing.T) {
	t.Parallel()
	for _, promise := range append(tokenStorePromises(), sharedPromises()[1]) {
		t.Run(promise.name, func(t *testing.T) {
			t.Parallel()
			failures := failuresOf(t, hasty, promise.check, newModelStore(defects{callsTwice: true}), nil)
			if promise.name == "fn is called once" {
				assert.NotEmpty(t, failures)
			}
		})
	}
}

// hasty is the patience of a check that is to find a defect, which takes it that long.
const hasty = 100 * time.Millisecond

// failuresOf runs a check and returns what it complains about.
func failuresOf(t *testing.T, patience time.Duration, check func(*storeCheck), store, beside revv.TokenStore) []string {
	t.Helper()
	if beside == nil {
		beside = store
	}
	report := &report{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check(&storeCheck{TB: report, store: store, beside: beside, patience: patience})
	}()
	<-done
	report.mu.Lock()
	defer report.mu.Unlock()
	return report.failures
}

// report takes down the failures of a check instead of failing the test.
type report struct {
	testing.TB

	mu       sync.Mutex
	failures []string
}

func (r *report) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *report) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// defects are the mistakes that stores are made with.
type defects struct {
	nilForNone, dropsRefresh, savesLate, losesExpiry, merges, callsTwice, savesOnError, hidesError, acceptsNil,
	losesSame, comparesPointers, sharesMemory, foldsCase, noLock, slow, oneLock, loadLocks, ignoresContext, tossesCoin,
	savesWithContext, keepsLockOnPanic, cutsAccounts, forgetsExpired,
	forgets,
	shiftsExpiry, // as a database does with a time without its zone
	tokenForNone, // beside ErrNoToken
	hidesContext, // behind an error of its own
	keepsHanded, // saves what fn got and gave back without a copy
	impatient, // waits 20 ms for the lock
	leases, // whose locks end after 20 ms
	fewConnections, // of which an Update takes one for the lock and another to save
	optimistic bool // has no lock, and does it once more if another was faster
}

// modelStore keeps all promises, apart from its defects.
type modelStore struct {
	defects defects
	mu      sync.Mutex
	locks   map[string]chan struct{}
	pool    chan struct{}
	tokens  map[string]*oauth2.Token
}

func newModelStore(d defects) *modelStore {
	return &modelStore{defects: d, locks: make(map[string]chan struct{}), pool: make(chan struct{}, 8), tokens: make(map[string]*oauth2.Token)}
}

func (s *modelStore) key(account string) string {
	if s.defects.foldsCase {
		return strings.ToLower(account)
	}
	if s.defects.cutsAccounts {
		return account[:min(len(account), 64)]
	}
	return account
}

func (s *modelStore) copied(token *oauth2.Token) *oauth2.Token {
	if token == nil || s.defects.sharesMemory {
		return token
	}
	twin := *token
	return &twin
}

func (s *modelStore) get(account string) *oauth2.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.tokens[s.key(account)]
	if s.defects.forgetsExpired && token != nil && !token.Expiry.IsZero() && token.Expiry.Before(time.Now()) {
		return nil
	}
	return s.copied(token)
}

func (s *modelStore) put(account string, token *oauth2.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token = s.copied(token)
	if old := s.tokens[s.key(account)]; s.defects.merges && old != nil && token.RefreshToken == "" {
		token.RefreshToken = old.RefreshToken
	}
	if s.defects.dropsRefresh {
		token.RefreshToken = ""
	}
	if s.defects.shiftsExpiry && !token.Expiry.IsZero() {
		token.Expiry = token.Expiry.Add(90 * time.Minute)
	}
	if s.defects.losesExpiry {
		token.Expiry = time.Time{}
	}
	if s.defects.forgets {
		token = nil
	}
	s.tokens[s.key(account)] = token
}

func (s *modelStore) lock(ctx context.Context, account string) (func(), error) {
	if s.defects.noLock {
		return func() {}, nil
	}
	if s.defects.oneLock {
		account = ""
	}
	s.mu.Lock()
	lock := s.locks[s.key(account)]
	if lock == nil {
		lock = make(chan struct{}, 1)
		s.locks[s.key(account)] = lock
	}
	s.mu.Unlock()
	if s.defects.ignoresContext {
		ctx = context.WithoutCancel(ctx)
	}
	if s.defects.hidesContext {
		return s.lockOrGiveUp(ctx, lock)
	}
	if ctx.Err() != nil && !s.defects.tossesCoin {
		return nil, ctx.Err()
	}
	var limit <-chan time.Time
	if s.defects.impatient {
		limit = time.After(20 * time.Millisecond)
	}
	select {
	case lock <- struct{}{}:
		unlock := sync.OnceFunc(func() { <-lock })
		if s.defects.leases {
			time.AfterFunc(20*time.Millisecond, unlock)
		}
		return unlock, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-limit:
		return nil, errors.New("the lock is taken")
	}
}

// lockOrGiveUp does not say why it gives up.
func (s *modelStore) lockOrGiveUp(ctx context.Context, lock chan struct{}) (func(), error) {
	gaveUp := errors.New("gave up")
	if ctx.Err() != nil {
		return nil, gaveUp
	}
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, gaveUp
	}
}

// connection takes one of the pool until it is given back.
func (s *modelStore) connection(ctx context.Context) (giveBack func(), err error) {
	if !s.defects.fewConnections {
		return func() {}, nil
	}
	select {
	case s.pool <- struct{}{}:
		return func() { <-s.pool }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *modelStore) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	if s.defects.loadLocks {
		unlock, err := s.lock(ctx, account)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	token := s.get(account)
	if token == nil && s.defects.tokenForNone {
		return &oauth2.Token{}, revv.ErrNoToken
	}
	if token == nil && !s.defects.nilForNone {
		return nil, revv.ErrNoToken
	}
	return token, nil
}

func (s *modelStore) Update(
	ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	if s.defects.optimistic {
		return s.updateOptimistically(account, fn)
	}
	ofLock, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	defer ofLock()
	unlock, err := s.lock(ctx, account)
	if err != nil {
		return nil, err
	}
	finished := false
	defer func() {
		if finished || !s.defects.keepsLockOnPanic {
			unlock()
		}
	}()
	before := s.get(account)
	handed := s.copied(before)
	if s.defects.slow {
		<-time.After(time.Millisecond)
	}
	next, err := fn(handed)
	if s.defects.callsTwice {
		next, err = fn(handed)
	}
	finished = true
	switch {
	case s.defects.savesOnError && next != nil:
		s.put(account, next)
	case s.defects.hidesError && err != nil:
		return nil, errors.New("failed")
	}
	if err != nil {
		return nil, err
	}
	if next == nil {
		if s.defects.acceptsNil {
			return before, nil
		}
		return nil, errors.New("no token")
	}
	ofSaving, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	defer ofSaving()
	if s.defects.savesWithContext && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if s.defects.losesSame && next == handed {
		s.put(account, &oauth2.Token{})
		return next, nil
	}
	if s.defects.comparesPointers && next == handed {
		return next, nil
	}
	if s.defects.keepsHanded && next == handed {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tokens[s.key(account)] = next
		return s.copied(next), nil
	}
	if s.defects.savesLate {
		time.AfterFunc(10*time.Millisecond, func() { s.put(account, next) })
		return s.copied(next), nil
	}
	s.put(account, next)
	return s.copied(next), nil
}

// updateOptimistically loses no update, and yet it is wrong: every call of fn spends a
// refresh token, also the one whose result is thrown away.
func (s *modelStore) updateOptimistically(account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	for {
		before := s.get(account)
		next, err := fn(s.copied(before))
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		now := s.tokens[s.key(account)]
		if now == nil && before == nil || now != nil && before != nil && now.RefreshToken == before.RefreshToken {
			s.tokens[s.key(account)] = s.copied(next)
			s.mu.Unlock()
			return s.copied(next), nil
		}
		s.mu.Unlock()
	}
}
