package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/revv-go/revv"
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
	a.record(l.document, eventOpened, p.Person)
	return a.view(l), nil
}

// shownTo is shared for a page. A HEAD does not count as opening: programs use it to check a
// link.
func (a *account) shownTo(c *call, roles ...role) (SharedLink, error) {
	if c.request.Method != http.MethodHead {
		return a.shared(c.param, roles...)
	}
	l, _, err := a.followed(c.param, roles...)
	if err != nil {
		return SharedLink{}, err
	}
	return a.view(l), nil
}

// view describes a link that was found.
func (a *account) view(l link) SharedLink {
	d, p := l.document, l.document.party(l.role, l.email)
	view := SharedLink{Document: d.clone(), Party: *p, Kind: l.role.kind()}
	switch l.role {
	case roleReader:
	case roleSigner:
		view.Waiting = d.before(p)
		view.Open = p.State == PartyOpen && d.Stage == revv.StageSent && len(view.Waiting) == 0
	case roleAcceptor:
		view.Open = p.State == PartyOpen && d.Stage == revv.StageSent
	case roleApprover:
		view.Open = p.State == PartyOpen && d.Approval == ApprovalPending
	}
	return view
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
	return a.replyByLink(c, roleAcceptor, true)
}

func (a *account) rejectByLink(c *call) (any, error) {
	return a.replyByLink(c, roleAcceptor, false)
}

func (a *account) approveByLink(c *call) (any, error) {
	return a.replyByLink(c, roleApprover, true)
}

func (a *account) disapproveByLink(c *call) (any, error) {
	return a.replyByLink(c, roleApprover, false)
}

// replyByLink does what the path says. A strict sandbox refuses a body that says something
// else, or something that nobody knows.
func (a *account) replyByLink(c *call, r role, yes bool) (any, error) {
	err := checkReason(c)
	switch {
	case err != nil:
	case yes:
		err = a.answerLink(c.param, nil, r)
	default:
		err = a.refuseLink(c.param, reason(c), r)
	}
	return a.replied(c, err, r)
}

// replied answers a program with the document, and a person, whose browser posts
// a form, with a page.
func (a *account) replied(c *call, err error, r role) (any, error) {
	l, _, gone := a.followed(c.param, r)
	switch {
	case !c.fromPage():
		if err != nil {
			return nil, err
		}
		return documentAnswer(l.document), gone
	case gone != nil:
		return a.sandbox.problemPage(c.op, asProblem(gone)), nil
	case err != nil:
		return a.answerForm(c, a.view(l), asProblem(err)), nil
	}
	return a.donePage(l), nil
}

// fromPage reports whether a person's browser asks, and not a program.
func (c *call) fromPage() bool {
	return c.op.page || strings.Contains(c.request.Header.Get("Accept"), "text/html")
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
	characters := []rune(strings.ToValidUTF8(text, ""))
	return string(characters[:min(len(characters), most)])
}

// checkReason refuses a query, and a body with anything but a reason, unless the sandbox is
// lenient.
func checkReason(c *call) error {
	if c.sandbox.opts.Lenient {
		return nil
	}
	if c.request.URL.RawQuery != "" {
		return badRequest("there is no query here; what is done stands in the path")
	}
	var members map[string]string
	form := url.Values{}
	var err error
	if json.Unmarshal(c.body, &members) == nil {
		for name, value := range members {
			form.Set(name, value)
		}
	} else if form, err = url.ParseQuery(string(c.body)); err != nil {
		return badRequest("the form is malformed")
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name != "reason" || len(form[name]) > 1 {
			return badRequest("%.40q is not known here; what is done stands in the path, and only a reason can come with it", name)
		}
	}
	return nil
}

// answerPage shows what is to be accepted or approved.
func (a *account) answerPage(c *call) (any, error) {
	view, err := a.shownTo(c, roleAcceptor, roleApprover)
	if err != nil {
		return nil, err
	}
	return a.answerForm(c, view, nil), nil
}

// answerForm shows it, once more if there was a problem with the answer.
func (a *account) answerForm(c *call, view SharedLink, p *Problem) *answer {
	base := acceptancePath(c.param) + "/doc-acceptance/"
	accept, label := base+"accept", "Accept"
	if view.Kind == MailApprove {
		base = acceptancePath(c.param) + "/doc-approval/"
		accept, label = base+"approve", "Approve"
	}
	return a.sandbox.formAnswer("answer", p, map[string]any{
		"Title": view.Document.Title, "View": view, "Accept": accept, "Reject": base + "reject", "Label": label, "Reason": reason(c),
	})
}

// signPage shows what is to be signed, with the fields to fill.
func (a *account) signPage(c *call) (any, error) {
	view, err := a.shownTo(c, roleSigner)
	if err != nil {
		return nil, err
	}
	return a.signAnswer(view, signing{}, nil), nil
}

// fieldPrefix marks the inputs of the sign page that are fields of the document.
const fieldPrefix = "field:"

// signing is what a signer has filled in, and what is wrong with it.
type signing struct {
	Name      string // typed as the signature
	NameError string
	Inputs    []signInput
	Reason    string // for declining
}

// signInput is a field on the sign page.
type signInput struct {
	Field

	Input  string // the name in the form
	Error  string
	Locked bool // filled by an earlier signer
}

// signAnswer shows the sign page, with what was filled in if there is a problem.
func (a *account) signAnswer(view SharedLink, filled signing, p *Problem) *answer {
	if filled.Inputs == nil {
		filled.Inputs = signInputs(&view.Document)
	}
	return a.sandbox.formAnswer("sign", p, map[string]any{
		"Title": view.Document.Title, "View": view,
		"Inputs": filled.Inputs, "Name": filled.Name, "NameError": filled.NameError, "Reason": filled.Reason,
	})
}

// formAnswer shows a form, once more if there is a problem with what was sent.
func (s *Sandbox) formAnswer(name string, p *Problem, data map[string]any) *answer {
	status := http.StatusOK
	if p != nil {
		status, data["Error"] = p.Status, asSentence(p)
	}
	reply := s.htmlAnswer(status, name, data)
	if p != nil {
		reply.problem = p.Message
	}
	return reply
}

func signInputs(d *Document) []signInput {
	inputs := make([]signInput, len(d.Fields))
	for i, f := range d.Fields {
		inputs[i] = signInput{Field: f, Input: fieldPrefix + f.Name, Locked: d.signed() && f.Value != ""}
	}
	return inputs
}

// signForm signs or declines. A page that types a name as the signature must not
// leave it empty; one that knows no such thing may.
func (a *account) signForm(c *call) (any, error) {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, badRequest("the form is malformed")
	}
	l, p, err := a.followed(c.param, roleSigner)
	if err != nil {
		return nil, err
	}
	if c.request.URL.Query().Has("answer") {
		return nil, badRequest("the answer belongs in the form, and not in the query")
	}
	filled := signing{Name: strings.TrimSpace(form.Get("name")), Inputs: signInputs(l.document), Reason: reason(c)}
	if err := filled.knows(form); err != nil {
		return nil, err
	}
	switch form.Get("answer") {
	case "decline":
		err = a.refuse(l.document, roleSigner, p.Email, filled.Reason)
	case "sign":
		values, wrong := filled.read(form)
		if wrong != nil && a.view(l).Open {
			return a.signAnswer(a.view(l), filled, wrong), nil
		}
		if err = a.sign(l.document, p.Email, values); err == nil {
			p.SignedAs = filled.Name
		}
	default:
		err = badRequest("the answer must be sign or decline")
	}
	if err != nil {
		return a.signAnswer(a.view(l), filled, asProblem(err)), nil
	}
	return a.donePage(l), nil
}

// knows refuses an input that the page does not have, or has once: who misspells "answer", or
// gives two, does not sign where they meant to decline.
func (s *signing) knows(form url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		switch {
		case len(form[name]) > 1:
			return badRequest("%.40q is given more than once", name)
		case name == "answer", name == "name", name == "reason":
		case slices.ContainsFunc(s.Inputs, func(in signInput) bool { return in.Input == name }):
		default:
			return badRequest("%.40q is no input of this page; there are answer (sign or decline), name, reason and, for each field of the document, %s and its name", name, fieldPrefix)
		}
	}
	return nil
}

// read takes the values from the form and notes at each one what is wrong with it.
func (s *signing) read(form url.Values) ([]FieldValue, *Problem) {
	var values []FieldValue
	wrong := false
	for i := range s.Inputs {
		in := &s.Inputs[i]
		if !form.Has(in.Input) {
			if in.Required && in.Value == "" {
				in.Error = "This field is required."
				wrong = true
			}
			continue
		}
		value := form.Get(in.Input)
		if in.Type == FieldText {
			value = strings.ReplaceAll(value, "\r\n", "\n") // as browsers send the lines of a text
		}
		values = append(values, FieldValue{in.Name, value})
		if in.Locked {
			continue // it shows what is in the document; another value is refused by whoever signs
		}
		in.Value = value
		err := checkFieldValue(in.Field, value)
		switch {
		case in.Required && value == "":
			in.Error = "This field is required."
		case err != nil:
			in.Error = asSentence(err)
		default:
			continue
		}
		wrong = true
	}
	switch {
	case form.Has("name") && s.Name == "":
		s.NameError = "Type your name to sign."
		wrong = true
	case checkSignature(s.Name) != nil:
		s.NameError = asSentence(checkSignature(s.Name))
		wrong = true
	}
	if !wrong {
		return values, nil
	}
	return nil, badValue("Nothing is signed yet. Please look at the required fields and the values that are marked below.")
}

// checkSignature reports why a typed name cannot be printed. None at all can.
func checkSignature(name string) error {
	if name == "" {
		return nil
	}
	if err := checkTitle(name); err != nil {
		return fmt.Errorf("the name %w", err)
	}
	return nil
}

// asSentence turns an error into what a person reads. A name, as of a parameter, is
// left as it is.
func asSentence(err error) string {
	text := err.Error()
	word, _, _ := strings.Cut(text, " ")
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }) {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// readPage shows a private copy.
func (a *account) readPage(c *call) (any, error) {
	view, err := a.shownTo(c, roleReader)
	if err != nil {
		return nil, err
	}
	return a.sandbox.htmlAnswer(http.StatusOK, "document", map[string]any{"View": view, "Title": view.Document.Title, "Document": view.Document}), nil
}

// magicPage shows a document to the public, live and read-only, as a page or,
// with download=pdf, as a file.
func (a *account) magicPage(c *call) (any, error) {
	d := a.magic[c.param]
	if d == nil {
		return nil, notFound("this link is not valid")
	}
	if c.request.Method != http.MethodHead {
		a.record(d, eventOpened, Person{FirstName: "Somebody", LastName: "with the magic link"})
	}
	if c.request.URL.Query().Get("download") == "pdf" {
		return pdfAnswer(d, c.request), nil
	}
	return a.sandbox.htmlAnswer(http.StatusOK, "document", map[string]any{"Title": d.Title, "Document": d.clone(), "PDF": "?download=pdf"}), nil
}
