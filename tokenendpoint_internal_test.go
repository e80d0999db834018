package revv

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConcealed_hidesWhatCanBeASecret(t *testing.T) {
	t.Parallel()
	cause := errors.New("no route for abc with abcd, a+b/c= and a%2Bb%2Fc%3D")
	err := concealed(cause, "", "abc", "a+b/c=")
	require.EqualError(t, err, "no route for abc with abcd, [redacted] and [redacted]")
	require.EqualError(t, concealed(cause, "abcd"), "no route for abc with [redacted], a+b/c= and a%2Bb%2Fc%3D")
	assert.Same(t, cause, concealed(cause, "abc", "another"), "an error that shows nothing stays as it is")
}
