package revv_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// decider is a person at a browser who agrees, or declines, and the times they
// were asked.
type decider struct {
	t       *testing.T
	decide  func(authURL string) (location string, err error)
	asked   int
	visited sync.WaitGroup
}

func (d *decider) open(authURL string) error {
	d.asked++
	location, err := d.decide(authURL)
	if err == nil {
		d.visited.Go(func() { get(d.t, location) })
	}
	return err
}

// connect connects once, and waits until the browser has its page.
func (d *decider) connect(config revv.OAuthConfig, store revv.TokenStore, account string) (revv.Authenticator, error) {
	defer d.visited.Wait()
	return config.Connect(bounded(d.t.Context(), d.t), store, account, d.open)
}

func TestConnect_asksAPersonTheFirstTimeAlone(t *testing.T) {
	t.Parallel()
	server, store := revvtest.NewServer(t), revv.NewMemoryStore()
	person := &decider{t: t, decide: server.Authorize}
	for range 3 {
		auth, err := person.connect(server.OAuthConfig(), store, "acme")
		require.NoError(t, err)
		client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
		require.NoError(t, err)
		_, err = client.Templates.List(t.Context(), revv.ListTemplatesParams{})
		require.NoError(t, err)
	}
	assert.Equal(t, 1, person.asked)
	assert.Len(t, server.Requests("OAuth.Token"), 1)
	_, err := person.connect(server.OAuthConfig(), store, "another")
	require.NoError(t, err)
	assert.Equal(t, 2, person.asked, "accounts are apart")
}

func TestConnect_aPersonWhoDeclines_leavesNothing(t *testing.T) {
	t.Parallel()
	server, store := revvtest.NewServer(t), revv.NewMemoryStore()
	_, err := (&decider{t: t, decide: server.Deny}).connect(server.OAuthConfig(), store, "acme")
	require.ErrorIs(t, err, revv.ErrForbidden)
	_, err = store.Load(t.Context(), "acme")
	require.ErrorIs(t, err, revv.ErrNoToken)
}

// halfStore fails to load, or to save, and quotes what it was given to save.
type halfStore struct{ load, save error }

func (s halfStore) Load(context.Context, string) (*oauth2.Token, error) { return nil, s.load }

func (s halfStore) Update(_ context.Context, _ string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	token, err := fn(nil)
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(s.save, errors.New(token.AccessToken+token.RefreshToken))
}

func TestConnect_storeThatFails_isTheError(t *testing.T) {
	t.Parallel()
	server, down := revvtest.NewServer(t), errors.New("the disk is on fire")
	person := &decider{t: t, decide: server.Authorize}

	_, err := person.connect(server.OAuthConfig(), halfStore{load: down}, "acme")
	require.ErrorIs(t, err, down)
	assert.Zero(t, person.asked, "nobody is asked for a pair that could not be found again")

	_, err = person.connect(server.OAuthConfig(), &scripted{ledger: readOnly()}, "acme")
	require.ErrorIs(t, err, errLedgerDown)
	require.NotErrorIs(t, err, revv.ErrTokenNotPersisted)
	_, err = person.connect(server.OAuthConfig(), &scripted{ledger: newLedger(&eventLog{}), update: swallow}, "acme")
	require.ErrorContains(t, err, "has not asked for a pair")
	assert.Zero(t, person.asked, "nobody is asked for a pair that could not be kept")

	forGood := errors.Join(down, revv.ErrTokenStoreCorrupt) // which is not tried again
	_, err = person.connect(server.OAuthConfig(), halfStore{load: revv.ErrNoToken, save: forGood}, "acme")
	require.ErrorIs(t, err, down)
	require.ErrorIs(t, err, revv.ErrTokenNotPersisted)
	assert.Equal(t, 1, person.asked)
	assert.Equal(t, "OAuth.Connect", failure(t, err).Op)
	assert.NotRegexp(t, `\b[ar]t_`, err.Error(), "a token of the sandbox")

	_, err = person.connect(server.OAuthConfig(), halfStore{load: revv.ErrNoToken, save: revv.ErrInvalidArgument}, "acme")
	require.ErrorIs(t, err, revv.ErrTokenNotPersisted, "whatever the store has against it, the pair is lost")
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.NotRegexp(t, `\b[ar]t_`, err.Error())
	err = revv.SaveToken(t.Context(), halfStore{save: revv.ErrInvalidArgument}, "acme", server.Token())
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.NotRegexp(t, `\b[ar]t_`, err.Error())
}

// readOnly is a store that says so before it would have to save.
func readOnly() *ledger {
	l := newLedger(&eventLog{})
	l.onUpdate = down
	return l
}

// swallow is an Update that does nothing and says that all is well.
func swallow(context.Context, string, func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: "any"}, nil
}

// A person has decided: that is not lost for a save that fails once.
func TestConnect_savingFailsOnce_isTriedAgain(t *testing.T) {
	t.Parallel()
	server, store := revvtest.NewServer(t), newLedger(&eventLog{})
	fails := failsTimes(1)
	store.onSave = func(oauth2.Token) error { return fails() }
	person := &decider{t: t, decide: server.Authorize}
	_, err := person.connect(server.OAuthConfig(), store, "acme")
	require.NoError(t, err)
	assert.NotEmpty(t, store.pair("acme").RefreshToken)
}

// No token and no error is no pair.
func TestConnect_storeReturnsNothing_asksAPerson(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	store := &scripted{ledger: newLedger(&eventLog{}), load: func(string) (*oauth2.Token, error) { return nil, nil }}
	person := &decider{t: t, decide: server.Authorize}
	_, err := person.connect(server.OAuthConfig(), store, "acme")
	require.NoError(t, err)
	assert.Equal(t, 1, person.asked)
}

func TestConnect_argumentsThatBreakARule_askNobody(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	config, person := server.OAuthConfig(), &decider{t: t, decide: server.Authorize}
	_, err := config.Connect(t.Context(), nil, "", nil)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	for _, name := range []string{"store", "account", "open"} {
		assert.ErrorContains(t, err, name)
	}
	_, err = config.Connect(nil, revv.NewMemoryStore(), "acme", person.open) //nolint:staticcheck // what it shall not take
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Zero(t, person.asked)
}
