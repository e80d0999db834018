package console

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// documentsPage is the dashboard.
func (c *Console) documentsPage(w http.ResponseWriter, r *http.Request) error {
	stage, folder := r.URL.Query().Get("stage"), r.URL.Query().Get("folder")
	documents := c.sandbox.Documents()
	counts := map[string]int{}
	for i := range documents {
		counts[string(documents[i].Stage)]++
	}
	type stageCount struct {
		Name  string
		Count int
	}
	stages := make([]stageCount, 0, 4)
	for _, name := range []revv.Stage{revv.StageDraft, revv.StageSent, revv.StageSigned, revv.StageCompleted} {
		stages = append(stages, stageCount{string(name), counts[string(name)]})
	}
	folders := map[revv.FolderID]string{}
	for _, f := range c.sandbox.Folders() {
		folders[f.ID] = f.Name
	}
	folderID, _ := strconv.ParseInt(folder, 10, 64)
	rows := list(r, documents, func(d sandbox.Document, query string) bool {
		return (stage == "" || d.Stage.Is(revv.Stage(stage))) && (folder == "" || d.FolderID == revv.FolderID(folderID)) &&
			contains(query, append(addresses(&d), d.Title, string(d.Number), string(d.ObjectID), strconv.FormatInt(int64(d.ID), 10))...)
	})
	return c.render(w, http.StatusOK, "documents", view{Title: "Documents", Nav: "documents", Watch: "document", Data: struct {
		List       listing[sandbox.Document]
		Stage      string
		Stages     []stageCount
		Folder     string
		FolderName string
		Folders    map[revv.FolderID]string
	}{rows, stage, stages, folder, folders[revv.FolderID(folderID)], folders}})
}

// addresses lists everybody that a document was sent to.
func addresses(d *sandbox.Document) []string {
	var all []string
	for _, parties := range [][]sandbox.Party{d.Signers, d.Acceptors, d.Approvers, d.Readers} {
		for _, p := range parties {
			all = append(all, p.Email, p.FirstName+" "+p.LastName)
		}
	}
	return all
}

// partyRow is a person in a role, as a page shows it.
type partyRow struct {
	sandbox.Party

	Role  string
	Link  string
	Tone  string // of the badge
	State string // in words
	Note  string
}

// partyRows lists everybody that the document was sent to, in all roles.
func partyRows(d *sandbox.Document) []partyRow {
	var rows []partyRow
	add := func(role, mail, done, refused string, parties []sandbox.Party) {
		for _, p := range parties {
			row := partyRow{Party: p, Role: role, Link: sandbox.LinkPath(mail) + p.Token, Tone: "wait", State: "Open"}
			switch {
			case p.State == sandbox.PartyDone:
				row.Tone, row.State = "good", done
				if p.SignedAs != "" {
					row.Note = "as “" + p.SignedAs + "”"
				}
			case p.State == sandbox.PartyDeclined:
				row.Tone, row.State, row.Note = "bad", refused, p.Reason
			case role == "Reader":
				row.Tone, row.State = "calm", "Has a copy"
			case !p.Notified:
				row.Tone, row.State = "calm", "Waiting for their turn"
			}
			rows = append(rows, row)
		}
	}
	add("Signer", sandbox.MailSign, "Signed", "Declined", d.Signers)
	add("Acceptor", sandbox.MailAccept, "Accepted", "Rejected", d.Acceptors)
	add("Approver", sandbox.MailApprove, "Approved", "Rejected", d.Approvers)
	add("Reader", sandbox.MailShare, "", "", d.Readers)
	return rows
}

func (c *Console) documentPage(w http.ResponseWriter, r *http.Request) error {
	d, err := c.document(r)
	if err != nil {
		return err
	}
	mails := slices.DeleteFunc(newestFirst(c.sandbox.Mails()), func(m sandbox.Mail) bool { return m.DocumentID != d.ID })
	folder, template := "", ""
	for _, f := range c.sandbox.Folders() {
		if f.ID == d.FolderID {
			folder = f.Name
		}
	}
	for _, t := range c.sandbox.Templates() {
		if t.ID == d.TemplateID {
			template = t.Title
		}
	}
	return c.render(w, http.StatusOK, "document", view{Title: d.Title, Nav: "documents", Watch: "document mail", Data: struct {
		Document  sandbox.Document
		Parties   []partyRow
		Timeline  []sandbox.Activity
		Mails     []mailRow
		Folder    string
		Template  string
		Magic     string
		CanFinish bool
	}{d, partyRows(&d), newestFirst(slices.Clone(d.Activities)), mailRows(mails), folder, template, d.MagicPath(), d.Stage.Is(revv.StageSigned)}})
}

func (c *Console) document(r *http.Request) (sandbox.Document, error) {
	id, err := pathNumber(r, "document")
	if err != nil {
		return sandbox.Document{}, err
	}
	d, ok := c.sandbox.Document(revv.DocumentID(id))
	if !ok {
		return d, missing("document")
	}
	return d, nil
}

func (c *Console) documentPDF(w http.ResponseWriter, r *http.Request) error {
	d, err := c.document(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `inline; filename="`+string(d.Number)+`.pdf"`)
	_, _ = w.Write(d.PDF()) //nolint:gosec // it says that it is no page, and that nobody may guess otherwise
	return nil
}

func (c *Console) completeDocument(w http.ResponseWriter, r *http.Request) error {
	d, err := c.document(r)
	if err != nil {
		return err
	}
	if err := c.sandbox.Complete(d.ID); err != nil {
		return err
	}
	return back(w, documentPath(d.ID))
}

func documentPath(id revv.DocumentID) string {
	return "/documents/" + strconv.FormatInt(int64(id), 10)
}
