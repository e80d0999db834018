package revv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"reflect"
	"strconv"
	"sync"

	"github.com/revv-go/revv/internal/wire"
)

// Page is one page of a list.
type Page[T any] struct {
	Items  []T
	Number int // the page's number, from 1
	// Entries is how many entries the service sent for this page. It can be more than
	// len(Items), because documents and folders are in one listing.
	Entries int
	// Count is the page.count of a folder listing, 0 elsewhere. One client took it for
	// the number of pages; its meaning is not known, and nothing here depends on it.
	Count int

	digest uint64 // of what is on the page, to recognise one that comes again
}

// Last reports whether the list ends here: the service sent no entries. That an empty
// page is the end was observed; nothing else is known to mark it.
func (p *Page[T]) Last() bool { return p == nil || p.Entries == 0 }

// defaultPrefetch is how many pages a range reads ahead.
const defaultPrefetch = 4

// maxPrefetch bounds what a caller can ask for: each page ahead is a request under way.
const maxPrefetch = 32

func validatePaging(page, prefetch int) (name, rule string) {
	switch {
	case page < 0:
		return "Page", "must not be negative"
	case prefetch > maxPrefetch:
		return "Prefetch", fmt.Sprintf("must not be more than %d", maxPrefetch)
	}
	return "", ""
}

// fetchPage runs an operation that answers with one page of a list, under a key.
func fetchPage[T any](ctx context.Context, c *core, call *call, number int, key string, opts []CallOption) (*Page[T], error) {
	page := &Page[T]{Number: number}
	var err error
	if page.Count, page.digest, err = c.fetchList(ctx, call, key, &page.Items, opts); err != nil {
		return nil, err
	}
	page.Entries = len(page.Items)
	return page, nil
}

// fetchList decodes a page into the slice that items points to. Like fetchAny it is compiled
// once, and not again for every type of item.
func (c *core) fetchList(ctx context.Context, call *call, key string, items any, opts []CallOption) (count int, digest uint64, err error) {
	err = c.runOp(ctx, call, opts, func(body []byte) (err error) {
		var list []byte
		list, count, err = decodePage(body, key, items)
		if err == nil {
			digest = pageDigest(c.pageSeed, list, reflect.ValueOf(items).Elem())
		}
		return err
	})
	return count, digest, err
}

// listingKey is the key of a folder listing, which is an object around its list.
const listingKey = "page"

// decodePage decodes a page into the slice that items points to. It returns the list as
// it came, and the count of a folder listing.
func decodePage(body []byte, key string, items any) (list []byte, count int, err error) {
	if list, err = memberOf(body, key); err != nil {
		return nil, 0, err
	}
	if key == listingKey {
		key = "page.inodes"
		if list, count, err = decodeListing(body, list); err != nil {
			return nil, 0, err
		}
	}
	return list, count, describeMismatch(key, decodeValue(list, items))
}

// decodeListing returns the list and the count of a folder listing, which is the page of body.
func decodeListing(body, page []byte) (list []byte, count int, err error) {
	if wire.Kind(page) != '{' {
		return nil, 0, malformed(errors.New(`the member "page" must be an object`))
	}
	members := wire.Select(page, "inodes", "count")
	list = members[0]
	if kind := wire.Kind(list); kind != '[' && kind != 'n' {
		return nil, 0, malformed(errors.New(`the member "page.inodes" must be an array`))
	}
	if isEmptyValue(list) {
		if err = checkDenial(body); err == nil {
			err = checkDenial(page)
		}
	}
	if text, ok := scalarText(members[1]); ok {
		count, _ = strconv.Atoi(text)
	}
	return list, count, err
}

// pageDigest tells pages apart by the ids of their items, in any order: a service that
// ignores page_num and lists first what was changed last would otherwise send the same
// page for ever to a program that changes what it reads. Their bytes would not do: the
// same items can come again with a new signature in the URL of a thumbnail, or with a new
// page number. If an item has no id, the bytes of the list are used all the same.
func pageDigest(seed maphash.Seed, list []byte, items reflect.Value) uint64 {
	var digest uint64 // a sum has no order, and counts what comes twice
	for i := range items.Len() {
		id := items.Index(i).Field(0).Int() // every type of item begins with it
		if id == 0 {
			return maphash.Bytes(seed, list)
		}
		digest += maphash.Comparable(seed, id)
	}
	return digest
}

// allPages ranges over the items of all pages in their order; see eachPage. It is
// compiled once for each kind of item, and not into every method that calls it.
//
//go:noinline
func allPages[T any](ctx context.Context, op string, first, prefetch int, list lister) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		eachPage(ctx, op, first, prefetch, list, func(page anyPage, err error) bool {
			if err != nil {
				var zero T
				return yield(zero, err)
			}
			for _, item := range page.(*Page[T]).Items { //nolint:forcetypeassert,errcheck // list makes no others
				if !yield(item, nil) {
					return false
				}
			}
			return true
		})
	}
}

// anyPage is a [*Page] of any items, and lister fetches the one with a number.
type (
	anyPage interface {
		Last() bool
		identity() uint64
	}
	lister func(ctx context.Context, number int) (anyPage, error)
)

func (p *Page[T]) identity() uint64 { return p.digest }

// fetched is a page on its way to the range.
type fetched struct {
	page     anyPage
	err      error
	panicked any
}

// fetchInto sends a page that list fetches, even if list panics: a panic, of middleware for
// example, must reach the caller that ranges over the list, and not end the program.
func fetchInto(ctx context.Context, done chan<- fetched, op string, number int, list lister) {
	got := fetched{err: opError(op, errGoexit)} // unless list returns
	defer func() {
		got.panicked = recover()
		done <- got
	}()
	got.page, got.err = list(ctx, number)
}

var errGoexit = errors.New("the goroutine that fetched a page was ended by runtime.Goexit")

// eachPage passes the pages of a list to yield, until that returns false. It ends at the
// first page without entries, at the first error, which it yields once, and at a page
// that came before. Pages are fetched ahead, more of them the longer the list turns out
// to be; a list of one page costs no extra requests. When eachPage returns, none of its
// requests is under way.
func eachPage(ctx context.Context, op string, first, prefetch int, list lister, yield func(page anyPage, err error) bool) {
	if ctx == nil {
		yield(nil, invalidArgument(op, "ctx", "must not be nil")) // one that is done is seen by the first call
		return
	}
	first, prefetch = cmp.Or(first, 1), cmp.Or(prefetch, defaultPrefetch)
	bounded, cancel := context.WithCancel(ctx)
	var requests sync.WaitGroup
	defer requests.Wait()
	defer cancel()

	var queue []chan fetched // of the pages under way, in their order
	next := first
	ask := func(length int) { // for further pages, until that many are under way
		for len(queue) < length {
			number, done := next, make(chan fetched, 1)
			requests.Go(func() { fetchInto(bounded, done, op, number, list) })
			queue = append(queue, done)
			next++
		}
	}
	window := 0                  // pages ahead of the one whose items are read or waited for
	seen := make(map[uint64]int) // the numbers of the pages so far by their digests
	for number := first; ; number++ {
		length := 1
		if number > first+1 { // there is a second page: the one that is waited for is not ahead of itself
			length += window
		}
		ask(length)
		got := <-queue[0]
		queue = queue[1:]
		switch {
		case got.panicked != nil:
			panic(got.panicked) //nolint:forbidigo // the panic of somebody else, where the caller can recover
		case got.err != nil:
			yield(nil, got.err)
			return
		case got.page.Last():
			return
		}
		if earlier := seen[got.page.identity()]; earlier != 0 { // pages are counted from 1
			yield(nil, newError(op, ErrPageLoop, fmt.Sprintf("page %d is page %d again", number, earlier)))
			return
		}
		seen[got.page.identity()] = number
		window = min(max(2*window, 1), max(prefetch, 0))
		ask(window)
		if !yield(got.page, nil) {
			return
		}
	}
}
