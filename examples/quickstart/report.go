package main

import (
	"fmt"
	"io"
)

// report prints the steps, one line a fact, the step's number and name in front
// of its first line.
type report struct {
	out    io.Writer
	number int // of the step that it is in
	name   string
}

// newReport prints the heading.
func newReport(out io.Writer, title string) *report {
	fmt.Fprintf(out, "Revv quickstart\n%s\n\n", title)
	return &report{out: out}
}

// say prints a fact of a step; a name that is the last one, or none, goes on
// with the step.
func (r *report) say(name, format string, args ...any) {
	label := fmt.Sprintf("%17s", "")
	if name != "" && name != r.name {
		r.number, r.name = r.number+1, name
		label = fmt.Sprintf("%3d  %-12s", r.number, name)
	}
	fmt.Fprintf(r.out, "%s%s\n", label, fmt.Sprintf(format, args...))
}

// done prints the last line.
func (r *report) done(format string, args ...any) {
	fmt.Fprintf(r.out, "\ndone: "+format+"\n", args...)
}
