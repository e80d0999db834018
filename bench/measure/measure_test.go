package measure_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

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

// spin burns processor time that the compiler cannot take away.
func spin(n int) (sum uint64) {
	for i := range n {
		sum = sum*31 + uint64(i)
	}
	return sum
}

func TestRun_seesThatTwiceTheWorkCostsTwice(t *testing.T) {
	t.Parallel()
	var kept uint64
	work := func(amount int) measure.Block {
		return func(_ context.Context, n int) error {
			for range n {
				kept += spin(amount)
			}
			return nil
		}
	}
	r, err := measure.Pair{Floor: work(100_000), Candidate: work(300_000), Clock: measure.Wall, Work: 20, Rounds: 9, Random: seeded()}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Median < 1.5 || r.Median > 6 || r.Low > r.Median || r.High < r.Median || kept == 0 {
		t.Errorf("%+v", r)
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

func TestPeakHeap_seesWhatIsHeld(t *testing.T) {
	t.Parallel()
	var held []byte
	peak, err := measure.PeakHeap(func() error {
		held = make([]byte, 8<<20)
		return nil
	})
	if err != nil || peak < 8<<20 || len(held) == 0 {
		t.Errorf("%d bytes, %v", peak, err)
	}
}
