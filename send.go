package revv

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/revv-go/revv/internal/secret"
	"github.com/revv-go/revv/internal/wire"
)

// SendParams are the arguments of the calls that send a document.
type SendParams struct {
	Recipients []Person // at least one, no address twice, whatever the case of its letters
	Message    string   // goes into the mail
}

// ShareParams are the arguments of [DocumentsService.Share].
type ShareParams struct {
	Recipients []Person // at least one, no address twice, whatever the case of its letters
	Message    string   // goes into the mail
	Review     bool     // asks the recipients for a review
}

// shareBody spells its members in camelCase, as it was observed.
type shareBody struct {
	Collaborators []Person `json:"collaborators"`
	IsReview      bool     `json:"isReview"`
	Message       string   `json:"reviewerEmailMessage"`
}

func (b *shareBody) validate() (name, rule string) {
	return validateSending(b.Collaborators, false, b.Message)
}

// sendBody is the body of the other calls that send. Each has a list with a name of its own;
// the other two are nil.
type sendBody struct {
	Signers   []Person `json:"signers,omitzero"`
	Acceptors []Person `json:"acceptors,omitzero"`
	Approvers []Person `json:"approvers,omitzero"`
	Message   string   `json:"email_message"`
}

func (b *sendBody) validate() (name, rule string) {
	people := append(append(b.Signers, b.Acceptors...), b.Approvers...) // two of them are nil
	return validateSending(people, b.Signers != nil, b.Message)
}

// maxAddress is the longest mail address, in bytes (RFC 5321, section 4.5.3.1.3,
// less the angle brackets).
const maxAddress = 254

// validateSending names the first recipient that breaks a rule, or the message. Every
// call refuses an empty list, because sending for approval without approvers approves the
// document at once, and nobody should do that by accident.
func validateSending(people []Person, ordered bool, message string) (name, rule string) {
	if len(people) == 0 {
		return "Recipients", "must not be empty"
	}
	seen := make(map[string]bool, len(people))
	for i, p := range people {
		name = fmt.Sprintf("Recipients[%d]", i)
		key := strings.ToLower(p.Email)
		if rule := addressRule(p.Email); rule != "" {
			return name + ".Email", rule
		}
		switch {
		case seen[key]:
			return name + ".Email", "must not occur twice"
		case p.Order < 0:
			return name + ".Order", "must not be negative"
		case p.Order != 0 && !ordered:
			return name + ".Order", "must be 0: only SendForESign keeps an order"
		case (p.Order == 0) != (people[0].Order == 0):
			return name + ".Order", "must be set for all recipients or for none" // a signer too early is real harm
		case !utf8.ValidString(p.FirstName):
			return name + ".FirstName", notUTF8
		case !utf8.ValidString(p.LastName):
			return name + ".LastName", notUTF8
		}
		seen[key] = true
	}
	return validateTexts("Message", message)
}

// addressRule returns the rule that a mail address breaks, "" for none. Whether
// the address exists is for the service to find out.
func addressRule(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	switch {
	case address == "":
		return "must not be empty"
	case len(address) > maxAddress:
		return fmt.Sprintf("must not be longer than %d bytes", maxAddress)
	case !ok || local == "" || domain == "" || strings.Contains(domain, "@"):
		return "must be a mail address, as name@example.com"
	case !utf8.ValidString(address):
		return notUTF8
	case strings.ContainsFunc(address, func(r rune) bool { return !strconv.IsPrint(r) || strings.ContainsRune(" <>,;\"", r) }):
		return "must be a bare mail address, without spaces, quotes, brackets or what cannot be seen"
	}
	return ""
}

// Share mails each recipient a private copy of a document to read. [ErrInvalidArgument]
// for what breaks a rule of [ShareParams], [ErrNotFound] if there is no such document.
// The request was observed in one client.
//
// A write with consequences: it is not repeated when its outcome is unknown
// ([ErrOutcomeUnknown], [MaybeApplied]). The stage of the document does not change, so it
// does not tell whether the document was shared. [DocumentsService.AllActivities] may (in
// the sandbox by DOCUMENT_SHARED, a stand-in).
func (s *DocumentsService) Share(ctx context.Context, id DocumentID, params ShareParams, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opShareDocument, id: numericID("id", int64(id)), body: &shareBody{params.Recipients, params.Review, params.Message}}, opts, decodeAcknowledgement)
}

// SendForESign sends a document to be filled and signed. Recipients with different Orders
// sign one after the other; those with the same Order are asked together (a stand-in).
// [ErrInvalidArgument] for what breaks a rule of [SendParams], [ErrNotFound] if there is
// no such document. In the sandbox it is [ErrConflict] if the document is no draft, waits
// for approval, or was refused approval. The route is a stand-in.
//
// A write with consequences: it is not repeated when its outcome is unknown
// ([ErrOutcomeUnknown], [MaybeApplied]). Then [DocumentsService.SendOutcome] finds out what
// became of it: a document that still is a draft proves nothing for a minute, because the
// request may be on its way. A program that may be killed records the request before it
// calls, with the deadline of ctx, and counts the minute from there: the call may wait
// before it sends, as after a 429.
//
// A nil error means only that the service reported success; the form of its answer is not
// known. Never send the document again after it: the service may take its time. Rely on the
// stage that the document shows in the end, which does not show to whom it was sent: the name
// of the list in the body, signers, is a stand-in, too, and a service that tolerates what it
// does not know may send it to nobody. Try it with addresses of your own first
// (docs/live-account.md).
func (s *DocumentsService) SendForESign(ctx context.Context, id DocumentID, params SendParams, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opSendForESign, id: numericID("id", int64(id)), body: &sendBody{Signers: params.Recipients, Message: params.Message}}, opts, decodeAcknowledgement)
}

// SendForAcceptance sends a document to be accepted or rejected. Its errors, its class
// and what to do when its outcome is unknown are those of
// [DocumentsService.SendForESign]. In the sandbox it is also [ErrInvalid] while required
// fields are empty, because those who accept cannot fill them. The request was observed
// in three clients.
func (s *DocumentsService) SendForAcceptance(ctx context.Context, id DocumentID, params SendParams, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opSendForAcceptance, id: numericID("id", int64(id)), body: &sendBody{Acceptors: params.Recipients, Message: params.Message}}, opts, decodeAcknowledgement)
}

// SendForApproval sends a document to people who approve or reject it. At least one
// recipient is required: without any, an account that has no workflow for approvals
// would approve at once (observed, a help page). The route is a stand-in, and so is the
// name of the list in the body, approvers: a service that calls it otherwise and tolerates
// what it does not know finds no approver, and may approve at once. Try it first, on a document
// without content (docs/live-account.md). Otherwise the errors are those of
// [DocumentsService.SendForESign].
//
// A write with consequences: it is not repeated when its outcome is unknown
// ([ErrOutcomeUnknown], [MaybeApplied]). In the sandbox the document stays a draft, so
// its stage tells neither whether it was sent nor whether it was approved.
// [DocumentsService.AllActivities] may (in the sandbox by DOCUMENT_SENT_FOR_APPROVAL and
// DOCUMENT_APPROVED, stand-ins).
func (s *DocumentsService) SendForApproval(ctx context.Context, id DocumentID, params SendParams, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opSendForApproval, id: numericID("id", int64(id)), body: &sendBody{Approvers: params.Recipients, Message: params.Message}}, opts, decodeAcknowledgement)
}

// Link is a magic link: permanent, public, and usable by everybody who has it. Printed,
// logged, encoded as JSON or put into a template it is "[redacted]", and cannot be read
// back from that: use [Link.URL] where the address is really needed.
//
//nolint:recvcheck // what decodes it takes a pointer
type Link struct {
	unprintable

	url secret.Value[string]
}

// URL returns the link.
func (l Link) URL() string { return l.url.Reveal() }

// UnmarshalJSON reads {"url":"…"}, as it was observed.
func (l *Link) UnmarshalJSON(data []byte) error { return unmarshalModel(data, l) }

func (l *Link) decodeScanned(object []byte) error {
	var address string
	if err := decodeMembers(object, l, member{"url", &address}); err != nil {
		return err
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return modelError(`the member "url" must be a web address`)
	}
	l.url = secret.New(address)
	return nil
}

type magicLinkBody struct {
	ObjectID   ObjectID `json:"object_id"`
	ObjectType string   `json:"object_type"`
}

func (b *magicLinkBody) validate() (name, rule string) {
	if err := wire.CheckSegment(string(b.ObjectID)); err != nil { // as where it stands in a path
		return "id", err.Error()
	}
	return "", ""
}

// MagicLink makes the public link of a document: whoever has it can read the document,
// permanently. No call is known that revokes a link, and it is not known whether a second
// call makes a second link (the sandbox returns the same one). [ErrNotFound] if there is
// no such document. A write with consequences: it is not repeated when its outcome is
// unknown ([ErrOutcomeUnknown]). Observed in four clients.
func (s *DocumentsService) MagicLink(ctx context.Context, id ObjectID, opts ...CallOption) (Link, error) {
	var link Link
	err := s.root().runOp(ctx, &call{op: opCreateMagicLink, body: &magicLinkBody{id, "DOC"}}, opts, func(body []byte) error {
		if err := decodeInto(body, &link); err != nil {
			return err
		}
		return checkDenial(body)
	})
	if err != nil {
		return Link{}, err
	}
	return link, nil
}
