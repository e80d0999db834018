package wire

import (
	"errors"
	"fmt"
)

// DefaultDepth is how many arrays and objects may be open at once where
// [Limits] say nothing else.
const DefaultDepth = 1000

// Limits are the limits of [Scan] and [Member]. The zero Limits allow [DefaultDepth]
// levels and repeated keys.
type Limits struct {
	// Depth is how many arrays and objects may be open at once; 0 means DefaultDepth.
	Depth int
	// DuplicateKeys refuses an object that has a key twice. Keys are compared after
	// unescaping ("a" and "\u0061" are the same) and ignoring case: to many decoders "id"
	// and "ID" are one member, and which of the two wins is an accident.
	DuplicateKeys bool
	// Elements is how many elements all arrays together may have; 0 means any number.
	// A decoder can need a hundred times the memory of the two bytes of an element.
	Elements int
}

// The kinds of error of [Scan] and [Member]. Their texts name a byte offset and
// never quote the document.
var (
	// ErrSyntax: the document is not JSON.
	ErrSyntax = errors.New("invalid JSON")
	// ErrUnexpectedEnd: the document ends inside its value, or before it. It is
	// ErrSyntax as well.
	ErrUnexpectedEnd = errors.New("unexpected end of JSON")
	// ErrTooDeep: more arrays and objects are open at once than the limit allows.
	ErrTooDeep = errors.New("JSON nested too deeply")
	// ErrTooMany: the arrays have more elements than the limit allows.
	ErrTooMany = errors.New("too many elements in the arrays of JSON")
	// ErrDuplicateKey: an object has a key twice.
	ErrDuplicateKey = errors.New("duplicate key in JSON")
	// ErrTrailingData: something other than white space follows the value.
	ErrTrailingData = errors.New("data after the JSON value")
	// ErrNotObject: the document is valid, but no object.
	ErrNotObject = errors.New("not a JSON object")
)

// scanError is a kind of error at a place.
type scanError struct {
	kind   error
	offset int
	reason string
}

func (e *scanError) Error() string {
	text := fmt.Sprintf("%v at byte %d", e.kind, e.offset)
	if e.reason != "" {
		text += ": " + e.reason
	}
	return text
}

func (e *scanError) Unwrap() error { return e.kind }

// Is makes an unexpected end a syntax error, too.
func (e *scanError) Is(target error) bool {
	return target == ErrSyntax && e.kind == ErrUnexpectedEnd
}

// Scan returns why data is not exactly one JSON value (RFC 8259) within limits, or nil. A
// byte order mark is refused. Like encoding/json it accepts broken UTF-8 and lone
// surrogates in strings. It reads data once, does not recurse, and allocates nothing for
// documents of ordinary depth without repeated-key checks.
func Scan(data []byte, limits Limits) error {
	s := scanner{data: data, depth: limits.Depth, left: limits.Elements}
	if s.left <= 0 {
		s.left = -1
	}
	if s.depth <= 0 {
		s.depth = DefaultDepth
	}
	if limits.DuplicateKeys {
		s.names = newNames()
	}
	return s.document()
}

// Member scans data, which must be an object, as [Scan] does. It returns the raw bytes of
// the member key, nil if there is none. A member of exactly this name is preferred to one
// whose name differs in case; of several equal ones the last counts, as in encoding/json.
// The value is a part of data, not a copy. A valid document of another kind is
// [ErrNotObject].
func Member(data []byte, key string, limits Limits) (value []byte, err error) {
	if err := Scan(data, limits); err != nil {
		return nil, err
	}
	if Kind(data) != '{' {
		return nil, &scanError{kind: ErrNotObject, offset: skipSpace(data, 0)}
	}
	best := unlike
	for name, member := range members(data) {
		if like := match(name, key); like != unlike && like >= best {
			value, best = member, like
		}
	}
	return value, nil
}

// Kind returns the first byte of data that is not white space, 0 if there is none: it
// tells the kind of a valid JSON value. It has many callers, and is too long to be compiled into
// each of them.
//
//go:noinline
func Kind(data []byte) byte {
	if i := skipSpace(data, 0); i < len(data) {
		return data[i]
	}
	return 0
}

// scanner walks once over data. Its methods take an offset, and return the offset after
// what they have read.
type scanner struct {
	data  []byte
	depth int    // how many levels are allowed
	left  int    // how many more elements of arrays are allowed, negative for any number
	open  levels // the objects and arrays around the offset
	names *names // nil unless repeated keys are refused
}

// levels is a stack with '{' or '[' for each open object or array. Ordinary
// documents fit into the array, and cost no allocation.
type levels struct {
	count  int
	first  [64]byte
	deeper []byte
}

func (l *levels) push(bracket byte) {
	if l.count < len(l.first) {
		l.first[l.count] = bracket
	} else {
		l.deeper = append(l.deeper, bracket)
	}
	l.count++
}

func (l *levels) pop() {
	l.count--
	if l.count >= len(l.first) {
		l.deeper = l.deeper[:l.count-len(l.first)]
	}
}

func (l *levels) innermost() byte {
	if l.count > len(l.first) {
		return l.deeper[len(l.deeper)-1]
	}
	return l.first[l.count-1]
}

// document reads the one value and what may follow it.
func (s *scanner) document() error {
	i := 0
	for {
		opened, next, err := s.value(skipSpace(s.data, i))
		if err != nil {
			return err
		}
		i = next
		if opened {
			continue // the first element or member is due
		}
		more, next, err := s.afterValue(i)
		if err != nil {
			return err
		}
		i = next
		if !more {
			break
		}
	}
	if i = skipSpace(s.data, i); i < len(s.data) {
		return &scanError{kind: ErrTrailingData, offset: i}
	}
	return nil
}

// value reads a whole scalar, or a whole empty array or object. Of any other array or
// object it reads up to its first value, and says so.
func (s *scanner) value(i int) (opened bool, next int, err error) {
	if i >= len(s.data) {
		return false, 0, s.unexpectedEnd()
	}
	if s.left >= 0 && s.open.count > 0 && s.open.innermost() == '[' {
		if s.left == 0 {
			return false, 0, &scanError{kind: ErrTooMany, offset: i}
		}
		s.left--
	}
	switch c := s.data[i]; c {
	case '"':
		next, err = s.text(i)
	case '{', '[':
		return s.container(i, c)
	case 't':
		next, err = s.literal(i, "true")
	case 'f':
		next, err = s.literal(i, "false")
	case 'n':
		next, err = s.literal(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		next, err = s.number(i)
	default:
		err = s.syntax(i, "a value is due")
	}
	return false, next, err
}

// container opens an object or an array, and closes it again if it is empty.
func (s *scanner) container(i int, bracket byte) (opened bool, next int, err error) {
	if s.open.count >= s.depth {
		return false, 0, &scanError{kind: ErrTooDeep, offset: i}
	}
	first := skipSpace(s.data, i+1)
	if first < len(s.data) && s.data[first] == bracket+2 { // in ASCII, '}' is '{'+2 and ']' is '['+2
		return false, first + 1, nil
	}
	s.open.push(bracket)
	if bracket == '[' {
		return true, first, nil
	}
	if s.names != nil {
		s.names.open()
	}
	next, err = s.key(first)
	return true, next, err
}

// afterValue reads what follows a value: closing brackets, then a comma, and in an object
// the next key. more says that another value must follow.
func (s *scanner) afterValue(i int) (more bool, next int, err error) {
	for s.open.count > 0 {
		if i = skipSpace(s.data, i); i >= len(s.data) {
			return false, 0, s.unexpectedEnd()
		}
		inside := s.open.innermost()
		switch s.data[i] {
		case ',':
			i = skipSpace(s.data, i+1)
			if inside == '{' {
				i, err = s.key(i)
			}
			return true, i, err
		case inside + 2:
			s.open.pop()
			if inside == '{' && s.names != nil {
				s.names.close()
			}
			i++
		default:
			return false, 0, s.syntax(i, "a comma or the closing bracket is due")
		}
	}
	return false, i, nil
}

// key reads a key and the colon after it.
func (s *scanner) key(i int) (int, error) {
	if i >= len(s.data) {
		return 0, s.unexpectedEnd()
	}
	if s.data[i] != '"' {
		return 0, s.syntax(i, "a key is due")
	}
	end, err := s.text(i)
	if err != nil {
		return 0, err
	}
	if s.names != nil && !s.names.add(s.data[i+1:end-1]) {
		return 0, &scanError{kind: ErrDuplicateKey, offset: i}
	}
	if end = skipSpace(s.data, end); end >= len(s.data) {
		return 0, s.unexpectedEnd()
	}
	if s.data[end] != ':' {
		return 0, s.syntax(end, "a colon is due")
	}
	return end + 1, nil
}

func (s *scanner) literal(i int, word string) (int, error) {
	for j := range len(word) {
		if i+j >= len(s.data) {
			return 0, s.unexpectedEnd()
		}
		if s.data[i+j] != word[j] {
			return 0, s.syntax(i+j, "a value is due")
		}
	}
	return i + len(word), nil
}

// number reads by the grammar: no leading zero, and digits on both sides of a
// point and behind an exponent.
func (s *scanner) number(i int) (next int, err error) {
	if s.data[i] == '-' {
		i++
	}
	if i < len(s.data) && s.data[i] == '0' {
		i++
	} else if i, err = s.digits(i); err != nil {
		return 0, err
	}
	if i < len(s.data) && s.data[i] == '.' {
		if i, err = s.digits(i + 1); err != nil {
			return 0, err
		}
	}
	if i < len(s.data) && s.data[i]|0x20 == 'e' {
		i++
		if i < len(s.data) && (s.data[i] == '+' || s.data[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i, nil
}

// digits reads one digit or more.
func (s *scanner) digits(i int) (int, error) {
	if i >= len(s.data) {
		return 0, s.unexpectedEnd()
	}
	if !isDigit(s.data[i]) {
		return 0, s.syntax(i, "a digit is due")
	}
	for i < len(s.data) && isDigit(s.data[i]) {
		i++
	}
	return i, nil
}

// text reads a string with its quotes.
func (s *scanner) text(i int) (int, error) {
	data := s.data
	for i++; i < len(data); i++ {
		c := data[i]
		if plainInText[c] {
			continue
		}
		switch c {
		case '"':
			return i + 1, nil
		case '\\':
			end, err := s.escape(i)
			if err != nil {
				return 0, err
			}
			i = end - 1
		default:
			return 0, s.syntax(i, "a control character in a string")
		}
	}
	return 0, s.unexpectedEnd()
}

// escape reads a backslash and what belongs to it.
func (s *scanner) escape(i int) (int, error) {
	i++
	if i >= len(s.data) {
		return 0, s.unexpectedEnd()
	}
	switch s.data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		for range 4 {
			if i++; i >= len(s.data) {
				return 0, s.unexpectedEnd()
			}
			if _, ok := hexDigit(s.data[i]); !ok {
				return 0, s.syntax(i, "a hexadecimal digit is due")
			}
		}
		return i + 1, nil
	}
	return 0, s.syntax(i, "an unknown escape in a string")
}

func (s *scanner) syntax(i int, reason string) error {
	return &scanError{kind: ErrSyntax, offset: i, reason: reason}
}

func (s *scanner) unexpectedEnd() error {
	return &scanError{kind: ErrUnexpectedEnd, offset: len(s.data)}
}

// skipSpace returns the offset of the first byte from i on that is no white space.
func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func hexDigit(c byte) (value rune, ok bool) {
	switch {
	case isDigit(c):
		return rune(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10, true
	}
	return 0, false
}

// plainInText has the bytes that need no escape in a string.
//
//nolint:gochecknoglobals // a constant table; Go has no constant arrays
var plainInText = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return table
}()
