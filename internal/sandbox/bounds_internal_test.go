package sandbox

import (
	"fmt"
	"regexp"
	"strconv"
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

func TestWrap_breaksAtBlanksOfTheSecondHalf(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	for line, want := range map[string][]string{
		a(80):                 {a(80)},
		a(81):                 {a(80), "a"},
		a(80) + " b":          {a(80), "b"},
		a(78) + " b c":        {a(78) + " b", "c"},
		a(41) + " " + a(60):   {a(41), a(60)},
		a(40) + " " + a(60):   {a(40) + " " + a(39), a(21)},
		a(50) + " b " + a(60): {a(50) + " b", a(60)},
		a(10) + "\n" + "b":    {a(10), "b"},
	} {
		assert.Equal(t, want, wrap(line), line)
	}
}

func TestWinAnsi_atTheBoundsOfItsRanges(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `( ~?\240\377?\200)`, winAnsiText(" ~\x7f\u00a0\u00ff\u0100€"))
	assert.Equal(t, "(? )", winAnsiText("\x1f\t"))
}

// Every page is in the tree, shows its own content, and draws it between the margins.
func TestPDF_pagesAndTheirContents(t *testing.T) {
	t.Parallel()
	for rows, pages := range map[int]int{0: 1, pdfRows: 1, pdfRows + 1: 2, 3 * pdfRows: 3} {
		lines := make([]string, rows)
		for i := range lines {
			lines[i] = fmt.Sprintf("row %d", i)
		}
		data := string(renderPDF("Title", lines))
		kids := regexp.MustCompile(`/Kids \[([^\]]*)\] /Count (\d+)`).FindStringSubmatch(data)
		require.Len(t, kids, 3)
		assert.Equal(t, strconv.Itoa(pages), kids[2])
		seen := 0
		for i, kid := range regexp.MustCompile(`(\d+) 0 R`).FindAllStringSubmatch(kids[1], -1) {
			page := regexp.MustCompile(`\n` + kid[1] + ` 0 obj\n<< /Type /Page /Parent 2 0 R .*/Contents (\d+) 0 R >>`).FindStringSubmatch(data)
			require.Len(t, page, 2, "page %d", i)
			content := regexp.MustCompile(`(?s)\n` + page[1] + ` 0 obj\n<< /Length \d+ >>\nstream\n(.*?)\nendstream`).FindStringSubmatch(data)
			require.Len(t, content, 2, "the content of page %d", i)
			var leading, x, y, down int
			_, err := fmt.Sscanf(content[1], "BT\n%d TL\n%d %d Td", &leading, &x, &y)
			require.NoError(t, err)
			assert.Equal(t, pdfMargin, x)
			assert.Equal(t, pdfHeight-pdfMargin, y+pdfTitleSize, "the title ends at the margin")
			if i == 0 {
				_, rest, _ := strings.Cut(content[1], "(Title) Tj\n0 ")
				_, err := fmt.Sscanf(rest, "%d Td", &down)
				require.NoError(t, err)
				assert.Equal(t, -2*leading, down)
			}
			drawn := strings.Count(content[1], "T*")
			assert.GreaterOrEqual(t, y+down-drawn*leading, pdfMargin, "the last row is above the margin")
			seen += drawn
		}
		assert.Equal(t, rows, seen)
	}
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
