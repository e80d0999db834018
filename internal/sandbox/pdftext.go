package sandbox

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

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

// helvetica has the widths of the letters from the blank to the tilde, in thousandths of
// the size, as the metrics of the font have them.
//
//nolint:gochecknoglobals // a constant table; Go has no constant arrays
var helvetica = [...]int{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // to the slash
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // to the question mark
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // to O
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // to the underscore
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // to o
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // to the tilde
}

// letterWidth is how wide a letter is printed. For those outside of ASCII it is that of
// the widest, so that a row of them may be shorter than it could be, and never longer.
func letterWidth(r rune) int {
	const widest = 1000
	switch {
	case r == '\t':
		return helvetica[0]
	case r < ' ' || r > '~':
		return widest
	}
	return helvetica[r-' ']
}

// wrap breaks a line of that size into rows that end before the margin: at blanks, and
// a long word where it must.
func wrap(line string, size int) []string {
	var rows []string
	for paragraph := range strings.SplitSeq(line, "\n") {
		letters := []rune(paragraph)
		for {
			fits := fitting(letters, size)
			if fits == len(letters) {
				break
			}
			cut := fits
			for i := fits; i > fits/2; i-- {
				if letters[i] == ' ' {
					cut = i
					break
				}
			}
			rows = append(rows, string(letters[:cut]))
			for letters = letters[cut:]; len(letters) > 0 && letters[0] == ' '; {
				letters = letters[1:]
			}
		}
		rows = append(rows, string(letters))
	}
	return rows
}

// fitting counts the letters that fit into one row.
func fitting(letters []rune, size int) int {
	left := (pdfWidth - 2*pdfMargin) * 1000 / size
	for i, r := range letters {
		if left -= letterWidth(r); left < 0 {
			return i
		}
	}
	return len(letters)
}
