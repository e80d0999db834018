package revv_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/secret"
)

// assertKeepsSecrets fails if a value shows one of the secrets in any form that
// programs print or store values in.
func assertKeepsSecrets(t testing.TB, secrets []string, value any) {
	t.Helper()
	assertNoSecretIn(t, secrets, printed(value)+contents(value), fmt.Sprintf("%T", value))
}

func assertNoSecretIn(t testing.TB, secrets []string, text, where string) {
	t.Helper()
	lower := strings.ToLower(text)
	for _, s := range secrets {
		shown := strings.Contains(text, s) || strings.Contains(lower, hex.EncodeToString([]byte(s)))
		assert.False(t, shown, "%s shows a secret: its %s", where, strings.Split(s, "-")[0])
	}
}

// printed is everything that formatting, logging and encoding make of a value.
func printed(value any) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", value)
		fmt.Fprintf(&out, verb+"\n", struct{ Field any }{value})
		fmt.Fprintf(&out, verb+"\n", []any{value})
	}
	if err, ok := value.(error); ok {
		chain(err, &out)
	}
	encoded, err := json.Marshal(value)
	fmt.Fprintf(&out, "%s\n%v\n", encoded, err)
	if err := gob.NewEncoder(&out).Encode(value); err != nil {
		out.WriteString(err.Error())
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("value", "value", value, slog.Group("group", "value", value))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("value", "value", value, slog.Group("group", "value", value))
	return out.String()
}

// chain prints every error of a chain, as reporters of errors do. What this package has not
// made is not its own to hide, and ends the chain.
func chain(err error, out *bytes.Buffer) {
	fmt.Fprintf(out, "%v\n%+v\n", err, err)
	switch err := err.(type) { //nolint:errorlint // the chain itself is looked at
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			chain(inner, out)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			chain(inner, out)
		}
	}
}

// contents is every text that reflection reaches from a value, exported or not,
// as a debugger's dump shows it. It stops at types of the tests, which hold the
// secrets for a reason.
func contents(value any) string {
	w := walker{seen: make(map[visited]bool)}
	w.walk(reflect.ValueOf(value))
	return w.out.String()
}

type visited struct {
	address uintptr
	kind    reflect.Type
}

type walker struct {
	seen map[visited]bool
	out  strings.Builder
}

func (w *walker) walk(v reflect.Value) {
	if !v.IsValid() || v.Type().PkgPath() == "github.com/revv-go/revv_test" {
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.out.WriteString(v.String() + "\n")
	case reflect.Pointer:
		at := visited{v.Pointer(), v.Type()}
		if !v.IsNil() && !w.seen[at] {
			w.seen[at] = true
			w.walk(v.Elem())
		}
	case reflect.Interface:
		w.walk(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			w.walk(field)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			w.walk(entries.Key())
			w.walk(entries.Value())
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			for i := range v.Len() {
				w.out.WriteByte(byte(v.Index(i).Uint()))
			}
			w.out.WriteByte('\n')
			return
		}
		for i := range v.Len() {
			w.walk(v.Index(i))
		}
	default: // numbers, functions and channels hold no text
	}
}

// buffer collects log lines of many goroutines.
type buffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Write implements [io.Writer].
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

// String is what was written.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// What finds nothing anywhere would prove nothing.
func TestAssertKeepsSecrets_findsWhatIsNotHidden(t *testing.T) {
	t.Parallel()
	const text = "access-SENTINEL"
	type inner struct{ text string }
	cause := fmt.Errorf("cause: %s", text)
	for name, value := range map[string]any{
		"an error":            cause,
		"a wrapped error":     fmt.Errorf("more: %w", cause),
		"a token":             &oauth2.Token{AccessToken: text},
		"a hidden field":      &inner{text},
		"a slice behind":      []any{1, map[string]*inner{"a": {text}}},
		"a key":               map[string]int{text: 1},
		"bytes":               struct{ raw []byte }{[]byte(text)},
		"an array":            struct{ raw [15]byte }{[15]byte([]byte(text))},
		"a list of interface": []fmt.Stringer{bytes.NewBufferString(text)},
	} {
		assert.Contains(t, printed(value)+contents(value), text, name)
		double := &assertDouble{TB: t}
		assertKeepsSecrets(double, []string{text}, value)
		assert.True(t, double.failed, name)
	}
	for name, value := range map[string]any{
		"a secret":        secret.New(text),
		"a secret struct": &struct{ token secret.Value[*oauth2.Token] }{secret.New(&oauth2.Token{AccessToken: text})},
	} {
		double := &assertDouble{TB: t}
		assertKeepsSecrets(double, []string{text}, value)
		assert.False(t, double.failed, name)
	}
	double := &assertDouble{TB: t}
	assertNoSecretIn(double, []string{text}, fmt.Sprintf("%X", text), "hexadecimal digits")
	assert.True(t, double.failed, "hexadecimal digits")
}

// assertDouble stands in for a test that may fail.
type assertDouble struct {
	testing.TB

	failed bool
}

// Errorf implements [assert.TestingT].
func (d *assertDouble) Errorf(string, ...any) { d.failed = true }

// Helper implements [testing.TB].
func (d *assertDouble) Helper() {}

// The fields of the configuration are the program's own, so a dump that goes past
// all methods shows them; nothing else that prints or encodes does.
func TestOAuthConfig_printedOrEncoded_showsNothing(t *testing.T) {
	t.Parallel()
	const hidden = "client-SENTINEL"
	config := revv.OAuthConfig{ClientID: "an-application", ClientSecret: hidden, RedirectURL: "https://example.com/callback"}
	for _, value := range []any{config, &config, []revv.OAuthConfig{config}, map[string]any{"config": config}, struct{ Config revv.OAuthConfig }{config}} {
		text := printed(value)
		assertNoSecretIn(t, []string{hidden}, text, fmt.Sprintf("%T", value))
		require.Contains(t, text, secret.Redacted)
	}
}
