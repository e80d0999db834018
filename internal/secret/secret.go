// Package secret keeps values that must never be printed. A [Value] holds its content in
// a closure, which no formatting verb, encoder or reflective dump can look into: not fmt,
// not encoding/json or gob, not log/slog, not a debugger's pretty-printer. So it needs no
// methods for printing, which would not be called for an unexported field anyway, and
// would be compiled for every type of content.
package secret

// Redacted replaces a secret wherever it is turned into text.
const Redacted = "[redacted]"

// Value holds a T that only [Value.Reveal] returns. The zero Value holds the zero T.
type Value[T any] struct {
	reveal func() T
}

// New wraps v.
func New[T any](v T) Value[T] { return Value[T]{reveal: func() T { return v }} }

// Reveal returns what was wrapped. Its receiver is a pointer, because a method of a value
// is compiled twice for every type of content.
func (v *Value[T]) Reveal() T {
	if v.reveal == nil {
		var zero T
		return zero
	}
	return v.reveal()
}
