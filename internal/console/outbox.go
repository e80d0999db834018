package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/revv-go/revv/internal/sandbox"
)

// mailRow is a mail, as a page shows it.
type mailRow struct {
	sandbox.Mail

	Action  string // what its link is for
	Link    string
	Buttons []mailButton
}

// mailButton is what a mail offers beside its link: addresses that take a POST.
type mailButton struct{ Name, URL string }

func mailRows(mails []sandbox.Mail) []mailRow {
	actions := map[string]string{
		sandbox.MailSign: "Open and sign", sandbox.MailAccept: "Open and accept",
		sandbox.MailApprove: "Open and approve", sandbox.MailShare: "Open the copy",
	}
	rows := make([]mailRow, len(mails))
	for i, m := range mails {
		row := mailRow{Mail: m, Action: actions[m.Kind]}
		for name, target := range m.Links {
			if name == "sign" || name == "open" {
				row.Link = target
			} else {
				row.Buttons = append(row.Buttons, mailButton{name, target})
			}
		}
		slices.SortFunc(row.Buttons, func(x, y mailButton) int { return strings.Compare(x.Name, y.Name) })
		rows[i] = row
	}
	return rows
}

func (c *Console) outboxPage(w http.ResponseWriter, r *http.Request) error {
	mails := newestFirst(c.sandbox.Mails())
	found := list(r, mails, func(m sandbox.Mail, query string) bool {
		return contains(query, m.Subject, m.To.Email, personName(m.To), m.Text)
	})
	rows := mailRows(found.Rows)
	return c.render(w, http.StatusOK, "outbox", view{Title: "Outbox", Nav: "outbox", Watch: "mail", Data: struct {
		List  listing[sandbox.Mail]
		Mails []mailRow
	}{found, rows}})
}

// outboxData gives all mails to a program, the oldest first.
func (c *Console) outboxData(w http.ResponseWriter, _ *http.Request) error {
	return data(w, c.sandbox.Mails())
}
