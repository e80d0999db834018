package revv_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// rewording answers every request with another text of what may be the same page.
func rewording(page func(n int) string) *service {
	n := 0
	return &service{answer: func(*http.Request) (*http.Response, error) {
		n++
		return reply(http.StatusOK, page(n)), nil
	}}
}

// errorsOf ranges over a list and returns how many items came, and the error.
func errorsOf[T any](items func(yield func(T, error) bool)) (count int, last error) {
	for _, err := range items {
		if last = err; err != nil || count == 100 {
			break
		}
		count++
	}
	return count, last
}

// A page is known by the ids of its items: what stands beside the list, and what is
// signed anew each time, does not make another page of it.
func TestAll_pageThatComesAgainInOtherWords_isALoop(t *testing.T) {
	t.Parallel()
	templates := func(c *revv.Client) (int, error) {
		return errorsOf(c.Templates.All(t.Context(), revv.ListTemplatesParams{Prefetch: -1}))
	}
	documents := func(c *revv.Client) (int, error) {
		return errorsOf(c.Documents.All(t.Context(), revv.ListDocumentsParams{Prefetch: -1}))
	}
	folders := func(c *revv.Client) (int, error) {
		return errorsOf(c.Folders.All(t.Context(), revv.ListFoldersParams{Prefetch: -1}))
	}
	contacts := func(c *revv.Client) (int, error) {
		return errorsOf(c.Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: -1}))
	}
	for name, test := range map[string]struct {
		read func(*revv.Client) (int, error)
		page func(n int) string
	}{
		"templates with the number of the page": {templates, func(n int) string { return fmt.Sprintf(`{"Templates":[{"id":1,"title":"NDA"}],"page":%d}`, n) }},
		"templates with thumbnails signed anew": {templates, func(n int) string { return fmt.Sprintf(`{"Templates":[{"id":1,"thumbnail":"https://x/y?sig=%d"}]}`, n) }},
		"templates without ids":                 {templates, func(n int) string { return fmt.Sprintf(`{"Templates":[{"title":"NDA"}],"page":%d}`, n) }},
		"contacts with a time":                  {contacts, func(n int) string { return fmt.Sprintf(`{"Contacts":[{"id":1,"seen":%d}]}`, n) }},
		"documents with a time":                 {documents, func(n int) string { return fmt.Sprintf(`{"page":{"inodes":[{"id":1,"type":"f","opened":%d}]}}`, n) }},
		"documents with the number of the page": {documents, func(n int) string { return fmt.Sprintf(`{"page":{"inodes":[{"id":1,"type":"f"}],"number":%d}}`, n) }},
		"folders with a size":                   {folders, func(n int) string { return fmt.Sprintf(`{"page":{"inodes":[{"id":1,"type":"d","size":%d}]}}`, n) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count, err := test.read(rewording(test.page).client(t))
			assert.Equal(t, 1, count)
			require.ErrorIs(t, err, revv.ErrPageLoop)
		})
	}
}

// A service that ignores page_num and lists first what was changed last sends the same
// page in a new order to a program that changes what it reads. Such a list must end, or
// the program would send every document again and again.
func TestAll_pageThatComesAgainInAnotherOrder_isALoop(t *testing.T) {
	t.Parallel()
	ids := []int{1, 2, 3, 4, 5}
	server := &service{answer: func(*http.Request) (*http.Response, error) { return reply(http.StatusOK, pageOf(ids...)), nil }}
	contacts := server.client(t).Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: -1})
	var read []int
	for contact, err := range contacts {
		if err != nil {
			require.ErrorIs(t, err, revv.ErrPageLoop)
			require.ErrorContains(t, err, "page 2 is page 1 again")
			break
		}
		read = append(read, int(contact.ID))
		require.LessOrEqual(t, len(read), 5, "a contact comes again")
		at := slices.Index(ids, int(contact.ID))
		ids = slices.Insert(slices.Delete(slices.Clone(ids), at, at+1), 0, int(contact.ID))
	}
	assert.Equal(t, []int{1, 2, 3, 4, 5}, read)
	assert.Equal(t, []int{5, 4, 3, 2, 1}, ids)
}

// Pages are not taken for one another: neither where some ids are the same, nor where
// there are none.
func TestAll_pagesThatAreAlike_areNoLoop(t *testing.T) {
	t.Parallel()
	for name, pages := range map[string][]string{
		"parts of a page": {pageOf(1, 2), pageOf(1), pageOf(2), pageOf(2, 3), pageOf(3)},
		"a longer page":   {pageOf(1), pageOf(1, 1), pageOf(1, 1, 1)},
		"without ids":     {`{"Contacts":[{"name":"a"}]}`, `{"Contacts":[{"name":"b"}]}`, `{"Contacts":[{"name":"a"},{"name":"b"}]}`},
		"one without ids": {`{"Contacts":[{"id":1},{"name":"a"}]}`, `{"Contacts":[{"id":1},{"name":"b"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := 0
			numbered := map[int]string{}
			for i, page := range pages {
				numbered[i+1] = page
				want += strings.Count(page, `},{`) + 1
			}
			count, err := errorsOf(newLibrary(numbered, nil).client(t).Contacts.All(t.Context(), revv.ListContactsParams{}))
			require.NoError(t, err)
			assert.Equal(t, want, count)
		})
	}
}
