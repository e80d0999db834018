package revvtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// TestTokenStore checks that a store of your own keeps the promises of [revv.TokenStore].
// It calls newStore once for each promise, as a subtest; every store that newStore
// returns has to be empty and independent of the others:
//
//	func TestStore(t *testing.T) {
//		revvtest.TestTokenStore(t, func(t *testing.T) revv.TokenStore {
//			return NewStore(newDatabase(t))
//		})
//	}
//
// A store that programs share needs [TestSharedTokenStore] as well. A store that hangs
// fails the test after some seconds.
//
// What needs a second process or a failing disk is not checked: that the lock is released
// when its holder dies, that a store which cannot save returns an error before fn runs,
// and that a token which was changed without the lock is [revv.ErrConflict]. ExpiresIn is
// not compared either, because a store may leave it out.
func TestTokenStore(t *testing.T, newStore func(t *testing.T) revv.TokenStore) {
	t.Helper()
	for _, promise := range tokenStorePromises() {
		t.Run(promise.name, func(t *testing.T) {
			store := newStore(t)
			promise.check(&storeCheck{TB: t, store: store, beside: store, patience: 10 * time.Second})
		})
	}
}

// TestSharedTokenStore checks that a store keeps the promises of [revv.TokenStore] for
// two programs that share it. newStores opens the same tokens twice, empty, as two
// replicas of an application do: the two stores must have nothing in common that replicas
// do not have.
//
//	func TestSharedStore(t *testing.T) {
//		revvtest.TestSharedTokenStore(t, func(t *testing.T) (one, another revv.TokenStore) {
//			url := newDatabase(t)
//			return NewStore(open(t, url)), NewStore(open(t, url))
//		})
//	}
//
// What is written through one store is read through the other, and an Update of one waits
// for the lock of the other. The test finds what [TestTokenStore] cannot: locks and
// caches that work within one process only, and leases and time limits of up to three
// seconds (fn can take half a minute). Two replicas with such a store spend a refresh
// token twice.
func TestSharedTokenStore(t *testing.T, newStores func(t *testing.T) (one, another revv.TokenStore)) {
	t.Helper()
	for _, promise := range append(tokenStorePromises(), sharedPromises()...) {
		t.Run(promise.name, func(t *testing.T) {
			one, another := newStores(t)
			promise.check(&storeCheck{TB: t, store: one, beside: another, patience: 10 * time.Second})
		})
	}
}

// sharedPromises are those that matter, or can be seen, between two programs.
func sharedPromises() []tokenStorePromise {
	return []tokenStorePromise{
		{"either side sees what the other has saved", checkBothSides},
		{"a lock lasts as long as fn takes, and is waited for as long", checkSlowRenewal},
	}
}

type tokenStorePromise struct {
	name  string
	check func(c *storeCheck)
}

func tokenStorePromises() []tokenStorePromise {
	return []tokenStorePromise{
		{"an empty store has no token", checkNoToken},
		{"what fn returns is saved", checkRoundTrip},
		{"a token is replaced as a whole", checkReplacedAsAWhole},
		{"fn is called once", checkCalledOnce},
		{"a failure of fn saves nothing", checkFailureSavesNothing},
		{"neither a token nor an error is an error", checkNilToken},
		{"the same token stays", checkSameToken},
		{"a token that fn changes in place is saved", checkChangedInPlace},
		{"tokens are copies", checkCopies},
		{"accounts that look alike are kept apart", checkAccountsApart},
		{"updates of an account happen one after the other", checkSerial},
		{"accounts do not wait for one another", checkAccountsIndependent},
		{"many accounts are updated at once", checkManyAccounts},
		{"Load does not wait for Update", checkLoadDoesNotWait},
		{"waiting for the lock ends with the context", checkWaiterLeaves},
		{"a context that is done calls nothing", checkDoneContext},
		{"a token is saved although the context ended", checkSavedAfterContext},
		{"a panic of fn unlocks the account", checkPanicUnlocks},
	}
}

// storeCheck checks one promise of a store. beside is another store on the same tokens,
// or store itself: what store has saved is read there, and what waits for store waits
// there.
type storeCheck struct {
	testing.TB

	store, beside revv.TokenStore
	patience      time.Duration
}

type updateFunc = func(current *oauth2.Token) (*oauth2.Token, error)

// outcome is what a call of the store returned.
type outcome struct {
	token *oauth2.Token
	err   error
}

// begin makes a call in the background.
func begin(call func() (*oauth2.Token, error)) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		token, err := call()
		done <- outcome{token, err}
	}()
	return done
}

// end waits for a call, but not for ever if it ignores its context.
func (c *storeCheck) end(what string, call <-chan outcome) (*oauth2.Token, error) {
	c.Helper()
	select {
	case got := <-call:
		return got.token, got.err
	case <-time.After(2 * c.patience):
		c.Fatalf("%s hangs", what)
		return nil, nil //nolint:nilnil // not reached
	}
}

func (c *storeCheck) beginUpdate(ctx context.Context, account string, fn updateFunc) <-chan outcome {
	return begin(func() (*oauth2.Token, error) { return c.store.Update(ctx, account, fn) })
}

func (c *storeCheck) update(account string, fn updateFunc) (*oauth2.Token, error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), c.patience)
	defer cancel()
	return c.end("Update", c.beginUpdate(ctx, account, fn))
}

func (c *storeCheck) load(account string) (*oauth2.Token, error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), c.patience)
	defer cancel()
	return c.end("Load", begin(func() (*oauth2.Token, error) { return c.beside.Load(ctx, account) }))
}

// save stores a token, which has to succeed.
func (c *storeCheck) save(account string, token *oauth2.Token) {
	c.Helper()
	got, err := c.update(account, func(*oauth2.Token) (*oauth2.Token, error) { return token, nil })
	if err != nil {
		c.Fatalf("Update: %v", err)
	}
	c.wantToken("Update", got, token)
}

// replace stores next in place of the sample's token, or the same token again if next is
// nil, and returns what fn was given. fn does not fail the test itself, because a broken
// store may call it after the test is over.
func (c *storeCheck) replace(next *oauth2.Token) (handed *oauth2.Token) {
	c.Helper()
	var seen atomic.Pointer[oauth2.Token]
	_, err := c.update(sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
		if current != nil {
			seen.Store(new(*current))
		}
		if next == nil {
			return current, nil
		}
		return next, nil
	})
	if err != nil {
		c.Fatalf("Update: %v", err)
	}
	return seen.Load()
}

// stored checks what is stored, nil for nothing.
func (c *storeCheck) stored(account string, want *oauth2.Token) {
	c.Helper()
	got, err := c.load(account)
	if want != nil {
		if err != nil {
			c.Fatalf("Load: %v", err)
		}
		c.wantToken("Load", got, want)
		return
	}
	if !errors.Is(err, revv.ErrNoToken) {
		c.Fatalf("Load of an account without a token returns the error %v, want one that Is ErrNoToken", err)
	}
	if got != nil {
		c.Errorf("Load returns a token and ErrNoToken")
	}
}

// wantToken compares tokens. Databases round times, which does no harm.
func (c *storeCheck) wantToken(what string, got, want *oauth2.Token) {
	c.Helper()
	if got == nil || want == nil {
		if got != want {
			c.Fatalf("%s: the token is missing: %t, want %t", what, got == nil, want == nil)
		}
		return
	}
	c.wantText(what, "AccessToken", got.AccessToken, want.AccessToken)
	c.wantText(what, "TokenType", got.TokenType, want.TokenType)
	c.wantText(what, "RefreshToken", got.RefreshToken, want.RefreshToken)
	apart := got.Expiry.Sub(want.Expiry).Abs()
	if got.Expiry.IsZero() != want.Expiry.IsZero() || apart > time.Second {
		c.Errorf("%s: Expiry is %v, want %v", what, got.Expiry, want.Expiry)
	}
}

func (c *storeCheck) wantText(what, field, got, want string) {
	c.Helper()
	if got != want {
		c.Errorf("%s: %s is %s, want %s", what, field, shortened(got), shortened(want))
	}
}

// shortened keeps a failure readable; the tokens are those of this file.
func shortened(text string) string {
	if len(text) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", text[:40], len(text))
	}
	return strconv.Quote(text)
}

func samplePair(name string) *oauth2.Token {
	return &oauth2.Token{
		AccessToken:  "access " + name,
		TokenType:    "Bearer",
		RefreshToken: "refresh " + name,
		Expiry:       time.Date(2030, time.May, 17, 12, 30, 15, 0, time.FixedZone("", 5400)),
	}
}

const sampleAccount = "someone@example.com"

var (
	errSample = errors.New("the refresh failed")
	errLost   = errors.New("fn got no token, though one was saved")
)

func checkNoToken(c *storeCheck) {
	c.stored(sampleAccount, nil)
	_, err := c.update(sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
		if current != nil {
			c.Errorf("fn gets a token from an empty store, want nil")
		}
		return nil, errSample
	})
	if !errors.Is(err, errSample) {
		c.Errorf("Update returns the error %v, want that of fn", err)
	}
	c.stored(sampleAccount, nil)
}

func checkRoundTrip(c *storeCheck) {
	long := samplePair("long")
	long.AccessToken = strings.Repeat("0123456789abcdef", 256)
	odd := samplePair(`odd "'\ <&> %s ü 令牌 😀`)
	noExpiry := samplePair("without expiry")
	noExpiry.Expiry = time.Time{}
	expired := samplePair("expired") // only the access token is: the other is what renews it
	expired.Expiry = expired.Expiry.AddDate(-20, 0, 0)
	for _, want := range []*oauth2.Token{samplePair("first"), long, odd, noExpiry, expired} {
		c.save(sampleAccount, want)
		c.stored(sampleAccount, want)
		c.wantToken("the argument of fn", c.replace(nil), want)
	}
}

func checkReplacedAsAWhole(c *storeCheck) {
	c.save(sampleAccount, samplePair("first"))
	bare := &oauth2.Token{AccessToken: "access only"}
	c.save(sampleAccount, bare)
	c.stored(sampleAccount, bare)
}

func checkCalledOnce(c *storeCheck) {
	for _, err := range []error{nil, errSample} {
		calls := 0
		_, _ = c.update(sampleAccount, func(*oauth2.Token) (*oauth2.Token, error) {
			calls++
			return samplePair("once"), err
		})
		if calls != 1 {
			c.Errorf("fn was called %d times, want once: every call spends a refresh token", calls)
		}
	}
}

func checkFailureSavesNothing(c *storeCheck) {
	before := samplePair("before")
	c.save(sampleAccount, before)
	got, err := c.update(sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
		if current != nil { // or what was saved is lost, which is told below
			current.AccessToken = "changed in place"
		}
		return samplePair("after"), errSample
	})
	if !errors.Is(err, errSample) {
		c.Errorf("Update returns the error %v, want that of fn", err)
	}
	if got != nil {
		c.Errorf("Update returns a token and an error")
	}
	c.stored(sampleAccount, before)
	c.save(sampleAccount, samplePair("later"))
}

func checkNilToken(c *storeCheck) {
	before := samplePair("before")
	c.save(sampleAccount, before)
	for _, account := range []string{sampleAccount, "another@example.com"} {
		_, err := c.update(account, func(*oauth2.Token) (*oauth2.Token, error) {
			return nil, nil //nolint:nilnil // the mistake that is tried
		})
		if err == nil {
			c.Errorf("Update succeeds although fn returned neither a token nor an error")
		}
	}
	c.stored(sampleAccount, before)
	c.stored("another@example.com", nil)
}

func checkSameToken(c *storeCheck) {
	want := samplePair("the same")
	c.save(sampleAccount, want)
	got, err := c.update(sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) { return current, nil })
	if err != nil {
		c.Fatalf("Update: %v", err)
	}
	c.wantToken("Update", got, want)
	c.stored(sampleAccount, want)
}

func checkChangedInPlace(c *storeCheck) {
	c.save(sampleAccount, samplePair("before"))
	_, err := c.update(sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
		if current == nil {
			return nil, errLost
		}
		*current = *samplePair("after")
		return current, nil
	})
	if err != nil {
		c.Fatalf("Update: %v", err)
	}
	c.stored(sampleAccount, samplePair("after"))
}

func checkCopies(c *storeCheck) {
	want := samplePair("original")
	spoil := func(token *oauth2.Token, err error) {
		if err == nil && token != nil {
			*token = oauth2.Token{AccessToken: "spoiled"}
		}
	}
	passed := samplePair("original")
	spoil(c.update(sampleAccount, func(*oauth2.Token) (*oauth2.Token, error) { return passed, nil }))
	c.stored(sampleAccount, want)
	spoil(passed, nil)
	c.stored(sampleAccount, want)
	spoil(c.load(sampleAccount))
	c.stored(sampleAccount, want)
	var kept *oauth2.Token
	spoil(c.update(sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
		kept = current
		return current, nil
	}))
	c.stored(sampleAccount, want)
	spoil(kept, nil)
	c.stored(sampleAccount, want)
}

func checkAccountsApart(c *storeCheck) {
	accounts := []string{
		"acme", "Acme", "acme ", " acme", "acme/", "/acme", "../acme", "..", ".", "/", `\`, "acme.",
		"ácme", "a\u0301cme", "%61cme", "acm_", "acm%", "'; --", "con", "acme:1", strings.Repeat("acme", 75), strings.Repeat("acme", 75) + "1",
	}
	for i, account := range accounts {
		c.stored(account, nil)
		c.save(account, samplePair(strconv.Itoa(i)))
	}
	for i, account := range accounts {
		c.stored(account, samplePair(strconv.Itoa(i)))
	}
}
