package revv_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// together makes the first n requests to the API wait for one another.
func together(n int) func(*tokenWorld) {
	return func(w *tokenWorld) {
		var all sync.WaitGroup
		all.Add(n)
		w.authority.set(func() {
			w.authority.apiAnswer = func(i int, _ *http.Request) (*http.Response, error) {
				if i <= n {
					all.Done()
					all.Wait()
				}
				return nil, nil //nolint:nilnil // an honest answer
			}
		})
	}
}

// refusesAll answers every token in the same way.
func refusesAll(status int) func(*tokenWorld) {
	return func(w *tokenWorld) {
		w.authority.set(func() {
			w.authority.apiAnswer = func(int, *http.Request) (*http.Response, error) {
				return reply(status, `{"error":"NO","message":"no"}`), nil
			}
		})
	}
}

// reconnected is a world in which a person has authorized the application once more.
func reconnected(w *tokenWorld) {
	pair := w.ledger.pair(tokenAccount)
	pair.AccessToken, pair.RefreshToken = w.authority.authorize()
	w.ledger.put(tokenAccount, &pair)
}

// eachTenSeconds is a program that does not give up.
func eachTenSeconds(calls int) func(context.Context, *tokenWorld, int) error {
	return func(ctx context.Context, w *tokenWorld, n int) (err error) {
		for range calls {
			err = getDocument(ctx, w, n)
			pass(10 * time.Second)
		}
		return err
	}
}

func after(setups ...func(*tokenWorld)) func(*tokenWorld) {
	return func(w *tokenWorld) {
		for _, setup := range setups {
			setup(w)
		}
	}
}

func createDocument(ctx context.Context, w *tokenWorld, _ int) error {
	_, err := w.client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21, Title: "An offer"})
	return err
}

// sentForm is the form of the n-th token request from the end, from 0.
func (w *tokenWorld) sentForm(n int) map[string][]string {
	w.authority.mu.Lock()
	defer w.authority.mu.Unlock()
	return w.authority.forms[len(w.authority.forms)-1-n]
}

func renewalCases() []tokenCase {
	return []tokenCase{
		{"T01", "the API answers 401 and nobody knows when tokens expire", expired, []tokenStep{
			{tokens: 1, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				pair := w.ledger.pair(tokenAccount)
				assert.NotEqual(w, w.first.AccessToken, pair.AccessToken)
				assert.NotEqual(w, w.first.RefreshToken, pair.RefreshToken)
			}},
			{api: 1},
			{do: expired, tokens: 1, api: 2, saves: 1}, // and again with the new pair
		}},
		{"T01", "a write with consequences is replayed once, unchanged", expired, []tokenStep{
			{call: createDocument, tokens: 1, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Equal(w, w.authority.api[0].body, w.authority.api[1].body)
				assert.Contains(w, w.authority.api[0].body, "An offer")
			}},
		}},
		{"T01", "the token is good", nil, []tokenStep{{api: 1}, {api: 1}}},
		{"T01", "the client of HTTPClient has its token renewed as well", expired, []tokenStep{
			{tokens: 1, api: 2, saves: 1, call: func(ctx context.Context, w *tokenWorld, _ int) error {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, apiBase+"/api/unknown", http.NoBody)
				require.NoError(w, err)
				resp, err := w.client.HTTPClient().Do(req)
				if err == nil {
					assert.Equal(w, http.StatusOK, resp.StatusCode)
					err = resp.Body.Close()
				}
				return err
			}},
		}},
		{"T02", "200 callers get 401 for the same token", after(expired, together(200)), []tokenStep{
			{callers: 200, tokens: 1, api: 400, saves: 1},
		}},
		{"T02", "200 callers get 401 and the endpoint is slow", after(expired, together(200)), []tokenStep{
			{
				do:      func(w *tokenWorld) { w.faulty(slow(func(context.Context) { pass(9 * time.Second) })) },
				callers: 200, tokens: 1, api: 400, saves: 1,
				then: func(w *tokenWorld, took time.Duration, _ []error) { assert.Equal(w, 9*time.Second, took) },
			},
		}},
		{"T03", "the fresh token is answered with 401 as well", refusesAll(http.StatusUnauthorized), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 1, api: 2, saves: 1},
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, api: 1}, // another one would not help, either
			{call: createDocument, want: []error{revv.ErrUnauthorized}, never: errTokenKinds, api: 1},
			{do: healed, api: 1},
			{do: expired, want: []error{revv.ErrUnauthorized}, api: 1},
			{do: func(*tokenWorld) { pass(30 * time.Second) }, tokens: 1, api: 2, saves: 1},
			{do: expired, tokens: 1, api: 2, saves: 1},
		}},
		{"T03", "the fresh token is refused, and somebody else puts a better one into the store", refusesAll(http.StatusUnauthorized), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, tokens: 1, api: 2, saves: 1},
			{do: after(healed, expired, reconnected), api: 2},
		}},
		{"T03", "the fresh token was refused, and has expired since", refusesAll(http.StatusUnauthorized), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, tokens: 1, api: 2, saves: 1},
			{do: after(healed, expired, func(w *tokenWorld) { w.left(time.Second) }), tokens: 1, api: 2, saves: 1},
		}},
		{"T03", "every token is answered with 401 for five minutes", refusesAll(http.StatusUnauthorized), []tokenStep{
			{call: eachTenSeconds(30), want: []error{revv.ErrUnauthorized}, tokens: 10, api: 40, saves: 10},
			{do: healed, api: 1},
		}},
		{"T03", "200 callers, and the fresh token is answered with 401", after(refusesAll(http.StatusUnauthorized)), []tokenStep{
			{
				do: func(w *tokenWorld) {
					var all sync.WaitGroup
					all.Add(200)
					w.authority.set(func() {
						w.authority.apiAnswer = func(i int, _ *http.Request) (*http.Response, error) {
							if i <= 200 {
								all.Done()
								all.Wait()
							}
							return reply(http.StatusUnauthorized, ""), nil
						}
					})
				},
				callers: 200, want: []error{revv.ErrUnauthorized}, tokens: 1, api: 400, saves: 1,
			},
		}},
		{"T03", "a 403 is not about the token", refusesAll(http.StatusForbidden), []tokenStep{
			{want: []error{revv.ErrForbidden}, never: errTokenKinds, api: 1},
			{call: createDocument, want: []error{revv.ErrForbidden}, never: errTokenKinds, api: 1},
		}},
		{"T04", "a 401 comes for a token that was replaced in the meantime", expired, []tokenStep{
			{
				do: func(w *tokenWorld) {
					w.authority.set(func() {
						w.authority.apiAnswer = func(i int, _ *http.Request) (*http.Response, error) {
							if i == 1 { // by now the other caller has a new token
								pass(20 * time.Second)
							}
							return nil, nil //nolint:nilnil // an honest answer
						}
					})
				},
				callers: 2, tokens: 1, api: 4, saves: 1,
				then: func(w *tokenWorld, took time.Duration, _ []error) { assert.Equal(w, 20*time.Second, took) },
			},
		}},
		{"T04", "a token is rejected that the authenticator does not hold", nil, []tokenStep{
			{api: 1},
			{do: func(w *tokenWorld) {
				for _, bad := range []*oauth2.Token{nil, {}, {AccessToken: "of somebody else"}} {
					w.auth.Reject(w.Context(), bad)
				}
			}, api: 1},
		}},
		{"T04", "a token is rejected before any was asked for", func(w *tokenWorld) {
			w.auth.Reject(w.Context(), &w.first)
		}, []tokenStep{{tokens: 1, api: 1, saves: 1}, {api: 1}}},
		{"T08", "the form of a refresh", expired, []tokenStep{
			{tokens: 1, api: 2, saves: 1, then: wantPlainRefresh},
		}},
		{"T08", "a refresh token of all characters comes through as it is", func(w *tokenWorld) {
			const odd = "a+b/c==&x=1;y %41 äöü \"<>'\\\t\r\n\x00"
			w.authority.set(func() {
				f := w.authority.families[w.first.RefreshToken]
				w.authority.families[odd], f.refresh, w.first.RefreshToken = f, odd, odd
			})
			w.ledger.put(tokenAccount, &w.first)
			w.expire()
		}, []tokenStep{{tokens: 1, api: 2, saves: 1, then: wantPlainRefresh}}},
		{"T08", "without application credentials a refresh works as documented", func(w *tokenWorld) {
			w.config.ClientID, w.config.ClientSecret = "", ""
			w.restart()
			w.expire()
		}, []tokenStep{{tokens: 1, api: 2, saves: 1, then: wantPlainRefresh}}},
		{"S05", "the stored token cannot stand in a header", func(w *tokenWorld) {
			w.ledger.put(tokenAccount, &oauth2.Token{AccessToken: "access\r\nAccessToken: other", RefreshToken: "refresh"})
		}, []tokenStep{{want: []error{revv.ErrInvalidArgument}}}},
	}
}

// wantPlainRefresh: the last refresh had the two documented fields and nothing else.
func wantPlainRefresh(w *tokenWorld, _ time.Duration, _ []error) {
	w.Helper()
	assert.Equal(w, map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {w.first.RefreshToken}}, w.sentForm(0))
	header := w.authority.headers[len(w.authority.headers)-1]
	for _, name := range []string{"Authorization", "AccessToken", "Accesstoken", "Cookie", "Idempotency-Key"} {
		assert.NotContains(w, header, name)
	}
	assert.Equal(w, "application/x-www-form-urlencoded", header.Get("Content-Type"))
	if w.config.ClientID != "" {
		assert.NotContains(w, header.Get("User-Agent"), w.config.ClientID)
	}
}

// expiryCases: what is known about the life of a token is a hint.
func expiryCases() []tokenCase {
	soon := func(w *tokenWorld) { w.left(10 * time.Second) }
	cases := []tokenCase{
		{"T05", "the token is about to expire", soon, []tokenStep{
			{tokens: 1, api: 1, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				require.Len(w, w.events.all(), 3)
				assert.Equal(w, "token", w.events.all()[0], "the renewal comes first")
			}},
			{api: 1},
		}},
		{"T05", "the token gets old while the program runs", func(w *tokenWorld) { w.left(time.Hour) }, []tokenStep{
			{api: 1},
			{do: func(*tokenWorld) { pass(59*time.Minute + 29*time.Second) }, api: 1},
			{do: func(*tokenWorld) { pass(2 * time.Second) }, tokens: 1, api: 1, saves: 1},
			{api: 1},
		}},
		{"T05", "a short life has a short end", func(w *tokenWorld) {
			w.authority.set(func() { w.authority.members = map[string]any{"expires_in": 20} })
			w.expire()
		}, []tokenStep{
			{tokens: 1, api: 2, saves: 1},
			{do: func(*tokenWorld) { pass(17 * time.Second) }, api: 1},
			{do: func(*tokenWorld) { pass(2 * time.Second) }, tokens: 1, api: 1, saves: 1},
		}},
		{"T05", "renewing ahead of time fails in a program that has just started", after(soon, func(w *tokenWorld) {
			w.alwaysFaulty(answers(500, serverTrouble))
		}), []tokenStep{
			{tokens: 3, api: 1},
			{callers: 50, api: 50}, // not tried on every call
			{do: func(*tokenWorld) { pass(11 * time.Second) }, want: []error{revv.ErrServer}, never: errTokenKinds, tokens: 3},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T05", "renewing ahead of time fails in a program that runs", func(w *tokenWorld) {
			w.left(time.Hour)
			w.alwaysFaulty(answers(500, serverTrouble))
		}, []tokenStep{
			{api: 1},
			{do: func(*tokenWorld) { pass(59*time.Minute + 45*time.Second) }, tokens: 3, api: 1},
			{callers: 50, api: 50},
			{do: func(w *tokenWorld) { pass(time.Minute); w.expire() }, want: []error{revv.ErrServer}, tokens: 3},
		}},
		{"T05", "renewing ahead of time is refused", after(soon, func(w *tokenWorld) { w.alwaysFaulty(refuses("invalid_grant")) }), []tokenStep{
			{tokens: 1, api: 1},
			{api: 1},
			{do: func(*tokenWorld) { pass(time.Minute) }, want: []error{revv.ErrReauthorizationRequired}},
		}},
		{"T05", "the store cannot save ahead of time", after(soon, func(w *tokenWorld) {
			w.ledger.set(func() { w.ledger.onUpdate = down })
		}), []tokenStep{
			{api: 1},
			{callers: 20, api: 20},
			{do: func(*tokenWorld) { pass(time.Minute) }, want: []error{errLedgerDown}},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T05", "the store goes away after the token is known", func(w *tokenWorld) { w.left(time.Minute) }, []tokenStep{
			{api: 1},
			{do: func(w *tokenWorld) {
				w.ledger.set(func() { w.ledger.onLoad = down })
				pass(40 * time.Second)
			}, callers: 20, api: 20},
			{do: func(*tokenWorld) { pass(time.Minute) }, want: []error{errLedgerDown}},
		}},
		{"T05", "nobody but the first caller waits for a renewal ahead of time", func(w *tokenWorld) { w.left(time.Hour) }, []tokenStep{
			{api: 1},
			{
				do: func(w *tokenWorld) {
					pass(time.Hour - 10*time.Second)
					w.faulty(slow(func(context.Context) { pass(3 * time.Second) }))
				},
				callers: 100, tokens: 1, api: 100, saves: 1,
				call: func(ctx context.Context, w *tokenWorld, i int) error {
					if i > 0 { // the others come while it waits
						pass(time.Second)
					}
					start := time.Now()
					err := getDocument(ctx, w, i)
					if i > 0 {
						assert.Zero(w, time.Since(start))
					}
					return err
				},
			},
		}},
		{"T05", "the token is rejected while its renewal ahead of time is on its way and fails", func(w *tokenWorld) { w.left(time.Minute) }, []tokenStep{
			{api: 1},
			{do: func(w *tokenWorld) {
				pass(45 * time.Second)
				w.expire()
				w.alwaysFaulty(func(a *authority, r tokenRequest) (*http.Response, error) {
					pass(5 * time.Second)
					return answers(400, serverTrouble)(a, r)
				})
			}, callers: 2, want: []error{revv.ErrUnauthorized}, never: noAnswerToTheCall(), tokens: 1, api: 1},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T05", "the token has expired by the clock", func(w *tokenWorld) { w.left(-time.Second); w.expire() }, []tokenStep{
			{tokens: 1, api: 1, saves: 1},
		}},
	}
	for _, life := range []struct {
		json  string
		known time.Duration
	}{
		{"3600", time.Hour},
		{`"3600"`, time.Hour},
		{"3600.0", time.Hour},
		{"3.6e3", time.Hour},
		{"1e3", 1000 * time.Second},
		{"1.9", time.Second},
		{"0", 0},
		{"-5", 0},
		{"0.5", 0},
		{"1e300", 0},
		{"-1e300", 0},
		{`"1e400"`, 0},
		{"9223372036854775807", 0},
		{"99999999999999999999", 0},
		{"null", 0},
		{`""`, 0},
		{`"abc"`, 0},
		{`"NaN"`, 0},
		{`"Inf"`, 0},
		{`"1 hour"`, 0},
		{"true", 0},
		{"{}", 0},
		{"[3600]", 0},
		{"", 0},
	} {
		cases = append(cases, tokenCase{"T06", fmt.Sprintf("expires_in is %s", life.json), expired, []tokenStep{
			{
				do: func(w *tokenWorld) {
					w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
						status, body := a.honest(r.form)
						if life.json != "" {
							body = strings.TrimSuffix(body, "}") + `,"expires_in":` + life.json + "}"
						}
						return reply(status, body), nil
					})
				},
				tokens: 1, api: 2, saves: 1,
				then: func(w *tokenWorld, _ time.Duration, _ []error) {
					pair := w.ledger.pair(tokenAccount)
					if life.known == 0 {
						assert.Zero(w, pair.Expiry)
						return
					}
					assert.Equal(w, life.known, time.Until(pair.Expiry))
				},
			},
			{callers: 10, api: 10}, // no loop
		}})
	}
	return cases
}

// T01: what another program has put into the store is as old as it is. A call that
// finds it there has not asked for a new token yet.
func TestTokens_pairFoundInTheStoreIsExpiredToo_isRenewed(t *testing.T) {
	for name, call := range map[string]func(w *tokenWorld) error{
		"a call": func(w *tokenWorld) error { return getDocument(w.Context(), w, 0) },
		"the HTTP client": func(w *tokenWorld) error {
			req, err := http.NewRequestWithContext(w.Context(), http.MethodPut, apiBase+"/api/docs/14", strings.NewReader(`{}`))
			if err != nil {
				return err
			}
			resp, err := w.client.HTTPClient().Do(req)
			if err != nil {
				return err
			}
			assert.Equal(w, http.StatusOK, resp.StatusCode)
			return resp.Body.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTokenWorld(t)
				require.NoError(t, getDocument(t.Context(), w, 0))
				w.expire()
				_, other := w.program(w.ledger, tokenAccount)
				_, err := other.Documents.Get(t.Context(), 14)
				require.NoError(t, err)
				w.expire()
				require.NoError(t, call(w))
				tokens, api := w.authority.counts()
				assert.Equal(t, 2, tokens, "one of each program")
				assert.Equal(t, 1+2+3, api)

				// And no more than that: a new token that is refused is refused.
				w.authority.set(func() {
					w.authority.apiAnswer = func(int, *http.Request) (*http.Response, error) {
						return reply(http.StatusUnauthorized, `{}`), nil
					}
				})
				require.ErrorIs(t, getDocument(t.Context(), w, 0), revv.ErrUnauthorized)
				tokens, api = w.authority.counts()
				assert.Equal(t, 3, tokens)
				assert.Equal(t, 1+2+3+2, api)
			})
		})
	}
}
