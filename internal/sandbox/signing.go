package sandbox

import (
	"strconv"

	"github.com/revv-go/revv"
)

// sign puts a signature on the document, with the fields that the signer fills.
func (a *account) sign(d *Document, email string, values []FieldValue) error {
	p := d.party(roleSigner, email)
	switch {
	case p == nil:
		return notFound("%s was not sent to %s for signing", d.described(), email)
	case p.State == PartyDone:
		return conflict("%s has signed %s already", email, d.described())
	case d.Stage != revv.StageSent:
		return conflict("%s is %s; it can be signed while it is Sent", d.described(), d.Stage)
	}
	if due := d.before(p); len(due) > 0 {
		return conflict("it is not the turn of %s; still due before: %s", email, list(due))
	}
	if missing := d.missing(values); len(missing) > 0 {
		return badValue("%s cannot be signed before its required fields are filled: %s", d.described(), list(missing))
	}
	if err := d.setFields(values, "fields"); err != nil {
		return err
	}
	p.State, p.At = PartyDone, a.stamp()
	a.touch(d)
	a.record(d, eventSigned, p.Person)
	a.publish(d, eventSigned, "", &p.Person)
	if answered(d.Signers) == len(d.Signers) {
		a.setStage(d, revv.StageSigned)
		a.record(d, eventClosed, p.Person, names(persons(d.Signers))...)
		a.publish(d, eventClosed, "", nil)
		return nil
	}
	a.invite(d, "")
	return nil
}

// accept notes that an acceptor accepts; the last one completes the document.
func (a *account) accept(d *Document, email string) error {
	p, err := d.openParty(roleAcceptor, email, "acceptance")
	if err != nil {
		return err
	}
	if missing := d.missing(nil); len(missing) > 0 && !a.sandbox.opts.Lenient {
		return badValue("%s cannot be accepted before its required fields are filled: %s", d.described(), list(missing))
	}
	p.State, p.At = PartyDone, a.stamp()
	a.touch(d)
	a.record(d, eventAccepted, p.Person)
	a.publish(d, eventAccepted, "", &p.Person)
	if answered(d.Acceptors) == len(d.Acceptors) {
		a.setStage(d, revv.StageCompleted)
		a.record(d, eventCompleted, p.Person)
	}
	return nil
}

// approve notes that an approver approves; the last one approves the document.
func (a *account) approve(d *Document, email string) error {
	p, err := d.openParty(roleApprover, email, "approval")
	if err != nil {
		return err
	}
	p.State, p.At = PartyDone, a.stamp()
	a.touch(d)
	if answered(d.Approvers) == len(d.Approvers) {
		d.Approval = ApprovalApproved
	}
	a.record(d, eventApproved, p.Person)
	return nil
}

// refuse records that somebody declines to sign, rejects or does not approve. The
// document is a draft again, to be corrected and sent again, because no other stage is
// known for it.
func (a *account) refuse(d *Document, r role, email, reason string) error {
	purpose, event := "signing", eventSignDeclined
	switch r {
	case roleAcceptor:
		purpose, event = "acceptance", eventRejected
	case roleApprover:
		purpose, event = "approval", eventNotApproved
	case roleSigner, roleReader: // a reader has nothing to refuse, and is not found below
	}
	p, err := d.openParty(r, email, purpose)
	if err != nil {
		return err
	}
	if due := d.before(p); r == roleSigner && len(due) > 0 {
		return conflict("it is not the turn of %s; still due before: %s", email, list(due))
	}
	p.State, p.At, p.Reason = PartyDeclined, a.stamp(), reason
	a.touch(d)
	if r == roleApprover {
		d.Approval = ApprovalRejected
	} else {
		a.setStage(d, revv.StageDraft)
	}
	a.record(d, event, p.Person)
	return nil
}

// openParty finds a party that has still to answer.
func (d *Document) openParty(r role, email, purpose string) (*Party, error) {
	p := d.party(r, email)
	switch {
	case p == nil:
		return nil, notFound("%s was not sent to %s for %s", d.described(), email, purpose)
	case p.State != PartyOpen:
		return nil, conflict("%s has answered already: %s", email, p.State)
	case r == roleApprover && d.Approval != ApprovalPending:
		return nil, conflict("%s is not waiting for approval", d.described())
	case r != roleApprover && d.Stage != revv.StageSent:
		return nil, conflict("%s is %s; it can be answered while it is Sent", d.described(), d.Stage)
	}
	return p, nil
}

func persons(parties []Party) []Person {
	all := make([]Person, len(parties))
	for i, p := range parties {
		all[i] = p.Person
	}
	return all
}

// onDocument runs fn on a document found by its id.
func (s *Sandbox) onDocument(id revv.DocumentID, fn func(*account, *Document) error) error {
	return s.do(func(a *account) error {
		d, err := a.documentByID(strconv.FormatInt(int64(id), 10))
		if err != nil {
			return err
		}
		return fn(a, d)
	})
}

// Sign signs as the signer with the address, filling in fields first.
func (s *Sandbox) Sign(id revv.DocumentID, email string, values []FieldValue) error {
	return s.onDocument(id, func(a *account, d *Document) error { return a.sign(d, email, values) })
}

// Accept accepts as the acceptor with the address.
func (s *Sandbox) Accept(id revv.DocumentID, email string) error {
	return s.onDocument(id, func(a *account, d *Document) error { return a.accept(d, email) })
}

// Approve approves as the approver with the address.
func (s *Sandbox) Approve(id revv.DocumentID, email string) error {
	return s.onDocument(id, func(a *account, d *Document) error { return a.approve(d, email) })
}

// Reject refuses in the role in which the document waits for the person: as an approver,
// an acceptor or a signer. Somebody who did not answer in an earlier round, which
// somebody else ended, is still open there, but the document does not wait for them.
func (s *Sandbox) Reject(id revv.DocumentID, email, reason string) error {
	return s.onDocument(id, func(a *account, d *Document) error {
		for _, r := range []role{roleApprover, roleAcceptor, roleSigner} {
			if _, err := d.openParty(r, email, ""); err == nil {
				return a.refuse(d, r, email, reason)
			}
		}
		return conflict("%s does not wait for an answer of %s", d.described(), email)
	})
}

// Complete files a signed document, as its owner does in the web pages: the
// stage after Signed is set by hand.
func (s *Sandbox) Complete(id revv.DocumentID) error {
	return s.onDocument(id, func(a *account, d *Document) error {
		if d.Stage != revv.StageSigned {
			return conflict("%s is %s; only a signed document is completed", d.described(), d.Stage)
		}
		a.setStage(d, revv.StageCompleted)
		a.record(d, eventCompleted, a.owner())
		return nil
	})
}
