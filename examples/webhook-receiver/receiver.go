package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/revv-go/revv"
)

// receiver works through the inbox, one event after the other.
type receiver struct {
	inbox     *inbox
	documents revv.DocumentReader
	changed   func(context.Context, *revv.Document) error // what the program is for
	log       *slog.Logger
	pause     time.Duration // after a failure; 0 means 5 s
}

// handle deals with the event that has waited longest; ok is false if none does.
//
// The event says where to look, and nothing else. What is done depends on the
// document as the service shows it now: so it does not matter in which order the
// events come, and whoever makes one up achieves nothing.
func (r *receiver) handle(ctx context.Context) (ok bool, err error) {
	next, ok := r.inbox.next()
	if !ok {
		return false, nil
	}
	doc, err := r.read(ctx, next.event.Document)
	if errors.Is(err, revv.ErrNotFound) && !errors.Is(err, revv.ErrUnexpectedContent) || errors.Is(err, revv.ErrInvalidArgument) {
		r.log.Warn("event about no document", "event", next.event.Type, "key", next.key)
		r.done(next.key, "", "")
		return true, nil
	}
	if err != nil {
		r.inbox.later()
		return true, err
	}
	name := nameOf(doc, next.event.Document)
	news := !doc.Stage.Is(r.inbox.stage(name))
	if news {
		if err := r.changed(ctx, doc); err != nil {
			r.inbox.later()
			return true, fmt.Errorf("%s: %w", doc.Number, err)
		}
	}
	r.log.Info("handled", "event", next.event.Type, "document", name, "stage", doc.Stage, "news", news)
	r.done(next.key, name, doc.Stage)
	return true, nil
}

// done notes that an event was handled. If the disk does not take that, the program
// knows it all the same; only if it ends before there is room, it acts again.
func (r *receiver) done(key, about string, stage revv.Stage) {
	if err := r.inbox.done(key, about, stage); err != nil {
		r.log.Error("what was done is not on the disk yet", "key", key, "error", err)
	}
}

// nameOf is what the inbox knows a document by: its number, for both calls of read
// show that; else its id. One that the answer lacks is the one that was asked for.
func nameOf(doc *revv.Document, asked revv.EventDocument) string {
	number := doc.Number
	if number == "" && asked.ID == 0 {
		number = asked.Number
	}
	if number != "" {
		return "number:" + string(number)
	}
	return fmt.Sprintf("id:%d", cmp.Or(doc.ID, asked.ID))
}

// read reads the document that an event names, by its id or by its number.
func (r *receiver) read(ctx context.Context, about revv.EventDocument) (*revv.Document, error) {
	if about.ID == 0 {
		return r.documents.GetByNumber(ctx, about.Number)
	}
	return r.documents.Get(ctx, about.ID)
}

// work handles events until ctx ends. After a failure it pauses, and then goes on
// with the next event: the failed one comes again behind the others.
func (r *receiver) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := time.Duration(0)
		ok, err := r.handle(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.Error("an event has to wait", "error", err)
			wait = cmp.Or(r.pause, 5*time.Second)
		}
		if err == nil && !ok {
			if err := r.inbox.flush(); err != nil {
				r.log.Error("the disk takes nothing", "error", err)
			}
			timer.Reset(time.Minute)
			select {
			case <-r.inbox.arrived:
			case <-timer.C:
			case <-ctx.Done():
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}
