package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/secret"
)

const hidden = "s3cr3t-t0k3n"

// carrier has secrets in every place where a struct can have them.
type carrier struct {
	Name    string
	Value   secret.Value[string]
	Pointer *secret.Value[string]
	List    []secret.Value[string]
	Map     map[string]secret.Value[string]
	Any     any
	Bytes   secret.Value[[]byte]
	Struct  secret.Value[struct{ Token string }]
	own     secret.Value[string]
}

func newCarrier() carrier {
	v := secret.New(hidden)
	return carrier{
		Name: "visible", Value: v, Pointer: &v, List: []secret.Value[string]{v}, Map: map[string]secret.Value[string]{"a": v}, Any: v,
		Bytes: secret.New([]byte(hidden)), Struct: secret.New(struct{ Token string }{hidden}), own: v,
	}
}

// forms are the secret and the text of it that must not appear, also as numbers.
func assertHidden(t *testing.T, text string) {
	t.Helper()
	assert.NotContains(t, text, hidden)
	assert.NotContains(t, text, strings.Trim(fmt.Sprintf("%d", []byte(hidden)), "[]"), "as decimal bytes")
	assert.NotContains(t, strings.ToLower(text), fmt.Sprintf("%x", hidden), "as hexadecimal bytes")
	assert.NotContains(t, strings.ToLower(text), strings.Trim(fmt.Sprintf("%# x", hidden), "[]"), "as spaced hexadecimal bytes")
}

// everywhere lists the shapes in which a value can be handed to something that prints.
func everywhere() []any {
	v, c := secret.New(hidden), newCarrier()
	return []any{
		v, &v,
		[]secret.Value[string]{v},
		map[string]any{"a": v},
		struct{ V any }{v},
		c, &c,
		[]carrier{c},
		fmt.Errorf("with %v", v),
	}
}

func TestValue_reveal_returnsWhatWasWrapped(t *testing.T) {
	t.Parallel()
	content := &struct{ N int }{7}
	pointer, copied := secret.New(content), secret.New(hidden)
	assert.Same(t, content, pointer.Reveal())
	assert.Equal(t, hidden, copied.Reveal())
	again := copied
	assert.Equal(t, hidden, again.Reveal(), "a copy reveals the same")
}

func TestValue_zero_revealsTheZeroValue(t *testing.T) {
	t.Parallel()
	assert.Empty(t, new(secret.Value[string]).Reveal())
	assert.Nil(t, new(secret.Value[[]byte]).Reveal())
	assert.Nil(t, new(secret.Value[*int]).Reveal())
}

func TestFormat_noVerbShowsASecret(t *testing.T) {
	t.Parallel()
	for _, v := range everywhere() {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "20", ".3", "+#", "# "} {
			for _, verb := range "pwvTsqxXdobOcUeEfFgGt!z" {
				assertHidden(t, fmt.Sprintf("%"+flags+string(verb), v))
			}
		}
		assertHidden(t, fmt.Sprint(v)+fmt.Sprintln(v)+fmt.Sprintf("%[1]*[1]v", v))
	}
}

func TestEncoders_doNotShowASecret(t *testing.T) {
	t.Parallel()
	for _, v := range everywhere() {
		if _, ok := v.(error); ok {
			continue
		}
		data, err := json.Marshal(v)
		require.NoError(t, err)
		assertHidden(t, string(data))
		data, err = json.MarshalIndent(map[string]any{"v": v}, "", " ")
		require.NoError(t, err)
		assertHidden(t, string(data))

		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err == nil {
			assertHidden(t, b.String())
		}
		if data, err := xml.Marshal(v); err == nil {
			assertHidden(t, string(data))
		}
		b.Reset()
		require.NoError(t, template.Must(template.New("").Parse("{{.}} {{printf \"%#v\" .}} {{print .}}")).Execute(&b, v))
		assertHidden(t, b.String())
	}
	data, err := json.Marshal(map[string]any{"value": secret.New(hidden)})
	require.NoError(t, err)
	assert.JSONEq(t, `{"value":{}}`, string(data))
}

func TestLogs_doNotShowASecret(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		logger := slog.New(handler)
		for _, v := range everywhere() {
			logger.With("with", v).WithGroup("group").Info("message", "value", v, slog.Group("inner", slog.Any("v", v)))
		}
	}
	assertHidden(t, b.String())
}

// A walk by reflection is what debuggers and assertion libraries print by.
func TestReflection_findsNoSecretInAValue(t *testing.T) {
	t.Parallel()
	var walk func(v reflect.Value, depth int) string
	walk = func(v reflect.Value, depth int) string {
		if depth > 8 || !v.IsValid() {
			return ""
		}
		var b strings.Builder
		switch v.Kind() {
		case reflect.String:
			return v.String()
		case reflect.Pointer, reflect.Interface:
			return walk(v.Elem(), depth+1)
		case reflect.Struct:
			for _, field := range v.Fields() {
				b.WriteString(walk(field, depth+1))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				b.WriteString(walk(v.Index(i), depth+1))
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				b.WriteString(walk(v.MapIndex(key), depth+1))
			}
		default:
			fmt.Fprint(&b, v)
		}
		return b.String()
	}
	c := newCarrier()
	text := walk(reflect.ValueOf(&c), 0)
	assertHidden(t, text)
	assert.Contains(t, text, "visible", "the walk does find what is not hidden")
}

// A secret can be compared with nothing by accident, and cannot be decoded.
func TestValue_isNotDecoded(t *testing.T) {
	t.Parallel()
	var v secret.Value[string]
	require.Error(t, json.Unmarshal([]byte(`"x"`), &v))
	assert.Empty(t, v.Reveal())
	assert.False(t, reflect.TypeFor[secret.Value[string]]().Comparable())
}

func TestErrors_canCarryASecretWithoutShowingIt(t *testing.T) {
	t.Parallel()
	type failure struct {
		error

		token secret.Value[string]
	}
	err := failure{errors.New("refused"), secret.New(hidden)}
	assertHidden(t, fmt.Sprintf("%v %+v %#v %v", err, err, err, err.token))
}
