package revv_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// An idempotent write was cut, and the token could not be renewed for its repetition: that the
// token endpoint cannot be reached does not mean that nothing was sent.
func TestErrUnreachable_ofTheTokenEndpoint_doesNotSayThatACutWriteWasNotSent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	doc := server.AddDocument(21, "x")
	config := server.OAuthConfig()
	config.Endpoint = revv.Endpoint("http://127.0.0.1:1") // nobody listens
	store := revv.NewMemoryStore()
	token := server.Token()
	token.Expiry = time.Now().Add(300 * time.Millisecond)
	token.ExpiresIn = 1 // no renewal ahead of time
	require.NoError(t, revv.SaveToken(t.Context(), store, "acme", token))
	auth, err := config.Authenticator(store, "acme")
	require.NoError(t, err)
	client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	server.Fail(revvtest.Fault{Operation: "Documents.SetFields", Delay: 400 * time.Millisecond, CutAfter: -1, Commit: true})
	_, err = client.Documents.SetFields(t.Context(), doc, []revv.FieldValue{{Name: "Client", Value: "x"}})
	require.Error(t, err)
	d, _ := server.Document(doc)
	require.Equal(t, "x", d.Fields[0].Value) // it was sent, and applied
	require.NotErrorIs(t, err, revv.ErrUnreachable)
	require.ErrorIs(t, err, revv.ErrInterrupted)
}
