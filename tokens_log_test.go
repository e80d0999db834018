package revv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// logRecord is a line of a log of renewals and callbacks.
type logRecord struct {
	Level   string    `json:"level"`
	Message string    `json:"msg"`
	Account string    `json:"account"`
	Took    *int64    `json:"took"`
	Expiry  time.Time `json:"expiry"`
	Reason  string    `json:"reason"`
	Error   struct {
		Op    string `json:"op"`
		Error string `json:"error"`
	} `json:"error"`
}

// logRecords is what a log says of renewals and callbacks, and no call.
func logRecords(t *testing.T, logs *buffer) (all []logRecord) {
	t.Helper()
	for line := range strings.Lines(logs.String()) {
		var r logRecord
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		if r.Message != "revv: attempt" {
			all = append(all, r)
		}
	}
	return all
}

func TestLogger_isToldOfEveryRenewal(t *testing.T) {
	t.Parallel()
	renewed := logRecord{Level: "INFO", Message: "revv: token renewed"}
	read := logRecord{Level: "DEBUG", Message: "revv: token read from the store"}
	failed := logRecord{Level: "WARN", Message: "revv: token not renewed"}
	again := logRecord{Level: "DEBUG", Message: "revv: token not renewed"}
	saved := logRecord{Level: "INFO", Message: "revv: renewed token saved"}
	vain := logRecord{Level: "WARN", Message: "revv: fresh token refused by the service"}
	unsaved := logRecord{Level: "ERROR", Message: "revv: renewed token not saved"}
	for name, c := range map[string]struct {
		given func(*tokenWorld)
		want  []logRecord
	}{
		"a token that is good":      {nil, []logRecord{read}},
		"renewed":                   {expired, []logRecord{read, renewed}},
		"renewed at the second try": {brokenFrom(answers(http.StatusInternalServerError, serverTrouble)), []logRecord{read, renewed}},
		"renewed by somebody else": {func(w *tokenWorld) {
			getWithout(w)
			w.expire()
			_, other := w.program(&reopened{w.ledger}, tokenAccount)
			_, err := other.Documents.Get(w.Context(), 14)
			require.NoError(w, err)
		}, []logRecord{read, read, renewed, read}},
		"an endpoint that fails": {broken(answers(http.StatusInternalServerError, serverTrouble)), []logRecord{read, failed}},
		"a refresh token that is refused, once and for all": {func(w *tokenWorld) {
			broken(refuses("invalid_grant"))(w)
			getWithout(w)
		}, []logRecord{read, failed, again}},
		"a pair that is not saved, and then is": {func(w *tokenWorld) {
			expired(w)
			unsavable(down)(w)
			getWithout(w)
			healed(w)
		}, []logRecord{read, unsaved, saved}},
		"an endpoint and then a store that fail": {func(w *tokenWorld) {
			broken(answers(http.StatusInternalServerError, serverTrouble))(w)
			getWithout(w)
			healed(w)
			unsavable(down)(w)
			getWithout(w)
		}, []logRecord{read, failed, unsaved, {Level: "DEBUG", Message: unsaved.Message}}},
		"a failure that goes on": {func(w *tokenWorld) {
			w.ledger.set(func() { w.ledger.onLoad = down })
			for range 4 {
				getWithout(w)
				pass(25 * time.Second)
			}
		}, []logRecord{failed, again, again, failed, again}},
		"a failure a minute after the last one": {func(w *tokenWorld) {
			w.ledger.set(func() { w.ledger.onLoad = down })
			getWithout(w)
			pass(time.Minute)
		}, []logRecord{failed, failed}},
		"failures with a success in between": {func(w *tokenWorld) {
			for range 2 {
				broken(answers(http.StatusInternalServerError, serverTrouble))(w)
				getWithout(w)
				healed(w)
				getWithout(w)
			}
		}, []logRecord{read, failed, renewed, failed, renewed}},
		"a pair without a refresh token": {func(w *tokenWorld) {
			pair := w.ledger.pair(tokenAccount)
			pair.RefreshToken = ""
			w.ledger.put(tokenAccount, &pair)
			w.expire()
			getWithout(w)
		}, []logRecord{read, failed, again}},
		"fresh tokens that are refused": {func(w *tokenWorld) {
			refusesAll(http.StatusUnauthorized)(w)
			getWithout(w)
			getWithout(w)
			pass(30 * time.Second)
		}, []logRecord{read, renewed, vain, read, renewed, vain}},
		"a store that fails":  {func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onLoad = down }) }, []logRecord{failed}},
		"a store that panics": {func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onLoad = func() error { panic("no database") } }) }, []logRecord{failed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTokenWorld(t)
				if c.given != nil {
					c.given(w)
				}
				getWithout(w)
				synctest.Wait()
				got := logRecords(t, w.logs)
				for i := range got {
					r := &got[i]
					assert.Equal(t, tokenAccount, r.Account)
					assert.Equal(t, r.Message != vain.Message, r.Took != nil, "%s", r.Message)
					switch r.Message {
					case failed.Message, unsaved.Message:
						assert.Equal(t, "OAuth.Refresh", r.Error.Op)
						assert.Contains(t, r.Error.Error, "OAuth.Refresh: ")
					default:
						assert.Empty(t, r.Error)
					}
					*r = logRecord{Level: r.Level, Message: r.Message}
				}
				assert.Equal(t, c.want, got)
				assert.NotContains(t, w.logs.String(), `"expiry"`, "it is not known")
			})
		})
	}
}

// getWithout makes a call whose outcome is of no interest.
func getWithout(w *tokenWorld) { _ = getDocument(w.Context(), w, 0) }

// The token at hand is still good: no call fails, and nothing but the log tells.
func TestLogger_isToldOfARenewalAheadOfTimeThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(20 * time.Second)
		w.alwaysFaulty(refuses("invalid_grant"))
		require.NoError(t, getDocument(t.Context(), w, 0))
		synctest.Wait()
		got := logRecords(t, w.logs)
		require.Len(t, got, 1)
		assert.Equal(t, "WARN", got[0].Level)
		assert.Contains(t, got[0].Error.Error, "invalid_grant")

		healed(w)
		pass(time.Minute)
		w.expire()
		pair := w.ledger.pair(tokenAccount)
		w.authority.set(func() { w.authority.members = map[string]any{"expires_in": 3600} })
		w.restart()
		require.NoError(t, getDocument(t.Context(), w, 0))
		got = logRecords(t, w.logs)
		last := got[len(got)-1]
		assert.Equal(t, "revv: token renewed", last.Message)
		assert.NotEqual(t, pair.AccessToken, w.ledger.pair(tokenAccount).AccessToken)
		assert.WithinDuration(t, time.Now().Add(time.Hour), last.Expiry, 0)
	})
}

// hopeless is a handler of a log that panics.
type hopeless struct{ slog.Handler }

func (hopeless) Handle(context.Context, slog.Record) error { panic("the log is full") }

// The pair is spent and saved: a broken log must not keep it from anybody.
func TestLogger_thatPanics_costsNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.config.Logger = slog.New(hopeless{slog.NewTextHandler(&bytes.Buffer{}, nil)})
		auth, err := w.config.Authenticator(w.ledger, tokenAccount)
		require.NoError(t, err)
		w.expire()
		client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: w.authority}))
		require.NoError(t, err)
		_, err = client.Documents.Get(t.Context(), 14)
		require.NoError(t, err)
		tokens, api := w.authority.counts()
		assert.Equal(t, []int{1, 2}, []int{tokens, api})
	})
}

// hungLog is a handler of a log that hangs until it is let go.
type hungLog struct {
	slog.Handler

	leave chan struct{}
}

func (s hungLog) Handle(context.Context, slog.Record) error { <-s.leave; return nil }

func TestLogger_thatHangs_costsASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		leave := make(chan struct{})
		w.config.Logger = slog.New(hungLog{slog.NewTextHandler(&bytes.Buffer{}, nil), leave})
		auth, err := w.config.Authenticator(w.ledger, tokenAccount)
		require.NoError(t, err)
		w.expire()
		client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: w.authority}))
		require.NoError(t, err)
		start := time.Now()
		_, err = client.Documents.Get(t.Context(), 14)
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(start))
		close(leave)
	})
}

// A store may say what it holds, and a log is read by more people than an error.
func TestLogger_storeQuotesAPairOfSomebodyElse_isNotTold(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		s := &scripted{ledger: w.ledger}
		w.auth, w.client = w.program(s, tokenAccount)
		theirs := w.first
		theirs.AccessToken, theirs.RefreshToken = w.authority.authorize()
		s.update = func(_ context.Context, _ string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			token, err := fn(&theirs) // which somebody has saved since it was loaded
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("UPDATE (%s, %s): serialization failure", token.AccessToken, token.RefreshToken)
		}
		err := getDocument(w.Context(), w, 0)
		require.ErrorContains(w, err, "serialization failure")
		assertKeepsSecrets(w, w.authority.hidden(), err)
		assert.Contains(w, w.logs.String(), "serialization failure")
		assertNoSecretIn(w, w.authority.hidden(), w.logs.String(), "the log")
	})
}

func TestLogger_anotherClientSavesThePair_isTold(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		_, other := w.program(w.ledger, tokenAccount)
		_, err := other.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		got := logRecords(w.T, w.logs)
		assert.Equal(w, "revv: renewed token saved", got[len(got)-1].Message)
	})
}

func TestLogger_isToldWhyACallbackWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, &eventLog{})
		logs := &buffer{}
		config := a.config()
		config.Logger = slog.New(slog.NewJSONHandler(logs, nil))
		r := newWebReplica(t, config)
		old, oldAsked := r.begin(t)
		pass(10*time.Minute + time.Second)
		cookie, asked := r.begin(t)
		other, _ := r.begin(t)
		for _, c := range []struct {
			query   string
			cookies []*http.Cookie
			reason  string
		}{
			{"code=a-code", []*http.Cookie{cookie}, "the query is not that of a callback"},
			{grantedQuery(asked), nil, "there is no cookie: the authorization was begun elsewhere, or at another host name, or is over"},
			{grantedQuery(asked), []*http.Cookie{cookie, other}, "there are two cookies, and one is somebody else's"},
			{grantedQuery(asked), []*http.Cookie{other}, "the state is not that of the cookie: another authorization was begun since, or with another configuration"},
			{grantedQuery(oldAsked), []*http.Cookie{old}, "the authorization was begun more than ten minutes ago, or the clocks of the replicas differ"},
			{grantedQuery(asked), []*http.Cookie{cookie}, ""},
			{grantedQuery(asked), []*http.Cookie{cookie}, "the state was used before"},
		} {
			before := len(logRecords(t, logs))
			w := r.back(t, http.MethodGet, c.query, c.cookies...)
			got := logRecords(t, logs)[before:]
			if c.reason == "" {
				assert.Equal(t, http.StatusTeapot, w.Code)
				assert.Empty(t, got)
				continue
			}
			assert.Equal(t, http.StatusBadRequest, w.Code)
			assert.Equal(t, []logRecord{{Level: "INFO", Message: "revv: callback refused", Reason: c.reason}}, got)
			assert.NotContains(t, w.Body.String(), c.reason, "a stranger is told no reason")
		}
		before := len(logRecords(t, logs))
		r.back(t, http.MethodHead, grantedQuery(asked), other)
		assert.Equal(t, []logRecord{{Level: "INFO", Message: "revv: callback refused", Reason: "the method is not GET"}}, logRecords(t, logs)[before:])
		assertNoSecretIn(t, append(a.hidden(), cookie.Value, asked.Get("state"), old.Value, oldAsked.Get("state"), "a-code"), logs.String(), "the log")
	})
}
