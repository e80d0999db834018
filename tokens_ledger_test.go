package revv_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

var errLedgerDown = errors.New("the database is gone")

// ledger is a TokenStore that counts what it is asked and fails where it is told to.
type ledger struct {
	events *eventLog

	mu       sync.Mutex
	pairs    map[string]oauth2.Token
	locked   map[string]chan struct{}
	onLoad   func() error                  // fails a Load
	onUpdate func() error                  // fails an Update before it calls fn
	onSave   func(pair oauth2.Token) error // fails an Update after it has called fn
	loads    int
	updates  int
	saves    int // that succeeded
}

func newLedger(events *eventLog) *ledger {
	return &ledger{events: events, pairs: make(map[string]oauth2.Token), locked: make(map[string]chan struct{})}
}

// Load implements [revv.TokenStore].
func (l *ledger) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.loads++
	fault := l.onLoad
	l.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	pair, ok := l.pairs[account]
	if !ok {
		return nil, revv.ErrNoToken
	}
	return &pair, nil
}

// Update implements [revv.TokenStore].
func (l *ledger) Update(
	ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	l.mu.Lock()
	lock := l.locked[account]
	if lock == nil {
		lock = make(chan struct{}, 1)
		l.locked[account] = lock
	}
	l.mu.Unlock()
	select {
	case lock <- struct{}{}:
		defer func() { <-lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	current, err := l.open(account)
	if err != nil {
		return nil, err
	}
	before := l.pair(account)
	next, err := fn(current)
	switch {
	case err != nil:
		return nil, err
	case next == nil:
		return nil, revv.ErrInvalidArgument
	case next == current && *next == before:
		return next, nil
	}
	return l.save(account, *next)
}

func (l *ledger) open(account string) (*oauth2.Token, error) {
	l.mu.Lock()
	l.updates++
	fault := l.onUpdate
	l.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if pair, ok := l.pairs[account]; ok {
		return &pair, nil
	}
	return nil, nil
}

func (l *ledger) save(account string, pair oauth2.Token) (*oauth2.Token, error) {
	l.mu.Lock()
	fault := l.onSave
	l.mu.Unlock()
	if fault != nil {
		if err := fault(pair); err != nil {
			l.events.add("save failed")
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pairs[account] = pair
	l.saves++
	l.events.add("saved " + pair.AccessToken)
	return &pair, nil
}

// put is what another program does, which does not respect the lock either.
func (l *ledger) put(account string, pair *oauth2.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pairs[account] = *pair
}

func (l *ledger) remove(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, account)
}

func (l *ledger) pair(account string) oauth2.Token {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pairs[account]
}

// set changes what the ledger does from now on.
func (l *ledger) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *ledger) counts() (loads, updates, saves int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loads, l.updates, l.saves
}

// down fails for ever.
func down() error { return errLedgerDown }

// failsTimes fails n times.
func failsTimes(n int) func() error {
	return func() error {
		if n--; n >= 0 {
			return errLedgerDown
		}
		return nil
	}
}

// Without it the matrix would prove things of a store that no promise holds for.
func TestLedger_keepsThePromisesOfAStore(t *testing.T) {
	t.Parallel()
	revvtest.TestTokenStore(t, func(*testing.T) revv.TokenStore { return newLedger(&eventLog{}) })
}
