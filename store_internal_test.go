package revv

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

const decodedAccount = "legal@example.com"

func encoded(t testing.TB, token *oauth2.Token) []byte {
	t.Helper()
	data, err := encodeToken("test", decodedAccount, "", token)
	require.NoError(t, err)
	return data
}

func secretPair() *oauth2.Token {
	return &oauth2.Token{
		AccessToken: "access-sentinel", TokenType: "Bearer", RefreshToken: "refresh-sentinel",
		Expiry: time.Date(2031, time.March, 1, 0, 0, 0, 1000, time.UTC), ExpiresIn: 3600,
	}
}

func TestAccountLocks_nobodyWaits_takeNoMemory(t *testing.T) {
	t.Parallel()
	var locks accountLocks
	unlock, err := locks.lock(t.Context(), "a")
	require.NoError(t, err)
	assert.Len(t, locks.inUse, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = locks.lock(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, locks.inUse, 1, "who gave up takes nobody's lock away")
	unlock()
	assert.Empty(t, locks.inUse)
	unlock, err = locks.lock(t.Context(), "a")
	require.NoError(t, err)
	unlock()
	assert.Empty(t, locks.inUse)
}

// A lock that is lost when another account comes would let two renewals spend one token.
func TestAccountLocks_anotherAccountComes_lockStays(t *testing.T) {
	t.Parallel()
	var locks accountLocks
	unlock, err := locks.lock(t.Context(), "a")
	require.NoError(t, err)
	other, err := locks.lock(t.Context(), "b")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = locks.lock(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	unlock()
	other()
	assert.Empty(t, locks.inUse)
}

func TestDecodeToken_everyShorterText_isCorrupt(t *testing.T) {
	t.Parallel()
	whole := encoded(t, secretPair())
	for size := range whole {
		_, _, err := decodeToken(decodedAccount, whole[:size])
		require.ErrorIs(t, err, ErrTokenStoreCorrupt)
		torn := make([]byte, len(whole))
		copy(torn, whole[:size])
		_, _, err = decodeToken(decodedAccount, torn)
		require.ErrorIs(t, err, ErrTokenStoreCorrupt, "the rest is zeros")
	}
}

func TestDecodeToken_notTheToken_isCorruptAndNotQuoted(t *testing.T) {
	t.Parallel()
	whole := string(encoded(t, secretPair()))
	require.Contains(t, whole, `"version":1`)
	for name, text := range map[string]string{
		"another account": strings.Replace(whole, accountID(decodedAccount), accountID("other"), 1),
		"no account":      strings.Replace(whole, accountID(decodedAccount), "", 1),
		"another version": strings.Replace(whole, `"version":1`, `"version":2`, 1),
		"no version":      strings.Replace(whole, `"version":1,`, ``, 1),
		"a new member":    strings.Replace(whole, `{`, `{"refresh-sentinel":1,`, 1),
		"a wrong type":    strings.Replace(whole, `"access-sentinel"`, `["access-sentinel"]`, 1),
		"a wrong time":    strings.Replace(whole, `"2031-`, `"sentinel-`, 1),
		"no tokens":       `{"version":1,"account":"` + accountID(decodedAccount) + `","token_type":"sentinel"}`,
		"two values":      whole + whole,
		"trailing text":   whole + "sentinel",
		"null":            "null",
		"an array":        "[" + whole + "]",
		"a string":        `"sentinel"`,
		"text":            "sentinel",
		"zeros":           string(make([]byte, 4096)),
		"too large":       whole + strings.Repeat(" ", maxStoredToken),
	} {
		token, _, err := decodeToken(decodedAccount, []byte(text))
		require.ErrorIs(t, err, ErrTokenStoreCorrupt, name)
		assert.Nil(t, token, name)
		assert.NotContains(t, err.Error(), "sentinel", name)
	}
	token, _, err := decodeToken(decodedAccount, []byte(" "+whole+"\n"))
	require.NoError(t, err, "an editor may add white space")
	assert.Equal(t, secretPair(), token)
}

func TestEncodeToken_tooLarge_isRefused(t *testing.T) {
	t.Parallel()
	token := &oauth2.Token{AccessToken: strings.Repeat("a", maxStoredToken)}
	_, err := encodeToken("test", decodedAccount, "", token)
	require.ErrorIs(t, err, ErrInvalidArgument)
	token.AccessToken = token.AccessToken[:maxStoredToken-200]
	assert.LessOrEqual(t, len(encoded(t, token)), maxStoredToken)
}

func TestEncodeToken_exactlyAsLargeAsAllowed_comesBack(t *testing.T) {
	t.Parallel()
	token := secretPair()
	token.AccessToken += strings.Repeat("a", maxStoredToken-len(encoded(t, token)))
	data := encoded(t, token)
	require.Len(t, data, maxStoredToken)
	again, _, err := decodeToken(decodedAccount, data)
	require.NoError(t, err)
	assert.Equal(t, token, again)
	token.AccessToken += "a"
	_, err = encodeToken("test", decodedAccount, "", token)
	require.ErrorIs(t, err, ErrInvalidArgument)
}

// JSON has the years from 0 to 9999.
func TestCloneToken_expiry_isKeptIfItCanBeStored(t *testing.T) {
	t.Parallel()
	for year, want := range map[int]bool{-1: false, 0: true, 9999: true, 10000: false} {
		token := &oauth2.Token{AccessToken: "a", Expiry: time.Date(year, time.July, 1, 0, 0, 0, 0, time.UTC)}
		clone := cloneToken(token)
		assert.Equal(t, want, !clone.Expiry.IsZero(), year)
		again, _, err := decodeToken(decodedAccount, encoded(t, clone))
		require.NoError(t, err, year)
		assert.Equal(t, clone, again, year)
	}
}

func FuzzTokenFile(f *testing.F) {
	whole := encoded(f, secretPair())
	for _, seed := range []string{
		string(whole), string(whole[:len(whole)/2]), string(whole) + "{}", "", "null", "{}", "[]", "\x00\x00",
		strings.Replace(string(whole), `:1`, `:2`, 1),
		strings.Replace(string(whole), "2031", "9999", 1),
		strings.Replace(string(whole), `"access-sentinel"`, `"\ud800\u0000"`, 1),
		strings.Replace(string(whole), "access_token", "ACCESS_TOKEN", 1),
		`{"version":1e0,"account":"` + accountID(decodedAccount) + `","refresh_token":"r","expiry":"0000-01-01T00:00:00+23:59"}`,
		strings.Repeat("[", 20000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		token, _, err := decodeToken(decodedAccount, data)
		if err != nil {
			if !errors.Is(err, ErrTokenStoreCorrupt) || token != nil {
				t.Fatalf("token %v, error %v", token != nil, err)
			}
			if strings.Contains(err.Error(), "sentinel") {
				t.Fatalf("%v quotes the file", err)
			}
			return
		}
		if !json.Valid(data) || tokenFault(token) != "" {
			t.Fatal("what is no token was accepted")
		}
		again, err := encodeToken("test", decodedAccount, "", token)
		if errors.Is(err, ErrInvalidArgument) {
			return // escapes can make it longer than it was
		}
		if err != nil {
			t.Fatal(err)
		}
		twin, _, err := decodeToken(decodedAccount, again)
		if err != nil || !sameToken(token, twin) {
			t.Fatalf("the token changes when it is saved: %v", err)
		}
	})
}
