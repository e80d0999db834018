// Package wire turns routes and ids into request paths, and bytes from the
// network into JSON values, within stated limits. It opens nothing and closes nothing.
package wire

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSegment is the longest id, in bytes, that becomes a path segment.
const MaxSegment = 256

// Route is a parsed "METHOD /path/{param}".
type Route struct {
	Method  string
	Pattern string   // the path as written, placeholders in braces
	Params  []string // the names of the placeholders, in their order
	Guess   bool     // set by its user: nobody knows whether the service has it

	fixed []part // what stands before, between and behind them: one more than there are placeholders
}

// part is a fixed part of a path, as it is read and as it goes over the wire.
type part struct{ decoded, escaped string }

// newPart escapes what net/url does not accept. With such a character in a path, net/url
// would escape the whole path again, and an id would no longer be one segment.
func newPart(text string) part {
	return part{text, (&url.URL{Path: text, RawPath: text}).EscapedPath()}
}

// ParseRoute parses text. With a param, the path must contain exactly the segment
// "{param}"; without one it must contain no placeholder. An error does not repeat the
// text, which may contain a misplaced secret.
func ParseRoute(text, param string) (Route, error) {
	route, err := ParseTemplate(text)
	if err != nil {
		return Route{}, err
	}
	for _, name := range route.Params {
		if name != param {
			return Route{}, fmt.Errorf("the placeholder {%s} is not known here", name)
		}
	}
	if param != "" && len(route.Params) == 0 {
		return Route{}, fmt.Errorf("the placeholder {%s} is missing", param)
	}
	return route, nil
}

// ParseTemplate parses text, whose path may have any number of placeholders.
func ParseTemplate(text string) (Route, error) {
	method, path, ok := strings.Cut(text, " ")
	if !ok || !IsMethod(method) {
		return Route{}, errors.New("must be a method in capitals (not TRACE or CONNECT), one space and a path")
	}
	if err := CheckPath(path); err != nil {
		return Route{}, err
	}
	route, rest := Route{Method: method, Pattern: path}, path
	for segment := range strings.SplitSeq(path[1:], "/") {
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		name := strings.Trim(segment, "{}")
		if name == "" || segment != "{"+name+"}" || strings.ContainsAny(name, "{}.") || slices.Contains(route.Params, name) {
			return Route{}, errors.New("has a placeholder that is no whole segment, as {id}, or that stands twice")
		}
		var before string
		before, rest, _ = strings.Cut(rest, segment)
		route.Params, route.fixed = append(route.Params, name), append(route.fixed, newPart(before))
	}
	route.fixed = append(route.fixed, newPart(rest))
	return route, nil
}

// Path expands the route with a value for each placeholder. It returns the path both as
// the server will decode it and as it goes over the wire. Each value becomes exactly one
// segment, or the error says why it cannot.
func (r Route) Path(values ...string) (decoded, escaped string, err error) {
	if len(r.Params) == 0 {
		return r.fixed[0].decoded, r.fixed[0].escaped, nil
	}
	const usual = 32 // more than an id takes beyond the placeholder
	var plain, onWire strings.Builder
	plain.Grow(len(r.Pattern) + usual)
	onWire.Grow(len(r.Pattern) + usual)
	for i, fixed := range r.fixed {
		if i > 0 {
			if err := CheckSegment(values[i-1]); err != nil {
				return "", "", err
			}
			plain.WriteString(values[i-1])
			onWire.WriteString(url.PathEscape(values[i-1]))
		}
		plain.WriteString(fixed.decoded)
		onWire.WriteString(fixed.escaped)
	}
	return plain.String(), onWire.String(), nil
}

// CheckSegment returns why id cannot be one path segment, or nil. An empty segment, "."
// and ".." would name another resource, and proxies treat control characters and broken
// UTF-8 in different ways.
func CheckSegment(id string) error {
	switch {
	case id == "":
		return errors.New("must not be empty")
	case id == "." || id == "..":
		return errors.New(`must not be "." or ".."`)
	case len(id) > MaxSegment:
		return fmt.Errorf("must not be longer than %d bytes", MaxSegment)
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("must not contain control characters")
	case !utf8.ValidString(id):
		return errors.New("must be valid UTF-8")
	}
	return nil
}

// CheckPath returns why path is no plain absolute path, or nil. Placeholders in braces
// count as plain.
func CheckPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return errors.New(`the path must begin with "/"`)
	case strings.ContainsAny(path, "?#"):
		return errors.New("the path must not carry a query or a fragment")
	case strings.ContainsAny(path, " %\\") || strings.ContainsFunc(path, unicode.IsControl) || !utf8.ValidString(path):
		return errors.New("the path must be plain text without spaces, backslashes, percent signs or control characters")
	case strings.Contains(path, "//"):
		return errors.New("the path must not contain an empty segment")
	case HasDots(path):
		return errors.New(`the path must not contain "." or ".."`)
	}
	return nil
}

// HasDots reports a path with a segment that leads to another folder.
func HasDots(path string) bool { return slices.ContainsFunc(strings.Split(path, "/"), isDots) }

// isDots reports a segment that leads to another folder. Some servers read "..;x" as
// "..", because parameters of a segment follow a semicolon (RFC 3986, section 3.3).
func isDots(segment string) bool {
	name, _, _ := strings.Cut(segment, ";")
	return name == "." || name == ".."
}

// IsMethod reports a method of HTTP in capitals that may carry a token. An answer to TRACE
// repeats it (RFC 9110, section 9.3.8), and CONNECT is for proxies.
func IsMethod(s string) bool {
	return s != "" && s != "TRACE" && s != "CONNECT" && !strings.ContainsFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' })
}
