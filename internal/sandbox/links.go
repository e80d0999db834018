package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// SharedLink is what a link from a mail opens.
type SharedLink struct {
	Document Document
	Party    Party    // whom the link was sent to
	Kind     string   // sign, accept, approve or share
	Waiting  []string // who has to sign before
	Open     bool     // an answer is due
}

// followed finds what the secret of a mailed link stands for, in one of the roles.
func (a *account) followed(token string, roles ...role) (link, *Party, error) {
	l, ok := a.links[token]
	for _, r := range roles {
		if ok && l.role == r {
			return l, l.document.party(l.role, l.email), nil
		}
	}
	return link{}, nil, notFound("this link is not valid, or not valid any more")
}

// kind names the role as the mails do.
func (r role) kind() string {
	return map[role]string{roleReader: MailShare, roleSigner: MailSign, roleAcceptor: MailAccept, roleApprover: MailApprove}[r]
}

// shared describes the link and notes that it was opened.
func (a *account) shared(token string, roles ...role) (SharedLink, error) {
	l, p, err := a.followed(token, roles...)
	if err != nil {
		return SharedLink{}, err
	}
	d := l.document
	a.record(d, eventOpened, p.Person)
	view := SharedLink{Document: d.clone(), Party: *p, Kind: l.role.kind()}
	switch l.role {
	case roleReader:
	case roleSigner:
		view.Waiting = d.before(p)
		view.Open = p.State == PartyOpen && d.Stage == sentStage && len(view.Waiting) == 0
	case roleAcceptor:
		view.Open = p.State == PartyOpen && d.Stage == sentStage
	case roleApprover:
		view.Open = p.State == PartyOpen && d.Approval == ApprovalPending
	}
	return view, nil
}

func everyRole() []role { return []role{roleReader, roleSigner, roleAcceptor, roleApprover} }

// OpenLink returns what a link from a mail shows, and notes that it was opened.
// token is the secret in the link.
func (s *Sandbox) OpenLink(token string) (view SharedLink, err error) {
	err = s.do(func(a *account) error {
		view, err = a.shared(token, everyRole()...)
		return err
	})
	return view, err
}

// AnswerLink signs, accepts or approves by a link from a mail. Only a signer
// fills fields.
func (s *Sandbox) AnswerLink(token string, values []FieldValue) error {
	return s.do(func(a *account) error { return a.answerLink(token, values, everyRole()...) })
}

func (a *account) answerLink(token string, values []FieldValue, roles ...role) error {
	l, p, err := a.followed(token, roles...)
	if err != nil {
		return err
	}
	switch l.role {
	case roleSigner:
		return a.sign(l.document, p.Email, values)
	case roleAcceptor:
		return a.accept(l.document, p.Email)
	case roleApprover:
		return a.approve(l.document, p.Email)
	case roleReader:
	}
	return conflict("a private copy takes no answer")
}

// RefuseLink declines or rejects by a link from a mail.
func (s *Sandbox) RefuseLink(token, reason string) error {
	return s.do(func(a *account) error { return a.refuseLink(token, reason, everyRole()...) })
}

func (a *account) refuseLink(token, reason string, roles ...role) error {
	l, p, err := a.followed(token, roles...)
	if err != nil {
		return err
	}
	if l.role == roleReader {
		return conflict("a private copy takes no answer")
	}
	return a.refuse(l.document, l.role, p.Email, reason)
}

func (a *account) acceptByLink(c *call) (any, error) {
	return a.replied(c, a.answerLink(c.param, nil, roleAcceptor), roleAcceptor)
}

func (a *account) rejectByLink(c *call) (any, error) {
	return a.replied(c, a.refuseLink(c.param, reason(c), roleAcceptor), roleAcceptor)
}

func (a *account) approveByLink(c *call) (any, error) {
	return a.replied(c, a.answerLink(c.param, nil, roleApprover), roleApprover)
}

func (a *account) disapproveByLink(c *call) (any, error) {
	return a.replied(c, a.refuseLink(c.param, reason(c), roleApprover), roleApprover)
}

// replied answers a program with the document, and a person, whose browser posts
// a form, with a page.
func (a *account) replied(c *call, err error, r role) (any, error) {
	fromPage := strings.Contains(c.request.Header.Get("Accept"), "text/html")
	if err != nil {
		if fromPage {
			return problemPage(asProblem(err)), nil
		}
		return nil, err
	}
	l, _, err := a.followed(c.param, r)
	if err != nil {
		return nil, err
	}
	if fromPage {
		return donePage(l.document), nil
	}
	return documentAnswer(l.document), nil
}

// reason reads why somebody rejects. Nothing is known of the body, so a form, a
// JSON object and nothing at all are taken.
func reason(c *call) string {
	const most = 1000
	var members struct {
		Reason string `json:"reason"`
	}
	text := ""
	if form, err := url.ParseQuery(string(c.body)); err == nil {
		text = form.Get("reason")
	}
	if json.Unmarshal(c.body, &members) == nil && members.Reason != "" {
		text = members.Reason
	}
	return text[:min(len(text), most)]
}

// answerPage shows what is to be accepted or approved.
func (a *account) answerPage(c *call) (any, error) {
	view, err := a.shared(c.param, roleAcceptor, roleApprover)
	if err != nil {
		return nil, err
	}
	base := acceptancePath(c.param) + "/doc-acceptance/"
	accept, label := base+"accept", "Accept"
	if view.Kind == MailApprove {
		base = acceptancePath(c.param) + "/doc-approval/"
		accept, label = base+"approve", "Approve"
	}
	return htmlAnswer(http.StatusOK, "answer", map[string]any{
		"Title": view.Document.Title, "View": view, "Accept": accept, "Reject": base + "reject", "Label": label,
	}), nil
}

// signPage shows what is to be signed, with the fields to fill.
func (a *account) signPage(c *call) (any, error) {
	view, err := a.shared(c.param, roleSigner)
	if err != nil {
		return nil, err
	}
	return htmlAnswer(http.StatusOK, "sign", map[string]any{"Title": view.Document.Title, "View": view}), nil
}

// fieldPrefix marks the inputs of the sign page that are fields of the document.
const fieldPrefix = "field:"

func (a *account) signForm(c *call) (any, error) {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, badRequest("the form is malformed")
	}
	l, p, err := a.followed(c.param, roleSigner)
	if err != nil {
		return nil, err
	}
	if form.Get("answer") == "decline" {
		err = a.refuse(l.document, roleSigner, p.Email, reason(c))
	} else {
		var values []FieldValue
		for _, f := range l.document.Fields {
			if form.Has(fieldPrefix + f.Name) {
				values = append(values, FieldValue{f.Name, form.Get(fieldPrefix + f.Name)})
			}
		}
		err = a.sign(l.document, p.Email, values)
	}
	if err != nil {
		return nil, err
	}
	return donePage(l.document), nil
}

// readPage shows a private copy.
func (a *account) readPage(c *call) (any, error) {
	view, err := a.shared(c.param, roleReader)
	if err != nil {
		return nil, err
	}
	return htmlAnswer(http.StatusOK, "document", map[string]any{"Title": view.Document.Title, "Document": view.Document}), nil
}

// magicPage shows a document to the public, live and read-only, as a page or,
// with download=pdf, as a file.
func (a *account) magicPage(c *call) (any, error) {
	d := a.magic[c.param]
	if d == nil {
		return nil, notFound("this link is not valid")
	}
	a.record(d, eventOpened, Person{FirstName: "Somebody", LastName: "with the magic link"})
	if c.request.URL.Query().Get("download") == "pdf" {
		return pdfAnswer(d, c.request), nil
	}
	return htmlAnswer(http.StatusOK, "document", map[string]any{"Title": d.Title, "Document": d.clone(), "PDF": "?download=pdf"}), nil
}

// MagicDocument returns the document behind the secret of a magic link, and
// notes that it was opened.
func (s *Sandbox) MagicDocument(token string) (view Document, err error) {
	err = s.do(func(a *account) error {
		d := a.magic[token]
		if d == nil {
			return notFound("this link is not valid")
		}
		a.record(d, eventOpened, Person{FirstName: "Somebody", LastName: "with the magic link"})
		view = d.clone()
		return nil
	})
	return view, err
}

// PDF prints a document.
func (d *Document) PDF() []byte { return d.pdf() }
