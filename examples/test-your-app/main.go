// Test-your-app runs an application, the package rental beside it, through a bad
// day: answers are lost, the service hangs, limits, answers with web pages and
// revokes the token, and every webhook comes twice. Each lease is sent once all
// the same. The tests of such an application are in rental/rental_test.go.
//
// With no environment set the day happens in a sandbox in this process. With
// REVV_BASE_URL, REVV_ACCESS_TOKEN, REVV_TEMPLATE_ID and REVV_TENANT set, the
// application really sends one lease to that address.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/examples/test-your-app/rental"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "test-your-app:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	if getenv("REVV_BASE_URL") == "" {
		return badDay(ctx, out)
	}
	return sendOne(ctx, getenv, out)
}

// sendOne sends a lease with a real account.
func sendOne(ctx context.Context, getenv func(string) string, out io.Writer) error {
	template, err := strconv.ParseInt(getenv("REVV_TEMPLATE_ID"), 10, 64)
	if err != nil {
		return errors.New("REVV_TEMPLATE_ID must be the number of a template with the fields Tenant and Rent")
	}
	tenant, err := mail.ParseAddress(getenv("REVV_TENANT"))
	if err != nil {
		return fmt.Errorf("REVV_TENANT must be an address, a lease is really sent to it: %w", err)
	}
	client, err := revv.NewClient(revv.StaticToken(getenv("REVV_ACCESS_TOKEN")), revv.WithBaseURL(getenv("REVV_BASE_URL")))
	if err != nil {
		return err
	}
	office := rental.New(client, revv.TemplateID(template), func(string) {})
	number := time.Now().UTC().Format("20060102-150405")
	if err := office.SendLease(ctx, leaseOf(number, tenant.Address)); err != nil {
		return err
	}
	fmt.Fprintf(out, "done: lease %s sent\n", number)
	return nil
}

func leaseOf(number, tenant string) rental.Lease {
	return rental.Lease{Number: number, Rent: "1200.00", Tenant: revv.Person{Email: tenant, FirstName: "Ann", LastName: "Archer"}}
}
