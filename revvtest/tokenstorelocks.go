package revvtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

func checkSerial(c *storeCheck) {
	const callers, rounds = 5, 4
	var inside atomic.Int32
	var overlap atomic.Bool
	increment := func(current *oauth2.Token) (*oauth2.Token, error) {
		if inside.Add(1) != 1 {
			overlap.Store(true)
		}
		defer inside.Add(-1)
		<-time.After(time.Millisecond) // a renewal takes a while, in which another could begin
		count := 0
		if current != nil {
			var err error
			if count, err = strconv.Atoi(current.RefreshToken); err != nil {
				return nil, err
			}
		}
		return &oauth2.Token{AccessToken: "access", RefreshToken: strconv.Itoa(count + 1)}, nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), 2*c.patience)
	defer cancel()
	calls := make([]<-chan outcome, 0, callers)
	for i := range callers {
		store := []revv.TokenStore{c.store, c.beside}[i%2]
		calls = append(calls, begin(func() (last *oauth2.Token, err error) {
			for range rounds {
				if last, err = store.Update(ctx, sampleAccount, increment); err != nil {
					return nil, err
				}
			}
			return last, nil
		}))
	}
	for _, call := range calls {
		if _, err := c.end("Update", call); err != nil {
			c.Errorf("Update: %v", err)
		}
	}
	if overlap.Load() {
		c.Errorf("fn runs twice at a time for one account")
	}
	c.stored(sampleAccount, &oauth2.Token{AccessToken: "access", RefreshToken: strconv.Itoa(callers * rounds)})
}

// swapped returns the check with the two stores swapped.
func (c *storeCheck) swapped() *storeCheck {
	return &storeCheck{TB: c.TB, store: c.beside, beside: c.store, patience: c.patience}
}

// holding runs do, from the other side, while an Update of sampleAccount holds the lock.
// Then it lets that Update save.
func (c *storeCheck) holding(do func(other *storeCheck)) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 4*c.patience)
	defer cancel()
	entered, release := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) }) // a broken store calls fn twice
	holder := c.beginUpdate(ctx, sampleAccount, func(*oauth2.Token) (*oauth2.Token, error) {
		enter()
		<-release
		return samplePair("of the holder"), nil
	})
	leave := sync.OnceFunc(func() { close(release) })
	defer leave()
	select {
	case <-entered:
	case got := <-holder:
		c.Fatalf("Update returns without calling fn, with the error %v", got.err)
	case <-time.After(c.patience):
		c.Fatalf("Update does not call fn")
	}
	do(c.swapped())
	leave()
	if _, err := c.end("Update", holder); err != nil {
		c.Errorf("Update: %v", err)
	}
	c.stored(sampleAccount, samplePair("of the holder"))
}

func checkAccountsIndependent(c *storeCheck) {
	c.holding(func(other *storeCheck) {
		other.save("another@example.com", samplePair("another"))
		other.stored("another@example.com", samplePair("another"))
	})
}

// checkSlowRenewal finds leases and limits of some seconds. fn can take half a minute, which
// would be too long for a test.
func checkSlowRenewal(c *storeCheck) {
	ctx, cancel := context.WithTimeout(c.Context(), 4*c.patience)
	defer cancel()
	var waiter <-chan outcome
	var early atomic.Bool
	released := make(chan struct{})
	c.holding(func(other *storeCheck) {
		waiter = other.beginUpdate(ctx, sampleAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
			select {
			case <-released:
			default:
				early.Store(true)
			}
			return current, nil
		})
		select {
		case got := <-waiter:
			c.Fatalf("a second Update ends while the first one runs, with the error %v", got.err)
		case <-time.After(c.patience * 3 / 10):
		}
		close(released)
	})
	if _, err := c.end("the second Update", waiter); err != nil {
		c.Errorf("the second Update, after the first one: %v", err)
	}
	if early.Load() {
		c.Errorf("fn runs although another Update holds the lock")
	}
}

// checkManyAccounts finds stores that need two connections of a pool for one Update: once
// every Update has taken its first, nobody gets a second.
func checkManyAccounts(c *storeCheck) {
	const accounts = 50
	ctx, cancel := context.WithTimeout(c.Context(), c.patience)
	defer cancel()
	calls := make([]<-chan outcome, accounts)
	for i := range calls {
		calls[i] = c.beginUpdate(ctx, strconv.Itoa(i), func(*oauth2.Token) (*oauth2.Token, error) {
			<-time.After(c.patience / 500)
			return samplePair(strconv.Itoa(i)), nil
		})
	}
	for _, call := range calls {
		if _, err := c.end("Update", call); err != nil {
			c.Fatalf("Update, one of %d accounts at once: %v", accounts, err)
		}
	}
	for i := range calls {
		c.stored(strconv.Itoa(i), samplePair(strconv.Itoa(i)))
	}
}

func checkLoadDoesNotWait(c *storeCheck) {
	c.save(sampleAccount, samplePair("before"))
	c.holding(func(*storeCheck) { c.stored(sampleAccount, samplePair("before")) })
}

// refused returns a function that must not be called, and whether it was. It does not
// report that itself: a broken store may call it when the test is over.
func refused() (fn updateFunc, called *atomic.Bool) {
	called = new(atomic.Bool)
	return func(*oauth2.Token) (*oauth2.Token, error) {
		called.Store(true)
		return nil, errSample
	}, called
}

func checkWaiterLeaves(c *storeCheck) {
	c.holding(func(other *storeCheck) {
		ctx, cancel := context.WithTimeout(c.Context(), 50*time.Millisecond)
		defer cancel()
		fn, called := refused()
		_, err := c.end("an Update whose context is done", other.beginUpdate(ctx, sampleAccount, fn))
		if called.Load() {
			c.Errorf("fn runs although another Update holds the lock")
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			c.Errorf("Update returns the error %v, want one that Is context.DeadlineExceeded", err)
		}
	})
}

func checkDoneContext(c *storeCheck) {
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	for range 50 { // a select of the lock and the context takes either
		fn, called := refused()
		_, err := c.end("Update", c.beginUpdate(ctx, sampleAccount, fn))
		if called.Load() {
			c.Fatalf("fn runs although the context is done: look at ctx.Err() when the account is locked")
		}
		if !errors.Is(err, context.Canceled) {
			c.Fatalf("Update returns the error %v, want one that Is context.Canceled", err)
		}
	}
}

func checkSavedAfterContext(c *storeCheck) {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	_, err := c.end("Update", c.beginUpdate(ctx, sampleAccount, func(*oauth2.Token) (*oauth2.Token, error) {
		cancel()
		return samplePair("spent"), nil
	}))
	if err != nil {
		c.Errorf("Update: %v: by now the old refresh token is spent, so the new one must be saved", err)
	}
	c.stored(sampleAccount, samplePair("spent"))
}

func checkPanicUnlocks(c *storeCheck) {
	before := samplePair("before")
	c.save(sampleAccount, before)
	_, err := c.end("Update", begin(func() (token *oauth2.Token, err error) {
		defer func() {
			if recover() != nil {
				err = errSample
			}
		}()
		return c.store.Update(c.Context(), sampleAccount, func(*oauth2.Token) (*oauth2.Token, error) {
			panic("fn panics") //nolint:forbidigo // a store has to survive that
		})
	}))
	if err == nil {
		c.Errorf("Update succeeds although fn panicked")
	}
	c.stored(sampleAccount, before)
	c.swapped().save(sampleAccount, samplePair("later"))
}

// checkBothSides writes through one side and then the other. A side that caches what it
// has read or written would spend a refresh token that the other has replaced.
func checkBothSides(c *storeCheck) {
	side := c
	var before *oauth2.Token
	for i := range 6 {
		next := samplePair(strconv.Itoa(i))
		c.wantToken("the argument of fn", side.replace(next), before)
		side.stored(sampleAccount, next)
		side.swapped().stored(sampleAccount, next)
		side, before = side.swapped(), next
	}
}
