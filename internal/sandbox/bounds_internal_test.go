package sandbox

import (
	"strings"
	"testing"
	"time"

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

// A program that renews its token every second for a night keeps the refresh token that it
// does so with, and another program keeps its pair meanwhile.
func TestTokens_thatAreOver_areForgottenFirst(t *testing.T) {
	t.Parallel()
	s, err := New(Options{TokenLifetime: time.Second})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	idle, busy, rotating := s.IssueTokens(), s.IssueTokens(), s.IssueTokens()
	a := s.account
	for range maxTokens/3 + ringSize {
		s.Advance(time.Second)
		_, err := a.refresh(busy.RefreshToken, false)
		require.NoError(t, err)
		rotating, err = a.refresh(rotating.RefreshToken, true)
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, len(a.Tokens), maxTokens)
	assert.Len(t, a.tokens, len(a.Tokens))
	pair, err := a.refresh(idle.RefreshToken, true)
	require.NoError(t, err)
	assert.Empty(t, a.checkAccess(pair.AccessToken))

	// Where all are good, the oldest go.
	s.opts.TokenLifetime = 0
	for range maxTokens {
		_ = a.issue(a.grants[a.tokens[hash(pair.AccessToken)].Grant], false)
		if a.tokens[hash(pair.AccessToken)] == nil {
			break
		}
	}
	assert.Nil(t, a.tokens[hash(pair.AccessToken)])
	assert.LessOrEqual(t, len(a.Tokens), maxTokens)
}

func TestFaults_areBounded(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	fault := Fault{Operation: "Documents.Get", Status: 503, Times: 1}
	for range ringSize {
		require.NoError(t, s.Fail(fault))
	}
	require.ErrorContains(t, s.Fail(fault), "10000 are the most")
	assert.Len(t, s.Faults(), ringSize)
	s.ClearFaults()
	require.NoError(t, s.Fail(fault))
}

func TestSlug_keepsLettersAndDigitsOfASCII(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "-0189--ABYZ--abyz----", slug("/0189:@ABYZ[`abyz{ üß"))
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
