package revv

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"unicode/utf8"
)

// notUTF8 is a rule for every text of a request: encoding/json silently replaces invalid
// bytes by U+FFFD, even if the text is the price in a contract.
const notUTF8 = "must be valid UTF-8"

// validateTexts takes pairs of the name of an argument and its value.
func validateTexts(namesAndTexts ...string) (name, rule string) {
	for i := 0; i+1 < len(namesAndTexts); i += 2 {
		if !utf8.ValidString(namesAndTexts[i+1]) {
			return namesAndTexts[i], notUTF8
		}
	}
	return "", ""
}

// containsText is slices.Contains of texts. Like join it is not inlined.
//
//go:noinline
func containsText(list []string, text string) bool { return slices.Contains(list, text) }

// hasReplaced reports whether encoding/json had to replace a text of body. Then there is
// a U+FFFD, as it is or as an escape, which may also have been in the text before.
func hasReplaced(encoded []byte, body any) bool {
	found := bytes.Contains(encoded, []byte("\ufffd")) || bytes.Contains(encoded, []byte(`\ufffd`))
	return found && holdsBroken(reflect.ValueOf(body))
}

// holdsBroken reports whether a value that encoding/json has encoded holds a text that is
// not UTF-8. Types that encode themselves are not looked into.
func holdsBroken(v reflect.Value) bool {
	if !v.IsValid() || encodesItself(v.Type()) {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		return !utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return holdsBroken(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if holdsBroken(v.Index(i)) {
				return true
			}
		}
	case reflect.Map: // not by Seq2, with which a program is 13 KB larger
		for each := v.MapRange(); each.Next(); {
			if holdsBroken(each.Key()) || holdsBroken(each.Value()) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if (field.IsExported() || field.Anonymous) && field.Tag.Get("json") != "-" && holdsBroken(v.Field(i)) {
				return true
			}
		}
	default: // numbers and booleans
	}
	return false
}

func encodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}
