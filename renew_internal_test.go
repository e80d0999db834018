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
		expect span
	}{
		{-time.Nanosecond, 3600, night},
		{0, 3600, night},
		{time.Nanosecond, 3600, dusk},
		{earliness, 3600, dusk},
		{earliness + time.Nanosecond, 3600, life},
		{earliness, 0, dusk},
		{earliness + time.Nanosecond, 0, life},
		{earliness, 300, dusk},
		{6 * time.Second, 60, dusk},
		{6*time.Second + time.Nanosecond, 60, life},
		{earliness, 60, life},
		{earliness, -1, dusk},
	}
	synctest.Test(t, func(t *testing.T) {
		for _, test := range tests {
			token := &oauth2.Token{Expiry: time.Now().Add(test.left), ExpiresIn: test.whole}
			assert.Equal(t, test.expect, remaining(token), "%v of %d s left", test.left, test.whole)
		}
	})
	assert.Equal(t, life, remaining(&oauth2.Token{ExpiresIn: 1}), "an expiry that is not known")
}
