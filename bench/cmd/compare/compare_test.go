package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/trial"
)

// Every operation of every client and of its floor works, and decodes.
func TestTrials_allClientsAndFloorsDoTheirWork(t *testing.T) {
	t.Parallel()
	rivals, err := sides.Rivals()
	if err != nil {
		t.Fatal(err)
	}
	r := newReport(rivals, 1)
	for _, one := range trial.All() {
		if one.Latency > 0 {
			continue
		}
		one.Work, one.Rounds = 1, 1
		if one.Callers > 0 {
			one.Work = one.Callers
		}
		r.trials = append(r.trials, one)
		for _, rival := range rivals {
			result, err := one.Run(t.Context(), rival, rand.New(rand.NewPCG(1, 2)))
			if err != nil && !errors.Is(err, sides.ErrMissing) {
				t.Errorf("%s, %s: %v", rival.Name, one.Name, err)
			}
			if err == nil {
				r.results[cell{one.Key, rival.Name}] = result
			}
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(r.plot()))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if text := r.markdown(); strings.Count(text, "\n| GET one object, in memory |") != 2 {
		t.Error(text)
	}
}

func TestRun_unknownNames_areRefused(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`-clients: "stripes" is none of revv, slack-go, go-github, tailscale, godo, stripe-go`: {"-clients", "revv,stripes"},
		`-only: "gets" is none of get, getloop,`:                                               {"-only", "gets"},
		`"get" is no flag`:                                                                     {"-only", "post", "get"},
	} {
		var out strings.Builder
		if err := run(t.Context(), args, &out, io.Discard); err == nil || !strings.HasPrefix(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%q: %v, %q", args, err, &out)
		}
	}
}

func TestRun_askedForHelp_listsTheFlags(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	if err := run(t.Context(), []string{"-h"}, io.Discard, &said); err != nil || !strings.Contains(said.String(), "-clients") {
		t.Errorf("%v, %q", err, &said)
	}
}

func TestInsert_replacesWhatStandsBetweenTheMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("a\n"+begin+"old\n"+end+"b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := insert(path, "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := "a\n" + begin + "\nnew\n\n" + end + "b\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if err := insert(os.DevNull, "new"); err == nil {
		t.Error("a page without markers was written")
	}
}

func TestPlot_axisIsLogarithmic(t *testing.T) {
	t.Parallel()
	if left, right := x(1)-x(0.5), x(2)-x(1); left-right > 0.01 || right-left > 0.01 {
		t.Errorf("%v and %v pixels", left, right)
	}
	if x(0.001) != x(leastRatio) || x(100) != x(mostRatio) {
		t.Error("a ratio lies outside of the plot")
	}
}
