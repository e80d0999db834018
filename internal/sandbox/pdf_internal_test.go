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

func TestWrap_breaksAtBlanksOfTheSecondHalf(t *testing.T) {
	t.Parallel()
	const most = 78 // times 556 at 11 points is what fits between the margins
	a := func(n int) string { return strings.Repeat("a", n) }
	for line, want := range map[string][]string{
		a(most):                   {a(most)},
		a(most + 1):               {a(most), "a"},
		a(most) + " b":            {a(most), "b"},
		a(most-1) + "  b":         {a(most-1) + " ", "b"},
		a(41) + " " + a(60):       {a(41), a(60)},
		a(39) + " " + a(60):       {a(39) + " " + a(39), a(21)},
		a(50) + " b " + a(60):     {a(50) + " b", a(60)},
		a(10) + "\n" + "b":        {a(10), "b"},
		"":                        {""},
		strings.Repeat("W", 47):   {strings.Repeat("W", 46), "W"},
		strings.Repeat("i", 198):  {strings.Repeat("i", 197), "i"},
		strings.Repeat("ü", 44):   {strings.Repeat("ü", 43), "ü"},
		strings.Repeat("\t", 158): {strings.Repeat("\t", 157), "\t"},
		a(most) + "     b":        {a(most) + " ", "b"},
	} {
		assert.Equal(t, want, wrap(line, pdfTextSize), line)
	}
	assert.Equal(t, []string{a(48), "a"}, wrap(a(49), pdfTitleSize))
}

func TestHelvetica_hasTheWidthOfEachLetter(t *testing.T) {
	t.Parallel()
	assert.Len(t, helvetica, '~'-' '+1)
	for letter, width := range map[rune]int{' ': 278, '0': 556, '@': 1015, 'A': 667, 'I': 278, 'W': 944, 'Z': 611, '_': 556, 'a': 556, 'i': 222, 'm': 833, 'z': 500, '~': 584, '—': 1000, 'ü': 1000, '\t': 278} {
		assert.Equal(t, width, letterWidth(letter), "%c", letter)
	}
}

// All of a title is printed, within the margins, and what stands under it moves down.
func TestPDF_ofALongTitle(t *testing.T) {
	t.Parallel()
	for name, title := range map[string]string{
		"words": strings.TrimSpace(strings.Repeat("Agreement ", 25)),
		"wide":  strings.Repeat("W", 255),
		"short": "Lease",
	} {
		data := string(renderPDF(title, make([]string, pdfRows)))
		content := regexp.MustCompile(`(?s)stream\n(BT.*?ET)\nendstream`).FindAllStringSubmatch(data, -1)
		first, rows, found := strings.Cut(content[0][1], fmt.Sprintf("/F1 %d Tf\n", pdfTextSize))
		require.True(t, found)
		var printed []string
		down, last := 0, 0
		for _, m := range regexp.MustCompile(`\((.*)\) Tj\n0 (-\d+) Td`).FindAllStringSubmatch(first, -1) {
			printed = append(printed, m[1])
			points, err := strconv.Atoi(m[2])
			require.NoError(t, err)
			down, last = down+points, points
			width := 0
			for _, r := range m[1] {
				width += letterWidth(r)
			}
			assert.LessOrEqual(t, width*pdfTitleSize, (pdfWidth-2*pdfMargin)*1000, name)
		}
		assert.Equal(t, strings.ReplaceAll(title, " ", ""), strings.ReplaceAll(strings.Join(printed, ""), " ", ""), name)
		assert.Equal(t, -2*pdfLeading, last, "some room under the title")
		bottom := pdfHeight - pdfMargin - pdfTitleSize + down - strings.Count(rows, "T*")*pdfLeading
		assert.GreaterOrEqual(t, bottom, pdfMargin, "%s: the last row is above the margin", name)
		assert.Less(t, bottom, pdfMargin+pdfTitleLeading, "%s: and the page is full", name)
		assert.Equal(t, name != "short", len(content) == 2, name)
		for _, page := range content[1:] {
			assert.NotContains(t, page[1], fmt.Sprintf("/F1 %d Tf", pdfTitleSize), "the title is on the first page alone")
		}
	}
	assert.Contains(t, string(renderPDF(strings.Repeat("x\n", 300), []string{"row"})), "/Count 2", "older accounts have any title")
}

func TestWinAnsi_atTheBoundsOfItsRanges(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `( ~?\240\377?\200)`, winAnsiText(" ~\x7f\u00a0\u00ff\u0100€"))
	assert.Equal(t, "(? )", winAnsiText("\x1f\t"))
	assert.Equal(t, `(\(\\\))`, winAnsiText(`(\)`))
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

// A viewer shows the title of the file in its window, in any letters, and at the top of the
// first page, larger than the rest.
func TestPDF_hasItsTitle(t *testing.T) {
	t.Parallel()
	data := string(renderPDF("Aß契", []string{"a row"}))
	assert.Contains(t, data, "/Title <FEFF004100DF5951>")
	assert.Contains(t, data, "/F1 18 Tf\n(A\\337?) Tj\n0 -32 Td\n/F1 11 Tf\n(a row) Tj\n")
}
