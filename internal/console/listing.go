package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const pageSize = 50

// listing is one page of a list, with what is needed to leaf through it.
type listing[T any] struct {
	Rows        []T
	Query       string // what was searched for
	Page, Pages int
	From, To    int // of the rows, counted from 1
	Total       int
	All         int // how many there are without the search
	path        string
	params      url.Values
}

// list cuts the page that the request asks for out of what passes keep, which sees
// the search text in lower case.
func list[T any](r *http.Request, all []T, keep func(row T, query string) bool) listing[T] {
	params := r.URL.Query()
	l := listing[T]{Query: strings.TrimSpace(params.Get("q")), All: len(all), path: r.URL.Path, params: params}
	found, query := all, strings.ToLower(l.Query)
	if keep != nil {
		found = make([]T, 0, len(all))
		for _, row := range all {
			if keep(row, query) {
				found = append(found, row)
			}
		}
	}
	l.Total = len(found)
	l.Pages = max(1, (l.Total+pageSize-1)/pageSize)
	page, err := strconv.Atoi(params.Get("page"))
	if err != nil {
		page = 1
	}
	l.Page = min(max(page, 1), l.Pages)
	first := (l.Page - 1) * pageSize
	l.Rows = found[first:min(first+pageSize, l.Total)]
	l.To = first + len(l.Rows)
	l.From = min(first+1, l.To)
	return l
}

// Link leads to another page of the same list.
func (l listing[T]) Link(page int) string {
	params := maps.Clone(l.params)
	params.Set("page", strconv.Itoa(page))
	return l.path + "?" + params.Encode()
}

// Previous leads one page back, and is empty on the first one.
func (l listing[T]) Previous() string {
	if l.Page == 1 {
		return ""
	}
	return l.Link(l.Page - 1)
}

// Next leads one page on, and is empty on the last one.
func (l listing[T]) Next() string {
	if l.Page == l.Pages {
		return ""
	}
	return l.Link(l.Page + 1)
}

// contains reports whether one of the texts contains the query, which is in lower
// case already.
func contains(query string, texts ...string) bool {
	if query == "" {
		return true
	}
	for _, text := range texts {
		if strings.Contains(strings.ToLower(text), query) {
			return true
		}
	}
	return false
}

// newestFirst turns a list around in place.
func newestFirst[T any](rows []T) []T {
	slices.Reverse(rows)
	return rows
}

// pathNumber reads the id in a path.
func pathNumber(r *http.Request, what string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, missing(what)
	}
	return n, nil
}
