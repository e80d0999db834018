package sandbox

import (
	"strings"
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
	Text       string            `json:"text"`  // the sender's message, may be empty
	Links      map[string]string `json:"links"` // as paths while they are kept; see [account.mail]
	DocumentID revv.DocumentID   `json:"document_id"`
	SentAt     time.Time         `json:"sent_at"`
}

// mail puts a mail into the outbox. Its links are paths there, and get the base URL
// when they are given out: the sandbox may be reached under another one by then, as
// after a restart on another port.
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
			mails[i].Links = make(map[string]string, len(m.Links))
			for name, link := range m.Links {
				mails[i].Links[name] = a.absolute(link)
			}
		}
		return mails
	})
}

// absolute is a link as it is given out. One that is none of ours stays as it is.
func (a *account) absolute(link string) string {
	if strings.HasPrefix(link, "/") {
		return a.BaseURL + link
	}
	return link
}

// LinkPath is what the links of a kind of mail begin with, behind the base URL. The
// secret of the link follows.
func LinkPath(kind string) string {
	switch kind {
	case MailSign:
		return "/sign/"
	case MailShare:
		return "/shared/"
	}
	return acceptancePath("")
}

// relativeLinks turns the links of mails into paths. Older snapshots have the base URL
// of their time in them.
func (b *book) relativeLinks() {
	for _, m := range b.Mails {
		for name, link := range m.Links {
			if i := strings.LastIndex(link, LinkPath(m.Kind)); i >= 0 {
				m.Links[name] = link[i:]
			}
		}
	}
}
