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

func TestDistances(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64)
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"docs", "docs", 0},
		{"doc", "docs", 1},
		{"docs", "doc", 1},
		{"dogs", "docs", 1},
		{"abc", "", 3},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
		{long, "", 64},
		{long, long, 0},
		{long + "x", long + "x", 64},
		{long, long + "x", 64},
		{long + "x", long, 64},
	} {
		assert.Equal(t, test.want, letterDistance(test.a, test.b), "%q, %q", test.a, test.b)
	}
	split := func(path string) []string { return strings.Split(path, "/") }
	for _, test := range []struct {
		given, known string
		want         int
	}{
		{"/api/docs", "/api/docs", 0},
		{"/api/doc", "/api/docs", 1},
		{"/api/docs/", "/api/docs", 1},
		{"/api/docs/14", "/api/docs/{id}", 1},
		{"/api/docs", "/api/docs/{id}", 9},
		{"/api/abcdefghijklmnopqrstuvwxyz", "/api/ABCDEFGHIJKLMNOPQRSTUVWXYZ", 15},
		{"/docs", "/api/docs", 4},
	} {
		assert.Equal(t, test.want, segmentDistance(split(test.given), split(test.known)), "%s, %s", test.given, test.known)
	}
}
