package revv

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A handshake that the server refuses is refused again; one that fails for the
// moment is not.
func TestIsTLSRefusal_tellsRefusalsFromFailures(t *testing.T) {
	t.Parallel()
	const handshakeFailure, internalError, userCancelled, unrecognizedName tls.AlertError = 40, 80, 90, 112
	for alert, want := range map[tls.AlertError]bool{handshakeFailure: true, unrecognizedName: true, internalError: false, userCancelled: false} {
		assert.Equal(t, want, isTLSRefusal(&net.OpError{Op: "remote error", Err: alert}), "%v", alert)
		assert.False(t, isTLSRefusal(&net.OpError{Op: "local error", Err: alert}), "%v", alert)
	}
	assert.True(t, isTLSRefusal(errors.New("tls: server selected unsupported protocol version 301")))
}
