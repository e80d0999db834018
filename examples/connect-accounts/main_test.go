package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestRun_withoutArguments_showsTwoReplicas(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, environment(nil), &out))
	assert.Contains(t, out.String(), "40 requests at once, 20 and 20 to a replica: 2 tokens renewed")
	assert.True(t, strings.HasSuffix(out.String(), "\ndone: 2 customers, 2 replicas, 40 requests, each token renewed once\n"), out.String())
}

func TestRun_badInput_isNamed(t *testing.T) {
	t.Parallel()
	values := map[string]string{"REVV_BASE_URL": "https://acme.example.com", "APP_URL": "/relative", "APP_KEY": "c2hvcnQ="}
	err := run(t.Context(), []string{"-addr", "127.0.0.1:0"}, environment(values), &bytes.Buffer{})
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET", "APP_URL", "APP_KEY"} {
		require.ErrorContains(t, err, name)
	}
	require.ErrorContains(t, run(t.Context(), []string{"here"}, environment(nil), &bytes.Buffer{}), `"here"`)
	require.Error(t, run(t.Context(), []string{"-serve", "-addr", "nowhere"}, environment(nil), &bytes.Buffer{}))
}

func TestRun_serve_servesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]string{
		"with a sandbox": nil,
		"with a server": {
			"REVV_BASE_URL": "http://127.0.0.1:1", "REVV_CLIENT_ID": "id", "REVV_CLIENT_SECRET": "secret",
			"APP_URL": "http://127.0.0.1:8080", "APP_KEY": strings.Repeat("QUJD", 10) + "QUI=",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			reader, writer := io.Pipe()
			ended := make(chan error, 1)
			database := filepath.Join(t.TempDir(), "tokens.db")
			go func() {
				ended <- run(ctx, []string{"-serve", "-addr", "127.0.0.1:0", "-db", database}, environment(values), writer)
				_ = writer.Close()
			}()
			line := make([]byte, 200)
			n, err := reader.Read(line)
			require.NoError(t, err)
			_, rest, ok := strings.Cut(string(line[:n]), "serving at ")
			require.True(t, ok, string(line[:n]))
			address, _, _ := strings.Cut(rest, ",")

			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
			require.NoError(t, err)
			resp, err := new(http.Client).Do(req)
			require.NoError(t, err)
			page, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			for _, text := range []string{
				"Please sign in.", `<html lang="en">`, `<meta name="viewport"`, `<label for="customer">`, `id="customer"`, `autocomplete="username"`,
			} {
				assert.Contains(t, string(page), text)
			}
			stop()
			last, err := io.ReadAll(reader)
			require.NoError(t, err)
			assert.Equal(t, "done: served until it was stopped\n", string(last))
			require.NoError(t, <-ended)
		})
	}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s, err := openShop(t.Context(), filepath.Join(t.TempDir(), "tokens.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.close()) })
	return s
}

func TestShop_strangersAndForgedCookies_areTurnedAway(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	acme, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	home, err := url.Parse(s.url)
	require.NoError(t, err)
	cookies := acme.client.Jar.Cookies(home)
	require.Len(t, cookies, 1)
	cookies[0].Value = cookies[0].Value[:len(cookies[0].Value)-1] + "A"
	acme.client.Jar.SetCookies(home, cookies)
	for range 2 {
		require.NoError(t, acme.expect(t.Context(), http.MethodGet, "/templates", http.StatusUnauthorized, "Please sign in"))
		require.NoError(t, acme.expect(t.Context(), http.MethodPost, "/connect", http.StatusUnauthorized, "Please sign in"))
	}
	require.NoError(t, acme.expect(t.Context(), http.MethodPost, "/sign-in", http.StatusBadRequest, "at most 100 bytes"))
	require.NoError(t, acme.expect(t.Context(), http.MethodGet, "/callback?code=a&state=b", http.StatusBadRequest, "start again"))
}

func TestShop_customerDeclines_isNotConnected(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	require.NoError(t, b.expect(t.Context(), http.MethodPost, "/disconnect", http.StatusOK, "not connected"))
	consent, err := b.do(t.Context(), http.MethodPost, s.url+"/connect")
	require.NoError(t, err)
	back, err := s.sandbox.Deny(consent.location)
	require.NoError(t, err)
	require.NoError(t, b.expect(t.Context(), http.MethodGet, strings.TrimPrefix(back, s.url), http.StatusOK, "You have not agreed"))
}

// Two people can share a browser. What one has begun does not become the other's.
func TestShop_somebodyElseSignsInMeanwhile_getsNoAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	require.NoError(t, b.expect(t.Context(), http.MethodPost, "/disconnect", http.StatusOK, "not connected"))
	consent, err := b.do(t.Context(), http.MethodPost, s.url+"/connect")
	require.NoError(t, err)
	require.NoError(t, b.expect(t.Context(), http.MethodPost, "/sign-in?customer=other", http.StatusOK, "Signed in as other"))
	back, err := s.sandbox.Authorize(consent.location)
	require.NoError(t, err)
	require.NoError(t, b.expect(t.Context(), http.MethodGet, strings.TrimPrefix(back, s.url), http.StatusConflict, "Somebody else has begun this"))
	require.NoError(t, b.expect(t.Context(), http.MethodGet, "/", http.StatusOK, "not connected"))
}

func TestShop_revokedAndConnectedAgain_isSeenByBothReplicas(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, b.expect(t.Context(), http.MethodGet, "/templates", http.StatusOK, "Your templates"))
	}
	s.sandbox.RevokeTokens()
	for range 2 {
		require.NoError(t, b.expect(t.Context(), http.MethodGet, "/templates", http.StatusConflict, "Please connect"))
	}
	_, err = s.connect(t.Context(), "acme")
	require.ErrorContains(t, err, "not connected", "the store still holds the dead pair; a person sees that only when it is used")
	require.NoError(t, b.agree(t.Context()))
	for range 2 {
		require.NoError(t, b.expect(t.Context(), http.MethodGet, "/templates", http.StatusOK, "Your templates"))
	}
}

// A replica that lives for months must not keep a client of each customer that it ever had.
func TestShop_disconnected_keepsNoClient(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, b.expect(t.Context(), http.MethodGet, "/templates", http.StatusOK, "Your templates"))
	}
	require.NoError(t, b.expect(t.Context(), http.MethodPost, "/disconnect", http.StatusOK, "not connected"))
	for _, replica := range s.replicas {
		_, err := replica.clientOf(t.Context(), "acme")
		require.ErrorIs(t, err, revv.ErrNoToken)
		assert.Empty(t, replica.clients)
	}
}

// The new pair may be that of another account of Revv, where the same id is another document.
func TestShop_connectedAgain_nothingOfTheOldAccountGoesOn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	before, err := s.replicas[0].database.connection(t.Context(), "acme")
	require.NoError(t, err)
	old, err := s.replicas[0].clientOf(t.Context(), "acme")
	require.NoError(t, err)
	require.NoError(t, b.agree(t.Context()))

	s.sandbox.ExpireTokens()
	_, err = old.Webhooks.List(t.Context())
	require.ErrorIs(t, err, revv.ErrNoToken, "it does not take the new pair")
	for _, replica := range s.replicas {
		client, err := replica.clientOf(t.Context(), "acme")
		require.NoError(t, err)
		_, err = client.Webhooks.List(t.Context())
		require.NoError(t, err)
	}
	_, err = s.replicas[0].store.Load(t.Context(), before)
	require.ErrorIs(t, err, revv.ErrNoToken)
}

// Whoever leaves while a renewal holds the lock leaves nothing behind that nobody can find.
func TestShop_disconnectedByHalves_canBeDisconnectedAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	database := s.replicas[0].database
	account, err := database.connection(t.Context(), "acme")
	require.NoError(t, err)
	holder, err := database.lock(t.Context(), account)
	require.NoError(t, err)
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	require.ErrorIs(t, database.connect(ctx, "acme", ""), context.DeadlineExceeded)
	database.unlock(t.Context(), account, holder)
	_, err = database.connection(t.Context(), "acme")
	require.NoError(t, err, "the row still names the token")

	require.NoError(t, database.connect(t.Context(), "acme", ""))
	_, err = database.connection(t.Context(), "acme")
	require.ErrorIs(t, err, revv.ErrNoToken)
	_, err = database.Load(t.Context(), account)
	require.ErrorIs(t, err, revv.ErrNoToken)
	require.NoError(t, database.connect(t.Context(), "acme", ""), "there is nothing left to do")
}

// Of two connections that come at once, one is the customer's, and the other has no token.
func TestShop_connectedTwiceAtOnce_leavesOneToken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			replica := s.replicas[i%2]
			account := fmt.Sprint("acme/", i)
			assert.NoError(t, revv.SaveToken(t.Context(), replica.store, account, s.sandbox.Token()))
			assert.NoError(t, replica.database.connect(t.Context(), "acme", account))
		})
	}
	all.Wait()
	account, err := s.replicas[0].database.connection(t.Context(), "acme")
	require.NoError(t, err)
	var left []string
	for i := range 8 {
		if _, err := s.replicas[0].store.Load(t.Context(), fmt.Sprint("acme/", i)); err == nil {
			left = append(left, fmt.Sprint("acme/", i))
		}
	}
	assert.Equal(t, []string{account}, left)
}

// Whoever gets hold of the files has no token, and no customer is asked for
// another's.
func TestShop_filesHoldNoToken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.connect(t.Context(), "acme")
	require.NoError(t, err)
	account, err := s.replicas[0].database.connection(t.Context(), "acme")
	require.NoError(t, err)
	token, err := s.replicas[0].store.Load(t.Context(), account)
	require.NoError(t, err)
	files, err := filepath.Glob(s.database + "*")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotContains(t, string(content), token.AccessToken)
		assert.NotContains(t, string(content), token.RefreshToken)
	}
	_, err = s.replicas[1].database.connection(t.Context(), "globex")
	require.ErrorIs(t, err, revv.ErrNoToken)
}
