package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/bench/counts"
	"github.com/revv-go/revv/bench/measure"
	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/trial"
)

// cell is a place in the table of ratios.
type cell struct{ trial, client string }

// report is everything that was found out.
type report struct {
	rivals      []sides.Rival
	seed        uint64
	trials      []trial.Trial
	results     map[cell]measure.Result
	connections map[string]int
	chunked     map[string]int
	ahead       counts.Ahead
	tokens      [2]counts.Tokens // the endpoint answers, the endpoint is broken
	floorTokens [2]counts.Tokens
	download    trial.Download
	heap        trial.Heap
}

func newReport(rivals []sides.Rival, seed uint64) *report {
	return &report{
		rivals: rivals, seed: seed, results: make(map[cell]measure.Result),
		connections: make(map[string]int), chunked: make(map[string]int),
	}
}

const (
	downloadSize   = 256 << 20
	downloadRounds = 9
	heapRounds     = 9
)

// count runs what is not a comparison of two costs.
func (r *report) count(ctx context.Context, say func(string, ...any)) (err error) {
	for _, rival := range r.rivals {
		if r.connections[rival.Name], err = counts.Connections(ctx, rival); err != nil {
			return fmt.Errorf("%s, connections: %w", rival.Name, err)
		}
		pages, err := counts.ChunkedPages(ctx, rival)
		switch {
		case errors.Is(err, sides.ErrMissing):
		case err != nil:
			return fmt.Errorf("%s, chunked pages: %w", rival.Name, err)
		default:
			r.chunked[rival.Name] = pages
		}
		say("%-10s %d connections, %d for chunked pages", rival.Name, r.connections[rival.Name], pages)
	}
	if err := r.own(ctx); err != nil {
		return err
	}
	for i, broken := range []bool{false, true} {
		if r.floorTokens[i], err = counts.FloorTokenRequests(ctx, broken, oauth2.AuthStyleInParams); err != nil {
			return err
		}
	}
	say("token requests: %+v, floor %+v", r.tokens, r.floorTokens)
	if r.heap, err = trial.RunListHeap(ctx, heapRounds); err != nil {
		return err
	}
	say("heap of a list: %+v", r.heap)
	r.download, err = trial.RunDownload(ctx, downloadSize, downloadRounds, rand.New(rand.NewPCG(r.seed, 0))) //nolint:gosec // the same for the same seed
	say("download: %+v", r.download)
	return err
}

// own counts what concerns this project's client alone.
func (r *report) own(ctx context.Context) error {
	rival, err := sides.Revv()
	if err != nil {
		return err
	}
	if r.ahead, err = counts.PagesAhead(ctx, rival); err != nil {
		return err
	}
	for i, broken := range []bool{false, true} {
		if r.tokens[i], err = counts.TokenRequests(ctx, broken); err != nil {
			return err
		}
	}
	return nil
}

// promises are the counts that hold on every machine, as text and whether they do.
func (r *report) promises() []promise {
	return []promise{
		{fmt.Sprintf("%d goroutines, %d calls: %d connections", counts.Callers, counts.Callers*counts.Calls, r.connections[sides.Own]), "64", r.connections[sides.Own] == counts.Callers},
		{fmt.Sprintf("%d chunked pages, one after the other: %d connection", sides.ListPages, r.chunked[sides.Own]), "1", r.chunked[sides.Own] == 1},
		{fmt.Sprintf("a list of %d: at most %d pages ahead, in order", sides.ListItems, r.ahead.Most), strconv.Itoa(counts.Prefetch), r.ahead.Most <= counts.Prefetch && !r.ahead.Disorder},
		{fmt.Sprintf("left in the middle with %d pages ahead: %d more requests", r.ahead.AtBreak, r.ahead.AfterBreak), "what was ahead", r.ahead.AfterBreak <= counts.Prefetch-r.ahead.AtBreak},
		{fmt.Sprintf("%d callers with an expired token: %d token request, %d calls failed", counts.TokenCallers, r.tokens[0].Requests, r.tokens[0].Failed), "1", r.tokens[0].Requests == 1 && r.tokens[0].Failed == 0},
		{fmt.Sprintf("the same while the endpoint answers 500: %d token requests in %s", r.tokens[1].Requests, round(r.tokens[1].Took)), fmt.Sprintf("%d, shared", counts.TokenSeries), r.tokens[1].Requests <= counts.TokenSeries && r.tokens[1].Failed == counts.TokenCallers},
	}
}

type promise struct {
	text, goal string
	kept       bool
}

// quick checks the counts alone.
func quick(ctx context.Context, out io.Writer) error {
	rival, err := sides.Revv()
	if err != nil {
		return err
	}
	r := newReport([]sides.Rival{rival}, 1)
	if r.connections[rival.Name], err = counts.Connections(ctx, rival); err != nil {
		return err
	}
	if r.chunked[rival.Name], err = counts.ChunkedPages(ctx, rival); err != nil {
		return err
	}
	if err := r.own(ctx); err != nil {
		return err
	}
	broken := 0
	var b strings.Builder
	for _, p := range r.promises() {
		if !p.kept {
			broken++
		}
		fmt.Fprintf(&b, "%s  %s (goal: %s)\n", verdict(p.kept), p.text, p.goal)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if broken > 0 {
		return fmt.Errorf("%d of the counts are not what is promised", broken)
	}
	return nil
}

func verdict(kept bool) string {
	if kept {
		return "met"
	}
	return "**missed**"
}

func ratio(r measure.Result) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", r.Median, r.Low, r.High)
}

func round(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

// versions are the versions of the modules that this program was built with.
func versions() map[string]string {
	out := make(map[string]string)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	for _, m := range info.Deps {
		out[m.Path] = m.Version
	}
	return out
}

func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d processors", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
