package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// Whoever opens thousands of consent pages keeps nobody from theirs: the page that has
// been open longest is the one that ends.
func TestConsents_ofTooMany_theOldestEnds(t *testing.T) {
	longTest(t)
	a := newAPI(t)
	open := func() string {
		consent, location, err := a.BeginConsent(a.request().Encode())
		require.NoError(t, err)
		require.Empty(t, location)
		return consent.Ticket
	}
	oldest, second := open(), open()
	for range 9_998 {
		open()
	}
	newest := open() // with the number 10,001
	_, err := a.DecideConsent(oldest, true)
	require.ErrorContains(t, err, "too old")
	for _, ticket := range []string{second, newest} {
		_, err = a.DecideConsent(ticket, true)
		require.NoError(t, err)
	}
}

func TestConsents_stateIsBounded(t *testing.T) {
	a := newAPI(t)
	location, err := a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request("state", strings.Repeat("s", 2048)).Encode(), true)
	require.NoError(t, err)
	assert.Contains(t, location, "code=")
	w := a.do("GET", "/oauth/authorize?"+a.request("state", strings.Repeat("s", 2049)).Encode(), "")
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Contains(t, w.Body.String(), "state: at most 2048 bytes are allowed, not 2049")
	assert.Empty(t, w.Header().Get("Location"))
}

// Only the port of a loopback address is free, and only a port: digits without an end
// would be kept as long as the page is open.
func TestConsents_redirectPortIsAPort(t *testing.T) {
	a := newAPI(t)
	for port, fine := range map[string]bool{"": true, ":1": true, ":65535": true, ":65536": false, ":0": false, ":" + strings.Repeat("0", 90) + "1": false} {
		_, _, err := a.BeginConsent(a.request("redirect_uri", "http://127.0.0.1"+port+"/callback").Encode())
		assert.Equal(t, fine, err == nil, "%s: %v", port, err)
	}
}

func TestCheckRedirectURL(t *testing.T) {
	for text, problem := range map[string]string{
		"https://example.com/callback":            "",
		"https://example.com:65535/callback":      "",
		"http://127.0.0.1/callback":               "",
		"http://[::1]:8080/callback":              "",
		"http://localhost:3000/":                  "",
		"http://example.com/":                     "must be https, http on loopback",
		"javascript://example.com/%0aalert(1)":    "must be https, http on loopback",
		"ftp://localhost/":                        "must be https, http on loopback",
		"https://example.com:99999/callback":      "a port from 1 to 65535",
		"http://127.0.0.1:0/callback":             "a port from 1 to 65535",
		"https://example.com:000000443/callback":  "a port from 1 to 65535",
		"https://example.com/callback#top":        "without user and fragment",
		"https://someone@example.com/callback":    "without user and fragment",
		"/callback":                               "must be an absolute URL",
		"https://example.com/callback?from=revv#": "",
		"com.example.app:/callback":               "", // RFC 8252, section 7.1
		"com.example.app://oauth/callback":        "",
		"com.example.app:/callback#top":           "without user and fragment",
		"data:text/html,x":                        "must be an absolute URL",
	} {
		err := sandbox.CheckRedirectURL(text)
		if problem == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, problem, text)
	}
}

// An expires_in that is left out means that there is no end.
func TestOAuth_lifetimeBelowASecond(t *testing.T) {
	for lifetime, want := range map[time.Duration]float64{time.Millisecond: 1, 900 * time.Millisecond: 1, time.Second: 1, 2900 * time.Millisecond: 2} {
		a := newAPI(t, func(o *sandbox.Options) { o.TokenLifetime = lifetime })
		_, members := a.token(refresh(a.tokens.RefreshToken))
		assert.Contains(t, members, "expires_in", lifetime)
		assert.InDelta(t, want, members["expires_in"], 0, lifetime)
	}
}
