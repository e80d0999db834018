package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/revv-go/revv"
)

// report says how all letters ended.
type report struct {
	sent, before, unclear, failed, untried int
}

func count(results []result) (r report) {
	for _, one := range results {
		switch {
		case !one.tried:
			r.untried++
		case revv.MaybeApplied(one.err), errors.Is(one.err, errUnsettled), errors.Is(one.err, errUnshown):
			r.unclear++
		case one.err != nil:
			r.failed++
		case one.again:
			r.before++
		default:
			r.sent++
		}
	}
	return r
}

func (r report) missing() int { return r.unclear + r.failed + r.untried }

// String lists what there is.
func (r report) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{r.sent, "sent now"}, {r.before, "sent before"}, {r.unclear, "unclear"}, {r.failed, "failed"}, {r.untried, "not tried"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// writeReport writes a table with a row for each letter.
func writeReport(path string, letters []letter, results []result) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // beside the file that the user names
	if err != nil {
		return err
	}
	rows := [][]string{{"line", "id", "email", "document", "result", "reason"}}
	for i, l := range letters {
		reason := ""
		if results[i].err != nil {
			reason = strings.ReplaceAll(results[i].err.Error(), "\n", "; ")
		}
		rows = append(rows, []string{strconv.Itoa(l.line), l.ID, l.Email, string(results[i].number), strings.TrimPrefix(count(results[i:i+1]).String(), "1 "), reason})
	}
	return errors.Join(csv.NewWriter(file).WriteAll(rows), file.Close())
}

// bar shows how far a run is: on a terminal as a bar that grows, elsewhere as a
// few lines.
type bar struct {
	out      io.Writer
	terminal bool
	total    int
	done     int
}

// newBar finds out whether out is a terminal.
func newBar(out io.Writer, total int) *bar {
	b := &bar{out: out, total: total}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// step is called when a letter is done, by one worker at a time.
func (b *bar) step() {
	const width, lines = 40, 4
	b.done++
	switch {
	case b.terminal:
		filled := width * b.done / b.total
		fmt.Fprintf(b.out, "\r[%s%s] %d of %d", strings.Repeat("#", filled), strings.Repeat(" ", width-filled), b.done, b.total)
	case b.done*lines/b.total > (b.done-1)*lines/b.total:
		fmt.Fprintf(b.out, "  %d of %d\n", b.done, b.total)
	}
}

// end ends the line of the bar.
func (b *bar) end() {
	if b.terminal && b.done > 0 {
		fmt.Fprintln(b.out)
	}
}
