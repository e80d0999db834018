package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request for an operation.
type call struct {
	sandbox *Sandbox
	request *http.Request
	op      *operation
	param   string // the id in the path, "" if the route has none
	query   url.Values
	body    []byte

	json    *object // the body of an operation that takes JSON
	jsonErr error   // why there is none
}

// answer is a complete response, which a fault may still spoil.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	problem string // for the log of requests
}

func newAnswer(status int, contentType string, body []byte) *answer {
	return &answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

// jsonAnswer encodes a value of this package.
func jsonAnswer(status int, value any) *answer {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return newAnswer(http.StatusInternalServerError, "text/plain; charset=utf-8", fmt.Appendf(nil, "the sandbox could not encode its answer: %v", err))
	}
	return newAnswer(status, "application/json", bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// object is the body as a JSON object.
func (c *call) object() (*object, error) { return c.json, c.jsonErr }

// readObject reads the body as a JSON object. That does not need the account and takes
// time for a large body, so it is done before the lock is taken.
func (c *call) readObject() (*object, error) {
	lenient := c.sandbox.opts.Lenient
	if contentType := c.request.Header.Get("Content-Type"); !lenient {
		media, params, err := mime.ParseMediaType(contentType)
		charset := params["charset"]
		if err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
			p := problem(http.StatusUnsupportedMediaType, codeMediaType, "Content-Type is %q; the body must be application/json in UTF-8", shorten(contentType))
			return nil, p
		}
	}
	return parseObject(c.body, lenient)
}

// checkQuery refuses what the operation does not know, and parameters given twice.
func (c *call) checkQuery() error {
	query, err := url.ParseQuery(c.request.URL.RawQuery)
	if err != nil {
		return badRequest("the query is malformed: %v", err)
	}
	c.query = query
	if c.sandbox.opts.Lenient {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(c.op.query, name) {
			known := "none"
			if len(c.op.query) > 0 {
				known = list(c.op.query)
			}
			return badRequest("%s: %s knows no such query parameter; it knows %s", shorten(name), c.op.name, known)
		}
		if len(query[name]) > 1 {
			return badRequest("%s: the query parameter occurs twice", name)
		}
	}
	return nil
}

// checkNoBody refuses a body where the contract has none.
func (c *call) checkNoBody() error {
	if len(c.body) > 0 && !c.sandbox.opts.Lenient {
		return badRequest("%s has no body; %d bytes were sent", c.op.name, len(c.body))
	}
	return nil
}

// page reads page_num, which counts from 1.
func (c *call) page() (int, error) {
	text, ok := c.query["page_num"]
	if !ok {
		return 1, nil
	}
	n, err := strconv.ParseInt(text[0], 10, 32)
	if err != nil || n < 1 || text[0] != strconv.FormatInt(n, 10) {
		return 0, badRequest("page_num: a whole number from 1 is due, not %q", shorten(text[0]))
	}
	return int(n), nil
}

// flag reads a query parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	text, ok := c.query[name]
	if !ok {
		return false, nil
	}
	if text[0] != "true" && text[0] != "false" {
		return false, badRequest("%s: true or false is due, not %q", name, shorten(text[0]))
	}
	return text[0] == "true", nil
}

// after reads a time; without it everything is after.
func (c *call) after() (time.Time, error) {
	text, ok := c.query["after"]
	if !ok {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text[0])
	if err != nil {
		return time.Time{}, badRequest("after: a time as 2020-09-17T14:48:00.000000Z is due, not %q", shorten(text[0]))
	}
	return t, nil
}

// limit reads the longest list that the caller wants.
func (c *call) limit() (int, error) {
	const usual, most = 40, 1000
	text, ok := c.query["limit"]
	if !ok {
		return usual, nil
	}
	n, err := strconv.Atoi(text[0])
	if err != nil || n < 1 || n > most || text[0] != strconv.Itoa(n) {
		return 0, badRequest("limit: a whole number from 1 to %d is due, not %q", most, shorten(text[0]))
	}
	return n, nil
}

// slicePage returns one page of the list and how many pages there are; even an
// empty list has one.
func slicePage[T any](all []T, page, size int) (rows []T, pages int) {
	pages = max(1, (len(all)+size-1)/size)
	if page > pages {
		return all[:0], pages
	}
	first := (page - 1) * size
	return all[first:min(first+size, len(all))], pages
}
