package revv

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The address of a storage is a key: what may sign it is found as it is written and as it
// is meant.
func TestAppendAddress_findsWhatMaySign(t *testing.T) {
	t.Parallel()
	shortest := strings.Repeat("s", minSignature-1) + "/"
	target, err := url.Parse("https://storage.example.com/folder/" + url.PathEscape(shortest) + "/file.pdf?sig=a%2Fb%3D&x;y=%zz")
	require.NoError(t, err)
	assert.Equal(t, []string{
		target.RawQuery, "a%2Fb%3D", "a/b=", "x", "x", "%zz", url.PathEscape(shortest), shortest,
	}, appendAddress(nil, target))
}
