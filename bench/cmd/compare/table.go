package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/revv-go/revv/bench/counts"
	"github.com/revv-go/revv/bench/measure"
	"github.com/revv-go/revv/bench/sides"
)

// markdown renders the tables.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured with %s, seed %d. A ratio is the median over the rounds, with its 95 %% interval; below 1 is faster than the floor.\n\n", machine(), r.seed)
	r.ownTable(&b)
	if len(r.rivals) > 1 {
		r.ratioTable(&b)
	}
	if len(r.connections) == 0 {
		return b.String()
	}
	r.countTable(&b)
	r.memoryTable(&b)
	return b.String()
}

func (r *report) ownTable(b *strings.Builder) {
	b.WriteString("### This client and its floor\n\n")
	b.WriteString("| operation | ratio | goal | | time | floor | allocations | floor | bytes | floor | clock | rounds |\n")
	b.WriteString("|---|---|---|---|--:|--:|--:|--:|--:|--:|---|--:|\n")
	for _, t := range r.trials {
		result, ok := r.results[cell{t.Key, sides.Own}]
		if !ok {
			continue
		}
		goal, met := "", ""
		if t.Goal > 0 {
			goal, met = fmt.Sprintf("%.2f", t.Goal), verdict(result.Median <= t.Goal)
		}
		clock := "CPU"
		if t.Clock == measure.Wall {
			clock = "wall"
		}
		own, floor := result.Candidate, result.Floor
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %.0f | %.0f | %s | %s | %s | %d |\n", t.Name, ratio(result), goal, met,
			round(own.Time), round(floor.Time), own.Allocs, floor.Allocs, size(own.Bytes), size(floor.Bytes), clock, result.Rounds)
	}
	b.WriteByte('\n')
}

func (r *report) ratioTable(b *strings.Builder) {
	b.WriteString("### Each client against a floor of its own\n\n| operation |")
	known := versions()
	for _, rival := range r.rivals {
		fmt.Fprintf(b, " %s |", strings.TrimSpace(rival.Name+" "+release(known[rival.Module])))
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(r.rivals)) + "\n")
	for _, t := range r.trials {
		if t.Own {
			continue
		}
		fmt.Fprintf(b, "| %s |", t.Name)
		for _, rival := range r.rivals {
			text := "–"
			if result, ok := r.results[cell{t.Key, rival.Name}]; ok {
				text = ratio(result)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	if len(r.connections) > 0 {
		fmt.Fprintf(b, "| connections for %d goroutines, %d calls |", counts.Callers, counts.Callers*counts.Calls)
		for _, rival := range r.rivals {
			fmt.Fprintf(b, " %d |", r.connections[rival.Name])
		}
		fmt.Fprintf(b, "\n| connections for %d chunked pages |", sides.ListPages)
		for _, rival := range r.rivals {
			text := "–"
			if n, ok := r.chunked[rival.Name]; ok {
				text = strconv.Itoa(n)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

func release(version string) string {
	if version == "(devel)" || strings.HasPrefix(version, "v0.0.0-0001") {
		return ""
	}
	return version
}

func (r *report) countTable(b *strings.Builder) {
	b.WriteString("### Counts\n\n| what | goal | |\n|---|---|---|\n")
	for _, p := range r.promises() {
		fmt.Fprintf(b, "| %s | %s | %s |\n", p.text, p.goal, verdict(p.kept))
	}
	fmt.Fprintf(b, "\nThe same %d callers through x/oauth2 alone: %d token request, and %d in %s while the endpoint answers 500.\n\n",
		counts.TokenCallers, r.floorTokens[0].Requests, r.floorTokens[1].Requests, round(r.floorTokens[1].Took))
}

func (r *report) memoryTable(b *strings.Builder) {
	b.WriteString("### Large answers\n\n| what | this client | floor | goal | |\n|---|--:|--:|--:|---|\n")
	d := r.download
	fmt.Fprintf(b, "| download of %s, processor time | %s, %s | %s | %.2f | %s |\n", size(float64(d.Size)), round(d.Ratio.Candidate.Time), ratio(d.Ratio),
		round(d.Ratio.Floor.Time), d.Goal, verdict(d.Ratio.Median <= d.Goal))
	fmt.Fprintf(b, "| its heap above the start | %s | %s | %s | %s |\n", size(float64(d.ClientHeap)), size(float64(d.FloorHeap)), size(float64(d.HeapGoal)), verdict(d.ClientHeap <= d.HeapGoal))
	fmt.Fprintf(b, "| peak heap of a list of %d | %s | %s | floor + %s | %s |\n", sides.ListItems, size(float64(r.heap.Client)), size(float64(r.heap.Floor)),
		size(float64(r.heap.Goal)), verdict(r.heap.Client <= r.heap.Floor+r.heap.Goal))
}

// size prints a number of bytes.
func size(n float64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", n/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.0f B", n)
}
