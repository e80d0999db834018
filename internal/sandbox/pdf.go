package sandbox

import (
	"bytes"
	"fmt"
	"strings"
)

// The page: A4 with margins, in points.
const (
	pdfWidth        = 595
	pdfHeight       = 842
	pdfMargin       = 56
	pdfLeading      = 16
	pdfTextSize     = 11
	pdfTitleSize    = 18
	pdfTitleLeading = 22
	pdfRows         = 42 // lines of a page under a title of one line
)

// renderPDF prints lines under a title. Equal input gives equal bytes, so that a
// document that did not change keeps its ETag.
func renderPDF(title string, lines []string) []byte {
	heading := wrap(title, pdfTitleSize)
	var wrapped []string
	for _, line := range lines {
		wrapped = append(wrapped, wrap(line, pdfTextSize)...)
	}
	pages := [][]string{}
	room := max(0, pdfRows-((len(heading)-1)*pdfTitleLeading+pdfLeading-1)/pdfLeading)
	for len(wrapped) > room {
		pages = append(pages, wrapped[:room])
		wrapped, room = wrapped[room:], pdfRows
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
		content := pageContent(heading, rows)
		heading = nil // on the first page alone
		b.object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content))
	}
	return b.end()
}

// pageContent draws the lines of one page, those of the first one under its heading.
func pageContent(heading, rows []string) string {
	var c strings.Builder
	fmt.Fprintf(&c, "BT\n%d TL\n%d %d Td\n", pdfLeading, pdfMargin, pdfHeight-pdfMargin-pdfTitleSize)
	for i, row := range heading {
		if i == 0 {
			fmt.Fprintf(&c, "/F1 %d Tf\n", pdfTitleSize)
		}
		down := pdfTitleLeading
		if i == len(heading)-1 {
			down = 2 * pdfLeading
		}
		fmt.Fprintf(&c, "%s Tj\n0 %d Td\n", winAnsiText(row), -down)
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
