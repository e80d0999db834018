package sandbox

import (
	"sync"
	"time"
)

// clock is the time of the sandbox. It runs with its base, shifted by what it
// was advanced, until it is set: then it stands still and moves by hand.
type clock struct {
	base func() time.Time

	mu     sync.Mutex
	shift  time.Duration
	frozen bool
	at     time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen {
		return c.at
	}
	return c.base().Add(c.shift).UTC()
}

// Now is the time of the sandbox.
func (s *Sandbox) Now() time.Time { return s.clock.now() }

// SetTime stops the clock of the sandbox at t.
func (s *Sandbox) SetTime(t time.Time) {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	s.clock.frozen, s.clock.at = true, t.UTC()
}

// Advance moves the clock of the sandbox forward by d.
func (s *Sandbox) Advance(d time.Duration) {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	if s.clock.frozen {
		s.clock.at = s.clock.at.Add(d)
		return
	}
	s.clock.shift += d
}
