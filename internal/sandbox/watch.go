package sandbox

import "sync"

// Change says that something of the kind has changed: document, folder,
// template, contact, webhook, mail, delivery, token, request or fault.
type Change struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// What a snapshot does not hold.
const (
	changeRequest = "request"
	changeFault   = "fault"
)

// watcher is one subscription to changes.
type watcher struct {
	changes chan Change
	once    sync.Once
}

func (w *watcher) end() { w.once.Do(func() { close(w.changes) }) }

// Watch reports changes until the returned function is called or the sandbox is
// closed, which both close the channel. A reader that lags loses changes: they
// are a reason to look again, not a journal.
func (s *Sandbox) Watch() (changes <-chan Change, end func()) {
	const backlog = 256
	w := &watcher{changes: make(chan Change, backlog)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		w.end()
		return w.changes, func() {}
	}
	s.watchers[w] = struct{}{}
	return w.changes, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
		w.end()
	}
}

// Revision grows with every change that a snapshot would show. It never misses
// one, as a reader of [Sandbox.Watch] can.
func (s *Sandbox) Revision() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// notify counts the change and tells the watchers; it runs under the lock and never waits.
func (s *Sandbox) notify(change Change) {
	if change.Kind != changeRequest && change.Kind != changeFault {
		s.revision++
	}
	for w := range s.watchers {
		select {
		case w.changes <- change:
		default:
		}
	}
}
