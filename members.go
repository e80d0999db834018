package revv

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/revv-go/revv/internal/wire"
)

// The models decode themselves, member by member, from JSON that has been scanned.
// encoding/json would scan it again, and the objects within it once more, and since Go
// 1.27 it no longer tells which member of a model is at fault.

// model decodes an object that has been scanned. Missing members leave their fields as
// they are.
type model interface {
	decodeScanned(object []byte) error
}

// unmarshalModel implements UnmarshalJSON of the models, for data that has not been
// scanned.
func unmarshalModel(data []byte, m model) error {
	if err := wire.Scan(data, jsonLimits); err != nil {
		return err
	}
	return m.decodeScanned(bytes.TrimSpace(data))
}

// mostMembers is how many members a model has at most.
const mostMembers = 16

// member is the name of a member, and where its value goes.
type member struct {
	name string
	into any
}

// decodeModel decodes the members of a model, and keeps a copy of the object in raw.
func decodeModel(object []byte, m model, raw *json.RawMessage, members ...member) error {
	if wire.Kind(object) == 'n' {
		return modelError("null where an object is due")
	}
	if err := decodeMembers(object, m, members...); err != nil {
		return err
	}
	*raw = bytes.Clone(object)
	return nil
}

// decodeMembers decodes those members of an object that are there. null has none. A model can
// spare a member: if it does not fit, it counts as missing.
func decodeMembers(object []byte, m model, members ...member) error {
	switch wire.Kind(object) {
	case '{':
	case 'n':
		return nil
	default:
		return typeMismatch(object, m)
	}
	names, values := make([]string, 0, mostMembers), make([][]byte, mostMembers) // on the stack
	for _, member := range members {
		names = append(names, member.name)
	}
	values = wire.SelectInto(values[:len(names)], object, names)
	for i, member := range members {
		if values[i] == nil {
			continue
		}
		if err := decodeValue(values[i], member.into); err != nil {
			if m, ok := m.(interface{ toleratesMismatch(name string) bool }); ok && m.toleratesMismatch(member.name) {
				continue
			}
			return within(member.name, err)
		}
	}
	return nil
}

// within adds the name of the member at fault to an error, as encoding/json does for its
// own.
func within(name string, err error) error {
	if misfit, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		path := name
		if misfit.Field != "" {
			path += "." + misfit.Field
		}
		return &json.UnmarshalTypeError{Value: misfit.Value, Type: misfit.Type, Field: path}
	}
	return err
}

// decodeValue decodes a value that has been scanned. into points to a text, to a type
// that decodes itself, or to a list of models, whose elements are decoded directly.
func decodeValue(raw []byte, into any) error {
	switch into := into.(type) {
	case *string:
		return decodeText(raw, into)
	case model:
		return into.decodeScanned(raw)
	case json.Unmarshaler:
		return into.UnmarshalJSON(raw)
	}
	list := reflect.ValueOf(into).Elem()
	switch wire.Kind(raw) {
	case '[':
	case 'n':
		list.SetZero()
		return nil
	default:
		return typeMismatch(raw, into)
	}
	length := wire.Count(raw)
	elements := reflect.MakeSlice(list.Type(), length, length)
	next := 0
	for element := range wire.Elements(raw) {
		if err := decodeValue(element, elements.Index(next).Addr().Interface()); err != nil {
			return err
		}
		next++
	}
	list.Set(elements)
	return nil
}

// decodeText accepts only a text. null leaves what is there.
func decodeText(raw []byte, into *string) error {
	switch wire.Kind(raw) {
	case '"':
		*into, _ = scalarText(raw)
	case 'n':
	default:
		return typeMismatch(raw, into)
	}
	return nil
}
