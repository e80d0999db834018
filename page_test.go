package revv_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// library serves the pages of a list of contacts, and watches how it is read.
type library struct {
	*service

	mu      sync.Mutex
	flights int
	most    int
	ended   int // requests whose context ended before they were answered
}

// pageOf is a page of contacts with these ids.
func pageOf(ids ...int) string {
	contacts := make([]string, len(ids))
	for i, id := range ids {
		contacts[i] = fmt.Sprintf(`{"id":%d}`, id)
	}
	return `{"Contacts":[` + strings.Join(contacts, ",") + `]}`
}

// newLibrary answers page n with pages[n], an empty page behind the last one,
// after the time that delay says.
func newLibrary(pages map[int]string, delay func(page int) time.Duration) *library {
	l := &library{}
	l.service = &service{answer: func(r *http.Request) (*http.Response, error) {
		number, err := strconv.Atoi(r.URL.Query().Get("page_num"))
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		l.flights++
		l.most = max(l.most, l.flights)
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			l.flights--
			l.mu.Unlock()
		}()
		if delay != nil {
			timer := time.NewTimer(delay(number))
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				l.mu.Lock()
				l.ended++
				l.mu.Unlock()
				return nil, r.Context().Err()
			}
		}
		body, ok := pages[number]
		switch {
		case !ok:
			body = pageOf()
		case strings.HasPrefix(body, "status "):
			status, err := strconv.Atoi(strings.TrimPrefix(body, "status "))
			return reply(status, `{"error":"NO","message":"no such page"}`), err
		}
		return reply(http.StatusOK, body), nil
	}}
	return l
}

// numbered are n pages of two contacts each: 11 and 12, 21 and 22, and so on.
func numbered(n int) map[int]string {
	pages := map[int]string{}
	for page := 1; page <= n; page++ {
		pages[page] = pageOf(10*page+1, 10*page+2)
	}
	return pages
}

// idsOfPages are the ids on numbered pages from first to last.
func idsOfPages(first, last int) []int {
	var ids []int
	for page := first; page <= last; page++ {
		ids = append(ids, 10*page+1, 10*page+2)
	}
	return ids
}

// readAll ranges to the end and returns what came, and the errors.
func readAll(ctx context.Context, c *revv.Client, params revv.ListContactsParams) (ids []int, errs []error) {
	for contact, err := range c.Contacts.All(ctx, params) {
		if err != nil {
			errs = append(errs, err)
			continue // the range must end by itself
		}
		ids = append(ids, int(contact.ID))
	}
	return ids, errs
}

func constant(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

func TestAll_pagesThatArriveInDisorder_areYieldedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(numbered(20), func(page int) time.Duration { return time.Duration(100-37*page%100) * time.Millisecond })
		ids, errs := readAll(t.Context(), l.client(t), revv.ListContactsParams{})
		assert.Empty(t, errs)
		assert.Equal(t, idsOfPages(1, 20), ids)
	})
}

// Every list is read by several goroutines at once.
func TestAll_ofEveryService_yieldsInOrder(t *testing.T) {
	t.Parallel()
	const pages = 30
	body := func(key string) map[int]string {
		kind, isListing := strings.CutPrefix(key, "page ")
		out := map[int]string{}
		for page := 1; page <= pages+32; page++ {
			items := ""
			if page <= pages {
				items = fmt.Sprintf(`{"id":%d,"type":%q}`, page, kind)
			}
			out[page] = `{"` + key + `":[` + items + `]}`
			if isListing {
				out[page] = `{"page":{"inodes":[` + items + `]}}`
			}
		}
		return out
	}
	want := make([]int64, pages)
	for i := range want {
		want[i] = int64(i + 1)
	}
	tests := map[string]struct {
		key  string
		read func(t *testing.T, c *revv.Client) []int64
	}{
		"documents": {"page f", func(t *testing.T, c *revv.Client) (ids []int64) {
			t.Helper()
			for entry, err := range c.Documents.All(t.Context(), revv.ListDocumentsParams{}) {
				require.NoError(t, err)
				ids = append(ids, int64(entry.EntryID))
			}
			return ids
		}},
		"folders": {"page d", func(t *testing.T, c *revv.Client) (ids []int64) {
			t.Helper()
			for folder, err := range c.Folders.All(t.Context(), revv.ListFoldersParams{}) {
				require.NoError(t, err)
				ids = append(ids, int64(folder.ID))
			}
			return ids
		}},
		"templates": {"Templates", func(t *testing.T, c *revv.Client) (ids []int64) {
			t.Helper()
			for template, err := range c.Templates.All(t.Context(), revv.ListTemplatesParams{}) {
				require.NoError(t, err)
				ids = append(ids, int64(template.ID))
			}
			return ids
		}},
		"contacts": {"Contacts", func(t *testing.T, c *revv.Client) (ids []int64) {
			t.Helper()
			for contact, err := range c.Contacts.All(t.Context(), revv.ListContactsParams{}) {
				require.NoError(t, err)
				ids = append(ids, int64(contact.ID))
			}
			return ids
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, test.read(t, newLibrary(body(test.key), nil).client(t)))
		})
	}
}

func TestAll_rangedTwice_readsTheListTwice(t *testing.T) {
	t.Parallel()
	l := newLibrary(numbered(3), nil)
	all := l.client(t).Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: -1})
	for round := range 2 {
		var ids []int
		for contact, err := range all {
			require.NoError(t, err)
			ids = append(ids, int(contact.ID))
		}
		assert.Equal(t, idsOfPages(1, 3), ids)
		assert.Len(t, l.Sent(), 4*(round+1))
	}
}

func TestAll_fromAPage_beginsThere(t *testing.T) {
	t.Parallel()
	l := newLibrary(numbered(4), nil)
	ids, errs := readAll(t.Context(), l.client(t), revv.ListContactsParams{Page: 3, Prefetch: -1})
	assert.Empty(t, errs)
	assert.Equal(t, idsOfPages(3, 4), ids)
	assert.Equal(t, []string{"GET /api/contacts/all?page_num=3", "GET /api/contacts/all?page_num=4", "GET /api/contacts/all?page_num=5"}, l.Lines())
}

func TestAll_break_stopsTheNetwork(t *testing.T) {
	t.Parallel()
	for _, items := range []int{1, 2, 3, 7} {
		t.Run(strconv.Itoa(items), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(numbered(50), constant(time.Second))
				seen, sent, flights := 0, 0, 0
				for _, err := range l.client(t).Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: 3}) {
					require.NoError(t, err)
					if seen++; seen == items {
						synctest.Wait()
						sent, flights = len(l.Sent()), l.flights
						break
					}
				}
				assert.Zero(t, l.flights, "the range has waited for what was under way")
				assert.Equal(t, flights, l.ended, "what was under way has been given up")
				<-time.After(time.Hour) // by the clock of the bubble: nothing follows, however long one waits
				assert.Len(t, l.Sent(), sent, "no request after the break")
			})
		})
	}
}

func TestAll_serial_breakAfterTheFirstPage_sendsNothingMore(t *testing.T) {
	t.Parallel()
	l := newLibrary(numbered(50), nil)
	for contact, err := range l.client(t).Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: -1}) {
		require.NoError(t, err)
		if contact.ID == 12 {
			break
		}
	}
	assert.Equal(t, []string{"GET /api/contacts/all?page_num=1"}, l.Lines())
}

func TestAll_failedPage_isYieldedOnceBehindTheItemsBefore(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{-1, 1, 4, 32} {
		t.Run(strconv.Itoa(prefetch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pages := numbered(9)
				pages[4], pages[5] = "status 404", "status 403"
				// The failure is there long before the pages in front of it.
				l := newLibrary(pages, func(page int) time.Duration { return max(0, 5*time.Second-time.Duration(page)*time.Second) })
				ids, errs := readAll(t.Context(), l.client(t), revv.ListContactsParams{Prefetch: prefetch})
				assert.Equal(t, idsOfPages(1, 3), ids)
				require.Len(t, errs, 1)
				require.ErrorIs(t, errs[0], revv.ErrNotFound)
				assert.Equal(t, "Contacts.List", failure(t, errs[0]).Op)
				assert.Zero(t, l.flights)
			})
		})
	}
}

func TestAll_failedPageBehindTheEnd_isNoError(t *testing.T) {
	t.Parallel()
	pages := numbered(3)
	pages[5], pages[6], pages[7] = "status 404", "status 404", "status 404"
	ids, errs := readAll(t.Context(), newLibrary(pages, nil).client(t), revv.ListContactsParams{Prefetch: 8})
	assert.Equal(t, idsOfPages(1, 3), ids)
	assert.Empty(t, errs)
}

func TestAll_emptyList_yieldsNothingForOneRequest(t *testing.T) {
	t.Parallel()
	l := newLibrary(nil, nil)
	ids, errs := readAll(t.Context(), l.client(t), revv.ListContactsParams{})
	assert.Empty(t, ids)
	assert.Empty(t, errs)
	assert.Len(t, l.Sent(), 1)
}

func TestAll_onePage_costsExactlyTwoRequests(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{-1, 0, 1, 32} {
		l := newLibrary(numbered(1), nil)
		ids, errs := readAll(t.Context(), l.client(t), revv.ListContactsParams{Prefetch: prefetch})
		assert.Equal(t, idsOfPages(1, 1), ids)
		assert.Empty(t, errs)
		assert.Len(t, l.Sent(), 2, "prefetch %d", prefetch)
	}
}

func TestAll_pageThatComesAgain_isALoop(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		pages map[int]string
		ids   []int
		text  string
	}{
		"the same at once":      {map[int]string{1: pageOf(1, 2), 2: pageOf(1, 2), 3: pageOf(1, 2)}, []int{1, 2}, "page 2 is page 1 again"},
		"a cycle":               {map[int]string{1: pageOf(1), 2: pageOf(2), 3: pageOf(1), 4: pageOf(2)}, []int{1, 2}, "page 3 is page 1 again"},
		"the last one for ever": {map[int]string{1: pageOf(1), 2: pageOf(2), 3: pageOf(3), 4: pageOf(3), 5: pageOf(3)}, []int{1, 2, 3}, "page 4 is page 3 again"},
	}
	for name, test := range tests {
		for _, prefetch := range []int{-1, 0} {
			t.Run(fmt.Sprint(name, " ", prefetch), func(t *testing.T) {
				t.Parallel()
				ids, errs := readAll(t.Context(), newLibrary(test.pages, nil).client(t), revv.ListContactsParams{Prefetch: prefetch})
				assert.Equal(t, test.ids, ids)
				require.Len(t, errs, 1)
				require.ErrorIs(t, errs[0], revv.ErrPageLoop)
				assert.Equal(t, "Contacts.List", failure(t, errs[0]).Op)
				assert.ErrorContains(t, errs[0], test.text)
			})
		}
	}
}

// The same item on two pages is no loop: the list may have moved while it was read.
func TestAll_itemThatComesAgain_isNoLoop(t *testing.T) {
	t.Parallel()
	ids, errs := readAll(t.Context(), newLibrary(map[int]string{1: pageOf(1, 2), 2: pageOf(2, 3), 3: pageOf(3)}, nil).client(t), revv.ListContactsParams{})
	assert.Equal(t, []int{1, 2, 2, 3, 3}, ids)
	assert.Empty(t, errs)
}

func TestAll_prefetch_isReachedAndNeverExceeded(t *testing.T) {
	t.Parallel()
	tests := map[int]int{-1: 1, -7: 1, 0: 5, 1: 2, 2: 3, 5: 6, 32: 33} // prefetch → pages under way at once: the one waited for, and those ahead of it
	for prefetch, most := range tests {
		t.Run(strconv.Itoa(prefetch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(numbered(80), constant(time.Second))
				ids, errs := readAll(t.Context(), l.client(t), revv.ListContactsParams{Prefetch: prefetch})
				assert.Empty(t, errs)
				assert.Equal(t, idsOfPages(1, 80), ids)
				assert.Equal(t, most, l.most)
			})
		})
	}
}

// While a page is read, those ahead of it are fetched, and a reader that is slower than the
// network does not make pages pile up.
func TestAll_slowReader_holdsTheNetworkBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(numbered(80), constant(time.Millisecond))
		read := 0
		for _, err := range l.client(t).Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: 3}) {
			require.NoError(t, err)
			read++
			synctest.Wait()
			page := (read + 1) / 2
			assert.Len(t, l.Sent(), page+min(page, 3), "while page %d is read", page)
		}
		assert.Equal(t, 160, read)
	})
}

func TestAll_contextEnds_isYieldedOnceAndNothingGoesOn(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{-1, 4} {
		t.Run(strconv.Itoa(prefetch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
				defer cancel()
				l := newLibrary(numbered(80), constant(time.Second))
				ids, errs := readAll(ctx, l.client(t), revv.ListContactsParams{Prefetch: prefetch})
				assert.NotEmpty(t, ids)
				assert.Equal(t, idsOfPages(1, len(ids)/2), ids)
				require.Len(t, errs, 1)
				require.ErrorIs(t, errs[0], context.DeadlineExceeded)
				assert.Zero(t, l.flights)
			})
		})
	}
}

func TestAll_contextThatIsDone_sendsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ids, errs := readAll(ctx, silent(t).client(t), revv.ListContactsParams{})
	assert.Empty(t, ids)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], context.Canceled)
	require.NotErrorIs(t, errs[0], revv.ErrInvalidArgument)
}

func TestAll_breakOnTheError_isFine(t *testing.T) {
	t.Parallel()
	errs := 0
	for _, err := range newLibrary(map[int]string{1: "status 403"}, nil).client(t).Contacts.All(t.Context(), revv.ListContactsParams{}) {
		require.ErrorIs(t, err, revv.ErrForbidden)
		errs++
		break
	}
	assert.Equal(t, 1, errs)
}

func TestAll_readerThatPanics_leavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(numbered(80), constant(time.Second))
		client := l.client(t)
		assert.PanicsWithValue(t, "enough", func() {
			for contact, err := range client.Contacts.All(t.Context(), revv.ListContactsParams{}) {
				if err != nil || contact.ID == 31 {
					panic("enough")
				}
			}
		})
		assert.Zero(t, l.flights)
	})
}

// Documents and folders stand in one listing: a page without one of them is not
// the last, and pages are compared before anything is left out.
func TestAll_pagesOfTheOtherKind_areNotTheEnd(t *testing.T) {
	t.Parallel()
	pages := map[int]string{
		1: `{"page":{"inodes":[{"id":1,"type":"d","name":"A"}],"count":9}}`,
		2: `{"page":{"inodes":[{"id":2,"type":"d","name":"B"}],"count":9}}`,
		3: `{"page":{"inodes":[{"id":3,"type":"f","name":"C"},{"id":4,"type":"d","name":"D"},{"id":5,"type":"x","name":"E"},{"id":6,"name":"G"}],"count":9}}`,
		4: `{"page":{"inodes":[],"count":9}}`,
	}
	l := newLibrary(pages, nil)
	client := l.client(t)
	var documents, folders []string
	for entry, err := range client.Documents.All(t.Context(), revv.ListDocumentsParams{Prefetch: -1}) {
		require.NoError(t, err)
		documents = append(documents, entry.Name)
	}
	for folder, err := range client.Folders.All(t.Context(), revv.ListFoldersParams{Prefetch: -1}) {
		require.NoError(t, err)
		folders = append(folders, folder.Name)
	}
	assert.Equal(t, []string{"C"}, documents)
	assert.Equal(t, []string{"A", "B", "D", "E", "G"}, folders, "what is no document counts as a folder")
	assert.Len(t, l.Sent(), 8)
}

func TestDocumentsAll_ofAFolder_asksForEveryPageOfIt(t *testing.T) {
	t.Parallel()
	l := newLibrary(map[int]string{1: `{"page":{"inodes":[{"id":1,"type":"f"}]}}`, 2: `{"page":{"inodes":null}}`}, nil)
	count := 0
	for _, err := range l.client(t).Documents.All(t.Context(), revv.ListDocumentsParams{FolderID: 3, SortByNumber: true, Prefetch: -1}) {
		require.NoError(t, err)
		count++
	}
	assert.Equal(t, 1, count)
	assert.Equal(t, []string{"GET /api/folders/3?page_num=1&sort_by_doc_num=true", "GET /api/folders/3?page_num=2&sort_by_doc_num=true"}, l.Lines())
}

func TestList_counterOfAnyShape_isNoError(t *testing.T) {
	t.Parallel()
	for count, want := range map[string]int{`7`: 7, `"7"`: 7, `null`: 0, `"many"`: 0, `{"pages":1}`: 0, `1.5`: 0, `[]`: 0} {
		page, err := always(http.StatusOK, `{"page":{"inodes":[{"id":1,"type":"f"}],"count":`+count+`}}`).client(t).Documents.List(t.Context(), revv.ListDocumentsParams{})
		require.NoError(t, err, count)
		assert.Equal(t, want, page.Count, count)
	}
	page, err := always(http.StatusOK, `{"page":{"inodes":[]}}`).client(t).Documents.List(t.Context(), revv.ListDocumentsParams{})
	require.NoError(t, err)
	assert.Zero(t, page.Count)
}

func TestList_listingWithoutEntries_isMalformed(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"page":{"count":1}}`, `{"page":{"inodes":{}}}`, `{"page":{"inodes":"none"}}`, `{"page":[]}`, `{"page":null}`, `{"inodes":[]}`} {
		_, err := always(http.StatusOK, body).client(t).Documents.List(t.Context(), revv.ListDocumentsParams{})
		require.ErrorIs(t, err, revv.ErrMalformedResponse, body)
		assert.ErrorContains(t, err, `"page`, body)
	}
}

func TestPage_nil_isTheLast(t *testing.T) {
	t.Parallel()
	var page *revv.Page[revv.Contact]
	assert.True(t, page.Last())
	assert.True(t, new(revv.Page[revv.Contact]).Last())
	assert.False(t, (&revv.Page[revv.Contact]{Entries: 1}).Last(), "entries that were left out count")
}
