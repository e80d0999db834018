package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

// state is how far the contract of a deal has got, as saved with the deal.
type state string

const (
	creating state = "creating" // asked for; whether it exists is not known yet
	created  state = "created"
	sending  state = "sending" // asked for; whether it went out is not known yet
	sent     state = "sent"
)

// onItsWay is how long a request whose answer was lost may take to arrive. If it has had
// no effect by then, it is taken for lost.
const onItsWay = time.Minute

// askLimit bounds a call whose answer can be lost. If the service asks the client to
// wait, the client may send its request only at the very end of that time.
const askLimit = time.Minute

var (
	errUnsettled = errors.New("the last request may still be on its way")
	errLocked    = errors.New("another run is at work with it")
)

// record is a deal in the CRM, which here is a JSON file. In a real CRM three fields have
// to be added to the deal: the state of the contract, its number, and the time until
// which a request whose answer is missing could leave.
type record struct {
	ID         string          `json:"id"`
	Customer   string          `json:"customer"`
	Fee        string          `json:"fee"`
	StartDate  string          `json:"start_date"`
	TemplateID revv.TemplateID `json:"template_id"`
	Signers    []signer        `json:"signers"`
	Contract   contract        `json:"contract,omitzero"`

	path  string
	mu    sync.Mutex
	saved contract // what the file has: it can be behind Contract, when it could not be written
}

type signer struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

type contract struct {
	State  state               `json:"state"`
	Number revv.DocumentNumber `json:"number,omitzero"`
	Until  time.Time           `json:"until,omitzero"` // the latest time at which the request of creating or sending has left
}

// settled is nil if a request whose answer was lost had arrived by the time at, or
// never will. at is the time before the read that found no effect, because the
// request can still arrive while the answer of that read is on its way.
func (d *record) settled(at time.Time) error {
	if at.Sub(d.Contract.Until) < onItsWay {
		return d.unsettled(at)
	}
	return nil
}

// unsettled says how long the request may still be on its way.
func (d *record) unsettled(at time.Time) error {
	return fmt.Errorf("%w: run again in %s", errUnsettled, max(0, onItsWay-at.Sub(d.Contract.Until)).Round(time.Second))
}

// load reads a deal and checks all of it before any request is made.
func load(path string) (*record, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	deal := &record{path: path}
	if err := json.Unmarshal(data, deal); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := deal.check(); err != nil {
		return nil, fmt.Errorf("%s is not complete:\n%w", path, err)
	}
	deal.saved = deal.Contract
	return deal, nil
}

var amount = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

func (d *record) check() error {
	var problems []error
	rule := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	rule(d.ID != "", "id must not be empty: the contract is found again by it")
	rule(d.Customer != "", "customer must not be empty")
	rule(amount.MatchString(d.Fee), "fee must be a number such as 1200.50, not %q", d.Fee)
	_, err := time.Parse(time.DateOnly, d.StartDate)
	rule(err == nil, "start_date must be a date such as 2026-01-15, not %q", d.StartDate)
	rule(d.TemplateID > 0, "template_id must be the number of a template")
	rule(len(d.Signers) == 2, "signers must be two people, in the order in which they sign, not %d", len(d.Signers))
	for i, s := range d.Signers {
		address, err := mail.ParseAddress(s.Email)
		rule(err == nil && address.Address == s.Email, "signers[%d].email must be a mail address, not %q", i, s.Email)
	}
	switch d.Contract.State {
	case "", creating, created, sending, sent:
	default:
		rule(false, "contract.state must be absent or one of %s, %s, %s and %s, not %q", creating, created, sending, sent, d.Contract.State)
	}
	known := d.Contract.State != "" && d.Contract.State != creating
	rule(known == (d.Contract.Number != ""), "contract.number must be there if the state is %s, %s or %s, and only then", created, sending, sent)
	return errors.Join(problems...)
}

// lock lets one call at a time work on the deal. It holds within a process; for the others
// there is lockFile, or with a real CRM the row of its database.
func (d *record) lock() (unlock func()) {
	d.mu.Lock()
	return d.mu.Unlock
}

// ask saves that a request is about to be made, and bounds the call that makes it: if
// this program is killed, the next one knows how long it has to wait.
func (d *record) ask(ctx context.Context, now state, number revv.DocumentNumber) (context.Context, context.CancelFunc, error) {
	until := time.Now().Add(askLimit)
	if err := d.write(contract{State: now, Number: number, Until: until.UTC()}); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	return ctx, cancel, nil
}

// remember saves how far the contract has got, when no call is under way.
func (d *record) remember(now state, number revv.DocumentNumber) error {
	next := contract{State: now, Number: number}
	if now == creating || now == sending {
		next.Until = time.Now().UTC()
	}
	return d.write(next)
}

// write writes the state of the contract into the CRM. The file is replaced as a whole,
// so that a program that dies leaves the old record or the new one. What could not be
// written is known all the same, and written with the next call.
func (d *record) write(next contract) error {
	d.Contract = next
	if d.saved == next {
		return nil
	}
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(d.path), ".deal-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() //nolint:gosec // our own name; after the rename there is nothing to remove
	_, err = file.Write(append(data, '\n'))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), d.path); err != nil { //nolint:gosec // the user names the file
		return err
	}
	if err := syncFolder(filepath.Dir(d.path)); err != nil {
		return err
	}
	d.saved = next
	return nil
}

// syncFolder makes lasting what was made or renamed in a folder, even if the power fails.
// Windows and some network file systems have no such call, and need none.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path) //nolint:gosec // the folder of the user's file
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}

// title is how the document is recognised in the account.
func (d *record) title() string {
	return fmt.Sprintf("Service agreement for %s (deal %s)", d.Customer, d.ID)
}

// fields fills the fields of the template, under the names that they have there.
func (d *record) fields() []revv.FieldValue {
	return []revv.FieldValue{{Name: "Client", Value: d.Customer}, {Name: "Start date", Value: d.StartDate}, {Name: "Fee", Value: d.Fee}}
}

// checkFields compares the fields of the document with what they should be. If the shape
// of a request is wrong, the service may tolerate it and leave the contract empty.
func (d *record) checkFields(doc *revv.Document) error {
	for _, want := range d.fields() {
		if doc.Field(want.Name).Value != want.Value {
			return fmt.Errorf("%s does not hold %q in the field %q", doc.Number, want.Value, want.Name)
		}
	}
	return nil
}

// people are the signers, in order.
func (d *record) people() []revv.Person {
	people := make([]revv.Person, len(d.Signers))
	for i, s := range d.Signers {
		people[i] = revv.Person{Email: s.Email, FirstName: s.FirstName, LastName: s.LastName, Order: i + 1}
	}
	return people
}
