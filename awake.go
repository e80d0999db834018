package revv

import (
	"context"
	"sync"
	"time"
)

// withAwakeTimeout is like [context.WithTimeout], but counts only the time in which the process
// runs. When a frozen process continues, as between two requests of a serverless
// function, an ordinary timer is due at once and fires before the answer is read that has
// been waiting; the new pair in it would be lost. So the limit is counted in steps, of
// which a freeze uses up at most one. Deadline returns the time by the clock, so that
// nothing long is begun after it.
func withAwakeTimeout(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	const steps = 30
	c := &awakeContext{Context: parent, deadline: time.Now().Add(limit), done: make(chan struct{})}
	if earlier, ok := parent.Deadline(); ok && earlier.Before(c.deadline) {
		c.deadline = earlier
	}
	stop := context.AfterFunc(parent, func() { c.end(parent.Err()) })
	var count func(left int)
	count = func(left int) {
		time.AfterFunc(limit/steps, func() {
			switch {
			case c.Err() != nil:
			case left > 1:
				count(left - 1)
			default:
				c.end(context.DeadlineExceeded)
			}
		})
	}
	count(steps)
	return c, func() {
		stop()
		c.end(context.Canceled)
	}
}

// awakeContext has its own end, and the values of its parent.
type awakeContext struct {
	context.Context //nolint:containedctx // it is one

	deadline time.Time
	done     chan struct{}
	mu       sync.Mutex
	err      error
}

func (c *awakeContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
}

// Deadline implements [context.Context].
func (c *awakeContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements [context.Context].
func (c *awakeContext) Done() <-chan struct{} { return c.done }

// Err implements [context.Context].
func (c *awakeContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
