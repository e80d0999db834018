// Package wire turns routes and ids into request paths, and bytes from the
// network into JSON values, within stated limits. It does no input or output.
package wire

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// MaxSegment is the longest id, in bytes, that becomes a path segment.
const MaxSegment = 256

// Route is a parsed "METHOD /path/{param}" with at most one placeholder.
type Route struct {
	Method  string
	Pattern string // the path as written, the placeholder in braces

	before part // the path up to the placeholder, or the whole path
	after  part // the path behind the placeholder
	param  bool
}

// part is a fixed part of a path, as it is read and as it goes over the wire.
type part struct{ decoded, escaped string }

// newPart escapes what net/url does not let pass: a path with such a character it
// would escape anew as a whole, and then an id would no longer be one segment.
func newPart(text string) part {
	return part{text, (&url.URL{Path: text, RawPath: text}).EscapedPath()}
}

// ParseRoute parses text. With a param, the path must contain exactly the
// segment "{param}"; without one it must contain no placeholder. An error does not
// repeat the text, which may have a secret where none belongs.
func ParseRoute(text, param string) (Route, error) {
	method, path, ok := strings.Cut(text, " ")
	if !ok || !isMethod(method) {
		return Route{}, errors.New("must be a method in capitals, one space and a path")
	}
	if err := CheckPath(path); err != nil {
		return Route{}, err
	}
	found := false
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch {
		case !strings.ContainsAny(segment, "{}"):
		case param != "" && segment == "{"+param+"}" && !found:
			found = true
		default:
			return Route{}, fmt.Errorf("the placeholder %q is not known here", segment)
		}
	}
	if param != "" && !found {
		return Route{}, fmt.Errorf("the placeholder {%s} is missing", param)
	}
	before, after := path, ""
	if found {
		before, after, _ = strings.Cut(path, "{"+param+"}")
	}
	return Route{Method: method, Pattern: path, before: newPart(before), after: newPart(after), param: found}, nil
}

// Path expands the route with one id and returns the path both as the server
// will decode it and as it goes over the wire. The id becomes exactly one
// segment, or an error says why it cannot.
func (r Route) Path(id string) (decoded, escaped string, err error) {
	if !r.param {
		return r.before.decoded, r.before.escaped, nil
	}
	if err := CheckSegment(id); err != nil {
		return "", "", err
	}
	return r.before.decoded + id + r.after.decoded, r.before.escaped + url.PathEscape(id) + r.after.escaped, nil
}

// CheckSegment reports why id cannot be one path segment, or nil. An empty
// segment, "." and ".." would name another resource; proxies on the way treat
// control characters and broken UTF-8 in different ways.
func CheckSegment(id string) error {
	switch {
	case id == "":
		return errors.New("must not be empty")
	case id == "." || id == "..":
		return errors.New(`must not be "." or ".."`)
	case len(id) > MaxSegment:
		return fmt.Errorf("must not be longer than %d bytes", MaxSegment)
	case hasControl(id):
		return errors.New("must not contain control characters")
	case !utf8.ValidString(id):
		return errors.New("must be valid UTF-8")
	}
	return nil
}

// CheckPath reports why path is no plain absolute path, or nil. Placeholders in
// braces count as plain.
func CheckPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return errors.New(`the path must begin with "/"`)
	case strings.ContainsAny(path, "?#"):
		return errors.New("the path must not carry a query or a fragment")
	case strings.ContainsAny(path, " %\\") || hasControl(path) || !utf8.ValidString(path):
		return errors.New("the path must be plain text without spaces, backslashes, percent signs or control characters")
	case strings.Contains(path, "//"):
		return errors.New("the path must not contain an empty segment")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return errors.New(`the path must not contain "." or ".."`)
		}
	}
	return nil
}

func isMethod(s string) bool {
	for _, r := range s {
		if r < 'A' || r > 'Z' {
			return false
		}
	}
	return s != ""
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r <= 0x9f {
			return true
		}
	}
	return false
}
