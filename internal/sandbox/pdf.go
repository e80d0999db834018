package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
)

// The page: A4 with margins, in points.
const (
	pdfWidth     = 595
	pdfHeight    = 842
	pdfMargin    = 56
	pdfLeading   = 16
	pdfTextSize  = 11
	pdfTitleSize = 18
	pdfColumns   = 80 // characters of a line, which Helvetica of this size leaves room for
	pdfRows      = 42 // lines of a page
)

// renderPDF prints lines under a title. Equal input gives equal bytes, so that a
// document that did not change keeps its ETag.
func renderPDF(title string, lines []string) []byte {
	var wrapped []string
	for _, line := range lines {
		wrapped = append(wrapped, wrap(line)...)
	}
	pages := [][]string{}
	for len(wrapped) > pdfRows {
		pages = append(pages, wrapped[:pdfRows])
		wrapped = wrapped[pdfRows:]
	}
	pages = append(pages, wrapped)

	// Objects 1 to 4 are catalog, page tree, font and info; each page then has
	// two, itself and its content.
	const first = 5
	var b pdfBuilder
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n") // the second line says that the file is binary
	b.object("<< /Type /Catalog /Pages 2 0 R >>")
	kids := make([]string, len(pages))
	for i := range pages {
		kids[i] = fmt.Sprintf("%d 0 R", first+2*i)
	}
	b.object(fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", strings.Join(kids, " "), len(pages)))
	b.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	b.object(fmt.Sprintf("<< /Title %s /Producer (Revv sandbox) >>", utf16Text(title)))
	for i, rows := range pages {
		b.object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>",
			pdfWidth, pdfHeight, first+2*i+1))
		content := pageContent(title, rows, i == 0)
		b.object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content))
	}
	return b.end()
}

// pageContent draws the lines of one page, the first one under the title.
func pageContent(title string, rows []string, withTitle bool) string {
	var c strings.Builder
	fmt.Fprintf(&c, "BT\n%d TL\n%d %d Td\n", pdfLeading, pdfMargin, pdfHeight-pdfMargin-pdfTitleSize)
	if withTitle {
		fmt.Fprintf(&c, "/F1 %d Tf\n%s Tj\n0 %d Td\n", pdfTitleSize, winAnsiText(wrap(title)[0]), -2*pdfLeading)
	}
	fmt.Fprintf(&c, "/F1 %d Tf\n", pdfTextSize)
	for _, row := range rows {
		fmt.Fprintf(&c, "%s Tj\nT*\n", winAnsiText(row))
	}
	c.WriteString("ET")
	return c.String()
}

// pdfBuilder remembers where each object begins, for the table at the end.
type pdfBuilder struct {
	bytes.Buffer

	offsets []int
}

func (b *pdfBuilder) object(body string) {
	b.offsets = append(b.offsets, b.Len())
	fmt.Fprintf(&b.Buffer, "%d 0 obj\n%s\nendobj\n", len(b.offsets), body)
}

func (b *pdfBuilder) end() []byte {
	start := b.Len()
	fmt.Fprintf(&b.Buffer, "xref\n0 %d\n0000000000 65535 f \n", len(b.offsets)+1)
	for _, offset := range b.offsets {
		fmt.Fprintf(&b.Buffer, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b.Buffer, "trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(b.offsets)+1, start)
	return b.Bytes()
}

// winAnsiExtra are the letters of the encoding that are not where Unicode has them.
//
//nolint:gochecknoglobals // a constant table; Go has no constant maps
var winAnsiExtra = map[rune]byte{
	'€': 0x80, '‚': 0x82, 'ƒ': 0x83, '„': 0x84, '…': 0x85, '†': 0x86, '‡': 0x87, 'ˆ': 0x88, '‰': 0x89, 'Š': 0x8a,
	'‹': 0x8b, 'Œ': 0x8c, 'Ž': 0x8e, '‘': 0x91, '’': 0x92, '“': 0x93, '”': 0x94, '•': 0x95, '–': 0x96, '—': 0x97,
	'˜': 0x98, '™': 0x99, 'š': 0x9a, '›': 0x9b, 'œ': 0x9c, 'ž': 0x9e, 'Ÿ': 0x9f,
}

// winAnsiText is a string of the content stream. What Helvetica cannot show
// becomes a question mark; the info dictionary has the title in full.
func winAnsiText(text string) string {
	var b strings.Builder
	b.WriteByte('(')
	for _, r := range text {
		c, extra := winAnsiExtra[r]
		switch {
		case r == '(' || r == ')' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case r >= 0xa0 && r <= 0xff:
			fmt.Fprintf(&b, "\\%03o", r)
		case extra:
			fmt.Fprintf(&b, "\\%03o", c)
		case r == '\t':
			b.WriteByte(' ')
		default:
			b.WriteByte('?')
		}
	}
	b.WriteByte(')')
	return b.String()
}

// utf16Text is a string of the info dictionary, which holds any letter.
func utf16Text(text string) string {
	var b strings.Builder
	b.WriteString("<FEFF")
	for _, unit := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&b, "%04X", unit)
	}
	b.WriteString(">")
	return b.String()
}

// wrap breaks a line at blanks, and a long word where it must.
func wrap(line string) []string {
	var rows []string
	for paragraph := range strings.SplitSeq(line, "\n") {
		letters := []rune(paragraph)
		for len(letters) > pdfColumns {
			cut := pdfColumns
			for i := pdfColumns; i > pdfColumns/2; i-- {
				if letters[i] == ' ' {
					cut = i
					break
				}
			}
			rows = append(rows, string(letters[:cut]))
			letters = []rune(strings.TrimLeft(string(letters[cut:]), " "))
		}
		rows = append(rows, string(letters))
	}
	return rows
}
