package revv_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv"
)

// took checks how long a step lasted.
func took(atLeast, atMost time.Duration) func(*tokenWorld, time.Duration, []error) {
	return func(w *tokenWorld, d time.Duration, _ []error) {
		w.Helper()
		assert.GreaterOrEqual(w, d, atLeast)
		assert.LessOrEqual(w, d, atMost)
	}
}

// withoutCredentials: no client credentials were ever sent.
func withoutCredentials(w *tokenWorld, _ time.Duration, _ []error) {
	w.Helper()
	w.authority.mu.Lock()
	defer w.authority.mu.Unlock()
	for _, form := range w.authority.forms {
		assert.NotContains(w, form, "client_id")
		assert.NotContains(w, form, "client_secret")
	}
}

// refusalCases: the endpoint says no.
func refusalCases() []tokenCase {
	demanding := func(w *tokenWorld) {
		w.authority.set(func() { w.authority.demanding = true })
		w.expire()
	}
	reauthorization := []error{revv.ErrReauthorizationRequired}
	cases := []tokenCase{
		{"T09", "the endpoint demands client authentication", demanding, []tokenStep{
			{tokens: 2, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.NotContains(w, w.sentForm(1), "client_secret")
				assert.Equal(w, map[string][]string{
					"grant_type": {"refresh_token"}, "refresh_token": {w.first.RefreshToken}, "client_id": {"an-application"}, "client_secret": {w.authority.secret},
				}, w.sentForm(0))
			}},
			{do: expired, tokens: 1, api: 2, saves: 1}, // remembered
		}},
		{"T09", "the demand comes with status 200", brokenFrom(answers(200, `{"error":"invalid_client"}`)), []tokenStep{{tokens: 2, api: 2, saves: 1}}},
		{"T09", "the demand comes with status 400", brokenFrom(refuses("invalid_client")), []tokenStep{{tokens: 2, api: 2, saves: 1}}},
		{"T09", "the credentials are refused, too", broken(answers(401, `{"error":"invalid_client"}`)), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 2, api: 1},
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 1},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T09", "the credentials are demanded once, and refused as unknown fields from then on", brokenFrom(refuses("invalid_client"), refuses("invalid_client")), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 2, api: 1},
			{do: func(w *tokenWorld) { w.faulty(refuses("invalid_request")) }, want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Contains(w, w.sentForm(0), "client_secret")
			}},
			{tokens: 1, api: 1, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.NotContains(w, w.sentForm(0), "client_secret", "the documented form again")
			}},
		}},
		{"T09", "the credentials are demanded once, and a 401 says something else from then on", brokenFrom(refuses("invalid_client"), refuses("invalid_client")), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 2, api: 1},
			{do: func(w *tokenWorld) { w.faulty(answers(401, `{"error":"invalid_request"}`)) }, want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 1},
			{tokens: 1, api: 1, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.NotContains(w, w.sentForm(0), "client_secret", "the documented form again")
			}},
		}},
		{"T09", "the credentials are demanded once, and an answer that cannot be read says nothing of them", brokenFrom(refuses("invalid_client"), refuses("invalid_client")), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: errTokenKinds, tokens: 2, api: 1},
			{do: func(w *tokenWorld) { w.faulty(answers(200, `[]`)) }, want: []error{revv.ErrMalformedResponse}, tokens: 1},
			{tokens: 1, api: 1, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Contains(w, w.sentForm(0), "client_secret")
			}},
		}},
		{"T09", "the endpoint demands credentials that there are none of", func(w *tokenWorld) {
			w.config.ClientID, w.config.ClientSecret = "", ""
			w.restart()
			demanding(w)
		}, []tokenStep{{want: []error{revv.ErrUnauthorized}, tokens: 1, api: 1, then: withoutCredentials}}},
		{"T09", "the credentials are demanded, then a failure comes", brokenFrom(refuses("invalid_client"), answers(500, serverTrouble)), []tokenStep{
			{tokens: 3, api: 2, saves: 1},
		}},
		{"T09", "a 401 without a code demands nothing", broken(answers(401, `ECHO`)), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, tokens: 1, api: 1, then: withoutCredentials},
		}},
		{"T19", "the refresh token is revoked", broken(refuses("invalid_grant")), []tokenStep{
			{want: append(reauthorization, revv.ErrUnauthorized), never: but(reauthorization...), tokens: 1, api: 1, then: withoutCredentials},
			{callers: 1000, want: reauthorization},
			{do: healed, want: reauthorization}, // until the store changes
			{do: func(w *tokenWorld) {
				pair := w.first
				pair.AccessToken, pair.RefreshToken = w.authority.authorize()
				assert.NoError(w, revv.SaveToken(w.Context(), w.ledger, tokenAccount, &pair))
			}, api: 1, saves: 1},
		}},
		{"T19", "200 callers learn that the refresh token is revoked", after(broken(refuses("invalid_grant")), together(200)), []tokenStep{
			{callers: 200, want: reauthorization, tokens: 1, api: 200},
		}},
		{"T19", "the refresh token is revoked and a write with consequences waits", broken(refuses("invalid_grant")), []tokenStep{
			{call: createDocument, want: reauthorization, never: but(reauthorization...), tokens: 1, api: 1},
			{call: createDocument, want: reauthorization, never: but(reauthorization...)},
		}},
		{"T19", "the store changes to a pair of the same refresh token", broken(refuses("invalid_grant")), []tokenStep{
			{want: reauthorization, tokens: 1, api: 1},
			{do: func(w *tokenWorld) {
				pair := w.first
				pair.AccessToken, _ = w.authority.authorize()
				w.ledger.put(tokenAccount, &pair)
			}, api: 1},
		}},
		{"T19", "the store holds no refresh token", func(w *tokenWorld) {
			pair := w.first
			pair.RefreshToken = ""
			w.ledger.put(tokenAccount, &pair)
			w.expire()
		}, []tokenStep{{want: reauthorization, api: 1}, {want: reauthorization}}},
		{"T29", "invalid_grant comes with status 200", broken(answers(200, `{"error":"invalid_grant","access_token":"ECHO"}`)), []tokenStep{
			{want: reauthorization, never: but(reauthorization...), tokens: 1, api: 1, then: withoutCredentials},
			{want: reauthorization},
		}},
		{"T29", "invalid_grant comes with status 500", broken(answers(500, `{"error":"invalid_grant"}`)), []tokenStep{
			{want: reauthorization, tokens: 1, api: 1}, {want: reauthorization},
		}},
		{"T29", "invalid_grant comes with status 401 and as text", broken(answers(401, `{"error":"invalid_grant"}`, "Content-Type", "text/plain")), []tokenStep{
			{want: reauthorization, tokens: 1, api: 1}, {want: reauthorization},
		}},
		{"T18", "the refresh token is refused, for another program has used it", func(w *tokenWorld) {
			w.expire()
			w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
				w.otherProgramRotates(a, r)
				return refuses("invalid_grant")(a, r)
			})
		}, []tokenStep{{tokens: 1, api: 2}, {api: 1}}},
		{"T18", "the pair of the other program has expired as well", func(w *tokenWorld) {
			w.expire()
			w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
				w.otherProgramRotates(a, r)
				w.left(-time.Hour)
				return refuses("invalid_grant")(a, r)
			})
		}, []tokenStep{{tokens: 2, api: 2, saves: 1}}},
		{"T18", "the pair of the other program is refused as well", func(w *tokenWorld) {
			w.expire()
			w.alwaysFaulty(func(a *authority, r tokenRequest) (*http.Response, error) {
				w.otherProgramRotates(a, r)
				w.left(-time.Hour)
				return refuses("invalid_grant")(a, r)
			})
		}, []tokenStep{{want: reauthorization, tokens: 2, api: 1}}},
		{"T18", "the store goes away after the refusal", func(w *tokenWorld) {
			w.expire()
			w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
				w.ledger.set(func() { w.ledger.onLoad = down })
				return refuses("invalid_grant")(a, r)
			})
		}, []tokenStep{{want: reauthorization, tokens: 1, api: 1}, {do: healed, want: reauthorization}}},
	}
	for _, code := range []string{"invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "server_error", "temporarily_unavailable", "ECHO"} {
		cases = append(cases, tokenCase{"T09", "the endpoint answers 400 with " + code, broken(refuses(code)), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: noAnswerToTheCall(), tokens: 1, api: 1, then: func(w *tokenWorld, d time.Duration, errs []error) {
				withoutCredentials(w, d, errs)
				if code != "ECHO" {
					assert.ErrorContains(w, errs[0], code)
				}
			}},
			{do: healed, tokens: 1, api: 1, saves: 1}, // nothing is sticky
		}})
	}
	return cases
}

// otherProgramRotates does at the authority what r asks for, and saves the pair.
func (w *tokenWorld) otherProgramRotates(a *authority, r tokenRequest) {
	a.honest(r.form)
	a.mu.Lock()
	f := a.families[r.form.Get("refresh_token")]
	pair := w.first
	pair.RefreshToken = f.refresh
	for access := range f.access {
		pair.AccessToken = access
	}
	a.mu.Unlock()
	w.ledger.put(tokenAccount, &pair)
}

// endpointCases: the endpoint fails, or wants to be left alone.
func endpointCases() []tokenCase {
	trouble := answers(500, serverTrouble)
	cases := []tokenCase{
		{"T10", "the endpoint fails twice", brokenFrom(times(2, trouble)...), []tokenStep{
			{tokens: 3, api: 2, saves: 1, then: took(0, 600*time.Millisecond)},
		}},
		{"T10", "the endpoint fails for ever", broken(trouble), []tokenStep{
			{want: []error{revv.ErrServer}, never: errTokenKinds, tokens: 3, api: 1, then: withoutCredentials},
			{want: []error{revv.ErrServer}, never: errTokenKinds, tokens: 3},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T10", "the endpoint fails for ever and 1,000 callers need it", after(broken(trouble), together(1000)), []tokenStep{
			{callers: 1000, want: []error{revv.ErrServer}, tokens: 3, api: 1000},
		}},
		{"T10", "1,000 callers start with an expired token and the endpoint fails slowly", func(w *tokenWorld) {
			w.left(-time.Minute)
			w.alwaysFaulty(func(a *authority, r tokenRequest) (*http.Response, error) {
				pass(time.Second)
				return trouble(a, r)
			})
		}, []tokenStep{{callers: 1000, want: []error{revv.ErrServer}, tokens: 3}}},
		{"T10", "the endpoint asks for two seconds", brokenFrom(answers(429, serverTrouble, "Retry-After", "2")), []tokenStep{
			{tokens: 2, api: 2, saves: 1, then: took(2*time.Second, 2*time.Second)},
		}},
		{"T10", "the endpoint asks for two seconds in a 503", brokenFrom(answers(503, serverTrouble, "Retry-After", "2")), []tokenStep{
			{tokens: 2, api: 2, saves: 1, then: took(2*time.Second, 2*time.Second)},
		}},
		{"T10", "the endpoint names a date", brokenFrom(func(a *authority, r tokenRequest) (*http.Response, error) {
			date := time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat)
			return answers(429, "", "Retry-After", date)(a, r)
		}), []tokenStep{{tokens: 2, api: 2, saves: 1, then: took(2*time.Second, 3*time.Second)}}},
		{"T10", "the endpoint asks for no wait", brokenFrom(answers(429, "", "Retry-After", "0")), []tokenStep{
			{tokens: 2, api: 2, saves: 1, then: took(0, 0)},
		}},
		{"T10", "the endpoint asks for an hour", broken(answers(429, serverTrouble, "Retry-After", "3600")), []tokenStep{
			{want: []error{revv.ErrRateLimited}, never: errTokenKinds, tokens: 1, api: 1, then: took(0, 0)},
			{callers: 100, want: []error{revv.ErrRateLimited}, never: errTokenKinds, then: took(0, 0)}, // it is left alone
			{do: func(w *tokenWorld) { healed(w); pass(61 * time.Second) }, tokens: 1, api: 1, saves: 1},
		}},
		{"T10", "the endpoint asks for more than a renewal has time for", broken(answers(503, serverTrouble, "Retry-After", "40")), []tokenStep{
			{want: []error{revv.ErrRateLimited, revv.ErrServer}, never: errTokenKinds, tokens: 1, api: 1, then: took(0, 0)},
			{do: func(*tokenWorld) { pass(38 * time.Second) }, want: []error{revv.ErrRateLimited}, never: errTokenKinds},
			{do: func(w *tokenWorld) { healed(w); pass(time.Second) }, tokens: 1, api: 1, saves: 1, then: took(time.Second, time.Second)}, // what is left is waited for
		}},
		{"T10", "the endpoint asks for an hour while the token is good", func(w *tokenWorld) {
			w.left(10 * time.Second)
			w.alwaysFaulty(answers(429, "", "Retry-After", "3600"))
		}, []tokenStep{{tokens: 1, api: 1}, {api: 1}}},
		{"T37", "nobody listens once", brokenFrom(refusesToConnect), []tokenStep{{tokens: 2, api: 2, saves: 1}}},
		{"T37", "nobody listens", broken(refusesToConnect), []tokenStep{
			{never: errTokenKinds, want: []error{revv.ErrUnreachable}, tokens: 3, api: 1},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
	}
	for _, status := range []int{408, 429, 500, 502, 503, 504} {
		cases = append(cases, tokenCase{"T10", fmt.Sprintf("the endpoint answers %d once", status), brokenFrom(answers(status, serverTrouble)), []tokenStep{
			{tokens: 2, api: 2, saves: 1},
		}})
	}
	for status, kind := range map[int]error{
		400: revv.ErrUnauthorized, 401: revv.ErrUnauthorized, 403: revv.ErrUnauthorized, 404: revv.ErrUnauthorized, 405: revv.ErrUnauthorized, 409: revv.ErrUnauthorized,
		410: revv.ErrUnauthorized, 415: revv.ErrUnauthorized, 422: revv.ErrUnauthorized, 501: revv.ErrServer, 505: revv.ErrServer,
	} {
		cases = append(cases, tokenCase{"T28", fmt.Sprintf("the endpoint answers %d", status), broken(answers(status, serverTrouble)), []tokenStep{
			{want: []error{kind}, never: noAnswerToTheCall(), tokens: 1, api: 1, then: withoutCredentials},
			{call: createDocument, want: []error{kind}, never: noAnswerToTheCall(), tokens: 1}, // certainly not created
			{do: healed, tokens: 1, api: 1, saves: 1},
		}})
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		cases = append(cases, tokenCase{"T34", fmt.Sprintf("the endpoint answers %d to another host", status), broken(redirects(status)), []tokenStep{
			{want: []error{revv.ErrRedirected}, never: errTokenKinds, tokens: 1, api: 1, then: func(w *tokenWorld, _ time.Duration, errs []error) {
				assert.NotContains(w, errs[0].Error(), "attacker")
			}},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}})
	}
	return cases
}

// lostAnswerCases: the form has arrived, the answer has not.
func lostAnswerCases() []tokenCase {
	reauthorization := []error{revv.ErrReauthorizationRequired}
	sameTokenTwice := func(w *tokenWorld, d time.Duration, errs []error) {
		w.Helper()
		assert.Equal(w, w.sentForm(1), w.sentForm(0))
		withoutCredentials(w, d, errs)
		took(0, 0)(w, d, errs)
	}
	var cases []tokenCase
	for name, lost := range map[string]tokenFault{
		"connection is reset": resets, "connection is closed": closes,
	} {
		cases = append(cases, tokenCase{"T11", "the " + name + " before the server has done anything", brokenFrom(lost), []tokenStep{
			{tokens: 2, api: 2, saves: 1, then: sameTokenTwice},
		}}, tokenCase{"T11", "the " + name + " twice", brokenFrom(times(2, lost)...), []tokenStep{
			{want: []error{revv.ErrInterrupted}, never: errTokenKinds, tokens: 2, api: 1, then: sameTokenTwice},
			{tokens: 1, api: 1, saves: 1},
		}}, tokenCase{"T12", "the " + name + " after the server has rotated", brokenFrom(processed(lost)), []tokenStep{
			{want: reauthorization, never: but(reauthorization...), tokens: 2, api: 1, then: sameTokenTwice},
			{callers: 100, want: reauthorization},
		}}, tokenCase{"T12", "the " + name + " and the next answer is a failure", brokenFrom(lost, answers(500, serverTrouble)), []tokenStep{
			{want: []error{revv.ErrServer}, never: errTokenKinds, tokens: 2, api: 1},
		}})
	}
	cutsAfterHead := func(a *authority, r tokenRequest) (*http.Response, error) {
		a.honest(r.form)
		resp := reply(http.StatusOK, "")
		resp.ContentLength = -1 // until the connection ends
		return resp, nil
	}
	for name, cut := range map[string]tokenFault{
		"in the middle of the message": cutsBody, "in the middle of the JSON": cutsJSON, "after its head": cutsAfterHead,
	} {
		cases = append(cases, tokenCase{"T31", "the answer ends " + name + " and the server has rotated", brokenFrom(cut), []tokenStep{
			{want: reauthorization, never: but(reauthorization...), tokens: 2, api: 1, then: sameTokenTwice},
			{want: reauthorization},
		}}, tokenCase{"T31", "the answer ends " + name + " and the server does not rotate", func(w *tokenWorld) {
			w.authority.set(func() { w.authority.steady = true })
			w.expire()
			w.faulty(cut)
		}, []tokenStep{{tokens: 2, api: 2, saves: 1, then: sameTokenTwice}}})
	}
	return append(cases,
		tokenCase{"T12", "no answer comes in time", broken(hangs), []tokenStep{
			{want: []error{context.DeadlineExceeded}, never: but(context.DeadlineExceeded), tokens: 1, api: 1, then: took(30*time.Second, 30*time.Second)},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		tokenCase{"T12", "the answer stops in the middle", broken(hangsInBody), []tokenStep{
			{want: []error{context.DeadlineExceeded}, never: but(context.DeadlineExceeded), tokens: 1, api: 1, then: took(30*time.Second, 30*time.Second)},
		}},
		tokenCase{"T12", "no answer comes within the timeout of the HTTP client", func(w *tokenWorld) {
			w.config.HTTPClient = &http.Client{Transport: w.authority, Timeout: 3 * time.Second}
			w.restart()
			broken(hangs)(w)
		}, []tokenStep{{want: []error{context.DeadlineExceeded}, tokens: 1, api: 1, then: took(3*time.Second, 3*time.Second)}}},
		tokenCase{"S01", "the transport quotes the form in its error", broken(func(_ *authority, r tokenRequest) (*http.Response, error) {
			return nil, fmt.Errorf("no answer to %s, which is %v", r.form.Encode(), r.form)
		}), []tokenStep{{want: []error{errAny}, never: errTokenKinds, tokens: 2, api: 1}}},
		tokenCase{"S01", "an answer that never comes whole is quoted", broken(func(_ *authority, r tokenRequest) (*http.Response, error) {
			resp := reply(http.StatusOK, "{}")
			resp.Body = io.NopCloser(iotest.ErrReader(fmt.Errorf("no answer to %v: %w", r.form, syscall.ECONNRESET)))
			return resp, nil
		}), []tokenStep{{want: []error{syscall.ECONNRESET}, never: errTokenKinds, tokens: 2, api: 1}}},
		tokenCase{"T11", "the transport returns nothing", brokenFrom(func(*authority, tokenRequest) (*http.Response, error) {
			return nil, nil //nolint:nilnil // the fault
		}), []tokenStep{{tokens: 2, api: 2, saves: 1}}},
		tokenCase{"T11", "the transport returns an answer and an error", brokenFrom(func(a *authority, r tokenRequest) (*http.Response, error) {
			return reply(200, "{}"), io.ErrUnexpectedEOF
		}), []tokenStep{{tokens: 2, api: 2, saves: 1}}},
	)
}

// answerCases: the endpoint says yes, in its own way.
func answerCases() []tokenCase {
	page := "<!DOCTYPE html><html><title>Log in</title>" + strings.Repeat("<p>ECHO</p>", 100)
	malformed := []error{revv.ErrMalformedResponse}
	cases := []tokenCase{
		{"T28", "the endpoint shows a page", broken(answers(200, page, "Content-Type", "text/html; charset=utf-8")), []tokenStep{
			{want: []error{revv.ErrUnexpectedContent}, never: errTokenKinds, tokens: 1, api: 1, then: func(w *tokenWorld, _ time.Duration, errs []error) {
				assert.NotContains(w, errs[0].Error(), "Log in")
				assert.Equal(w, w.first, w.ledger.pair(tokenAccount))
			}},
			{call: askToken, want: []error{revv.ErrUnexpectedContent}, tokens: 1, then: func(w *tokenWorld, _ time.Duration, errs []error) {
				assert.Equal(w, 200, failure(w.T, errs[0]).StatusCode)
			}},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T28", "the endpoint shows a page and calls it JSON", broken(answers(200, page)), []tokenStep{{want: []error{revv.ErrUnexpectedContent}, tokens: 1, api: 1}}},
		{"T28", "the answer is empty", broken(answers(200, "")), []tokenStep{{want: []error{revv.ErrEmptyResponse}, never: errTokenKinds, tokens: 1, api: 1}}},
		{"T28", "there is no content", broken(answers(204, "")), []tokenStep{{want: []error{revv.ErrEmptyResponse}, tokens: 1, api: 1}}},
		{"T28", "the answer has no body at all", broken(func(*authority, tokenRequest) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}}, nil
		}), []tokenStep{{want: []error{revv.ErrEmptyResponse}, tokens: 1, api: 1}}},
		{"T28", "right JSON has no content type", brokenFrom(func(a *authority, r tokenRequest) (*http.Response, error) {
			status, body := a.honest(r.form)
			resp := reply(status, body)
			resp.Header.Del("Content-Type")
			return resp, nil
		}), []tokenStep{{tokens: 1, api: 2, saves: 1}}},
		{"T32", "the answer has 2 MiB", broken(func(a *authority, _ tokenRequest) (*http.Response, error) {
			resp := reply(200, "")
			resp.ContentLength, resp.Body = -1, io.NopCloser(&endlessText{t: a.t, left: 2 << 20})
			return resp, nil
		}), []tokenStep{{want: []error{revv.ErrResponseTooLarge}, never: errTokenKinds, tokens: 1, api: 1}}},
		{"T32", "the answer says that it has 2 MiB", broken(func(a *authority, _ tokenRequest) (*http.Response, error) {
			resp := reply(200, "")
			resp.ContentLength, resp.Body = 2<<20, io.NopCloser(&endlessText{t: a.t, left: 2 << 20})
			return resp, nil
		}), []tokenStep{{want: []error{revv.ErrResponseTooLarge}, never: errTokenKinds, tokens: 1, api: 1}}},
		{"T32", "the refusal has 2 MiB", broken(answers(400, `{"error":"invalid_grant","x":"`+strings.Repeat("x", 2<<20)+`"}`)), []tokenStep{
			{want: []error{revv.ErrUnauthorized}, never: noAnswerToTheCall(), tokens: 1, api: 1},
		}},
		{"T17", "the answer has no refresh token", func(w *tokenWorld) {
			w.authority.set(func() { w.authority.steady = true })
			w.expire()
		}, []tokenStep{
			{tokens: 1, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Equal(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
			}},
			{do: expired, tokens: 1, api: 2, saves: 1},
		}},
	}
	for body, kind := range map[string]error{
		`{}`: malformed[0], `[]`: malformed[0], `null`: malformed[0], `"ECHO"`: malformed[0], `1`: malformed[0], `ECHO`: malformed[0],
		`{"refresh_token":"ECHO"}`: malformed[0], `{"access_token":"","refresh_token":"ECHO"}`: malformed[0], `{"access_token":null}`: malformed[0],
		`{"access_token":false}`: malformed[0], `{"access_token":true,"refresh_token":"ECHO"}`: malformed[0],
		`{"access_token":{"ECHO":1}}`: malformed[0], `{"access_token":["ECHO"]}`: malformed[0], `{"access_token":"ECHO\r\nX: y"}`: malformed[0],
		`{"access_token":"a b"}`: malformed[0], `{"access_token":"ä"}`: malformed[0], `{"access_token":"a"} {}`: malformed[0],
		`{"error":"ECHO"}`: malformed[0], `access_token=a&token_type=bearer`: malformed[0], "\xef\xbb\xbf{}": malformed[0],
		`{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`: malformed[0],
	} {
		cases = append(cases, tokenCase{"T28", fmt.Sprintf("the endpoint answers %.40q", body), broken(answers(200, body)), []tokenStep{
			{want: []error{kind}, never: errTokenKinds, tokens: 1, api: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Equal(w, w.first, w.ledger.pair(tokenAccount))
			}},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}})
	}
	for _, kind := range []struct {
		value any
		ok    bool
	}{
		{nil, true},
		{json.RawMessage("null"), true},
		{"", true},
		{"bearer", true},
		{"Bearer", true},
		{"BEARER", true},
		{"mac", false},
		{"N_A", false},
		{"DPoP", false},
		{"PoP", false},
		{"jwt", true},
		{"Bearer token", true},
		{5, true},
	} {
		c := tokenCase{"T44", fmt.Sprintf("token_type is %s", kind.value), func(w *tokenWorld) {
			w.authority.set(func() { w.authority.members = map[string]any{"token_type": kind.value} })
			w.expire()
		}, []tokenStep{{want: malformed, never: errTokenKinds, tokens: 1, api: 1}}}
		if kind.ok {
			c.steps = []tokenStep{{tokens: 1, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Equal(w, "Bearer", w.ledger.pair(tokenAccount).TokenType)
			}}}
		}
		cases = append(cases, c)
	}
	return cases
}

// endlessText is the beginning of a JSON document, with a text that goes on and on.
type endlessText struct {
	t    testing.TB
	left int
	read int
}

// Read implements [io.Reader].
func (e *endlessText) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range n {
		p[i] = 'x'
	}
	if e.read == 0 {
		copy(p, `{"x":"`)
	}
	e.left -= n
	if e.read += n; e.read > 400<<10 {
		e.t.Errorf("%d bytes of the answer were read", e.read)
	}
	return n, nil
}
