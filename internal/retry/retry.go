// Package retry decides what to do after an attempt, and how long to wait before that. Of HTTP
// it knows no more than the status and Retry-After, and it neither sends nor waits itself. It does
// without net/http, which takes as long to import as all the rest takes to compile.
package retry

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Class says what a repetition of a call would do.
type Class uint8

// The classes.
const (
	Read         Class = iota // changes nothing
	Idempotent                // leads to the same state
	Deletion                  // leads to the same state, but finds nothing there the second time
	Consequences              // may send a second contract
	classes
)

// Outcome says how an attempt ended.
type Outcome uint8

// The outcomes.
const (
	Success      Outcome = iota
	Unsent               // failed without a connection; another attempt may succeed
	Hopeless             // failed without a connection; another attempt would fail, too
	Unauthorized         // 401
	Throttled            // 429, or 503 with Retry-After: refused for now
	Faulty               // 408, 5xx but 501 and 505: applied or not
	Cut                  // no answer: the connection ended after bytes may have left
	BodyCut              // 2xx, but the body ended early
	BodyUnusable         // 2xx, but the body is not what was expected
	Refused              // any other status: not applied
	Odd                  // a status that answers nothing, below 200: applied or not
	GivenUp              // the caller's context ended
	outcomes
)

// Refuses reports an answer that says that the request was not applied.
func (o Outcome) Refuses() bool { return o == Unauthorized || o == Throttled || o == Refused }

// Interrupted reports an answer that did not come, or not whole.
func (o Outcome) Interrupted() bool { return o == Unsent || o == Cut || o == BodyCut }

// Decision says what to do after an attempt.
type Decision uint8

// The decisions.
const (
	Stop        Decision = iota
	Again                // wait, then repeat
	Refresh              // replace the token, then repeat, if it has not been replaced too often
	StopUnknown          // stop: the request may have been applied
	StopApplied          // stop: the request was applied, its answer is lost
)

// Decide looks an outcome up in the table. sent says whether bytes of the
// request may have left, and matters only where the caller's context ended.
func Decide(class Class, outcome Outcome, sent bool) Decision {
	if class >= classes || outcome >= outcomes {
		return Stop
	}
	if outcome == GivenUp && class == Consequences && sent {
		return StopUnknown
	}
	return decisions[outcome][class]
}

//nolint:gochecknoglobals // a constant table; Go has no constant arrays
var decisions = [outcomes][classes]Decision{
	//             Read     Idempotent   Deletion     Consequences
	Success:      {Stop, Stop, Stop, Stop},
	Unsent:       {Again, Again, Again, Again},
	Hopeless:     {Stop, Stop, Stop, Stop},
	Unauthorized: {Refresh, Refresh, Refresh, Refresh},
	Throttled:    {Again, Again, Again, Again},
	Faulty:       {Again, Again, Again, StopUnknown},
	Cut:          {Again, Again, Again, StopUnknown},
	BodyCut:      {Again, StopApplied, StopApplied, StopApplied},
	BodyUnusable: {Stop, StopApplied, StopApplied, StopApplied},
	Refused:      {Stop, Stop, Stop, Stop},
	Odd:          {Stop, Stop, Stop, StopUnknown},
	GivenUp:      {Stop, Stop, Stop, Stop},
}

// The statuses that say more than their first digit.
const (
	unauthorized            = 401
	requestTimeout          = 408
	tooManyRequests         = 429
	notImplemented          = 501
	serviceUnavailable      = 503
	httpVersionNotSupported = 505
)

// OfStatus maps the status of an answer to an outcome. hasRetryAfter says whether the
// answer had a Retry-After.
func OfStatus(status int, hasRetryAfter bool) Outcome {
	switch {
	case status == unauthorized:
		return Unauthorized
	case status == tooManyRequests, status == serviceUnavailable && hasRetryAfter:
		return Throttled
	case status == notImplemented, status == httpVersionNotSupported:
		return Refused
	case status == requestTimeout, status >= 500:
		return Faulty
	case status < 200:
		return Odd
	case status < 300:
		return Success
	}
	return Refused
}

// Backoff returns the wait before the n-th repetition, n from 1: a random time up to
// base·2ⁿ⁻¹, at most limit. The whole wait is random ("full jitter"), so that callers
// that failed together do not come back together.
func Backoff(n int, base, limit time.Duration) time.Duration {
	ceiling := base
	for range n - 1 {
		if ceiling > limit/2 {
			ceiling = limit
			break
		}
		ceiling *= 2
	}
	if ceiling = min(ceiling, limit, math.MaxInt64-1); ceiling <= 0 {
		return 0
	}
	return rand.N(ceiling + 1) //nolint:gosec // spreads load; nothing secret depends on it
}

// maxSeconds keeps a Retry-After in seconds far from the overflow of a Duration.
const maxSeconds = 1 << 31

// ParseAfter reads a Retry-After header: a number of seconds or a date in one of
// the three formats of RFC 9110, section 5.6.7, which parseDate reads: http.ParseTime. A
// date that has passed means 0.
func ParseAfter(value string, now time.Time, parseDate func(string) (time.Time, error)) (wait time.Duration, ok bool) {
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseInt(value, 10, 64) // a number that is too large gives the largest
		return time.Duration(min(seconds, maxSeconds)) * time.Second, true
	}
	date, err := parseDate(value)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), maxSeconds*time.Second), true
}

// Budget is a token bucket that ends retry storms: a repetition takes a token, a
// success gives one back. While the service is down, a program of many callers
// sends little more than one request per call.
type Budget struct {
	size  int
	mu    sync.Mutex
	spent int
}

// NewBudget returns a full bucket of n tokens.
func NewBudget(n int) *Budget { return &Budget{size: n} }

// Take reports whether a repetition may go out, and takes its token.
func (b *Budget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent >= b.size {
		return false
	}
	b.spent++
	return true
}

// GiveBack gives one token back, unless the bucket is full.
func (b *Budget) GiveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(b.spent-1, 0)
}

// Gate holds back all calls of a client, or all renewals of an authenticator, until a time
// that the service gave. The zero Gate is open.
type Gate struct {
	mu    sync.Mutex
	until time.Time // with its monotonic clock, so that setting the clock moves nothing
}

// Shut keeps the gate shut until t, or longer if it was shut for longer already.
func (g *Gate) Shut(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.After(g.until) {
		g.until = t
	}
}

// Remaining returns how long the gate stays shut, 0 if it is open.
func (g *Gate) Remaining() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.until), 0)
}
