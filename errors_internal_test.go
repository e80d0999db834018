package revv

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrintable_limit_isExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "",
		strings.Repeat("a", 9):  strings.Repeat("a", 9),
		strings.Repeat("a", 10): strings.Repeat("a", 10),
		strings.Repeat("a", 11): strings.Repeat("a", 7) + "…",
		"aaaaaaa\x01":           `aaaaaaa…`, // the escape does not fit
		"aaaaaa\x01":            `aaaaaa\x01`,
		"aaaaa\x01bb":           `aaaaa…`, // an escape is never cut in two
		"aaaaüüü":               "aaaaüüü",
		"aaaaüüüü":              "aaaaü…",
		"a\xff":                 `a\xff`,
	} {
		assert.Equal(t, want, printable(text, 10), "%q", text)
	}
}

func TestStatusKind_serverErrors_areAllThatIsRepeatedAsOne(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{407: nil, 408: ErrServer, 499: nil, 500: ErrServer, 599: ErrServer, 600: ErrServer, 999: ErrServer} {
		assert.Equal(t, want, statusKind(status), status)
	}
}

// What the token endpoint says of a renewal is not what the API says of a call.
func TestError_ofARenewal_isOfNoKindOfTheCall(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		200: nil, 302: nil, 400: ErrUnauthorized, 401: ErrUnauthorized, 403: ErrUnauthorized, 404: ErrUnauthorized, 405: ErrUnauthorized, 408: ErrServer,
		409: ErrUnauthorized, 410: ErrUnauthorized, 415: ErrUnauthorized, 422: ErrUnauthorized, 429: ErrRateLimited, 499: ErrUnauthorized, 500: ErrServer, 503: ErrServer,
	} {
		assert.Equal(t, want, (&Error{Op: opRefresh, StatusCode: status}).statusKind(), status)
	}
	assert.NoError(t, (&Error{Op: opRefresh, StatusCode: 400, kinds: []error{ErrReauthorizationRequired}}).statusKind())
	assert.Equal(t, ErrInvalid, (&Error{Op: "Documents.Get", StatusCode: 400}).statusKind())
}

func TestError_printsInEveryForm(t *testing.T) {
	t.Parallel()
	err := &Error{Op: "Documents.Get", StatusCode: 404, Code: "GONE", RequestID: "r1", Attempts: 2}
	const text = "revv: Documents.Get: 404 Not Found: GONE (attempts: 2, request id: r1)"
	require.EqualError(t, err, text)
	assert.Equal(t, text, fmt.Sprintf("%s", err))
	assert.Equal(t, `"`+text+`"`, fmt.Sprintf("%q", err))
	assert.Equal(t, "revv: X: 799", (&Error{Op: "X", StatusCode: 799}).Error())
	assert.Equal(t, slog.KindGroup, err.LogValue().Kind())
	assert.Equal(t, "<nil>", (*Error)(nil).LogValue().String())
}

// What is left of a wait has nanoseconds, which are nobody's business.
func TestError_waitThatIsLeft_isRounded(t *testing.T) {
	t.Parallel()
	for wait, text := range map[time.Duration]string{59*time.Second + 999496913: "1m0s", 2 * time.Minute: "2m0s", 1234567890: "1.23s", 3 * time.Millisecond: "3ms"} {
		assert.Equal(t, "revv: Do: held back (retry after: "+text+")", (&Error{Op: "Do", Message: "held back", RetryAfter: wait}).Error())
	}
}
