package revv

import (
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func newWebLogin() *webLogin {
	return &webLogin{
		config: OAuthConfig{ClientSecret: "a client secret"},
		done:   func(http.ResponseWriter, *http.Request, *oauth2.Token, error) {},
		used:   make(map[string]time.Time),
	}
}

// cookieOf is the n-th cookie of an authorization that began at a time.
func cookieOf(n uint64, began time.Time) string {
	var nonce [24]byte
	binary.BigEndian.PutUint64(nonce[:], n)
	binary.BigEndian.PutUint64(nonce[16:], uint64(began.Unix()))
	return base64.RawURLEncoding.EncodeToString(nonce[:])
}

// Replicas do not agree on the time to the second.
func TestWebLogin_misplaced_fromFiveMinutesAheadToTenMinutesAgo(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]bool{
		-5*time.Minute - time.Second: false, -5 * time.Minute: true, 0: true, loginLimit: true, loginLimit + time.Second: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newWebLogin()
			cookie := cookieOf(1, time.Now().Add(-ago))
			assert.Equal(t, want, l.useState(cookie, l.derive("state", cookie)) == "", "%v ago", ago)
		})
	}
	l := newWebLogin()
	for _, cookie := range []string{"", "AAAA", cookieOf(1, time.Now()) + "AAAA", "not base64!"} {
		assert.NotEmpty(t, l.useState(cookie, l.derive("state", cookie)), cookie)
	}
}

// Anybody can begin authorizations and give them up, one after the other.
func TestWebLogin_usedStates_areBoundedInNumber(t *testing.T) {
	t.Parallel()
	l := newWebLogin()
	for n := range uint64(maxUsedStates) {
		l.used[cookieOf(n, time.Now())] = time.Now().Add(loginLimit)
	}
	l.swept = time.Now()
	for n := range uint64(3) {
		cookie := cookieOf(maxUsedStates+n, time.Now())
		assert.Empty(t, l.useState(cookie, l.derive("state", cookie)))
		assert.Len(t, l.used, maxUsedStates)
		assert.Contains(t, l.used, cookie)
	}
}

// Nothing but this machine reaches the port of a login.
func TestListen_isOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	for _, redirect := range []string{"", "http://localhost/callback", "http://LOCALHOST/callback", "http://127.0.0.1/callback", "http://127.9.9.9/callback"} {
		config := OAuthConfig{RedirectURL: redirect}
		listener, _, err := config.listen(t.Context())
		require.NoError(t, err, redirect)
		address, ok := listener.Addr().(*net.TCPAddr)
		require.True(t, ok)
		assert.True(t, address.IP.IsLoopback(), "%s: %v", redirect, address)
		require.NoError(t, listener.Close())
	}
}

// What is kept of used states is bounded by time.
func TestWebLogin_usedStates_areForgottenWhenTheyAreTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newWebLogin()
		for n := range uint64(200) {
			cookie := cookieOf(n, time.Now())
			assert.Empty(t, l.useState(cookie, l.derive("state", cookie)), "the %d-th", n)
			pass := time.NewTimer(30 * time.Second)
			<-pass.C
		}
		assert.LessOrEqual(t, len(l.used), 26, "eleven minutes, and one until the next sweep")
		assert.GreaterOrEqual(t, len(l.used), 22)
	})
}
