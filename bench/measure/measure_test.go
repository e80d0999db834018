package measure_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/revv-go/revv/bench/measure"
)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func TestMedian_ofOddEvenAndNothing(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {4, 1, 3, 2}} {
		if got := measure.Median(values); got != want {
			t.Errorf("median of %v: %v, want %v", values, got, want)
		}
	}
}

func TestInterval_holdsTheMedianAndIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	values := make([]float64, 101)
	for i := range values {
		values[i] = float64(i)
	}
	low, high := measure.Interval(values, seeded())
	if low >= 50 || high <= 50 || low < 30 || high > 70 {
		t.Errorf("%v to %v", low, high)
	}
	again, _ := measure.Interval(values, seeded())
	if again != low {
		t.Errorf("%v, and %v with the same seed", low, again)
	}
}

// A bubble's clock moves only while a block sleeps, so the ratio is exact on any
// machine, whatever else it does.
func TestRun_tellsTheRatioAndTheTimeOfEachSide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rounds := 0
		takes := func(each time.Duration) measure.Block {
			return func(_ context.Context, n int) error {
				if rounds++; rounds == 7 { // something else slows one block down
					each *= 100
					defer func() { each /= 100 }()
				}
				<-time.After(time.Duration(n) * each)
				return nil
			}
		}
		r, err := measure.Pair{Floor: takes(time.Millisecond), Candidate: takes(3 * time.Millisecond), Clock: measure.Wall, Work: 20, Rounds: 9, Random: seeded()}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Median != 3 || r.Low != 3 || r.High != 3 || r.Rounds != 9 || rounds != 20 {
			t.Errorf("%+v after %d blocks", r, rounds)
		}
		if r.Floor.Time != time.Millisecond || r.Candidate.Time != 3*time.Millisecond {
			t.Errorf("%v and %v for one piece of work", r.Floor.Time, r.Candidate.Time)
		}
	})
}

func TestRun_byProcessorTime_waitingCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waits := func(context.Context, int) error {
			<-time.After(24 * time.Hour)
			return nil
		}
		r, err := measure.Pair{Floor: waits, Candidate: waits, Work: 1, Rounds: 3, Random: seeded()}.Run(t.Context())
		if err != nil || r.Floor.Time > time.Hour || r.Candidate.Time > time.Hour {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestCPUTime_goesOnWithWork(t *testing.T) {
	t.Parallel()
	start := measure.CPUTime()
	now := start
	for now == start {
		now = measure.CPUTime() // asking is work
	}
	if now < start {
		t.Errorf("back from %v to %v", start, now)
	}
}

func TestRun_namesTheSideThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fine := func(context.Context, int) error { return nil }
	_, err := measure.Pair{Floor: fine, Candidate: func(context.Context, int) error { return broken }, Work: 1, Rounds: 1, Random: seeded()}.Run(t.Context())
	if !errors.Is(err, broken) || err.Error() != "candidate: broken" {
		t.Errorf("%v", err)
	}
}

// It runs alone: the heap is that of the whole process.
func TestPeakHeap_seesWhatIsHeld(t *testing.T) { //nolint:paralleltest // see above
	var held []byte
	peak, err := measure.PeakHeap(func() error {
		held = make([]byte, 8<<20)
		return nil
	})
	if err != nil || peak < 8<<20-4<<10 || len(held) == 0 {
		t.Errorf("%d bytes, %v", peak, err)
	}
}
