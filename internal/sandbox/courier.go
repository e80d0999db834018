package sandbox

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	attemptTimeout  = 10 * time.Second
	maxQueue        = ringSize // deliveries that wait for one URL
	maxAttemptError = 200      // bytes kept of what the receiver, or its network, says
)

// courier delivers to one URL, one event after the other. It exists while there is
// something to deliver.
type courier struct {
	queue   []*Delivery
	sending *Delivery     // on its way, nil between two
	dropped chan struct{} // closed when what is on its way is not to be tried again
}

// webhookClient returns the client that delivers. Redirects are not followed, because a
// receiver that has moved has to subscribe again; a client that was given can have its
// own CheckRedirect.
func webhookClient(given *http.Client) (*http.Client, *http.Transport) {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if given != nil {
		client := *given // what the caller has stays as it is
		if client.CheckRedirect == nil {
			client.CheckRedirect = stay
		}
		return &client, nil
	}
	pool := &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 1, IdleConnTimeout: attemptTimeout}
	return &http.Client{Transport: pool, CheckRedirect: stay}, pool
}

// enqueue passes a delivery to the courier of its URL. It is called with the lock held.
func (s *Sandbox) enqueue(d *Delivery) {
	if s.closed {
		return // it stays pending: whoever imports the account takes it up again
	}
	c := s.couriers[d.URL]
	if c == nil {
		c = &courier{}
		s.couriers[d.URL] = c
		s.running.Add(1)
		go s.run(d.URL, c)
	}
	if len(c.queue) >= maxQueue {
		d.State = DeliveryFailed
		d.Attempts = append(d.Attempts, Attempt{At: s.clock.now(), Error: "too many deliveries wait for this URL"})
		return
	}
	c.queue = append(c.queue, d)
	s.pending++
}

// drop gives up the pending deliveries of a subscription that has ended. It is called
// with the lock held. An attempt that is on its way is finished, and is the last.
func (s *Sandbox) drop(hook *Webhook) {
	c := s.couriers[hook.URL]
	if c == nil {
		return
	}
	c.queue = slices.DeleteFunc(c.queue, func(d *Delivery) bool {
		if d.Event != hook.Event {
			return false
		}
		s.giveUp(d)
		s.settle(d, DeliveryFailed)
		return true
	})
	if c.sending != nil && c.sending.Event == hook.Event && c.dropped != nil {
		close(c.dropped)
		c.dropped = nil
	}
}

// giveUp says why a delivery is not tried again.
func (s *Sandbox) giveUp(d *Delivery) {
	d.Attempts = append(d.Attempts, Attempt{At: s.clock.now(), Error: "the webhook was unsubscribed"})
}

// run delivers until the queue is empty or the sandbox is closed. What closing
// interrupts stays pending: whoever imports the account takes it up again.
func (s *Sandbox) run(target string, c *courier) {
	defer s.running.Done()
	for {
		s.mu.Lock()
		if len(c.queue) == 0 || s.stopped.Err() != nil {
			for _, d := range c.queue {
				s.settle(d, DeliveryPending)
			}
			delete(s.couriers, target)
			s.mu.Unlock()
			return
		}
		d := c.queue[0]
		c.queue[0], c.queue = nil, c.queue[1:]
		dropped := make(chan struct{})
		c.sending, c.dropped = d, dropped
		s.mu.Unlock()

		state := s.deliver(d, dropped)

		s.mu.Lock()
		c.sending, c.dropped = nil, nil
		s.settle(d, state)
		s.mu.Unlock()
	}
}

// settle records the end of a delivery and wakes those who wait for the last one.
func (s *Sandbox) settle(d *Delivery, state string) {
	d.State = state
	s.notify(Change{Kind: "delivery", ID: strconv.FormatInt(d.ID, 10)})
	if s.pending--; s.pending == 0 {
		close(s.settled)
		s.settled = make(chan struct{})
	}
}

// deliver posts until a 2xx, until the attempts are used up, or until the delivery is
// dropped.
func (s *Sandbox) deliver(d *Delivery, dropped <-chan struct{}) string {
	for i := 0; ; i++ {
		attempt := s.attempt(d)
		if attempt.Error != "" && s.stopped.Err() != nil {
			return s.pendingUnless(d, dropped)
		}
		s.mu.Lock()
		d.Attempts = append(d.Attempts, attempt)
		s.notify(Change{Kind: "delivery", ID: strconv.FormatInt(d.ID, 10)})
		s.mu.Unlock()
		switch {
		case attempt.Error == "":
			return DeliveryDelivered
		case i == len(s.opts.WebhookBackoff):
			return DeliveryFailed
		}
		if state := s.backOff(s.opts.WebhookBackoff[i], d, dropped); state != "" {
			return state
		}
	}
}

// backOff waits between two attempts. It returns the state of the delivery if there is
// to be no further one.
func (s *Sandbox) backOff(wait time.Duration, d *Delivery, dropped <-chan struct{}) (state string) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-dropped:
	case <-s.stopped.Done():
		return s.pendingUnless(d, dropped)
	}
	if s.isDropped(d, dropped) {
		return DeliveryFailed
	}
	return ""
}

// pendingUnless is the state of a delivery that the end of the sandbox has cut: it goes on
// after a restart, unless its webhook was unsubscribed meanwhile.
func (s *Sandbox) pendingUnless(d *Delivery, dropped <-chan struct{}) (state string) {
	if s.isDropped(d, dropped) {
		return DeliveryFailed
	}
	return DeliveryPending
}

// isDropped reports whether the webhook of a delivery was unsubscribed, and then gives
// the delivery up.
func (s *Sandbox) isDropped(d *Delivery, dropped <-chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-dropped:
		s.giveUp(d)
		return true
	default:
		return false
	}
}

func (s *Sandbox) attempt(d *Delivery) Attempt {
	attempt := Attempt{At: s.clock.now()}
	ctx, cancel := context.WithTimeout(s.stopped, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, strings.NewReader(d.Body))
	if err != nil {
		attempt.Error = "the URL cannot be called"
		return attempt
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "revv-sandbox")
	resp, err := s.client.Do(req)
	if err != nil {
		attempt.Error = cutText(withoutURL(err), maxAttemptError)
		return attempt
	}
	defer func() { _ = resp.Body.Close() }()
	const drained = 64 << 10
	_, _ = io.CopyN(io.Discard, resp.Body, drained)
	attempt.Status = resp.StatusCode
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		attempt.Error = cutText("answered "+resp.Status, maxAttemptError)
	}
	return attempt
}

// withoutURL drops the URL from an error of the client: it may carry the shared
// secret of the receiver.
func withoutURL(err error) string {
	if wrapped, ok := err.(*url.Error); ok { //nolint:errorlint // the client's own wrapper, always outermost
		return wrapped.Err.Error()
	}
	return err.Error()
}

// WaitDeliveries waits until every delivery has arrived or was given up.
func (s *Sandbox) WaitDeliveries(ctx context.Context) error {
	for {
		s.mu.Lock()
		pending, settled := s.pending, s.settled
		s.mu.Unlock()
		if pending == 0 {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
