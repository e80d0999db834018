package sandbox

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxTitle      = 255
	maxFieldValue = 10_000
)

var number = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,6})?$`)

// checkFieldValue reports why value does not fit the type of the field. Empty
// fits every type: it clears the field.
func checkFieldValue(f Field, value string) error {
	switch {
	case value == "":
		return nil
	case len(value) > maxFieldValue:
		return fmt.Errorf("the field %q takes at most %d bytes", f.Name, maxFieldValue)
	case f.Type == FieldDate:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return fmt.Errorf("the field %q is a date as 2021-06-18, which %q is not", f.Name, shorten(value))
		}
	case f.Type == FieldNumber:
		if !number.MatchString(value) {
			return fmt.Errorf("the field %q is a number such as 1500 or 1500.50, which %q is not", f.Name, shorten(value))
		}
	default:
		if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			return fmt.Errorf("the field %q is text without control characters", f.Name)
		}
	}
	return nil
}

// setFields checks all values before it writes the first one, so that a refusal
// changes nothing.
func (d *Document) setFields(values []FieldValue, member string) error {
	seen := map[string]bool{}
	for i, v := range values {
		f := d.field(v.Name)
		switch {
		case f == nil:
			return badValue("%s[%d].name: the document has no field %q; its fields are %s", member, i, shorten(v.Name), d.fieldNames())
		case seen[v.Name]:
			return badValue("%s[%d].name: %q occurs twice", member, i, shorten(v.Name))
		case d.signed() && f.Value != "" && f.Value != v.Value:
			return conflict("%s[%d]: the field %q cannot be changed any more, because the document is signed", member, i, f.Name)
		}
		seen[v.Name] = true
		if err := checkFieldValue(*f, v.Value); err != nil {
			return badValue("%s[%d].value: %s", member, i, err)
		}
	}
	for _, v := range values {
		d.field(v.Name).Value = v.Value
	}
	return nil
}

func (d *Document) field(name string) *Field {
	for i := range d.Fields {
		if d.Fields[i].Name == name {
			return &d.Fields[i]
		}
	}
	return nil
}

func (d *Document) fieldNames() string {
	if len(d.Fields) == 0 {
		return "none"
	}
	names := make([]string, len(d.Fields))
	for i, f := range d.Fields {
		names[i] = f.Name
	}
	return list(names)
}

// missing returns the names of required fields that are still empty, once values
// are filled in.
func (d *Document) missing(values []FieldValue) []string {
	var names []string
	for _, f := range d.Fields {
		value := f.Value
		for _, v := range values {
			if v.Name == f.Name {
				value = v.Value
			}
		}
		if f.Required && value == "" {
			names = append(names, f.Name)
		}
	}
	return names
}

// checkWords reports that a text is too long to be kept.
func checkWords(name, text string) error {
	if len(text) > maxFieldValue {
		return badValue("%s: at most %d bytes are allowed", name, maxFieldValue)
	}
	return nil
}

// checkTitle reports why title cannot be the name of a document or folder.
func checkTitle(title string) error {
	switch {
	case strings.TrimSpace(title) == "":
		return errors.New("must not be empty")
	case utf8.RuneCountInString(title) > maxTitle:
		return fmt.Errorf("must not be longer than %d characters", maxTitle)
	case strings.ContainsFunc(title, unicode.IsControl):
		return errors.New("must not contain control characters")
	}
	return nil
}

// firstLetters keeps so many characters of a text.
func firstLetters(text string, most int) string {
	for i := range text {
		if most == 0 {
			return text[:i]
		}
		most--
	}
	return text
}

// shorten keeps what a client sent quotable in a message, which is logged, too.
func shorten(text string) string {
	const most = 60
	return cutText(redactTokens(text), most)
}

// cutText keeps the beginning of a text, which ends at a whole character.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
