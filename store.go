package revv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

// TokenStore keeps the token pair of each account, so that a program stays authorized
// when it restarts and several processes can share one authorization.
//
// Some services rotate refresh tokens: they accept each one only once. Nobody knows
// whether this service does. If it does, a program that refreshes without saving the
// answer, or while another process refreshes too, can lose the authorization of the
// account. Update exists to make that impossible, so an implementation has to keep every
// promise below. revvtest.TestTokenStore and revvtest.TestSharedTokenStore check all of
// them that can be seen in one process.
//
// An account is any text that is not empty; two accounts that differ in a single byte are
// two accounts. Tokens never share memory with the store: it takes and returns copies,
// with the fields AccessToken, TokenType, RefreshToken and Expiry, and with ExpiresIn if
// the store has a place for it: without it, a token that lives 30 s or less is renewed at
// each start of a program. All methods must be safe for concurrent use.
//
// [MemoryStore] and [FileStore] implement TokenStore; [EncryptedStore] wraps any
// implementation.
type TokenStore interface {
	// Load returns the token of the account, or an error that is ErrNoToken if there is
	// none. It does not wait for an Update in progress: it returns what was saved last.
	Load(ctx context.Context, account string) (*oauth2.Token, error)

	// Update replaces the token of the account by what fn returns:
	//
	//   - It locks the account, in every process that shares the store. It waits for
	//     the lock until ctx ends, and not less. If ctx has ended by the time the
	//     account is locked, fn is not called. Accounts do not wait for one another.
	//   - If saving could not succeed, because the disk is full or the database
	//     read-only, it returns an error without calling fn, which would spend the
	//     refresh token.
	//   - It calls fn, once, with the stored token, or nil if there is none. If fn
	//     fails, nothing is saved and Update returns the error of fn. A nil token
	//     without an error is an error.
	//   - It saves what fn returned, even if ctx has ended in the meantime, and
	//     returns only when that is durable. If fn returns the very pointer that it
	//     was given, with the token unchanged, nothing needs to be saved.
	//   - It unlocks the account, also when fn panics and when the process dies.
	//
	// fn can take half a minute, and a renewal gives Update 30 s. A lock that is a lease
	// must therefore last longer than fn and the saving together (and no longer than
	// needed: after a kill, the account waits for its end), and its end must be
	// stored: a caller that waits for the lease of a dead process may give up and call
	// Update again, which does not know when the wait began. Saving must not need a
	// connection that callers waiting for the lock can occupy.
	//
	// If saving fails, Update returns an error and the store holds either the old token
	// or the new one, whole. A store that finds at this point that the token was replaced
	// without the lock keeps the replacement and returns an error that is ErrConflict. fn
	// must not call Update for the same account.
	Update(ctx context.Context, account string, fn func(current *oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error)
}

// saveLimit is how long a store may take for the pair of [SaveToken].
const saveLimit = 30 * time.Second

// resaveTime is how long a failed save is tried again, for example while a database
// restarts. maxSaveDelay bounds the wait between two tries, because somebody waits for
// the answer.
const (
	resaveTime   = 5 * time.Second
	maxSaveDelay = 2 * time.Second
)

// SaveToken saves a pair from [OAuthConfig.Exchange] or [OAuthConfig.Login] as the pair
// of account, and replaces the one that is there. Nobody else has the pair, so a save
// that fails is tried again for 5 s, and goes on when ctx ends, for 30 s at most.
//
// After a reconnection, a client keeps its old token as long as that is accepted; if it
// was told [ErrReauthorizationRequired], it takes the new pair with its next call. The
// new pair may belong to another account of Revv, so make a new client.
//
// The error is [ErrInvalidArgument] without ctx, store, account or access token, or if
// the store refuses the account. It is [ErrTokenNotPersisted] if the store still fails:
// then the pair is lost, and a person has to authorize again. If it is [ErrTokenStoreCorrupt]
// as well, that fails in the same way until the store has forgotten the account, as with
// [FileStore.Forget].
func SaveToken(ctx context.Context, store TokenStore, account string, token *oauth2.Token) error {
	const op = "SaveToken"
	switch {
	case ctx == nil:
		return invalidArgument(op, "ctx", "must not be nil")
	case isNil(store):
		return invalidArgument(op, "store", "must not be nil")
	case token == nil || token.AccessToken == "":
		return invalidArgument(op, "token", "must not be empty")
	}
	return save(ctx, op, store, account, token)
}

// save puts a pair into a store, on behalf of op. A store that reports a failure may have
// saved the pair all the same, and another program may have renewed it since: then the pair
// is spent, and the one that has taken its place is kept.
func save(ctx context.Context, op string, store TokenStore, account string, token *oauth2.Token) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	begun := time.Now()
	var (
		shown    bool          // the store has shown the pair after a failure
		stored   *oauth2.Token // what was there at the last try: the store may quote it
		replaced *oauth2.Token // what the pair was last to replace
	)
	for try := 1; ; try++ {
		next := token
		kept, err := store.Update(ctx, account, func(current *oauth2.Token) (*oauth2.Token, error) {
			stored = cloneToken(current)
			switch {
			case shown && stored != nil && !samePair(stored, replaced):
				next = stored // the pair, or its successor
			case !samePair(stored, token):
				replaced = stored // as well if the pair was there and was lost again
			}
			return next, nil
		})
		if err == nil {
			if samePair(kept, next) {
				return nil
			}
			err = errors.New("the store has not kept the pair")
		}
		err = concealed(err, textsOf(token, stored)...)
		switch {
		case errors.Is(err, ErrInvalidArgument):
			return err
		case errors.Is(err, ErrTokenStoreCorrupt), time.Since(begun) >= resaveTime:
			return pairLost(op, err)
		}
		shown = shown || shows(ctx, store, account, token)
		if sleep(ctx, retry.Backoff(try, defaultBaseDelay, maxSaveDelay)) != nil {
			return pairLost(op, err)
		}
	}
}

// pairLost is the error of a new pair that could not be saved, and that nobody else has.
func pairLost(op string, cause error) error {
	message := "authorize again"
	if errors.Is(cause, ErrTokenStoreCorrupt) {
		message = "let the store forget the account, and authorize again"
	}
	return &Error{Op: op, Message: message, kinds: []error{ErrTokenNotPersisted}, cause: cause}
}

// shows reports whether a store shows a pair. It waits for that as long as failed saves are
// tried again, after which saveLimit leaves time for one more.
func shows(ctx context.Context, store TokenStore, account string, token *oauth2.Token) bool {
	ctx, cancel := context.WithTimeout(ctx, resaveTime)
	defer cancel()
	stored, err := store.Load(ctx, account)
	return err == nil && samePair(stored, token)
}

// MemoryStore keeps tokens in the memory of one process: for tests, and for programs that
// authorize anew at each start. Formatting, logging or encoding a MemoryStore shows no
// token. [NewMemoryStore] makes one.
type MemoryStore struct {
	locks  accountLocks
	mu     sync.RWMutex
	tokens map[string]secret.Value[*oauth2.Token]
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{tokens: make(map[string]secret.Value[*oauth2.Token])}
}

// Load returns the token of the account, or an error that is ErrNoToken. See
// [TokenStore].
func (s *MemoryStore) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	const op = "MemoryStore.Load"
	if err := s.check(ctx, op, account); err != nil {
		return nil, err
	}
	if stored := s.stored(account); stored != nil {
		return stored, nil
	}
	return nil, noToken(op)
}

// Update saves what fn returns, one call at a time for each account. See [TokenStore].
func (s *MemoryStore) Update(ctx context.Context, account string, fn func(current *oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	const op = "MemoryStore.Update"
	if err := s.check(ctx, op, account); err != nil {
		return nil, err
	}
	unlock, err := s.locks.lock(ctx, account)
	if err != nil {
		return nil, opError(op, err)
	}
	defer unlock()

	next, changed, err := callUpdate(ctx, op, s.stored(account), fn)
	if err != nil {
		return nil, err
	}
	if changed {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tokens[account] = secret.New(cloneToken(next)) // what the caller has is the caller's
	}
	return next, nil
}

// Forget removes the token of the account, if it has one, after any Update that is under
// way. A client that already has an access token goes on using it.
func (s *MemoryStore) Forget(ctx context.Context, account string) error {
	const op = "MemoryStore.Forget"
	if err := s.check(ctx, op, account); err != nil {
		return err
	}
	unlock, err := s.locks.lock(ctx, account)
	if err != nil {
		return opError(op, err)
	}
	defer unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, account)
	return nil
}

func (s *MemoryStore) check(ctx context.Context, op, account string) error {
	return checkStoreCall(ctx, op, account, "NewMemoryStore", s != nil && s.tokens != nil)
}

func (s *MemoryStore) stored(account string) *oauth2.Token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	token := s.tokens[account]
	return cloneToken(token.Reveal())
}

// accountLocks is a lock for each account. Waiters get it in order. Only accounts in use
// take memory. The zero value is ready to use.
type accountLocks struct {
	mu    sync.Mutex
	inUse map[string]*accountLock
}

type accountLock struct {
	turn  chan struct{} // holds an item while the account is locked
	users int           // how many hold the lock or wait for it
}

// lock waits for its turn until ctx is done.
func (l *accountLocks) lock(ctx context.Context, account string) (unlock func(), err error) {
	l.mu.Lock()
	lock := l.inUse[account]
	if lock == nil {
		if l.inUse == nil {
			l.inUse = make(map[string]*accountLock)
		}
		lock = &accountLock{turn: make(chan struct{}, 1)}
		l.inUse[account] = lock
	}
	lock.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(l.inUse, account)
		}
	}
	select {
	case lock.turn <- struct{}{}:
		return func() { <-lock.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// callUpdate is the part of Update that every store shares: it hands fn a copy of the stored
// token and checks what fn returns. It returns a copy of the token that the account has
// from now on, and whether that has to be saved.
func callUpdate(ctx context.Context, op string, stored *oauth2.Token, fn func(*oauth2.Token) (*oauth2.Token, error)) (next *oauth2.Token, changed bool, err error) {
	if fn == nil {
		return nil, false, invalidArgument(op, "fn", "must not be nil")
	}
	// ctx may have ended at the moment when the lock became free. From here on it is not
	// checked again: what fn returns is saved whatever happens.
	if err := ctx.Err(); err != nil {
		return nil, false, opError(op, err)
	}
	handed := cloneToken(stored)
	returned, err := fn(handed)
	if err != nil {
		return nil, false, err
	}
	if rule := tokenFault(returned); rule != "" {
		return nil, false, invalidArgument(op, "fn", rule)
	}
	next = cloneToken(returned)
	// A function that changes the token in place also returns the same pointer, and its
	// change must not be lost.
	changed = returned != handed || !sameToken(next, stored)
	return next, changed, nil
}

// tokenFault says why fn should not have returned the token, "" if it is fine.
func tokenFault(t *oauth2.Token) string {
	switch {
	case t == nil:
		return "returned neither a token nor an error"
	case t.AccessToken == "" && t.RefreshToken == "":
		return "returned a token without an access token and a refresh token"
	case !utf8.ValidString(t.AccessToken) || !utf8.ValidString(t.TokenType) || !utf8.ValidString(t.RefreshToken):
		return "returned a token that is not valid UTF-8"
	}
	return ""
}

// cloneToken copies what a store keeps of a token. The expiry gets the precision and zone
// that it has after JSON, so that all stores return the same.
func cloneToken(t *oauth2.Token) *oauth2.Token {
	if t == nil {
		return nil
	}
	expiry := t.Expiry.Round(0).UTC()
	if expiry.Year() < 0 || expiry.Year() > 9999 {
		// JSON has no such time, which is a hint only and no reason to lose a pair.
		expiry = time.Time{}
	}
	return &oauth2.Token{
		AccessToken:  t.AccessToken,
		TokenType:    t.TokenType,
		RefreshToken: t.RefreshToken,
		Expiry:       expiry,
		ExpiresIn:    t.ExpiresIn,
	}
}

func sameToken(a, b *oauth2.Token) bool {
	return a.AccessToken == b.AccessToken && a.TokenType == b.TokenType && a.RefreshToken == b.RefreshToken &&
		a.Expiry.Equal(b.Expiry) && a.ExpiresIn == b.ExpiresIn
}

// checkStoreCall checks what the methods of all our stores are given, and that the store
// was made by its constructor.
func checkStoreCall(ctx context.Context, op, account, constructor string, made bool) error {
	if !made {
		return invalidArgument(op, "store", "must come from "+constructor)
	}
	if err := checkContext(ctx, op); err != nil {
		return err
	}
	if account == "" {
		return invalidArgument(op, "account", "must not be empty")
	}
	return nil
}

func noToken(op string) error { return newError(op, ErrNoToken, "") }

// storedToken is the form in which a token is kept outside of memory.
type storedToken struct {
	Version      int       `json:"version"`
	Account      string    `json:"account"` // the SHA-256 of the account
	AccessToken  string    `json:"access_token"`
	TokenType    string    `json:"token_type,omitzero"`
	RefreshToken string    `json:"refresh_token,omitzero"`
	Expiry       time.Time `json:"expiry,omitzero"`
	ExpiresIn    int64     `json:"expires_in,omitzero"`
	Replaces     string    `json:"replaces,omitzero"` // the SHA-256 of the file that this one takes the place of
}

const (
	storedTokenVersion = 1
	// maxStoredToken bounds a token at rest, in bytes. Real ones have a few hundred.
	maxStoredToken = 64 << 10
)

// accountID stands for an account where not every text is allowed, as in a file name: 64
// lower-case hexadecimal digits.
func accountID(account string) string { return hexSHA256([]byte(account)) }

func encodeToken(op, account, replaces string, t *oauth2.Token) ([]byte, error) {
	data, err := json.Marshal(storedToken{ //nolint:gosec // a store is where secrets belong
		Version:      storedTokenVersion,
		Account:      accountID(account),
		AccessToken:  t.AccessToken,
		TokenType:    t.TokenType,
		RefreshToken: t.RefreshToken,
		Expiry:       t.Expiry,
		ExpiresIn:    t.ExpiresIn,
		Replaces:     replaces,
	})
	if err != nil {
		return nil, opError(op, err)
	}
	if len(data) > maxStoredToken {
		return nil, invalidArgument(op, "fn", "returned a token that takes more than 64 KiB")
	}
	return data, nil
}

// decodeToken reads what encodeToken wrote. Its errors do not wrap those of encoding/json,
// which can quote the content.
func decodeToken(account string, data []byte) (token *oauth2.Token, replaces string, err error) {
	switch {
	case len(data) == 0:
		return nil, "", corrupt("is empty")
	case len(data) > maxStoredToken:
		return nil, "", corrupt("exceeds 64 KiB")
	}
	var stored storedToken
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&stored) != nil {
		return nil, "", corrupt("is not the JSON of a stored token")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, "", corrupt("goes on after the JSON of a stored token")
	}
	if stored.Version != storedTokenVersion {
		return nil, "", corrupt("has an unknown version")
	}
	if stored.Account != accountID(account) {
		return nil, "", corrupt("belongs to another account")
	}
	token = cloneToken(&oauth2.Token{
		AccessToken:  stored.AccessToken,
		TokenType:    stored.TokenType,
		RefreshToken: stored.RefreshToken,
		Expiry:       stored.Expiry,
		ExpiresIn:    stored.ExpiresIn,
	})
	if tokenFault(token) != "" {
		return nil, "", corrupt("holds no token")
	}
	return token, stored.Replaces, nil
}

func corrupt(why string) error { return fmt.Errorf("%w: it %s", ErrTokenStoreCorrupt, why) }
