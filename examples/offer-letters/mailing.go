package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/revv-go/revv"
)

// mailing sends letters. The journal says what earlier runs did; the account also shows
// what they did without learning that it succeeded.
type mailing struct {
	documents *revv.DocumentsService
	template  revv.TemplateID
	journal   *journal
	existing  map[string][]revv.DocumentNumber // by title
	surveyed  time.Time                        // when existing was true
}

// errUnshown is for a person: nothing is sent again that was reported as sent.
var errUnshown = errors.New("it was reported as sent, and is a draft: it was declined, or nobody was mailed, or the service is slow")

// sendLetter sends a letter, starting from wherever an earlier run left it. again is true
// if that run had already sent it. Each request with consequences is recorded before it
// is made, so a crash is no different from a lost answer.
func (m *mailing) sendLetter(ctx context.Context, l letter) (e entry, again bool, err error) {
	e = m.journal.of(l.ID)
	if e.Sent {
		return e, true, nil
	}
	doc, err := m.document(ctx, l, e)
	if err != nil {
		return e, false, err
	}
	sent := entry{ID: l.ID, Number: doc.Number, Sent: true}
	switch before, err := m.sentBefore(ctx, doc, l, e); {
	case err != nil:
		return e, false, err
	case before:
		return sent, true, m.journal.write(sent)
	}
	e = entry{ID: l.ID, Number: doc.Number}
	if err := m.fill(ctx, doc, l); err != nil {
		return e, false, err
	}
	bounded, cancel, err := m.journal.ask(ctx, e)
	if err != nil {
		return e, false, err
	}
	defer cancel()
	err = m.documents.SendForESign(bounded, doc.ID, revv.SendParams{
		Recipients: []revv.Person{{Email: l.Email}}, Message: "We are glad to make you this offer.",
	})
	switch {
	case revv.MaybeApplied(err): // look, and do not send again
		outcome, readErr := m.documents.SendOutcome(ctx, doc.ID, time.Now(), onItsWay)
		if outcome != revv.SendApplied {
			return e, false, errors.Join(err, readErr, m.journal.writeLost(e)) // from now on: no request can leave any more
		}
	case err != nil: // nothing was sent
		return e, false, errors.Join(err, m.journal.write(e))
	}
	return sent, false, m.journal.write(sent)
}

// sentBefore reports whether an earlier run has sent the document. It is an error if that is
// not certain.
func (m *mailing) sentBefore(ctx context.Context, doc *revv.Document, l letter, e entry) (bool, error) {
	switch {
	case doc.Stage.Reached(revv.StageSent):
		return true, nil
	case !doc.Stage.Is(revv.StageDraft): // an account can have stages of its own
		return false, fmt.Errorf("%s has the stage %q, which does not tell whether it was sent: correct the stages in this program", doc.Number, doc.Stage)
	case e.Number != "" || len(m.existing[l.title()]) > 0: // of an earlier run, which may have sent it
		return false, m.neverSent(ctx, doc, e)
	}
	return false, nil
}

// fill writes the fields of a letter, and looks whether they are written: a service that does
// not know the shape of a request may tolerate it.
func (m *mailing) fill(ctx context.Context, doc *revv.Document, l letter) error {
	filled, err := m.documents.SetFields(ctx, doc.ID, l.fields())
	if err != nil {
		return err
	}
	for _, want := range l.fields() {
		if filled.Field(want.Name).Value != want.Value {
			return fmt.Errorf("%s does not hold %q in the field %q", doc.Number, want.Value, want.Name)
		}
	}
	return nil
}

// neverSent returns an error if a draft may have been sent: its request may still be on
// its way, or it was sent and is a draft again because it was declined or taken back.
func (m *mailing) neverSent(ctx context.Context, doc *revv.Document, e entry) error {
	left := e.Until
	if e.Number == "" || left.IsZero() { // what the journal has is a request to make it, or none
		left = time.Unix(0, 0)
	}
	outcome, err := m.documents.SendOutcome(ctx, doc.ID, left, onItsWay)
	switch {
	case err != nil || outcome == revv.SendNotApplied:
		return err
	case outcome == revv.SendPending:
		return e.unsettled(time.Now())
	case outcome == revv.SendUndone:
		return fmt.Errorf("%s was sent and declined, or taken back: a person decides what happens now", doc.Number)
	case outcome == revv.SendApplied:
		return fmt.Errorf("%w: %s has been sent meanwhile: run again", errUnsettled, doc.Number)
	}
	return fmt.Errorf("neither the stage of %s nor its activities tell whether it was sent: a person decides", doc.Number)
}

// document returns the document of a letter: the one that the journal names, the one in
// the account with its title, or a new one.
func (m *mailing) document(ctx context.Context, l letter, e entry) (*revv.Document, error) {
	number := e.Number
	if found := m.existing[l.title()]; number == "" && len(found) > 0 {
		if len(found) > 1 {
			return nil, fmt.Errorf("%w: %v have the title %q", errAmbiguous, found, l.title())
		}
		number = found[0]
	}
	if number != "" {
		return m.documents.GetByNumber(ctx, number)
	}
	if err := e.settled(m.surveyed); err != nil {
		return nil, err // it may have been made after the survey
	}
	bounded, cancel, err := m.journal.ask(ctx, entry{ID: l.ID})
	if err != nil {
		return nil, err
	}
	defer cancel()
	doc, err := m.documents.Create(bounded, revv.CreateDocumentParams{TemplateID: m.template, Title: l.title()})
	switch {
	case revv.MaybeApplied(err):
		return nil, errors.Join(err, m.journal.writeLost(entry{ID: l.ID})) // if it exists, a later run finds it by its title
	case err != nil: // nothing was made
		return nil, errors.Join(err, m.journal.write(entry{ID: l.ID}))
	}
	return doc, m.journal.write(entry{ID: l.ID, Number: doc.Number})
}

var errAmbiguous = errors.New("a person has to remove all but one")

// survey lists the account, to find letters that were created although the run never
// learnt of it.
//
// Pages of a list are counted from its beginning. If an entry there is removed while the
// list is read, the later ones move up, and one of them moves to the page that was read
// already, unseen. Sorting by number helps: changes to a document do not move it, and new
// documents are not at the front. Still, a letter that is missed would be made again, so
// the account is listed twice.
func (m *mailing) survey(ctx context.Context) error {
	m.existing, m.surveyed = make(map[string][]revv.DocumentNumber), time.Now()
	for range 2 {
		for doc, err := range m.documents.All(ctx, revv.ListDocumentsParams{SortByNumber: true}) {
			if err != nil {
				return err
			}
			if known := m.existing[doc.Name]; !slices.Contains(known, doc.Number) {
				m.existing[doc.Name] = append(known, doc.Number)
			}
		}
	}
	return nil
}

// check lists the account once more, to find letters that were reported as sent and are
// drafts: that a service reports success does not say that anybody was mailed.
func (m *mailing) check(ctx context.Context, results []result) error {
	drafts := make(map[revv.DocumentNumber]bool)
	for doc, err := range m.documents.All(ctx, revv.ListDocumentsParams{SortByNumber: true}) {
		if err != nil {
			return fmt.Errorf("whether the service shows the letters as sent: %w", err)
		}
		drafts[doc.Number] = doc.Stage.Is(revv.StageDraft)
	}
	for i := range results {
		if r := &results[i]; r.tried && r.err == nil && drafts[r.number] {
			r.err = errUnshown
		}
	}
	return nil
}

// result is how a letter ended in this run.
type result struct {
	tried  bool
	again  bool // sent by an earlier run
	number revv.DocumentNumber
	err    error
}

// maxFailures is how many letters in a row may fail; after that, the letters are not the
// cause.
const maxFailures = 5

// sendAll sends the letters with the given number of workers. When ctx ends, no further
// letter is begun; those under way are finished, so that their outcome is known.
func (m *mailing) sendAll(ctx context.Context, letters []letter, workers int, done func()) []result {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		results = make([]result, len(letters))
		next    = make(chan int)
		pool    sync.WaitGroup
		mu      sync.Mutex
		streak  int
	)
	for range workers {
		pool.Go(func() {
			for i := range next {
				e, again, err := m.sendLetter(context.WithoutCancel(ctx), letters[i])
				results[i] = result{tried: true, again: again, number: e.Number, err: err}
				mu.Lock()
				if streak++; err == nil || errors.Is(err, errUnsettled) { // what a killed run left behind says nothing of the others
					streak = 0
				}
				if streak == maxFailures || errors.Is(err, errJournal) {
					stop()
				}
				done()
				mu.Unlock()
			}
		})
	}
	for i := 0; i < len(letters) && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	pool.Wait()
	return results
}
