// Command compare measures this project's client, and those of others, each
// against net/http alone. It prints the tables as Markdown and writes them into
// docs/performance.md and the plot into docs/performance.svg.
//
//	go run ./cmd/compare                    everything, some minutes
//	go run ./cmd/compare -quick             the counts alone, some seconds
//	go run ./cmd/compare -only get,post     these trials, printed and not written
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/trial"
)

type options struct {
	quick   bool
	seed    uint64
	docs    string
	only    string
	clients string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1) //nolint:forbidigo // a program ends with its status
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.BoolVar(&o.quick, "quick", false, "count connections, token requests and pages ahead, and nothing else")
	flags.Uint64Var(&o.seed, "seed", 1, "of the order of the blocks and of the bootstrap")
	flags.StringVar(&o.docs, "docs", filepath.Join("..", "docs"), "where performance.md and performance.svg are")
	flags.StringVar(&o.only, "only", "", "trials, as get,post,list2; nothing is written")
	flags.StringVar(&o.clients, "clients", "", "clients, as revv,godo; nothing is written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rivals, err := sides.Rivals()
	if err != nil {
		return err
	}
	if o.clients != "" {
		wanted := strings.Split(o.clients, ",")
		rivals = slices.DeleteFunc(rivals, func(r sides.Rival) bool { return !slices.Contains(wanted, r.Name) })
	}
	if o.quick {
		return quick(ctx, out)
	}
	r := newReport(rivals, o.seed)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(progress, format+"\n", args...) }
	if err := r.measure(ctx, o.only, say); err != nil {
		return err
	}
	partly := o.only != "" || o.clients != ""
	if !partly {
		if err := r.count(ctx, say); err != nil {
			return err
		}
	}
	text := r.markdown()
	if _, err := io.WriteString(out, text); err != nil || partly {
		return err
	}
	if err := insert(filepath.Join(o.docs, "performance.md"), text); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.docs, "performance.svg"), []byte(r.plot()), 0o644) //nolint:gosec // a page of the documentation
}

// measure runs the trials.
func (r *report) measure(ctx context.Context, only string, say func(string, ...any)) error {
	wanted := strings.Split(only, ",")
	for _, t := range trial.All() {
		if only != "" && !slices.Contains(wanted, t.Key) {
			continue
		}
		r.trials = append(r.trials, t)
		for _, rival := range r.rivals {
			if t.Own && rival.Name != sides.Own {
				continue
			}
			result, err := t.Run(ctx, rival, rand.New(rand.NewPCG(r.seed, uint64(len(r.results))))) //nolint:gosec // the same for the same seed
			switch {
			case errors.Is(err, sides.ErrMissing):
				continue
			case err != nil:
				return fmt.Errorf("%s, %s: %w", rival.Name, t.Name, err)
			}
			r.results[cell{t.Key, rival.Name}] = result
			say("%-10s %-40s %s", rival.Name, t.Name, ratio(result))
		}
	}
	return nil
}

// The markers between which the tables stand.
const (
	begin = "<!-- begin: go run ./cmd/compare -->\n"
	end   = "<!-- end -->\n"
)

// insert replaces what stands between the markers of a file.
func insert(path, text string) error {
	old, err := os.ReadFile(path) //nolint:gosec // the file that a flag names
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+text+"\n"+end+after), 0o644) //nolint:gosec // a page of the documentation
}
