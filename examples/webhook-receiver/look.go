package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/revv-go/revv"
)

var (
	errNone     = errors.New("the event names no document that exists")
	errNameless = errors.New("the event has neither the id nor the number of a document")
	errOther    = errors.New("the document that was read is another one than the event names")
	errBehind   = errors.New("the document has not got as far as the event claims")
	errDoubt    = errors.New("what was read may be older than the event")
)

// look reads the document of an event. An event can be faster than what is read: then the
// error says that it has to wait. That is [errBehind] if the document has to get further
// before anything is done, and [errDoubt], for some time only, if nobody can tell. An event
// that names its document in a way that is not understood waits, too: a program that has
// learned it will find the event in the file.
func (r *receiver) look(ctx context.Context, w waiting) (*revv.Document, error) {
	about := w.event.Document
	doc, err := r.read(ctx, about)
	if refused(err) {
		return nil, fmt.Errorf("%w: %w", errNone, err)
	}
	if errors.Is(err, revv.ErrNotFound) && !errors.Is(err, revv.ErrUnexpectedContent) { // a web page in the place of the API says nothing
		if other, _ := r.read(ctx, revv.EventDocument{Number: about.Number}); other != nil { // the id is that of something else
			return nil, fmt.Errorf("%w: %s", errOther, nameOf(other, about))
		}
		if w.doubts < mostDoubts {
			return nil, fmt.Errorf("%w: %w", errDoubt, err)
		}
		return nil, fmt.Errorf("%w: %w", errNone, err)
	}
	if err != nil {
		return nil, err
	}
	name := nameOf(doc, about)
	if isOther(about, doc) {
		return nil, fmt.Errorf("%w: %s", errOther, name)
	}
	err = compare(w.event, r.inbox.stage(name), doc.Stage)
	if err == nil || errors.Is(err, errDoubt) && w.doubts >= mostDoubts {
		return doc, nil
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// read reads the document that an event names, by its id or by its number.
func (r *receiver) read(ctx context.Context, about revv.EventDocument) (*revv.Document, error) {
	switch {
	case about.ID != 0:
		return r.documents.Get(ctx, about.ID)
	case about.Number != "":
		return r.documents.GetByNumber(ctx, about.Number)
	}
	return nil, errNameless
}

// refused reports whether a document could not be read because its id or number cannot be
// one. If another argument is refused, as the token, that is a mistake of this program.
func refused(err error) bool {
	e, ok := errors.AsType[*revv.Error](err)
	return ok && errors.Is(err, revv.ErrInvalidArgument) && (e.Argument == "id" || e.Argument == "number")
}

// isOther reports whether a document has another name than an event gives it, whose id may
// be that of something else.
func isOther(named revv.EventDocument, doc *revv.Document) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && !strings.EqualFold(a, b) }
	return named.ID != 0 && doc.ID != 0 && named.ID != doc.ID ||
		differ(string(named.Number), string(doc.Number)) || differ(string(named.ObjectID), string(doc.ObjectID))
}

// compare says why the stage that a document shows now may be out of date, considering
// what an event claims, and the stage that it had when it was last seen.
func compare(event *revv.Event, before, now revv.Stage) error {
	claim, least := event.Document.Stage, revv.Stage("")
	switch event.Type {
	case revv.EventStageChanged: // says it all itself
	case revv.EventClosed:
		least = revv.StageSigned
	case revv.EventSigned, revv.EventAccepted:
		least = revv.StageSent
	}
	if claim == "" || follows(least, claim) {
		claim = least
	}
	switch {
	case now == "":
		return fmt.Errorf("%w: it shows no stage", errBehind)
	case follows(claim, now), follows(least, now):
		return fmt.Errorf("%w: it is %s and not %s", errBehind, now, claim)
	case follows(before, now):
		return fmt.Errorf("%w: the document is %s and was %s", errDoubt, now, before)
	case claim != "" && !now.Reached(claim): // one of them is a stage of the account's own
		return fmt.Errorf("%w: the document is %s and not %s", errDoubt, now, claim)
	}
	return nil
}

// follows reports whether stage comes after other. Of a stage of the account's own, nobody
// can tell.
func follows(stage, other revv.Stage) bool { return stage.Reached(other) && !stage.Is(other) }

// nameOf is what the inbox knows a document by: its number, for both calls of read
// show that; else its id. One that the answer lacks is the one that was asked for.
func nameOf(doc *revv.Document, asked revv.EventDocument) string {
	number := doc.Number
	if number == "" && asked.ID == 0 {
		number = asked.Number
	}
	if number != "" {
		return "number:" + strings.ToUpper(string(number))
	}
	return fmt.Sprintf("id:%d", cmp.Or(doc.ID, asked.ID))
}
