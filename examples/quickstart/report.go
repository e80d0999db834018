package main

import (
	"fmt"
	"io"
)

// report prints the steps, one line a fact, the step's number and name in front
// of its first line.
type report struct {
	out io.Writer
}

// title prints the heading and returns a writer that numbers steps from 1.
func (r report) title(text string) io.Writer {
	fmt.Fprintf(r.out, "Revv quickstart\n%s\n\n", text)
	return &steps{out: r.out}
}

// steps remembers the step that it is in.
type steps struct {
	out    io.Writer
	number int
	name   string
}

func (s *steps) Write(p []byte) (int, error) { return s.out.Write(p) }

// say prints a fact of a step; a name that is the last one, or none, goes on
// with the step.
func (r report) say(name, format string, args ...any) {
	label := fmt.Sprintf("%17s", "")
	if s, ok := r.out.(*steps); ok && name != "" && name != s.name {
		s.number, s.name = s.number+1, name
		label = fmt.Sprintf("%3d  %-12s", s.number, name)
	}
	fmt.Fprintf(r.out, "%s%s\n", label, fmt.Sprintf(format, args...))
}

// done prints the last line.
func (r report) done(format string, args ...any) {
	fmt.Fprintf(r.out, "\ndone: "+format+"\n", args...)
}
