// Approve-then-sign has colleagues approve a document before it goes to the
// supplier, who signs it. Each run takes the step that is due, if one is.
//
// With no environment set it takes two documents through all steps in a sandbox
// in its own process. With REVV_BASE_URL and REVV_ACCESS_TOKEN set, it takes a
// step with the draft that it is given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/mail"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "approve-then-sign:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var (
		flags     = flag.NewFlagSet("approve-then-sign", flag.ContinueOnError)
		number    = flags.String("document", "", "the `number` of the draft, such as DOC-000040")
		approvers = flags.String("approvers", "", "the `addresses` of those who approve, with commas")
		supplier  = flags.String("supplier", "", "the `address` of the supplier")
		journal   = flags.String("journal", "approvals", "the `folder` where requests are written down before they are sent")
		every     = flags.Duration("every", 0, "look again after this time, until it is signed; 0 takes one step and ends")
	)
	flags.SetOutput(out)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	base, token := os.Getenv("REVV_BASE_URL"), os.Getenv("REVV_ACCESS_TOKEN")
	if base == "" && len(args) == 0 {
		return demonstrate(ctx, out)
	}
	p := purchase{
		Number: revv.DocumentNumber(*number), Supplier: revv.Person{Email: *supplier},
		Journal: *journal, Patience: time.Minute, Tell: func(what string) { fmt.Fprintln(out, what) },
	}
	for address := range strings.SplitSeq(*approvers, ",") {
		p.Approvers = append(p.Approvers, revv.Person{Email: strings.TrimSpace(address)})
	}
	err := p.check()
	if base == "" || token == "" {
		err = errors.Join(errors.New("REVV_BASE_URL and REVV_ACCESS_TOKEN must be set; without them and without flags, a sandbox shows how it goes"), err)
	}
	if err != nil {
		return err
	}
	client, err := revv.NewClient(revv.StaticToken(token), revv.WithBaseURL(base))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.Journal, 0o700); err != nil {
		return err
	}
	now, err := p.advance(ctx, client.Documents)
	for *every > 0 && now != signed && (err == nil || errors.Is(err, errUnsettled) || errors.Is(err, errUnshown)) {
		if err != nil {
			p.Tell(err.Error())
		}
		select {
		case <-time.After(*every):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err = p.advance(ctx, client.Documents)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Number, err)
	}
	fmt.Fprintf(out, "done: %s is %s\n", p.Number, now)
	return nil
}

// check names all that is wrong with the flags.
func (p purchase) check() error {
	var problems []error
	if p.Number == "" {
		problems = append(problems, errors.New("-document must be the number of a draft, such as DOC-000040"))
	}
	for _, person := range p.Approvers {
		if address, err := mail.ParseAddress(person.Email); err != nil || address.Address != person.Email {
			problems = append(problems, fmt.Errorf("-approvers must be mail addresses with commas, which %q is not", person.Email))
		}
	}
	if address, err := mail.ParseAddress(p.Supplier.Email); err != nil || address.Address != p.Supplier.Email {
		problems = append(problems, fmt.Errorf("-supplier must be a mail address, not %q", p.Supplier.Email))
	}
	return errors.Join(problems...)
}
