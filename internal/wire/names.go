package wire

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// fewNames is how many keys of one object are compared one by one. With more, a map is
// used, because a hostile object would otherwise cost the square of its size.
const fewNames = 16

// names holds the keys of the objects that are open, unescaped and in one case.
type names struct {
	text    []byte   // the names of all open objects, one after the other
	ends    []int    // where each name ends in text
	objects []object // the open objects, outermost first

	// The memory that the three begin with: an ordinary document takes no more.
	room struct {
		text    [256]byte
		ends    [2 * fewNames]int
		objects [8]object
	}
}

type object struct {
	first int                 // the index of its first name in ends
	many  map[string]struct{} // all its names, once they are more than a few
}

func newNames() *names {
	n := new(names)
	n.text, n.ends, n.objects = n.room.text[:0], n.room.ends[:0], n.room.objects[:0]
	return n
}

func (n *names) open() { n.objects = append(n.objects, object{first: len(n.ends)}) }

func (n *names) close() {
	last := len(n.objects) - 1
	n.drop(n.objects[last].first)
	n.objects = n.objects[:last]
}

// drop forgets the names from index first on.
func (n *names) drop(first int) {
	n.text = n.text[:n.start(first)]
	n.ends = n.ends[:first]
}

// start is where the name with this index begins in text.
func (n *names) start(index int) int {
	if index == 0 {
		return 0
	}
	return n.ends[index-1]
}

// add puts a key, as it stands between its quotes, into the innermost object.
// It reports false if the object has the key already.
func (n *names) add(raw []byte) bool {
	current := &n.objects[len(n.objects)-1]
	start := len(n.text)
	n.text = appendName(n.text, raw)
	name := n.text[start:]
	if current.many != nil {
		_, known := current.many[string(name)]
		current.many[string(name)] = struct{}{}
		n.text = n.text[:start]
		return !known
	}
	for i := current.first; i < len(n.ends); i++ {
		if bytes.Equal(n.text[n.start(i):n.ends[i]], name) {
			return false
		}
	}
	n.ends = append(n.ends, len(n.text))
	if len(n.ends)-current.first > fewNames {
		current.many = make(map[string]struct{}, 4*fewNames)
		for i := current.first; i < len(n.ends); i++ {
			current.many[string(n.text[n.start(i):n.ends[i]])] = struct{}{}
		}
		n.drop(current.first)
	}
	return true
}

// appendName appends the name that raw, the valid inside of a JSON string, means. Broken
// UTF-8 and lone surrogates become U+FFFD, as in decoders. Names that differ only in case
// become the same.
func appendName(dst, raw []byte) []byte {
	for len(raw) > 0 {
		if c := raw[0]; c < utf8.RuneSelf && c != '\\' {
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst, raw = append(dst, c), raw[1:]
			continue
		}
		r, size := unescape(raw)
		raw = raw[size:]
		dst = utf8.AppendRune(dst, foldRune(r))
	}
	return dst
}

// foldRune returns the smallest of the runes that differ from r only in case. Some are
// outside of ASCII: "ſ" is a kind of "s", the Kelvin sign a kind of "k".
func foldRune(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// unescape reads the rune that raw begins with, or the valid escape of one.
func unescape(raw []byte) (r rune, size int) {
	if raw[0] != '\\' {
		return utf8.DecodeRune(raw)
	}
	switch raw[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(raw[1]), 2
	}
	r = codeUnit(raw)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, codeUnit(raw[6:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// codeUnit is the value of \uXXXX.
func codeUnit(raw []byte) (r rune) {
	for _, c := range raw[2:6] {
		digit, _ := hexDigit(c)
		r = r<<4 | digit
	}
	return r
}

// likeness is how well a name matches the key that is looked for.
type likeness uint8

const (
	unlike likeness = iota
	alikeButCase
	exact
)

// match compares a key, as it stands between its quotes, with the name that is
// looked for.
func match(raw []byte, name string) likeness {
	switch {
	case string(raw) == name && strings.IndexByte(name, '\\') < 0: // in raw, a backslash begins an escape
		return exact
	case len(raw) > 0 && name != "" && raw[0] != '\\' && max(raw[0], name[0]) < utf8.RuneSelf && (raw[0]^name[0])&^0x20 != 0:
		return unlike // as nearly always: two characters of ASCII that differ in more than case
	}
	like := exact
	for len(raw) > 0 && name != "" {
		r, size := unescape(raw)
		n, width := utf8.DecodeRuneInString(name)
		raw, name = raw[size:], name[width:]
		if r != n {
			if foldRune(r) != foldRune(n) {
				return unlike
			}
			like = alikeButCase
		}
	}
	if len(raw) > 0 || name != "" {
		return unlike
	}
	return like
}
