package revv_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// tokenCase is a row of the fault matrix, or a neighbour of one.
type tokenCase struct {
	id    string
	fault string
	given func(w *tokenWorld) // what is so before the first step
	steps []tokenStep
}

// tokenStep is one thing that a program does, and everything that may follow.
type tokenStep struct {
	do      func(w *tokenWorld)                                   // what happens first
	callers int                                                   // how many do it at once, 0 means 1
	call    func(ctx context.Context, w *tokenWorld, i int) error // nil gets a document
	want    []error                                               // kinds of the error of every caller, none for success
	never   []error                                               // kinds that it must not be
	tokens  int                                                   // requests that the token endpoint has seen in this step
	api     int                                                   // and the API
	saves   int                                                   // pairs that were saved
	then    func(w *tokenWorld, took time.Duration, errs []error) // what else must be so
}

// tokenWorld is a program with one authorized account, and the service that it
// uses. It begins with a pair whose access token the API accepts.
type tokenWorld struct {
	*testing.T

	authority *authority
	ledger    *ledger
	events    *eventLog
	config    revv.OAuthConfig
	auth      revv.Authenticator
	client    *revv.Client
	logs      *buffer
	first     oauth2.Token
}

const tokenAccount = "legal@example.com"

func newTokenWorld(t *testing.T) *tokenWorld {
	t.Helper()
	w := &tokenWorld{T: t, events: &eventLog{}, logs: &buffer{}}
	w.authority, w.ledger = newAuthority(t, w.events), newLedger(w.events)
	w.config = w.authority.config()
	w.config.Logger = slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.first.AccessToken, w.first.RefreshToken = w.authority.authorize()
	w.first.TokenType = "Bearer"
	w.ledger.put(tokenAccount, &w.first)
	w.auth, w.client = w.program(w.ledger, tokenAccount)
	return w
}

// reopened is a ledger as a new process sees it, which shares no memory with the
// one before.
type reopened struct{ *ledger }

// restart is what a new process does: it knows what the store holds, no more.
func (w *tokenWorld) restart() {
	w.Helper()
	w.auth, w.client = w.program(&reopened{w.ledger}, tokenAccount)
}

// program is another user of the same application.
func (w *tokenWorld) program(store revv.TokenStore, account string) (revv.Authenticator, *revv.Client) {
	w.Helper()
	auth, err := w.config.Authenticator(store, account)
	require.NoError(w, err)
	return auth, w.clientOf(auth)
}

func (w *tokenWorld) clientOf(auth revv.Authenticator) *revv.Client {
	w.Helper()
	client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: w.authority}),
		revv.WithLogger(w.config.Logger))
	require.NoError(w, err)
	return client
}

// faulty sets what the token endpoint does next, and honestly after that.
func (w *tokenWorld) faulty(faults ...tokenFault) {
	w.authority.set(func() { w.authority.faults, w.authority.always = faults, nil })
}

// alwaysFaulty sets what the token endpoint does from now on.
func (w *tokenWorld) alwaysFaulty(fault tokenFault) {
	w.authority.set(func() { w.authority.faults, w.authority.always = nil, fault })
}

// expire ends the life of the access tokens; nobody has said so to the client.
func (w *tokenWorld) expire() { w.authority.expire() }

// left dates the stored pair: its access token has so much of an hour left.
func (w *tokenWorld) left(d time.Duration) {
	pair := w.ledger.pair(tokenAccount)
	pair.Expiry, pair.ExpiresIn = time.Now().Add(d), 3600
	w.ledger.put(tokenAccount, &pair)
}

func expired(w *tokenWorld) { w.expire() }

// brokenFrom is a world with an expired token and an endpoint with faults.
func brokenFrom(faults ...tokenFault) func(*tokenWorld) {
	return func(w *tokenWorld) {
		w.expire()
		w.faulty(faults...)
	}
}

// broken is a world with an expired token and an endpoint that stays faulty.
func broken(fault tokenFault) func(*tokenWorld) {
	return func(w *tokenWorld) {
		w.expire()
		w.alwaysFaulty(fault)
	}
}

func getDocument(ctx context.Context, w *tokenWorld, _ int) error {
	_, err := w.client.Documents.Get(ctx, 14)
	return err
}

// askToken asks the authenticator alone.
func askToken(ctx context.Context, w *tokenWorld, _ int) error {
	_, err := w.auth.Token(ctx)
	return err
}

// healed makes everything work again.
func healed(w *tokenWorld) {
	w.authority.set(func() { w.authority.faults, w.authority.always, w.authority.apiAnswer = nil, nil, nil })
	w.ledger.set(func() { w.ledger.onLoad, w.ledger.onUpdate, w.ledger.onSave = nil, nil, nil })
}

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }

// run does a step and compares what followed.
func (s *tokenStep) run(w *tokenWorld) {
	w.Helper()
	tokens, api := w.authority.counts()
	_, _, saves := w.ledger.counts()
	if s.do != nil {
		s.do(w)
	}
	call := s.call
	if call == nil {
		call = getDocument
	}
	errs := make([]error, max(s.callers, 1))
	start := time.Now()
	var callers sync.WaitGroup
	for i := range errs {
		callers.Go(func() { errs[i] = call(w.Context(), w, i) })
	}
	callers.Wait()
	took := time.Since(start)

	tokensAfter, apiAfter := w.authority.counts()
	_, _, savesAfter := w.ledger.counts()
	assert.Equal(w, s.tokens, tokensAfter-tokens, "requests at the token endpoint")
	assert.Equal(w, s.api, apiAfter-api, "requests at the API")
	assert.Equal(w, s.saves, savesAfter-saves, "saves")
	texts := make(map[string]bool)
	for _, err := range errs {
		s.check(w, err)
		if text := fmt.Sprint(err); err != nil && !texts[text] { // a thousand callers have one error
			texts[text] = true
			assertKeepsSecrets(w, w.authority.hidden(), err)
		}
	}
	if s.then != nil {
		s.then(w, took, errs)
	}
}

func (s *tokenStep) check(w *tokenWorld, err error) {
	w.Helper()
	if len(s.want) == 0 {
		assert.NoError(w, err)
	}
	for _, kind := range s.want {
		if errors.Is(kind, errAny) {
			assert.Error(w, err)
			continue
		}
		assert.ErrorIs(w, err, kind)
	}
	for _, kind := range s.never {
		assert.NotErrorIs(w, err, kind)
	}
	asks := func(kind error) bool {
		return errors.Is(kind, revv.ErrUnauthorized) || errors.Is(kind, revv.ErrReauthorizationRequired)
	}
	if !slices.ContainsFunc(s.want, asks) { // also after a 401: an outage must not disconnect anybody
		assert.NotErrorIs(w, err, revv.ErrUnauthorized)
	}
}

// run does a case in a world of its own, where time passes only when everybody
// waits. At its end no goroutine is left, or synctest says so.
func (c *tokenCase) run(t *testing.T) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := newTokenWorld(t)
		if c.given != nil {
			c.given(w)
		}
		for i := range c.steps {
			c.steps[i].run(w)
			if t.Failed() {
				t.Logf("in step %d", i+1)
				break
			}
		}
		pass(time.Hour) // every flight has an end
		synctest.Wait()
		secrets := w.authority.hidden()
		assertNoSecretIn(t, secrets, w.logs.String(), "the log")
		for _, value := range []any{w.auth, w.client} {
			assertKeepsSecrets(t, secrets, value)
		}
		for _, host := range w.authority.hosts {
			assert.Equal(t, apiBase, host, "something was sent elsewhere")
		}
	})
}

// tokenMatrix is the whole table.
func tokenMatrix() []tokenCase {
	return slices.Concat(renewalCases(), expiryCases(), refusalCases(), endpointCases(), lostAnswerCases(), answerCases(), savingCases(), storeCases(), waitingCases(), shortageCases())
}

func TestTokens_everyFaultOfTheMatrix(t *testing.T) {
	t.Parallel()
	cases := tokenMatrix()
	rows := make(map[string]bool)
	for _, c := range cases {
		rows[c.id] = true
		t.Run(c.id+" "+c.fault, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
	t.Logf("%d cases in memory, of %d rows", len(cases), len(rows))
}

// These rows have tests of their own: they need sockets, files, processes or a
// person.
func TestTokens_everyRowOfTheMatrixIsCovered(t *testing.T) {
	t.Parallel()
	elsewhere := map[string][]func(*testing.T){ // by name, so that none of them can go unnoticed
		"T20": {TestTokens_twoClientsOnOneStore_renewOnce, TestTokens_twoClientsOnOneStore_renewOnceAheadOfTime},
		"T21": {TestTokens_holderOfTheLockKilled_successorRenews},
		"T35": {TestOAuthConfig_unsafeTokenURL_isRefused},
		"T36": {TestExchange_everyFault},
		"T37": {TestExchange_everyFault},
		"T38": {TestLogin_wrongCallback_isRefusedAndTheWaitGoesOn, TestLogin_callbackReplayed_isExchangedOnce, TestHandlers_wrongCallback_isRefused},
		"T39": {TestLogin_authorizationNotGranted_isATypedError, TestHandlers_authorizationNotGranted_isATypedError},
		"T41": {TestLogin_rightCallback_isExchanged, TestAuthCodeURL_belongsToTheExchange},
		"T42": {TestTokens_brokenFiles_spendNoToken, TestTokens_draftOfACrash_isNoToken},
		"T43": {TestTokens_twoAccountsInOneStore_neverMix},
	}
	covered := make(map[string]bool)
	for id, tests := range elsewhere {
		covered[id] = len(tests) > 0
	}
	for _, c := range tokenMatrix() {
		covered[c.id] = true
	}
	for _, id := range []string{
		"T01", "T02", "T03", "T04", "T05", "T06", "T08", "T09", "T10", "T11", "T12", "T13", "T14", "T15", "T16", "T17", "T18", "T19", "T20",
		"T21", "T23", "T24", "T25", "T26", "T28", "T29", "T31", "T32", "T34", "T35", "T36", "T37", "T38", "T39", "T41", "T42", "T43", "T44",
	} {
		assert.True(t, covered[id], id)
	}
}

// errAny stands for an error that no kind is promised of.
var errAny = errors.New("any error")

// errTokenKinds are all the kinds that an error about tokens can be of.
var errTokenKinds = []error{
	revv.ErrReauthorizationRequired, revv.ErrTokenNotPersisted, revv.ErrNoToken, revv.ErrTokenStoreCorrupt,
	revv.ErrOutcomeUnknown, context.Canceled, context.DeadlineExceeded,
}

// noAnswerToTheCall adds the kinds that an answer to the call itself would be of.
func noAnswerToTheCall() []error {
	return append(slices.Clone(errTokenKinds), revv.ErrInvalid, revv.ErrForbidden, revv.ErrNotFound, revv.ErrConflict)
}

// but is all kinds but those.
func but(kinds ...error) []error {
	return slices.DeleteFunc(slices.Clone(errTokenKinds), func(kind error) bool {
		return slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(k, kind) })
	})
}
