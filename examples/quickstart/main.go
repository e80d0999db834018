// Quickstart walks through the whole life of a contract: it authorizes, makes a document
// from a template, fills it, sends it to two people who sign one after the other,
// receives the webhooks, downloads and verifies the PDF, files it away, and tidies up.
//
// With no environment set it starts a sandbox in its own process, and plays the two
// people. With REVV_BASE_URL, REVV_CLIENT_ID and REVV_CLIENT_SECRET set, the same steps
// run against that server: see the README for what that does to real data.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	place, err := findPlace(out)
	if err != nil {
		return err
	}
	defer place.close()
	return walkThrough(ctx, place, out)
}

// walkThrough takes all steps. If one fails, or is interrupted, it still ends the
// subscriptions: their URL leads to this machine, with a secret at its end.
func walkThrough(ctx context.Context, place *place, out io.Writer) (err error) {
	report := newReport(out, place.title)
	hooks, err := listen(ctx, place.hookURL)
	if err != nil {
		return err
	}
	defer hooks.close()

	w := &walk{place: place, hooks: hooks, report: report}
	defer func() {
		if err == nil {
			return
		}
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // ctx may be what has ended
		defer cancel()
		err = errors.Join(fmt.Errorf("%s: %w", w.step, err), w.unsubscribe(ending))
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"authorize", w.authorize},
		{"templates", w.templates},
		{"webhooks", w.subscribe},
		{"create", w.create},
		{"fields", w.fields},
		{"send", w.send},
		{"sign", w.sign},
		{"events", w.events},
		{"download", w.download},
		{"folder", w.folder},
		{"magic link", w.magicLink},
		{"contacts", w.contacts},
		{"activities", w.activities},
		{"tidy up", w.tidyUp},
	} {
		w.step = step.name
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	w.report.done("%s signed by %d people, %d webhook events received, %d bytes of PDF verified", w.doc.Number, len(w.place.signers), w.received, w.size)
	return nil
}

// walk is what one step leaves for the next.
type walk struct {
	place  *place
	hooks  *hooks
	report *report
	step   string

	client   *revv.Client
	template revv.Template
	doc      *revv.Document
	people   []revv.Person
	webhooks []revv.WebhookID
	received int
	size     int64
}

// authorize asks a person for permission, with state and PKCE, and exchanges the code for
// a token pair, which is stored before it is used.
func (w *walk) authorize(ctx context.Context) error {
	config := w.place.config
	token, err := config.Login(ctx, w.place.browse)
	if err != nil {
		return err
	}
	w.report.say(w.step, "a person agreed; state and PKCE verified, the code exchanged")
	store := revv.NewMemoryStore()
	if err := revv.SaveToken(ctx, store, "quickstart", token); err != nil {
		return err
	}
	auth, err := config.Authenticator(store, "quickstart")
	if err != nil {
		return err
	}
	w.report.say("", "token pair saved; it is renewed and saved again when it expires")
	w.client, err = revv.NewClient(auth, w.place.options...)
	return err
}

func (w *walk) templates(ctx context.Context) error {
	for template, err := range w.client.Templates.All(ctx, revv.ListTemplatesParams{Status: revv.ActiveTemplates}) {
		if err != nil {
			return err
		}
		if w.template.ID == 0 && (w.place.template == 0 || template.ID == w.place.template) {
			w.template = template
		}
		w.report.say(w.step, "%d  %s", template.ID, template.Title)
	}
	if w.template.ID == 0 {
		return fmt.Errorf("the account has no active template to make a document from")
	}
	return nil
}

func (w *walk) subscribe(ctx context.Context) error {
	if w.hooks == nil {
		w.report.say(w.step, "none: REVV_WEBHOOK_URL does not say where this machine can be reached")
		return nil
	}
	for _, event := range []revv.EventType{revv.EventStageChanged, revv.EventSigned, revv.EventClosed} {
		hook, err := w.client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: event, URL: w.hooks.url})
		if err != nil {
			return err
		}
		w.webhooks = append(w.webhooks, hook.ID)
		w.report.say(w.step, "subscribed to %s", event)
	}
	return nil
}

func (w *walk) create(ctx context.Context) (err error) {
	title := w.template.Title + " for Example Ltd"
	w.doc, err = w.client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: w.template.ID, Title: title})
	if err != nil {
		return err
	}
	w.report.say(w.step, "%s  %q, stage %s", w.doc.Number, w.doc.Title, w.doc.Stage)
	w.report.say("", "id %d, object id %s", w.doc.ID, w.doc.ObjectID)
	return nil
}

// fields fills every field by its type, so that the program works with any
// template.
func (w *walk) fields(ctx context.Context) error {
	doc, err := w.client.Documents.Get(ctx, w.doc.ID)
	if err != nil {
		return err
	}
	var values []revv.FieldValue
	for _, field := range doc.Fields {
		value := "Example Ltd"
		switch field.Type {
		case "date":
			value = time.Now().Format(time.DateOnly)
		case "number":
			value = "1200"
		}
		values = append(values, revv.FieldValue{Name: field.Name, Value: value})
	}
	if len(values) == 0 {
		w.report.say(w.step, "the template has none")
		return nil
	}
	if doc, err = w.client.Documents.SetFields(ctx, w.doc.ID, values); err != nil {
		return err
	}
	for _, want := range values { // a wrong shape can be a success that has written nothing
		if doc.Field(want.Name).Value != want.Value {
			return fmt.Errorf("%s does not hold %q in the field %q: nothing is sent", doc.Number, want.Value, want.Name)
		}
	}
	for _, field := range doc.Fields {
		mark := ""
		if field.Required {
			mark = "  (required)"
		}
		w.report.say(w.step, "%-12s %s%s", field.Name, field.Value, mark)
	}
	return nil
}

func (w *walk) send(ctx context.Context) error {
	for i, address := range w.place.signers {
		w.people = append(w.people, revv.Person{Email: address, Order: i + 1})
	}
	err := w.client.Documents.SendForESign(ctx, w.doc.ID, revv.SendParams{Recipients: w.people, Message: "Please sign. This is a trial of an integration."})
	if err != nil {
		return err
	}
	for _, person := range w.people {
		w.report.say(w.step, "%d. %s", person.Order, person.Email)
	}
	now, err := w.client.Documents.Get(ctx, w.doc.ID)
	if err == nil && !now.Stage.Reached(revv.StageSent) { // the answer was a success, and this is what counts
		w.report.say(w.step, "reported as sent, and its stage is %q: see whether anybody was mailed", now.Stage)
	}
	if err != nil {
		return fmt.Errorf("it was reported as sent, and what it shows cannot be read: %w", err)
	}
	return nil
}

// sign lets everybody sign, and waits until the service shows it.
func (w *walk) sign(ctx context.Context) error {
	if err := w.place.sign(ctx, w.doc.ID, w.people); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.place.patience)
	defer cancel()
	for {
		doc, err := w.client.Documents.Get(ctx, w.doc.ID)
		if err != nil {
			return err
		}
		if doc.Stage.Reached(revv.StageSigned) {
			w.report.say(w.step, "all signed, stage %s", doc.Stage)
			return nil
		}
		select {
		case <-time.After(w.place.pollEvery):
		case <-ctx.Done():
			return fmt.Errorf("the document is still %s: %w", doc.Stage, ctx.Err())
		}
	}
}

// events waits for what the webhook handler must have received by now: two changes of
// stage, a signature of each person, and the end.
func (w *walk) events(ctx context.Context) error {
	if w.hooks == nil {
		w.report.say(w.step, "none")
		return nil
	}
	want := map[revv.EventType]int{revv.EventStageChanged: 2, revv.EventSigned: len(w.people), revv.EventClosed: 1}
	events, err := w.hooks.collect(ctx, w.doc.ID, want, w.place.patience)
	for _, event := range events {
		about := string(event.Document.Stage)
		if event.Type == revv.EventSigned {
			about = event.Recipient.Email
		}
		w.report.say(w.step, "%-22s %s", strings.ToLower(string(event.Type)), about)
	}
	w.received = len(events)
	return err
}

func (w *walk) download(ctx context.Context) error {
	path := w.place.pdfPath(w.doc.Number)
	got, err := w.client.Documents.DownloadFile(ctx, w.doc.ID, path)
	if err != nil {
		return err
	}
	if err := checkPDF(path, got); err != nil {
		return err
	}
	w.size = got.Size
	w.report.say(w.step, "%s, %d bytes, complete%s", filepath.Base(path), got.Size, w.place.fate)
	w.report.say("", "SHA-256 %s", got.SHA256)
	return nil
}

func (w *walk) folder(ctx context.Context) error {
	folder, err := w.client.Folders.Create(ctx, revv.CreateFolderParams{Name: "Signed " + time.Now().Format("2006-01-02 15:04:05")})
	if err != nil {
		return err
	}
	doc, err := w.client.Documents.Move(ctx, w.doc.ID, folder.ID)
	if err != nil {
		return err
	}
	w.report.say(w.step, "%s is in %q (folder %d)", doc.Number, folder.Name, doc.FolderID)
	return nil
}

// magicLink shows where the link leads, not the link: whoever has it can read
// the document.
func (w *walk) magicLink(ctx context.Context) error {
	link, err := w.client.Documents.MagicLink(ctx, w.doc.ObjectID)
	if err != nil {
		return err
	}
	w.report.say(w.step, "made, %d characters; prints as %v", len(link.URL()), link)
	return nil
}

func (w *walk) contacts(ctx context.Context) error {
	const address = "quickstart@example.com"
	added, err := w.client.Contacts.Upsert(ctx, revv.UpsertContactParams{
		Name: "Example Ltd", Email: address, Type: revv.ContactCorporate, Notes: new("made by the quickstart"),
	})
	if err != nil {
		return err
	}
	found, err := w.client.Contacts.GetByEmail(ctx, address)
	if err != nil {
		return err
	}
	if found.ID != added.ID {
		return fmt.Errorf("contact %d was added, contact %d was found", added.ID, found.ID)
	}
	w.report.say(w.step, "%d  %s <%s> added and read back", found.ID, found.Name, found.Email)
	if err := w.client.Contacts.Delete(ctx, found.ID); err != nil {
		return err
	}
	w.report.say("", "deleted again")
	return nil
}

func (w *walk) activities(ctx context.Context) error {
	activities, err := w.client.Documents.Activities(ctx, w.doc.ObjectID, revv.ListActivitiesParams{})
	if err != nil {
		return err
	}
	for _, activity := range activities {
		w.report.say(w.step, "%s  %-28s %s", activity.Timestamp.Local().Format(time.TimeOnly), activity.Event, activity.Actor.Email)
	}
	if len(activities) == 0 {
		return fmt.Errorf("nothing has happened, as it seems")
	}
	return nil
}

func (w *walk) tidyUp(ctx context.Context) error {
	subscribed := len(w.webhooks)
	if err := w.unsubscribe(ctx); err != nil {
		return err
	}
	w.report.say(w.step, "%d webhooks unsubscribed", subscribed)
	return nil
}

func (w *walk) unsubscribe(ctx context.Context) error {
	for ; len(w.webhooks) > 0; w.webhooks = w.webhooks[1:] {
		if err := w.client.Webhooks.Unsubscribe(ctx, w.webhooks[0]); err != nil {
			return fmt.Errorf("%d webhooks are still subscribed: %w", len(w.webhooks), err)
		}
	}
	return nil
}
