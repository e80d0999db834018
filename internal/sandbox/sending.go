package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/revv-go/revv"
)

// sendForESign sends the document for Fill & eSign.
func (a *account) sendForESign(c *call) (any, error) {
	d, persons, message, err := a.sendParams(c, "signers", true)
	if err != nil {
		return nil, err
	}
	if err := a.checkSendable(d, "signing"); err != nil {
		return nil, err
	}
	if len(persons) == 0 {
		return nil, badValue("signers: at least one signer is due")
	}
	a.dropLinks(d, roleSigner, roleAcceptor)
	a.addParties(d, roleSigner, persons)
	a.record(d, eventSentForSign, a.owner(), names(persons)...)
	a.setStage(d, revv.StageSent)
	a.invite(d, message)
	return documentAnswer(d), nil
}

// sendForAcceptance sends the document to people who accept or reject it.
// Acceptors cannot fill fields, so the required ones must be filled before;
// programs of 2020 never did, which a lenient sandbox lets pass.
func (a *account) sendForAcceptance(c *call) (any, error) {
	d, persons, message, err := a.sendParams(c, "acceptors", false)
	if err != nil {
		return nil, err
	}
	if err := a.checkSendable(d, "acceptance"); err != nil {
		return nil, err
	}
	if len(persons) == 0 {
		return nil, badValue("acceptors: at least one acceptor is due")
	}
	if missing := d.missing(nil); len(missing) > 0 && !a.sandbox.opts.Lenient {
		return nil, badValue("%s cannot be sent for acceptance before its required fields are filled: %s", d.described(), list(missing))
	}
	a.dropLinks(d, roleSigner, roleAcceptor)
	a.addParties(d, roleAcceptor, persons)
	a.record(d, eventSentForAccept, a.owner(), names(persons)...)
	a.setStage(d, revv.StageSent)
	a.invite(d, message)
	return documentAnswer(d), nil
}

// sendForApproval asks colleagues for approval. Without any, and without a
// workflow, the document is approved at once, as a help page of the vendor says.
func (a *account) sendForApproval(c *call) (any, error) {
	d, persons, message, err := a.sendParams(c, "approvers", false)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Stage != revv.StageDraft:
		return nil, conflict("%s is %s; only a draft is sent for approval", d.described(), d.Stage)
	case d.Approval == ApprovalPending && !a.sandbox.opts.RepeatedSends:
		return nil, conflict("%s is waiting for approval already", d.described())
	case d.Approval == ApprovalApproved:
		return nil, conflict("%s is approved already", d.described())
	}
	a.dropLinks(d, roleApprover)
	a.addParties(d, roleApprover, persons)
	a.record(d, eventSentForApproval, a.owner(), names(persons)...)
	d.Approval = ApprovalPending
	if len(persons) == 0 {
		d.Approval = ApprovalApproved
		a.record(d, eventApproved, a.owner())
	}
	a.touch(d)
	a.invite(d, message)
	return documentAnswer(d), nil
}

// share sends private copies to readers. It spells its members in another way
// than its siblings, as was observed.
func (a *account) share(c *call) (any, error) {
	d, b, err := a.documentAndBody(c)
	if err != nil {
		return nil, err
	}
	persons := b.persons("collaborators", false)
	review := b.boolean("isReview")
	message := b.words("reviewerEmailMessage", optional)
	if err := b.end(); err != nil {
		return nil, err
	}
	if len(persons) == 0 {
		return nil, badValue("collaborators: at least one person is due")
	}
	for _, p := range persons {
		if reader := d.party(roleReader, p.Email); reader != nil {
			reader.Notified = false // shared again: the same link once more
			continue
		}
		a.addParties(d, roleReader, []Person{p})
	}
	a.touch(d)
	a.record(d, eventShared, a.owner(), names(persons)...)
	for i := range d.Readers {
		reader := &d.Readers[i]
		if reader.Notified {
			continue
		}
		reader.Notified = true
		subject := "A copy of “%s” for you"
		if review {
			subject = "Please review “%s”"
		}
		a.mail(d, reader.Person, MailShare, fmt.Sprintf(subject, d.Title), message, map[string]string{
			"open": LinkPath(MailShare) + reader.Token,
		})
		a.record(d, eventShareDelivered, reader.Person)
	}
	return documentAnswer(d), nil
}

// sendParams reads the members that all three ways of sending have.
func (a *account) sendParams(c *call, member string, ordered bool) (*Document, []Person, string, error) {
	d, b, err := a.documentAndBody(c)
	if err != nil {
		return nil, nil, "", err
	}
	persons := b.persons(member, ordered)
	message := b.words("email_message", optional)
	if err := b.end(); err != nil {
		return nil, nil, "", err
	}
	return d, persons, message, nil
}

// checkSendable refuses to send twice, unless the options allow it: a contract that goes
// out twice does real harm, and is the first thing that a test of a client should find.
func (a *account) checkSendable(d *Document, purpose string) error {
	switch {
	case a.sandbox.opts.RepeatedSends && d.Stage == revv.StageSent:
		return nil
	case d.Approval == ApprovalPending:
		return conflict("%s cannot be sent for %s: it is waiting for approval", d.described(), purpose)
	case d.Approval == ApprovalRejected:
		return conflict("%s cannot be sent for %s: its approval was rejected; send it for approval once more first", d.described(), purpose)
	case d.Stage != revv.StageDraft:
		return conflict("%s cannot be sent for %s: it is %s already, and only a draft is sent", d.described(), purpose, d.Stage)
	}
	return nil
}

// addParties gives people a role and the secret of their link.
func (a *account) addParties(d *Document, r role, persons []Person) {
	parties := d.parties(r)
	for _, p := range persons {
		token := a.source.text(linkLength)
		*parties = append(*parties, Party{Person: p, State: PartyOpen, Token: token})
		a.links[token] = link{d, r, p.Email}
	}
}

// dropLinks ends the links of an earlier round.
func (a *account) dropLinks(d *Document, roles ...role) {
	for _, r := range roles {
		parties := d.parties(r)
		for _, p := range *parties {
			delete(a.links, p.Token)
		}
		*parties = nil
	}
}

// invite mails everybody whose turn it is and who has got no mail yet.
func (a *account) invite(d *Document, message string) {
	for i := range d.Signers {
		if p := &d.Signers[i]; !p.Notified && p.State == PartyOpen && len(d.before(p)) == 0 {
			p.Notified = true
			a.mail(d, p.Person, MailSign, fmt.Sprintf("Please sign “%s”", d.Title), message, map[string]string{
				"sign": LinkPath(MailSign) + p.Token,
			})
			a.record(d, eventSignDelivered, p.Person)
		}
	}
	for i := range d.Acceptors {
		if p := &d.Acceptors[i]; !p.Notified {
			p.Notified = true
			base := acceptancePath(p.Token)
			a.mail(d, p.Person, MailAccept, fmt.Sprintf("Please accept “%s”", d.Title), message, map[string]string{
				"open": base, "accept": base + "/doc-acceptance/accept", "reject": base + "/doc-acceptance/reject",
			})
			a.record(d, eventAcceptDelivered, p.Person)
		}
	}
	for i := range d.Approvers {
		if p := &d.Approvers[i]; !p.Notified {
			p.Notified = true
			base := acceptancePath(p.Token)
			a.mail(d, p.Person, MailApprove, fmt.Sprintf("Please approve “%s”", d.Title), message, map[string]string{
				"open": base, "approve": base + "/doc-approval/approve", "reject": base + "/doc-approval/reject",
			})
			a.record(d, eventApproveDeliv, p.Person)
		}
	}
}

// acceptancePath is the path of the shared document that a secret opens. It was observed
// for acceptance; the meaning of the 1 in it is not known.
func acceptancePath(token string) string { return "/api/shared/documents/1/" + token }

// before returns who has to sign before p: everybody with a lower place in the
// sequence. People without a place neither wait nor keep others waiting.
func (d *Document) before(p *Party) []string {
	if p.Order == 0 {
		return nil
	}
	var waiting []string
	for _, other := range d.Signers {
		if other.Order > 0 && other.Order < p.Order && other.State == PartyOpen {
			waiting = append(waiting, other.Email)
		}
	}
	slices.Sort(waiting)
	return waiting
}

// magicLink answers with the permanent public link of a document, the same one
// every time.
func (a *account) magicLink(c *call) (any, error) {
	b, err := c.object()
	if err != nil {
		return nil, err
	}
	id := b.text("object_id", required)
	kind := b.text("object_type", required)
	if err := b.end(); err != nil {
		return nil, err
	}
	if kind != "DOC" {
		return nil, badValue("object_type: only DOC is known, not %q", shorten(kind))
	}
	d, err := a.documentByObject("object_id", id)
	if err != nil {
		return nil, err
	}
	if d.MagicToken == "" {
		d.MagicToken = a.source.text(magicLinkLength)
		a.magic[d.MagicToken] = d
		a.touch(d)
		a.record(d, eventLinkCreated, a.owner())
	}
	return struct {
		URL string `json:"url"`
	}{a.BaseURL + d.MagicPath()}, nil
}

// magicPrefix is what the magic links begin with, behind the base URL.
const magicPrefix = "/perma/DOC/"

// MagicPath is the path of the document's magic link, "" if none was made.
func (d *Document) MagicPath() string {
	if d.MagicToken == "" {
		return ""
	}
	return magicPrefix + d.MagicToken + "/" + slug(d.Title)
}

// slug is a title as the magic link spells it, where it is there to be read and not
// checked.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, title)
}
