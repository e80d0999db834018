// Contact-sync copies the contacts of a CRM, exported as CSV, into the address book of an
// account, and counts what was created, updated and unchanged. All rows are checked
// before the first request; contacts that are not in the file are left alone.
//
// With no environment set it runs against a sandbox in its own process, with a file of
// its own. With REVV_BASE_URL and REVV_ACCESS_TOKEN set it copies the given file into
// that account.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

//go:embed contacts.csv
var sampleFile string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "contact-sync:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("contact-sync", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprintln(out, "usage: contact-sync [-dry-run] [contacts.csv]")
		flags.PrintDefaults()
	}
	dryRun := flags.Bool("dry-run", false, "say what would be done, and do nothing")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 1:
		return fmt.Errorf("one file at a time, not %d", flags.NArg())
	}
	rows, err := readFile(flags.Arg(0))
	if err != nil {
		return err
	}
	base := getenv("REVV_BASE_URL")
	if base == "" {
		return inSandbox(ctx, rows, *dryRun, out)
	}
	if flags.NArg() == 0 {
		return errors.New("name the CSV file: the sample is not for a real account")
	}
	client, err := revv.NewClient(revv.StaticToken(getenv("REVV_ACCESS_TOKEN")), revv.WithBaseURL(base))
	if err != nil {
		return err
	}
	t, err := syncContacts(ctx, client, rows, *dryRun, out)
	if err != nil {
		return fmt.Errorf("%v\n%w", t, err)
	}
	fmt.Fprintf(out, "done: %v\n", t)
	return nil
}

// readFile reads the file, or the sample if none is named.
func readFile(name string) ([]row, error) {
	if name == "" {
		return readRows(strings.NewReader(sampleFile), "contacts.csv")
	}
	file, err := os.Open(name) //nolint:gosec // the file that the user has named
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return readRows(file, name)
}

// tally is what was done.
type tally struct {
	created, updated, unchanged, failed, untried int
	dryRun                                       bool
}

func (t tally) String() string {
	text := fmt.Sprintf("%d created, %d updated, %d unchanged", t.created, t.updated, t.unchanged)
	if t.failed > 0 {
		text += fmt.Sprintf(", %d failed", t.failed)
	}
	if t.untried > 0 {
		text += fmt.Sprintf(", %d not tried", t.untried)
	}
	if t.dryRun {
		text += " (a dry run: nothing was sent)"
	}
	return text
}

// syncContacts compares the rows with the address book, which it reads once, and sends
// what differs. A row that fails is reported and does not stop the others.
func syncContacts(ctx context.Context, client *revv.Client, rows []row, dryRun bool, out io.Writer) (tally, error) {
	t := tally{dryRun: dryRun}
	book, err := readAddressBook(ctx, client)
	if err != nil {
		return t, err
	}
	var problems []error
	for i, r := range rows {
		found := book[addressKey(r.want.Email)]
		var changed []string
		if len(found) == 1 {
			r.want.Email = found[0].Email // in the service's spelling, so that it finds it
			if changed = differences(found[0], r.want); len(changed) == 0 {
				t.unchanged++
				continue
			}
		}
		if err := sendContact(ctx, client, r.want, len(found), dryRun); err != nil {
			t.failed++
			problems = append(problems, fmt.Errorf("line %d: %w", r.line, err))
			if isFinal(ctx, err) {
				t.untried = len(rows) - i - 1
				break
			}
			continue
		}
		if len(found) == 0 {
			t.created++
			fmt.Fprintf(out, "  + %s <%s>\n", r.want.Name, r.want.Email)
			continue
		}
		t.updated++
		fmt.Fprintf(out, "  ~ %s <%s>: %s\n", r.want.Name, r.want.Email, strings.Join(changed, ", "))
	}
	return t, errors.Join(problems...)
}

// readAddressBook reads all contacts, by address. An address can occur twice.
func readAddressBook(ctx context.Context, client *revv.Client) (map[string][]revv.Contact, error) {
	book := make(map[string][]revv.Contact)
	for contact, err := range client.Contacts.All(ctx, revv.ListContactsParams{}) {
		if err != nil {
			return nil, err
		}
		key := addressKey(contact.Email)
		book[key] = append(book[key], contact)
	}
	return book, nil
}

// sendContact adds or updates a contact. When the answer is lost, it checks whether the
// contact is now as it should be, and sends nothing twice.
func sendContact(ctx context.Context, client *revv.Client, want revv.UpsertContactParams, known int, dryRun bool) error {
	if known > 1 {
		return fmt.Errorf("%d contacts have the address %s; merge them first", known, want.Email)
	}
	if dryRun {
		return nil
	}
	_, err := client.Contacts.Upsert(ctx, want)
	if revv.MaybeApplied(err) {
		now, readErr := client.Contacts.GetByEmail(ctx, want.Email)
		if readErr == nil && len(differences(*now, want)) == 0 {
			return nil
		}
	}
	return err
}

// isFinal reports whether every other row would fail in the same way.
func isFinal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, revv.ErrUnauthorized) || errors.Is(err, revv.ErrReauthorizationRequired)
}

// inSandbox syncs twice with a sandbox that has some of the contacts: the second
// time there is nothing to do.
func inSandbox(ctx context.Context, rows []row, dryRun bool, out io.Writer) error {
	server := revvtest.NewServer(nil, revvtest.WithoutSeedData())
	defer server.Close()
	for _, contact := range []revvtest.Contact{
		{Name: "Acme Ltd", Email: "office@acme.example.com", Phone: "+1 555 0100", Type: "corporate", Notes: "Customer since 2019"},
		{Name: "Ann Archer", Email: "ann.archer@example.com", Phone: "+1 555 0101", Type: "individual", Title: "Buyer"},
		{Name: "Ben Baker", Email: "ben.baker@example.com", Phone: "+1 555 0102", Type: "individual", Title: "Lawyer"},
		{Name: "Dan Dyer", Email: "Dan.Dyer@example.com", Phone: "+1 555 0199", Type: "individual", Title: "Tenant"},
		{Name: "Somebody else", Email: "somebody.else@example.com"},
	} {
		server.AddContact(contact)
	}
	fmt.Fprintf(out, "sandbox at %s, in this process\n\n", server.URL())
	client := server.Client()
	first, err := syncContacts(ctx, client, rows, dryRun, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "first run:  %v\n", first)
	second, err := syncContacts(ctx, client, rows, dryRun, io.Discard)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "second run: %v\n\ndone: %d contacts, %v\n", second, len(rows), first)
	return nil
}
