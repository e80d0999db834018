// Package measure compares what two ways of doing the same work cost. Both run
// in one process, in blocks of random order, and only the ratio of two blocks
// that stand side by side counts: whatever else the machine does at that moment
// slows both.
package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// Clock is what a block is timed by.
type Clock int

const (
	// CPU is the processor time of the process, in user and system mode: what
	// other programs do meanwhile does not count.
	CPU Clock = iota
	// Wall is the time that passes: for work that waits for a network.
	Wall
)

// Block does its work n times.
type Block func(ctx context.Context, n int) error

// Pair is a comparison.
type Pair struct {
	Floor, Candidate Block
	Clock            Clock
	Work             int // how often a block does its work
	Rounds           int // how many pairs of blocks
	Random           *rand.Rand
}

// Result is the outcome of a comparison. Ratios below 1 mean that the candidate
// is faster than the floor.
type Result struct {
	Median, Low, High float64 // of the ratios of the rounds; Low and High bound 95 %
	Floor, Candidate  Cost    // medians, for one piece of work
	Rounds            int
}

// Cost is what one piece of work takes.
type Cost struct {
	Time   time.Duration
	Allocs float64
	Bytes  float64
}

// Run runs the comparison. A round that is not measured comes first.
func (p Pair) Run(ctx context.Context) (Result, error) {
	blocks := [2]Block{p.Floor, p.Candidate}
	var costs [2][]Cost
	ratios := make([]float64, 0, p.Rounds)
	for round := -1; round < p.Rounds; round++ {
		var pair [2]Cost
		first := p.Random.IntN(2)
		for _, side := range [2]int{first, 1 - first} {
			cost, err := p.block(ctx, blocks[side])
			if err != nil {
				return Result{}, fmt.Errorf("%s: %w", [2]string{"floor", "candidate"}[side], err)
			}
			pair[side] = cost
		}
		if round < 0 {
			continue
		}
		for side, cost := range pair {
			costs[side] = append(costs[side], cost)
		}
		ratios = append(ratios, float64(pair[1].Time)/float64(max(pair[0].Time, 1)))
	}
	r := Result{Median: Median(ratios), Floor: typical(costs[0]), Candidate: typical(costs[1]), Rounds: p.Rounds}
	r.Low, r.High = Interval(ratios, p.Random)
	return r, nil
}

// block measures one block. The collector runs before it, so that neither side
// pays for what the other has left behind.
func (p Pair) block(ctx context.Context, work Block) (Cost, error) {
	clock := CPUTime
	if p.Clock == Wall {
		clock = sinceStart()
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := clock()
	err := work(ctx, p.Work)
	took := clock() - start
	runtime.ReadMemStats(&after)
	n := float64(p.Work)
	return Cost{
		Time:   time.Duration(float64(took) / n),
		Allocs: float64(after.Mallocs-before.Mallocs) / n,
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, err
}

func sinceStart() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

func typical(costs []Cost) Cost {
	pick := func(of func(Cost) float64) float64 {
		values := make([]float64, len(costs))
		for i, c := range costs {
			values[i] = of(c)
		}
		return Median(values)
	}
	return Cost{
		Time:   time.Duration(pick(func(c Cost) float64 { return float64(c.Time) })),
		Allocs: pick(func(c Cost) float64 { return c.Allocs }),
		Bytes:  pick(func(c Cost) float64 { return c.Bytes }),
	}
}

// Median returns the median of values, 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// resamples is how many samples the bootstrap draws.
const resamples = 4000

// Interval returns the 95 % interval of the median of values by the percentile
// bootstrap.
func Interval(values []float64, random *rand.Rand) (low, high float64) {
	if len(values) == 0 {
		return 0, 0
	}
	medians := make([]float64, resamples)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = Median(sample)
	}
	slices.Sort(medians)
	return medians[resamples*25/1000], medians[resamples*975/1000]
}
