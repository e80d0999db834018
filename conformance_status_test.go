package revv_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// statusRows: what a status alone decides.
func statusRows() []matrixRow {
	var rows []matrixRow
	for _, status := range []int{408, 500, 502, 503, 504, 506, 507, 508, 509, 511, 520, 521, 524, 530, 599, 600, 999} {
		kinds := []error{revv.ErrServer}
		if status == http.StatusRequestTimeout {
			kinds = nil
		}
		near := status > 504
		rows = append(rows, matrixRow{
			id: "R01 W05", fault: fmt.Sprintf("%d once", status), near: near, acts: firstTimes(1, failing(status)),
			want: repeatable(good(2), unknown(kinds...)), atMost: 200 * time.Millisecond,
		}, matrixRow{
			id: "R08 W05", fault: fmt.Sprintf("%d for ever", status), near: status != 500, acts: everyTime(failing(status)),
			want: repeatable(bad(3, append(kinds, errTyped)...), unknown(kinds...)), more: attempts,
		})
	}
	for status, kind := range map[int]error{
		400: revv.ErrInvalid, 402: errTyped, 403: revv.ErrForbidden, 404: revv.ErrNotFound, 405: errTyped, 406: errTyped, 407: errTyped,
		409: revv.ErrConflict, 410: revv.ErrNotFound, 411: errTyped, 412: errTyped, 413: errTyped, 414: errTyped, 415: revv.ErrInvalid,
		416: errTyped, 417: errTyped, 418: errTyped, 421: errTyped, 422: revv.ErrInvalid, 423: errTyped, 424: errTyped, 425: errTyped,
		426: errTyped, 428: errTyped, 431: errTyped, 451: errTyped, 499: errTyped, 501: revv.ErrServer, 505: revv.ErrServer,
	} {
		rows = append(rows, matrixRow{
			id: "R11 R12", fault: strconv.Itoa(status), near: errors.Is(kind, errTyped) || errors.Is(kind, revv.ErrServer), acts: everyTime(failing(status)), tokens: []string{conformanceToken, "unused"},
			want: anyClass(bad(1, kind).but(otherKinds(kind)...)), more: func(t *testing.T, got outcome) {
				var typed *revv.Error
				require.ErrorAs(t, got.err, &typed)
				assert.Equal(t, status, typed.StatusCode)
				assert.Equal(t, fmt.Sprintf("E_%d", status), typed.Code)
				assert.Equal(t, "as asked for", typed.Message)
				assert.Equal(t, "req-7", typed.RequestID)
				assert.Equal(t, 1, typed.Attempts)
				assert.Zero(t, got.rejected, "only a 401 rejects a token")
				assert.Equal(t, status, got.response.StatusCode)
				assert.Equal(t, "req-7", got.response.RequestID)
			},
		})
	}
	return rows
}

// errTyped stands for "an error of this package, of no certain kind": the check
// that the error is typed is made for each.
var errTyped error = typedOnly{}

type typedOnly struct{}

func (typedOnly) Error() string { return "an error of the package" }

// attempts: the error says how many there were.
func attempts(t *testing.T, got outcome) {
	var typed *revv.Error
	require.ErrorAs(t, got.err, &typed)
	assert.Equal(t, len(got.requests), typed.Attempts)
	assert.Contains(t, got.err.Error(), fmt.Sprintf("attempts: %d", len(got.requests)))
	assert.Equal(t, len(got.requests), got.response.Attempts)
}

// otherKinds are the sentinels that an error of one kind must not be as well.
func otherKinds(kind error) []error {
	var others []error
	for _, other := range []error{
		revv.ErrInvalid, revv.ErrUnauthorized, revv.ErrForbidden, revv.ErrNotFound, revv.ErrConflict, revv.ErrRateLimited, revv.ErrServer,
		revv.ErrOutcomeUnknown, revv.ErrAppliedResponseUnreadable, revv.ErrUnexpectedContent, revv.ErrMalformedResponse, revv.ErrEmptyResponse,
		revv.ErrResponseTooLarge, revv.ErrRedirected, revv.ErrTruncated, revv.ErrReauthorizationRequired, revv.ErrInvalidArgument,
		context.DeadlineExceeded, context.Canceled,
	} {
		if !errors.Is(other, kind) {
			others = append(others, other)
		}
	}
	return others
}

// waitRows: what the service says about coming back. In a bubble it is
// 2000-01-01T00:00:00Z when the call begins.
func waitRows() []matrixRow {
	date := func(after time.Duration, layout string) string {
		return "Retry-After: " + time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(after).Format(layout)
	}
	const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"
	var rows []matrixRow
	for _, wait := range []struct {
		name, header    string
		atLeast, atMost time.Duration
		row             bool // of the matrix itself
	}{
		{"Retry-After: 2", "Retry-After: 2", 2 * time.Second, 2 * time.Second, true},
		{"Retry-After: 60", "Retry-After: 60", time.Minute, time.Minute, false},
		{"Retry-After: 0", "Retry-After: 0", 0, 0, false},
		{"Retry-After of zeros", "Retry-After: 0002", 2 * time.Second, 2 * time.Second, false},
		{"Retry-After between spaces", "Retry-After:    2  ", 2 * time.Second, 2 * time.Second, false},
		{"Retry-After as RFC 1123", date(7*time.Second, http.TimeFormat), 7 * time.Second, 7 * time.Second, true},
		{"Retry-After as RFC 850", date(7*time.Second, rfc850), 7 * time.Second, 7 * time.Second, true},
		{"Retry-After as asctime", date(7*time.Second, time.ANSIC), 7 * time.Second, 7 * time.Second, false},
		{"Retry-After in the past", date(-time.Hour, http.TimeFormat), 0, 0, true},
	} {
		for _, status := range []int{429, 503} {
			rows = append(rows, matrixRow{
				id: "R04 R05 W06", fault: fmt.Sprintf("%d with %s", status, wait.name), near: !wait.row, acts: firstTimes(1, failing(status, wait.header)),
				want: anyClass(good(2)), atLeast: wait.atLeast, atMost: max(wait.atMost, 1),
			})
		}
	}
	for _, header := range []string{
		"", "Retry-After: ", "Retry-After: soon", "Retry-After: -1", "Retry-After: +1", "Retry-After: 1.5", "Retry-After: 1s", "Retry-After: 0x10",
		"Retry-After: 1e3", "Retry-After: 99/99/2000", "Retry-After: NaN", "Retry-After: ٣",
	} {
		name := "without Retry-After"
		if header != "" {
			name = "with an unreadable " + header
		}
		rows = append(rows, matrixRow{
			id: "W06", fault: "429 " + name, near: header != "", acts: firstTimes(1, failing(429, header)), want: anyClass(good(2)), atMost: 200 * time.Millisecond,
		}, matrixRow{
			id: "R01 W05", fault: "503 " + name, near: header != "", acts: firstTimes(1, failing(503, header)), want: repeatable(good(2), unknown(revv.ErrServer)),
			atMost: 200 * time.Millisecond,
		})
	}
	for name, header := range map[string]string{
		"61 s": "Retry-After: 61", "an hour as a date": date(time.Hour, http.TimeFormat), "2^31": "Retry-After: 2147483648", "2^63": "Retry-After: 9223372036854775808",
		"thirty digits": "Retry-After: 999999999999999999999999999999", "the year 9999": "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		for _, status := range []int{429, 503} {
			rows = append(rows, matrixRow{
				id: "R06", fault: fmt.Sprintf("%d with a Retry-After of %s", status, name), near: name != "61 s", acts: everyTime(failing(status, header)), atMost: 1,
				want: anyClass(bad(1, revv.ErrRateLimited).but(revv.ErrOutcomeUnknown, context.DeadlineExceeded)), more: func(t *testing.T, got outcome) {
					var typed *revv.Error
					require.ErrorAs(t, got.err, &typed)
					assert.Greater(t, typed.RetryAfter, time.Minute)
				},
			})
		}
	}
	rows = append(rows,
		matrixRow{
			id: "R04", fault: "429 for ever", acts: everyTime(failing(429, "Retry-After: 1")), atLeast: 2 * time.Second, atMost: 2 * time.Second,
			want: anyClass(bad(3, revv.ErrRateLimited).but(revv.ErrOutcomeUnknown)), more: attempts,
		},
		matrixRow{
			id: "R04", fault: "429 without Retry-After for ever", acts: everyTime(failing(429)), atMost: 600 * time.Millisecond,
			want: anyClass(bad(3, revv.ErrRateLimited).but(revv.ErrOutcomeUnknown)), more: attempts,
		},
		matrixRow{
			id: "W06", fault: "503 with Retry-After for ever", acts: everyTime(failing(503, "Retry-After: 1")), atLeast: 2 * time.Second, atMost: 2 * time.Second,
			want: anyClass(bad(3, revv.ErrServer).but(revv.ErrOutcomeUnknown)), more: attempts,
		},
		matrixRow{
			id: "W05", fault: "429, then 500", acts: inTurn(failing(429, "Retry-After: 1"), failing(500)),
			want: repeatable(bad(3, revv.ErrServer), bad(2, revv.ErrServer, revv.ErrOutcomeUnknown)),
		},
		matrixRow{
			id: "W06", fault: "503 with two Retry-After, the first counts", acts: firstTimes(1, failing(503, "Retry-After: 3", "Retry-After: 70")),
			want: anyClass(good(2)), atLeast: 3 * time.Second, atMost: 3 * time.Second,
		},
		matrixRow{
			id: "R01", fault: "500 with Retry-After", acts: firstTimes(1, failing(500, "Retry-After: 5")),
			want: map[class]verdict{reads: good(2), idempotent: good(2)}, atLeast: 5 * time.Second, atMost: 5 * time.Second,
		},
	)
	return rows
}

// policyRows: what the caller's policy changes, and what it does not.
func policyRows() []matrixRow {
	policy := func(p revv.RetryPolicy) revv.SharedOption { return revv.WithRetry(p) }
	return []matrixRow{
		{
			id: "R08", fault: "500 and MaxAttempts 1", opts: []revv.Option{policy(revv.RetryPolicy{MaxAttempts: 1})}, acts: everyTime(failing(500)),
			want: repeatable(bad(1, revv.ErrServer), unknown(revv.ErrServer)), atMost: 1, more: attempts,
		},
		{
			id: "R08", fault: "429 and MaxAttempts 1", opts: []revv.Option{policy(revv.RetryPolicy{MaxAttempts: 1})}, acts: everyTime(failing(429, "Retry-After: 5")),
			want: anyClass(bad(1, revv.ErrRateLimited)), atMost: 1, more: attempts,
		},
		{
			id: "R08", fault: "500 and MaxAttempts 6 for the call", call: []revv.CallOption{policy(revv.RetryPolicy{MaxAttempts: 6})}, acts: everyTime(failing(500)),
			want: repeatable(bad(6, revv.ErrServer), unknown(revv.ErrServer)), more: attempts,
		},
		{
			id: "R08", fault: "500, MaxAttempts 6 for the client and 2 for the call", opts: []revv.Option{policy(revv.RetryPolicy{MaxAttempts: 6})},
			call: []revv.CallOption{policy(revv.RetryPolicy{MaxAttempts: 2})}, acts: everyTime(failing(500)),
			want: repeatable(bad(2, revv.ErrServer), unknown(revv.ErrServer)), more: attempts,
		},
		{
			id: "R06", fault: "Retry-After above the MaxRetryAfter of the call", call: []revv.CallOption{policy(revv.RetryPolicy{MaxRetryAfter: time.Second})},
			acts: everyTime(failing(429, "Retry-After: 2")), want: anyClass(bad(1, revv.ErrRateLimited)), atMost: 1,
		},
		{
			id: "R06", fault: "Retry-After of an hour and a policy that allows it", opts: []revv.Option{policy(revv.RetryPolicy{MaxRetryAfter: 2 * time.Hour})},
			acts: firstTimes(1, failing(429, "Retry-After: 3600")), want: anyClass(good(2)), atLeast: time.Hour, atMost: time.Hour,
		},
		{
			id: "R08", fault: "waits never exceed MaxDelay", opts: []revv.Option{policy(revv.RetryPolicy{MaxAttempts: 10, BaseDelay: time.Second, MaxDelay: time.Second})},
			acts: everyTime(failing(500)), want: map[class]verdict{reads: bad(10, revv.ErrServer), idempotent: bad(10, revv.ErrServer)}, atMost: 9 * time.Second,
		},
	}
}

// tokenRows: the service and the access token.
func tokenRows() []matrixRow {
	two := []string{conformanceToken, "tok-the-second"}
	return []matrixRow{
		{
			id: "W07", fault: "401, and a new token", tokens: two, acts: firstTimes(1, failing(401)), want: anyClass(good(2)), atMost: 1,
			more: func(t *testing.T, got outcome) {
				assert.Equal(t, 1, got.rejected)
				assert.Equal(t, conformanceToken, got.requests[0].header.Get("Accesstoken"))
				assert.Equal(t, "tok-the-second", got.requests[1].header.Get("Accesstoken"))
			},
		},
		{
			id: "T03", fault: "401 for the new token, too", tokens: append(two, "tok-the-third"), acts: everyTime(failing(401)),
			want: anyClass(bad(2, revv.ErrUnauthorized).but(revv.ErrOutcomeUnknown)), atMost: 1, more: func(t *testing.T, got outcome) { assert.Equal(t, 1, got.rejected) },
		},
		{
			id: "R11", fault: "401 without another token", acts: everyTime(failing(401)), want: anyClass(bad(1, revv.ErrUnauthorized)), atMost: 1,
		},
		{
			id: "W07", fault: "401 does not use up an attempt", tokens: two, acts: inTurn(failing(401), failing(500), failing(500), failing(500)),
			want: repeatable(bad(4, revv.ErrServer), bad(2, revv.ErrServer, revv.ErrOutcomeUnknown)),
		},
		{
			id: "W07", fault: "401 between failures", tokens: two, opts: []revv.Option{revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})},
			acts: firstTimes(1, failing(401)), want: anyClass(good(2)),
		},
		{
			id: "W07", fault: "429, then 401", tokens: two, acts: func(op operationCase) func(int) act {
				return inTurn(failing(429, "Retry-After: 1"), failing(401), op.answered())(op)
			}, want: anyClass(good(3)), atLeast: time.Second, atMost: time.Second,
		},
	}
}
