package retry_test

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/retry"
)

// decisionTable says, apart from the code, what follows an attempt, for a read,
// an idempotent write, a deletion and a write with consequences.
var decisionTable = map[retry.Outcome][4]retry.Decision{
	retry.Success:      {retry.Stop, retry.Stop, retry.Stop, retry.Stop},
	retry.Unsent:       {retry.Again, retry.Again, retry.Again, retry.Again},
	retry.Hopeless:     {retry.Stop, retry.Stop, retry.Stop, retry.Stop},
	retry.Unauthorized: {retry.Refresh, retry.Refresh, retry.Refresh, retry.Refresh},
	retry.Throttled:    {retry.Again, retry.Again, retry.Again, retry.Again},
	retry.Faulty:       {retry.Again, retry.Again, retry.Again, retry.StopUnknown},
	retry.Cut:          {retry.Again, retry.Again, retry.Again, retry.StopUnknown},
	retry.BodyCut:      {retry.Again, retry.StopApplied, retry.StopApplied, retry.StopApplied},
	retry.BodyUnusable: {retry.Stop, retry.StopApplied, retry.StopApplied, retry.StopApplied},
	retry.Refused:      {retry.Stop, retry.Stop, retry.Stop, retry.Stop},
	retry.Odd:          {retry.Stop, retry.Stop, retry.Stop, retry.StopUnknown},
	retry.GivenUp:      {retry.Stop, retry.Stop, retry.Stop, retry.Stop}, // unless bytes had left, see below
}

var allClasses = []retry.Class{retry.Read, retry.Idempotent, retry.Deletion, retry.Consequences}

func TestDecide_followsTheTable(t *testing.T) {
	t.Parallel()
	for outcome, row := range decisionTable {
		for i, class := range allClasses {
			assert.Equal(t, row[i], retry.Decide(class, outcome, false), "class %d, outcome %d, nothing sent", class, outcome)
			want := row[i]
			if outcome == retry.GivenUp && class == retry.Consequences {
				want = retry.StopUnknown
			}
			assert.Equal(t, want, retry.Decide(class, outcome, true), "class %d, outcome %d, sent", class, outcome)
		}
	}
}

// The table is complete, and everything outside of it stops.
func TestDecide_outsideOfTheTable_stops(t *testing.T) {
	t.Parallel()
	assert.Len(t, decisionTable, int(retry.GivenUp)+1)
	for class := range 256 {
		for outcome := range 256 {
			_, known := decisionTable[retry.Outcome(outcome)]
			if class > int(retry.Consequences) || !known {
				assert.Equal(t, retry.Stop, retry.Decide(retry.Class(class), retry.Outcome(outcome), true))
			}
		}
	}
}

// A write with consequences goes out again only if it was certainly not applied.
func TestDecide_consequences_areNeverRepeatedInDoubt(t *testing.T) {
	t.Parallel()
	certain := map[retry.Outcome]bool{retry.Unsent: true, retry.Throttled: true, retry.Unauthorized: true}
	for outcome := range decisionTable {
		for _, sent := range []bool{false, true} {
			decision := retry.Decide(retry.Consequences, outcome, sent)
			assert.Equal(t, certain[outcome], decision == retry.Again || decision == retry.Refresh, "outcome %d", outcome)
		}
	}
}

func TestOfStatus_everyStatus(t *testing.T) {
	t.Parallel()
	special := map[int]retry.Outcome{
		401: retry.Unauthorized, 408: retry.Faulty, 429: retry.Throttled,
		500: retry.Faulty, 501: retry.Refused, 502: retry.Faulty, 503: retry.Faulty, 504: retry.Faulty, 505: retry.Refused,
	}
	for status := range 1000 {
		want, ok := special[status]
		switch {
		case ok:
		case status >= 200 && status < 300:
			want = retry.Success
		case status >= 500:
			want = retry.Faulty
		case status < 200:
			want = retry.Odd
		default:
			want = retry.Refused
		}
		assert.Equal(t, want, retry.OfStatus(status, false), "%d", status)
		if status == http.StatusServiceUnavailable {
			want = retry.Throttled
		}
		assert.Equal(t, want, retry.OfStatus(status, true), "%d with Retry-After", status)
	}
}

func TestBackoff_staysWithinItsBounds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		base, limit time.Duration
		ceilings    []time.Duration // of the first repetitions
	}{
		{200 * time.Millisecond, 10 * time.Second, []time.Duration{
			200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond, 6400 * time.Millisecond,
			10 * time.Second, 10 * time.Second,
		}},
		{time.Second, time.Second, []time.Duration{time.Second, time.Second, time.Second}},
		{time.Minute, time.Second, []time.Duration{time.Second, time.Second}},
		{3, 16, []time.Duration{3, 6, 12, 16, 16}},
		{1, math.MaxInt64, []time.Duration{1, 2, 4, 8}},
		{0, time.Second, []time.Duration{0, 0, 0}},
		{time.Second, 0, []time.Duration{0, 0}},
		{-time.Second, time.Second, []time.Duration{0, 0}},
		{time.Second, -time.Second, []time.Duration{0, 0}},
	}
	for _, test := range tests {
		for i, ceiling := range test.ceilings {
			low, high := time.Duration(math.MaxInt64), time.Duration(-1)
			for range 2000 {
				wait := retry.Backoff(i+1, test.base, test.limit)
				low, high = min(low, wait), max(high, wait)
			}
			assert.GreaterOrEqual(t, low, time.Duration(0), "%v", test)
			assert.LessOrEqual(t, high, ceiling, "%v, repetition %d", test, i+1)
			if ceiling > 100 { // the whole range is used: that is what "full jitter" means
				assert.Less(t, low, ceiling/20, "%v, repetition %d", test, i+1)
				assert.Greater(t, high, ceiling-ceiling/20, "%v, repetition %d", test, i+1)
			}
		}
	}
}

func TestBackoff_extremes_doNotOverflow(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 0, 1, 2, 62, 63, 64, 65, 1000} {
		for _, base := range []time.Duration{1, time.Second, math.MaxInt64 / 3, math.MaxInt64 - 1, math.MaxInt64} {
			for _, limit := range []time.Duration{1, 10 * time.Second, math.MaxInt64 - 1, math.MaxInt64} {
				wait := retry.Backoff(n, base, limit)
				assert.GreaterOrEqual(t, wait, time.Duration(0))
				assert.LessOrEqual(t, wait, limit)
			}
		}
	}
	for n := range 100 { // a sum that overflows would come out as no wait at all
		var longest time.Duration
		for range 50 {
			longest = max(longest, retry.Backoff(n, math.MaxInt64/3, math.MaxInt64-1))
		}
		assert.Greater(t, longest, time.Hour, "repetition %d", n)
	}
}

// noon is the time that Retry-After is read at.
var noon = time.Date(2021, 6, 18, 12, 0, 0, 0, time.UTC)

func TestParseAfter(t *testing.T) {
	t.Parallel()
	type reading struct {
		wait time.Duration
		ok   bool
	}
	const most = time.Second << 31
	for value, want := range map[string]reading{
		"0": {0, true}, "1": {time.Second, true}, "007": {7 * time.Second, true}, "120": {2 * time.Minute, true},
		"2147483648": {most, true}, "2147483649": {most, true}, "9223372036854775807": {most, true}, "9223372036854775808": {most, true},
		strings.Repeat("9", 400): {most, true},
		"":                       {0, false}, " ": {0, false}, "-1": {0, false}, "+1": {0, false}, "1.5": {0, false}, "1s": {0, false}, " 1": {0, false}, "1 ": {0, false}, "1e3": {0, false}, "0x10": {0, false},
		"soon": {0, false}, "١": {0, false}, "tomorrow, 12:00": {0, false},
		"Fri, 18 Jun 2021 12:00:30 GMT":       {30 * time.Second, true},
		"Friday, 18-Jun-21 12:00:30 GMT":      {30 * time.Second, true},
		"Fri Jun 18 12:00:30 2021":            {30 * time.Second, true},
		"Fri, 18 Jun 2021 12:00:00 GMT":       {0, true},
		"Fri, 18 Jun 2021 11:59:59 GMT":       {0, true},
		"Thu, 01 Jan 1970 00:00:00 GMT":       {0, true},
		"Mon, 01 Jan 0001 00:00:00 GMT":       {0, true},
		"Fri, 31 Dec 9999 23:59:59 GMT":       {most, true},
		"Fri, 18 Jun 2021 12:00:30 UTC":       {0, false},
		"2021-06-18T12:00:30Z":                {0, false},
		"Fri, 32 Jun 2021 12:00:30 GMT":       {0, false},
		"Fri, 18 Jun 2021 12:00:30 GMT, more": {0, false},
	} {
		wait, ok := retry.ParseAfter(value, noon, http.ParseTime)
		assert.Equal(t, want, reading{wait, ok}, "%q", value)
	}
}

func FuzzParseAfter(f *testing.F) {
	for _, value := range []string{"", "0", "120", "99999999999999999999", "-1", "1.5", "Fri, 18 Jun 2021 12:00:30 GMT", "Friday, 18-Jun-21 12:00:30 GMT", "Fri Jun 18 12:00:30 2021", "soon"} {
		f.Add(value, int64(0))
		f.Add(value, noon.Unix())
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		at := time.Unix(now%(1<<36), 0)
		wait, ok := retry.ParseAfter(value, at, http.ParseTime)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, time.Second<<31)
		if !ok {
			require.Zero(t, wait)
		}
		if seconds, err := strconv.ParseUint(value, 10, 30); err == nil {
			require.True(t, ok)
			require.Equal(t, time.Duration(seconds)*time.Second, wait)
		}
		date, err := http.ParseTime(value)
		require.Equal(t, err == nil || strings.Trim(value, "0123456789") == "" && value != "", ok)
		if err == nil && wait > 0 && wait < time.Second<<31 {
			require.True(t, at.Add(wait).Equal(date), "%v + %v is not %v", at, wait, date)
		}
	})
}

func TestBudget_lendsAsManyTokensAsItHas(t *testing.T) {
	t.Parallel()
	b := retry.NewBudget(3)
	for range 3 {
		assert.True(t, b.Take())
	}
	for range 5 {
		assert.False(t, b.Take(), "an empty bucket stays empty, however often it is asked")
	}
	b.GiveBack()
	assert.True(t, b.Take())
	assert.False(t, b.Take())
}

func TestBudget_full_isNotFilledFurther(t *testing.T) {
	t.Parallel()
	b := retry.NewBudget(2)
	for range 100 {
		b.GiveBack()
	}
	assert.True(t, b.Take())
	assert.True(t, b.Take())
	assert.False(t, b.Take())
}

func TestBudget_ofNothing_lendsNothing(t *testing.T) {
	t.Parallel()
	assert.False(t, retry.NewBudget(0).Take())
	assert.False(t, retry.NewBudget(-1).Take())
}

func TestBudget_manyCallers_loseNoTokenAndFindNone(t *testing.T) {
	t.Parallel()
	const size, callers, rounds = 3, 16, 100_000
	b := retry.NewBudget(size)
	var held, most atomic.Int64
	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() {
			for range rounds {
				if !b.Take() {
					continue
				}
				for now := held.Add(1); ; {
					old := most.Load()
					if now <= old || most.CompareAndSwap(old, now) {
						break
					}
				}
				held.Add(-1)
				b.GiveBack()
			}
		})
	}
	callersDone.Wait()
	assert.LessOrEqual(t, most.Load(), int64(size), "no token was lent twice")
	for i := range size {
		assert.True(t, b.Take(), "token %d is lost", i)
	}
	assert.False(t, b.Take(), "there is one too many")
}

func TestGate_zero_isOpen(t *testing.T) {
	t.Parallel()
	var g retry.Gate
	assert.Zero(t, g.Remaining())
}

func TestGate_closed_opensAtItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g retry.Gate
		g.Shut(time.Now().Add(10 * time.Second))
		assert.Equal(t, 10*time.Second, g.Remaining())
		<-time.After(10*time.Second - 1)
		assert.Equal(t, time.Nanosecond, g.Remaining())
		<-time.After(1)
		assert.Zero(t, g.Remaining())
		<-time.After(time.Hour)
		assert.Zero(t, g.Remaining())
		g.Shut(time.Now().Add(time.Hour))
		assert.Equal(t, time.Hour, g.Remaining(), "it can be closed again")
	})
}

func TestGate_shorterTime_doesNotOpenItEarlier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g retry.Gate
		g.Shut(time.Now().Add(time.Minute))
		g.Shut(time.Now().Add(time.Second))
		g.Shut(time.Now().Add(-time.Hour))
		assert.Equal(t, time.Minute, g.Remaining())
	})
}

func TestGate_closedByMany_waitsForTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g retry.Gate
		var closers sync.WaitGroup
		for i := range 100 {
			closers.Go(func() {
				g.Shut(time.Now().Add(time.Duration(i*37%100) * time.Second))
				assert.LessOrEqual(t, g.Remaining(), 99*time.Second)
			})
		}
		closers.Wait()
		assert.Equal(t, 99*time.Second, g.Remaining())
	})
}

func TestBackoff_nearTheLimit_doublesAndDoesNotJump(t *testing.T) {
	t.Parallel()
	var longest time.Duration
	for range 1000 {
		longest = max(longest, retry.Backoff(2, 2, 5))
	}
	assert.Equal(t, time.Duration(4), longest)
}

func TestRefuses_isWhatWasNotApplied(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[retry.Outcome]bool{
		retry.Success: false, retry.Unsent: false, retry.Hopeless: false, retry.Unauthorized: true, retry.Throttled: true, retry.Faulty: false,
		retry.Cut: false, retry.BodyCut: false, retry.BodyUnusable: false, retry.Refused: true, retry.Odd: false, retry.GivenUp: false,
	} {
		assert.Equal(t, want, outcome.Refuses(), "%d", outcome)
	}
}

func TestInterrupted_isAnAnswerThatDidNotComeWhole(t *testing.T) {
	t.Parallel()
	for outcome := range retry.Outcome(20) { // more than there are
		want := outcome == retry.Unsent || outcome == retry.Cut || outcome == retry.BodyCut
		assert.Equal(t, want, outcome.Interrupted(), "%d", outcome)
	}
}
