package sandbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBoundedAppend_dropsTheOldestTenthWhenItIsFull(t *testing.T) {
	t.Parallel()
	var list []int
	for i := range 20 {
		list = boundedAppend(list, i, 20)
		assert.Len(t, list, i+1)
	}
	list = boundedAppend(list, 20, 20)
	assert.Len(t, list, 18)
	assert.Equal(t, 3, list[0])
	assert.Equal(t, 20, list[17])
	assert.Equal(t, 20, cap(list), "one piece of memory, and no more")
}

func TestSlug_keepsLettersAndDigitsOfASCII(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "-0189--ABYZ--abyz----", Slug("/0189:@ABYZ[`abyz{ üß"))
}

func TestShorten_andTitles_atTheirBounds(t *testing.T) {
	t.Parallel()
	assert.Equal(t, strings.Repeat("a", 60), shorten(strings.Repeat("a", 60)))
	assert.Equal(t, strings.Repeat("a", 60)+"…", shorten(strings.Repeat("a", 61)))
	assert.Equal(t, strings.Repeat("a", 59)+"…", shorten(strings.Repeat("a", 59)+"ü"), "no half of a character")
	require.NoError(t, checkTitle(strings.Repeat("ü", 255)))
	require.Error(t, checkTitle(strings.Repeat("ü", 256)))
	d := Document{Fields: []Field{{Name: "A", Required: true}, {Name: "B", Required: true}, {Name: "C"}}}
	assert.Equal(t, []string{"A", "B"}, d.missing(nil))
	assert.Equal(t, []string{"A"}, d.missing([]FieldValue{{Name: "B", Value: "x"}, {Name: "C", Value: "x"}}))
}
