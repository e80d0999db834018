package revv_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// With TLS 1.3 a server asks for a certificate, and refuses the one that it gets, when the
// request is on its way already. That nobody has looked at it is not known.
func TestWrite_handshakeIsRefusedAfterTheRequest_isInDoubt(t *testing.T) {
	t.Parallel()
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		if op.class != consequences {
			continue
		}
		var requests int
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{
			Transport: tripper(func(r *http.Request) (*http.Response, error) {
				requests++
				trace := httptrace.ContextClientTrace(r.Context())
				trace.GetConn("acme.example.com:443")
				trace.GotConn(httptrace.GotConnInfo{Reused: true})
				trace.WroteHeaders()
				return nil, &net.OpError{Op: "remote error", Err: tls.AlertError(116)} // certificate required
			}),
		}))
		require.NoError(t, err)
		err = op.call(t.Context(), client)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown, op.name)
		assert.True(t, revv.MaybeApplied(err), op.name)
		assert.Equal(t, 1, requests, op.name)
	}
}

// What was deleted by an attempt that failed is not there for the next.
func TestDeletion_failsAndThenFindsNothing_hasSucceeded(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{}
			s.answer = func(*http.Request) (*http.Response, error) {
				if len(s.Sent()) == 1 {
					return reply(status, "{}"), nil
				}
				return reply(http.StatusNotFound, `{"error":"NOT_FOUND"}`), nil
			}
			require.NoError(t, s.client(t).Contacts.Delete(t.Context(), 5001))
			assert.Len(t, s.Sent(), 2)
		})
	}
}
