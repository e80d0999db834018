package revv_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// pagesUntil answers with pages of contacts, and does something else for page n.
func pagesUntil(t *testing.T, n int64, instead func()) *revv.Client {
	t.Helper()
	var asked atomic.Int64
	boom := func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if asked.Add(1) == n {
				instead()
			}
			return next.RoundTrip(r)
		})
	}
	return always(http.StatusOK, `{"Contacts":[{"id":1}]}`).client(t, revv.WithMiddleware(boom))
}

// Pages are fetched in goroutines, where nobody could recover.
func TestAll_middlewareThatPanics_panicsForTheCaller(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{-1, 4} {
		client := pagesUntil(t, 1, func() { panic("a bug in middleware") })
		assert.PanicsWithValue(t, "a bug in middleware", func() {
			for _, err := range client.Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: prefetch}) {
				t.Error("there is no item, and no error: ", err)
			}
		})
	}
}

func TestAll_middlewareThatEndsItsGoroutine_isAnError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := pagesUntil(t, 1, runtime.Goexit)
	var failed error
	for _, err := range client.Contacts.All(ctx, revv.ListContactsParams{}) {
		failed = err
	}
	require.ErrorContains(t, failed, "Goexit")
	require.Equal(t, "Contacts.List", failure(t, failed).Op)
	require.NoError(t, ctx.Err())
}

// An element takes a hundred times the memory of its bytes.
func TestList_moreElementsThanAnyPageHas_isTooLarge(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]error{100_000: nil, 100_001: revv.ErrResponseTooLarge} {
		body := `{"Contacts":[` + strings.Repeat("{},", count-1) + `{}]}`
		page, err := always(http.StatusOK, body).client(t).Contacts.List(t.Context(), revv.ListContactsParams{})
		require.ErrorIs(t, err, want)
		if err == nil {
			assert.Len(t, page.Items, count)
		}
		body = `{"Document":{"id":1,"fields":[` + strings.Repeat("{},", count-1) + `{}]}}`
		require.ErrorIs(t, errorOf(always(http.StatusOK, body).client(t).Documents.Get(t.Context(), 1)), want)
	}
}
