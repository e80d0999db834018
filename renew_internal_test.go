package revv

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/oauth2"
)

func TestRemaining_endsHaveABorder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		left   time.Duration
		whole  int64 // the life of the token in seconds, 0 if it is not known
		expect expiryState
	}{
		{-time.Nanosecond, 3600, expired},
		{0, 3600, expired},
		{time.Nanosecond, 3600, expiringSoon},
		{renewAhead, 3600, expiringSoon},
		{renewAhead + time.Nanosecond, 3600, notExpiring},
		{renewAhead, 0, expiringSoon},
		{renewAhead + time.Nanosecond, 0, notExpiring},
		{renewAhead, 300, expiringSoon},
		{6 * time.Second, 60, expiringSoon},
		{6*time.Second + time.Nanosecond, 60, notExpiring},
		{renewAhead, 60, notExpiring},
		{renewAhead, -1, expiringSoon},
	}
	synctest.Test(t, func(t *testing.T) {
		for _, test := range tests {
			token := &oauth2.Token{Expiry: time.Now().Add(test.left), ExpiresIn: test.whole}
			assert.Equal(t, test.expect, expiryStateOf(token), "%v of %d s left", test.left, test.whole)
		}
	})
	assert.Equal(t, notExpiring, expiryStateOf(&oauth2.Token{ExpiresIn: 1}), "an expiry that is not known")
}

// What is stored is replaced if it is the pair that was renewed, or its refresh token is
// the one that was spent.
func TestRotation_replacesWhatItWasMadeFrom(t *testing.T) {
	t.Parallel()
	pair := func(access, refresh string) *oauth2.Token {
		return &oauth2.Token{AccessToken: access, RefreshToken: refresh}
	}
	rotated := &rotation{from: pair("A1", "R1"), to: pair("A2", "R2")}
	kept := &rotation{from: pair("A1", "R1"), to: pair("A2", "R1")} // the answer had no refresh token
	for name, c := range map[string]struct {
		rotation *rotation
		stored   *oauth2.Token
		want     bool
	}{
		"the pair it was made from":           {rotated, pair("A1", "R1"), true},
		"another access token":                {rotated, pair("A9", "R1"), true},
		"another refresh token":               {rotated, pair("A1", "R9"), false},
		"itself":                              {rotated, pair("A2", "R2"), false},
		"kept, the pair it was made from":     {kept, pair("A1", "R1"), true},
		"kept, a later access token":          {kept, pair("A9", "R1"), false},
		"kept, of another authorization":      {kept, pair("A1", "R9"), false},
		"kept, itself has nothing to replace": {kept, pair("A2", "R1"), false},
	} {
		assert.Equal(t, c.want, c.rotation.replaces(c.stored), name)
	}
}

func TestIsHeaderValue_isPrintableASCII(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		assert.Equal(t, c == '\t' || c >= ' ' && c <= '~', isHeaderValue("a"+string([]byte{byte(c)})), "%#x", c)
	}
}
