package sandbox

import (
	"maps"
	"time"

	"github.com/revv-go/revv"
)

// The kinds of mail.
const (
	MailSign    = "sign"
	MailAccept  = "accept"
	MailApprove = "approve"
	MailShare   = "share"
)

// Mail is a mail that the sandbox would have sent.
type Mail struct {
	ID         int64             `json:"id"`
	Kind       string            `json:"kind"`
	To         Person            `json:"to"`
	Subject    string            `json:"subject"`
	Text       string            `json:"text"` // the sender's message, may be empty
	Links      map[string]string `json:"links"`
	DocumentID revv.DocumentID   `json:"document_id"`
	SentAt     time.Time         `json:"sent_at"`
}

// mail puts a mail into the outbox.
func (a *account) mail(d *Document, to Person, kind, subject, text string, links map[string]string) {
	m := Mail{
		ID: take(&a.Next.Mail), Kind: kind, To: to, Subject: subject, Text: text, Links: links,
		DocumentID: d.ID, SentAt: a.stamp(),
	}
	a.Mails = boundedAppend(a.Mails, m, ringSize)
	a.changed("mail", m.ID)
}

// Mails lists the mails, the oldest first. Only the last 10,000 are kept.
func (s *Sandbox) Mails() []Mail {
	return read(s, func(a *account) []Mail {
		mails := make([]Mail, len(a.Mails))
		for i, m := range a.Mails {
			mails[i] = m
			mails[i].Links = maps.Clone(m.Links)
		}
		return mails
	})
}
