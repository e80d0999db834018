package revv

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// opaque has secrets in fields of its own and hides all of them.
type opaque struct {
	unprintable

	Token  string
	Nested struct{ Token string }
	token  string
}

const hiddenText = "s3cr3t-t0k3n"

func newOpaque() opaque {
	return opaque{Token: hiddenText, Nested: struct{ Token string }{hiddenText}, token: hiddenText}
}

// opaqueEverywhere lists the shapes in which it can be handed to something that prints.
func opaqueEverywhere() []any {
	o := newOpaque()
	return []any{o, &o, []opaque{o}, map[string]*opaque{"a": &o}, struct{ O opaque }{o}, fmt.Errorf("with %v", o)}
}

func assertNotShown(t *testing.T, text string) {
	t.Helper()
	assert.NotContains(t, text, hiddenText)
	assert.NotContains(t, text, strings.Trim(fmt.Sprintf("%d", []byte(hiddenText)), "[]"), "as decimal bytes")
	assert.NotContains(t, strings.ToLower(text), fmt.Sprintf("%x", hiddenText), "as hexadecimal bytes")
	assert.NotContains(t, strings.ToLower(text), fmt.Sprintf("% x", hiddenText), "as spaced hexadecimal bytes")
}

// fmt asks no type about %p, and about %w outside of Errorf; go vet reports both.
func TestUnprintable_noVerbShowsAField(t *testing.T) {
	t.Parallel()
	for _, v := range opaqueEverywhere() {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "20", ".3", "+#", "# "} {
			for _, verb := range "vTsqxXdobOcUeEfFgGt!z" {
				assertNotShown(t, fmt.Sprintf("%"+flags+string(verb), v))
			}
		}
		assertNotShown(t, fmt.Sprint(v)+fmt.Sprintln(v)+fmt.Sprintf("%[1]*[1]v", v))
	}
}

func TestUnprintable_showsThatSomethingIsHidden(t *testing.T) {
	t.Parallel()
	o := newOpaque()
	for _, text := range []string{fmt.Sprint(o), fmt.Sprintf("%#v", &o), fmt.Sprintf("%s", o), o.String(), o.GoString()} {
		assert.Equal(t, "[redacted]", text)
	}
	assert.Equal(t, "[[redacted] [redacted]]", fmt.Sprint([]opaque{o, o}))
}

func TestUnprintable_encodersShowNoField(t *testing.T) {
	t.Parallel()
	for _, v := range opaqueEverywhere() {
		if _, ok := v.(error); ok {
			continue
		}
		data, err := json.MarshalIndent(map[string]any{"v": v}, "", " ")
		require.NoError(t, err)
		assertNotShown(t, string(data))

		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err == nil {
			assertNotShown(t, b.String())
		}
		if data, err := xml.Marshal(v); err == nil {
			assertNotShown(t, string(data))
		}
		b.Reset()
		require.NoError(t, template.Must(template.New("").Parse("{{.}} {{printf \"%#v\" .}} {{print .}}")).Execute(&b, v))
		assertNotShown(t, b.String())
	}
	data, err := json.Marshal(newOpaque())
	require.NoError(t, err)
	assert.JSONEq(t, `"[redacted]"`, string(data))
}

func TestUnprintable_logsShowNoField(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		for _, v := range opaqueEverywhere() {
			slog.New(handler).With("with", v).WithGroup("group").Info("message", "value", v, slog.Group("inner", slog.Any("v", v)))
		}
	}
	assertNotShown(t, b.String())
	b.Reset()
	slog.New(slog.NewTextHandler(&b, nil)).Info("message", "opaque", newOpaque())
	assert.Contains(t, b.String(), "opaque=[redacted]")
}
