package revv_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// contexts keeps those that it was handed.
type contexts struct {
	mu  sync.Mutex
	all []context.Context
}

func (c *contexts) add(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, ctx)
}

// ended reports that each has ended, of which there is at least one.
func (c *contexts) ended(t *testing.T, name string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	assert.NotEmpty(t, c.all, name)
	for _, ctx := range c.all {
		assert.ErrorIs(t, ctx.Err(), context.Canceled, name)
	}
}

// Get keeps the context of a [revv.DocumentReader].
func (c *contexts) Get(ctx context.Context, id revv.DocumentID, _ ...revv.CallOption) (*revv.Document, error) {
	c.add(ctx)
	return &revv.Document{ID: id, Stage: revv.StageSent}, nil
}

// GetByNumber implements [revv.DocumentReader].
func (c *contexts) GetByNumber(ctx context.Context, _ revv.DocumentNumber, _ ...revv.CallOption) (*revv.Document, error) {
	return c.Get(ctx, 14)
}

// storeOf keeps the contexts that a store is handed.
type storeOf struct {
	revv.TokenStore
	*contexts
}

// Update implements [revv.TokenStore].
func (s storeOf) Update(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	s.add(ctx)
	return s.TokenStore.Update(ctx, account, fn)
}

// A context that goes on keeps its timer, and everything that hangs on it. A program whose own
// context lasts for weeks would collect them.
func TestContexts_endWithWhatTheyWereMadeFor(t *testing.T) {
	t.Parallel()
	handed := func(status int, body string, headers ...string) (*contexts, *http.Client) {
		c := &contexts{}
		return c, &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			c.add(r.Context())
			return reply(status, body, headers...), nil
		})}
	}
	c, network := handed(http.StatusOK, documentAnswer)
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(network))
	require.NoError(t, err)
	_, err = client.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	c.ended(t, "a call")

	c, network = handed(http.StatusOK, "%PDF-1.7 %%EOF", "Content-Type", "application/pdf")
	client, err = revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(network))
	require.NoError(t, err)
	_, err = client.Documents.Download(t.Context(), 14, io.Discard)
	require.NoError(t, err)
	c.ended(t, "a download")

	c, network = handed(http.StatusOK, `{"access_token":"an-access-token"}`)
	_, err = revv.OAuthConfig{ClientID: "id", ClientSecret: "secret", Endpoint: revv.Endpoint(apiBase), HTTPClient: network}.Exchange(t.Context(), "code", "")
	require.NoError(t, err)
	c.ended(t, "an exchange")

	c = &contexts{}
	require.NoError(t, revv.SaveToken(t.Context(), storeOf{revv.NewMemoryStore(), c}, tokenAccount, tokenPair("any")))
	c.ended(t, "a pair that was saved")

	c = &contexts{}
	w := httptest.NewRecorder()
	newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithReadBack(c)).ServeHTTP(w, eventRequest("/"))
	require.Equal(t, http.StatusNoContent, w.Code)
	c.ended(t, "a document that was read back")
}
