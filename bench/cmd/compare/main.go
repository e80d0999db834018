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
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	rivals, err := sides.Rivals()
	if err != nil {
		return err
	}
	rivals, err = chosen("clients", o.clients, rivals, func(r sides.Rival) string { return r.Name })
	if err != nil {
		return err
	}
	trials, err := chosen("only", o.only, trial.All(), func(t trial.Trial) string { return t.Key })
	if err != nil {
		return err
	}
	if o.quick {
		return quick(ctx, out)
	}
	r := newReport(rivals, o.seed)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(progress, format+"\n", args...) }
	if err := r.measure(ctx, trials, say); err != nil {
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

// chosen returns those of all whose names an option lists, and all if it lists none. A name
// that nothing has is an error: the table would be empty, and not say why.
func chosen[T any](option, list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = name(one)
	}
	wanted := strings.Split(list, ",")
	for _, one := range wanted {
		if !slices.Contains(names, one) {
			return nil, fmt.Errorf("-%s: %q is none of %s", option, one, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(one T) bool { return !slices.Contains(wanted, name(one)) }), nil
}

// measure runs the trials.
func (r *report) measure(ctx context.Context, trials []trial.Trial, say func(string, ...any)) error {
	for _, t := range trials {
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
