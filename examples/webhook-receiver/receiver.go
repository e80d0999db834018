package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/revv-go/revv"
)

// An event that cannot be handled yet is looked at again after 5 s, and each further time
// after twice as long, up to a quarter of an hour. If that is because of the event, and not of
// the network, the service or the authorization, it is set aside about a day later.
const (
	firstPause   = 5 * time.Second
	longestPause = 15 * time.Minute
	lookLimit    = 15 * time.Second // for reading a document, while others wait
	mostMisfits  = 100
	mostDoubts   = 6 // about five minutes; what is read after that is believed
)

// receiver works through the inbox, one event after the other.
type receiver struct {
	inbox     *inbox
	documents revv.DocumentReader
	changed   func(context.Context, *revv.Document) error // what the program is for
	log       *slog.Logger
}

// handle deals with the event whose turn it is; ok is false if none is due. The error
// says why the event has to wait; it is in the log, and the others go on.
//
// The event says where to look, and how far the document must have got. What is done
// depends on the document as the service shows it: so it does not matter in which order
// the events come, and whoever makes one up achieves nothing.
func (r *receiver) handle(ctx context.Context) (ok bool, err error) {
	next, ok := r.inbox.next(time.Now())
	if !ok {
		return false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, lookLimit)
	doc, err := r.look(bounded, next)
	cancel()
	if errors.Is(err, errNone) {
		r.log.Warn("event about no document", "event", next.event.Type, "key", next.key)
		r.done(next.key, "", "")
		return true, nil
	}
	if err != nil {
		return true, r.postpone(ctx, next, err)
	}
	name := nameOf(doc, next.event.Document)
	news := !doc.Stage.Is(r.inbox.stage(name))
	if news {
		if err := r.changed(ctx, doc); err != nil {
			return true, r.postpone(ctx, next, fmt.Errorf("%s: %w", name, err))
		}
	}
	r.log.Info("handled", "event", next.event.Type, "document", name, "stage", doc.Stage, "news", news)
	r.done(next.key, name, doc.Stage)
	return true, nil
}

// postpone has an event wait because of err, or sets it aside if that was so too often.
// If the program is ending, it is no fault of the event.
func (r *receiver) postpone(ctx context.Context, w waiting, err error) error {
	if ctx.Err() != nil {
		return err
	}
	w.failures++
	if errors.Is(err, errDoubt) {
		w.doubts++
	}
	if errors.Is(err, errBehind) || errors.Is(err, errOther) || errors.Is(err, errNameless) || errors.Is(err, revv.ErrForbidden) {
		w.misfits++
	}
	log := r.log.With("event", w.event.Type, "key", w.key, "failures", w.failures, "error", err)
	if w.misfits == mostMisfits {
		log.Error("an event is set aside until the next start")
		r.inbox.setAside(w.key)
		return err
	}
	pause := longestPause
	if doubled := w.failures - 1; doubled < 10 {
		pause = min(pause, firstPause<<doubled)
	}
	log.Warn("an event has to wait", "pause", pause)
	w.due = time.Now().Add(pause)
	r.inbox.later(w)
	return err
}

// done notes that an event was handled. If the disk does not take that, the program
// knows it all the same; only if it ends before there is room, it acts again.
func (r *receiver) done(key, about string, stage revv.Stage) {
	if err := r.inbox.done(key, about, stage); err != nil {
		r.log.Error("what was done is not on the disk yet", "key", key, "error", err)
	}
}

// work handles events until ctx ends.
func (r *receiver) work(ctx context.Context) {
	for ctx.Err() == nil {
		if ok, _ := r.handle(ctx); ok {
			continue
		}
		if err := r.inbox.flush(); err != nil {
			r.log.Error("the disk still takes nothing", "error", err)
		}
		timer := time.NewTimer(r.inbox.rest(time.Now()))
		select {
		case <-r.inbox.arrived:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}
