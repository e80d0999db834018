package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth   = 100
	maxPersons = 100
)

// object is the JSON object of a request body. Its methods read one member each
// and keep the first problem, which end returns together with what was not read.
type object struct {
	members map[string]json.RawMessage
	read    map[string]bool
	lenient bool
	problem error
}

// need says whether a member is required.
type need bool

const (
	required need = true
	optional need = false
)

// parseObject reads exactly one JSON object in which no member occurs twice.
func parseObject(data []byte, lenient bool) (*object, error) {
	if !utf8.Valid(data) {
		return nil, badRequest("the body is not valid UTF-8")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, badRequest("the body is empty; one JSON object is due")
	}
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	o := &object{read: map[string]bool{}, lenient: lenient}
	if err := json.Unmarshal(data, &o.members); err != nil || o.members == nil {
		return nil, badRequest("the body is a JSON %s; one JSON object is due", kindOf(bytes.TrimSpace(data)))
	}
	return o, nil
}

// checkJSON reports bad syntax, duplicate members, excessive depth and data after the
// value. encoding/json does not refuse all of these.
func checkJSON(data []byte) error {
	check := jsonCheck{dec: json.NewDecoder(bytes.NewReader(data))}
	check.dec.UseNumber()
	if err := check.value(); err != nil {
		if p, ok := errors.AsType[*Problem](err); ok {
			return p
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return badRequest("the body ends in the middle of the JSON")
		}
		return badRequest("the body is no JSON: %v", err)
	}
	if _, err := check.dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body has data behind the JSON object")
	}
	return nil
}

// jsonCheck reads one value and keeps track of its place in it. The place becomes a text
// only when a problem names it: a text for each element of an array in a member with a
// long name would let anybody cause too much work.
type jsonCheck struct {
	dec  *json.Decoder
	path []jsonStep
}

// jsonStep is one step into a value: to the member of an object, or to an element.
type jsonStep struct {
	name  string
	index int // of the element, -1 for a member
}

// place names the place of the value that is being read.
func (c *jsonCheck) place(member string) string {
	var b strings.Builder
	for _, step := range append(c.path, jsonStep{member, -1}) {
		switch {
		case step.index >= 0:
			fmt.Fprintf(&b, "[%d]", step.index)
		case b.Len() > 0:
			b.WriteString("." + step.name)
		default:
			b.WriteString(step.name)
		}
	}
	return b.String()
}

// value reads one value.
func (c *jsonCheck) value() error {
	if len(c.path) > maxDepth {
		return badRequest("the JSON is nested more than %d levels deep", maxDepth)
	}
	t, err := c.dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		err = c.members()
	case json.Delim('['):
		for i := 0; err == nil && c.dec.More(); i++ {
			err = c.into(jsonStep{index: i})
		}
	default:
		return nil
	}
	if err == nil {
		_, err = c.dec.Token()
	}
	return err
}

// members reads what is in an object.
func (c *jsonCheck) members() error {
	seen := map[string]bool{}
	for c.dec.More() {
		t, err := c.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if seen[name] {
			return badRequest("the member %q occurs twice in the body", shorten(c.place(name)))
		}
		seen[name] = true
		if err := c.into(jsonStep{name, -1}); err != nil {
			return err
		}
	}
	return nil
}

// into reads the value that one step leads to.
func (c *jsonCheck) into(step jsonStep) error {
	c.path = append(c.path, step)
	err := c.value()
	c.path = c.path[:len(c.path)-1]
	return err
}

// kindOf names the kind of a JSON value.
func kindOf(value []byte) string {
	switch {
	case len(value) == 0:
		return "nothing"
	case value[0] == '{':
		return "object"
	case value[0] == '[':
		return "array"
	case value[0] == '"':
		return "string"
	case value[0] == 't', value[0] == 'f':
		return "boolean"
	case value[0] == 'n':
		return "null"
	}
	return "number"
}

func indefinite(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	return "a " + kind
}

func (o *object) fail(err error) {
	if o.problem == nil {
		o.problem = err
	}
}

// failIn is fail for a problem in an element of an array, which it names.
func (o *object) failIn(array string, i int, err error) {
	p := *asProblem(err)
	p.Message = fmt.Sprintf("%s[%d].%s", array, i, p.Message)
	o.fail(&p)
}

// take returns the raw value of a member. It is nil when the member is absent
// or when it is not of the kind.
func (o *object) take(name, kind string, n need) json.RawMessage {
	o.read[name] = true
	raw, ok := o.members[name]
	switch {
	case !ok && n == required:
		o.fail(badRequest("%s: the member is missing; %s is due", name, indefinite(kind)))
		return nil
	case !ok:
		return nil
	case kindOf(raw) != kind:
		o.fail(badRequest("%s: %s is due, not %s", name, indefinite(kind), kindOf(raw)))
		return nil
	}
	return raw
}

func (o *object) text(name string, n need) string {
	text, _ := o.textGiven(name, n)
	return text
}

// textGiven also reports whether the member was there, where "" and absent differ.
func (o *object) textGiven(name string, n need) (text string, given bool) {
	raw := o.take(name, "string", n)
	if raw == nil {
		return "", false
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		o.fail(badRequest("%s: %v", name, err))
	}
	return text, true
}

// words reads a text that is kept, and bounded for that reason.
func (o *object) words(name string, n need) string {
	text := o.text(name, n)
	if err := checkWords(name, text); err != nil {
		o.fail(err)
	}
	return text
}

// title reads the name of a document or folder.
func (o *object) title(name string, n need) string {
	text, given := o.textGiven(name, n)
	if given {
		if err := checkTitle(text); err != nil {
			o.fail(badValue("%s: %s", name, err))
		}
	}
	return text
}

func (o *object) boolean(name string) bool {
	return string(o.take(name, "boolean", optional)) == "true"
}

// id reads a positive whole number. One client of 2020 sent it as text, which
// only a lenient sandbox accepts.
func (o *object) id(name string, n need) int64 {
	if raw, ok := o.members[name]; ok && o.lenient && kindOf(raw) == "string" {
		o.members[name] = bytes.Trim(raw, `"`)
	}
	raw := o.take(name, "number", n)
	if raw == nil {
		return 0
	}
	id, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || id < 1 {
		o.fail(badRequest("%s: a positive whole number is due, not %s", name, shorten(string(raw))))
		return 0
	}
	return id
}

// objects reads an array of objects.
func (o *object) objects(name string, most int) []*object {
	raw := o.take(name, "array", required)
	if raw == nil {
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		o.fail(badRequest("%s: %v", name, err))
		return nil
	}
	if len(items) > most {
		o.fail(badValue("%s: at most %d entries are allowed, not %d", name, most, len(items)))
		return nil
	}
	objects := make([]*object, 0, len(items))
	for i, item := range items {
		inner := &object{read: map[string]bool{}, lenient: o.lenient}
		if err := json.Unmarshal(item, &inner.members); err != nil || inner.members == nil {
			o.fail(badRequest("%s[%d]: an object is due, not %s", name, i, kindOf(item)))
			return nil
		}
		objects = append(objects, inner)
	}
	return objects
}

// persons reads a list of persons; ordered says whether they may have an order.
func (o *object) persons(name string, ordered bool) []Person {
	items := o.objects(name, maxPersons)
	persons := make([]Person, 0, len(items))
	seen := map[string]bool{}
	for i, item := range items {
		p := Person{
			Email:     item.words("user_email", required),
			FirstName: item.words("first_name", optional),
			LastName:  item.words("last_name", optional),
		}
		if ordered {
			if raw := item.take("order", "number", optional); raw != nil {
				order, err := strconv.Atoi(string(raw))
				if err != nil || order < 1 {
					item.fail(badRequest("order: a whole number from 1 is due, not %s", shorten(string(raw))))
				}
				p.Order = order
			}
		}
		err := item.end()
		if err == nil {
			err = checkEmail("user_email", p.Email)
		}
		if key := strings.ToLower(p.Email); err == nil && seen[key] {
			err = badValue("user_email: %s occurs twice", p.Email)
		} else {
			seen[key] = true
		}
		if err != nil {
			o.failIn(name, i, err)
		}
		persons = append(persons, p)
	}
	return persons
}

// fieldValues reads [{"name","value"}].
func (o *object) fieldValues(name string) []FieldValue {
	const mostFields = 1000
	items := o.objects(name, mostFields)
	values := make([]FieldValue, 0, len(items))
	for i, item := range items {
		if raw, ok := item.members["value"]; ok && item.lenient && kindOf(raw) == "number" {
			item.members["value"] = json.RawMessage(strconv.Quote(string(raw)))
		}
		v := FieldValue{Name: item.text("name", required), Value: item.text("value", required)}
		if err := item.end(); err != nil {
			o.failIn(name, i, err)
		}
		values = append(values, v)
	}
	if len(items) == 0 {
		o.fail(badValue("%s: at least one entry is due", name))
	}
	return values
}

// end returns the first problem. Members that nobody asked for are one, unless
// the sandbox is lenient.
func (o *object) end() error {
	if o.problem != nil || o.lenient {
		return o.problem
	}
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		if !o.read[name] {
			return badRequest("%s: the contract knows no such member here; it knows %s", shorten(name), list(slices.Sorted(maps.Keys(o.read))))
		}
	}
	return nil
}

// checkEmail reports why text cannot be an address.
func checkEmail(name, text string) error {
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || strings.ContainsAny(text, "\r\n<>") {
		return badValue("%s: %q is no e-mail address", name, shorten(text))
	}
	return nil
}

// pathID reads a number from a path.
func pathID(what, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err == nil && id > 0 && text == strconv.FormatInt(id, 10) {
		return id, nil
	}
	switch {
	case documentNumber.MatchString(text):
		return 0, badID("%s is a document number (doc_no); this route takes a %s, which is a number", text, what)
	case objectID.MatchString(text):
		return 0, badID("%s is an object id; this route takes a %s, which is a number", text, what)
	}
	return 0, badID("%q is no %s, which is a number from 1", shorten(text), what)
}
