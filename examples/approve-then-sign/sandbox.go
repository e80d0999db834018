package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// demonstrate takes one document through all steps, and another one to a
// colleague who says no. The answers to both kinds of sending get lost once.
func demonstrate(ctx context.Context, out io.Writer) error {
	const legal, finance, supplier = "legal@example.com", "finance@example.com", "supplier@example.com"
	journal, err := os.MkdirTemp("", "revv-approve-then-sign-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(journal) }()
	server := revvtest.NewServer(nil)
	defer server.Close()
	client := server.Client()
	template := server.AddTemplate(revvtest.Template{Title: "Order"})
	order := server.AddDocument(template, "Order of 40 chairs")
	rejected := server.AddDocument(template, "Order of a yacht")
	server.Fail(
		revvtest.Fault{Operation: "Documents.SendForApproval", CutAfter: -1, Commit: true, Times: 1},
		revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1},
	)
	fmt.Fprintf(out, "Approve, then sign\nsandbox in this process; nothing leaves this machine\n\n")

	advance := func(id revv.DocumentID) error {
		doc, _ := server.Document(id)
		p := purchase{
			Number: doc.Number, Approvers: []revv.Person{{Email: legal}, {Email: finance}}, Supplier: revv.Person{Email: supplier},
			Journal: journal, Patience: 100 * time.Millisecond, // nothing takes longer here
			Tell: func(what string) { fmt.Fprintf(out, "%s  %s\n", doc.Number, what) },
		}
		now, err := p.advance(ctx, client.Documents)
		switch {
		case errors.Is(err, errRefused):
			fmt.Fprintf(out, "%s  %v\n", p.Number, err)
			return nil
		case err == nil:
			fmt.Fprintf(out, "%s  %s\n", p.Number, now)
		}
		return err
	}
	person := func(does, who string, act func() error) func() error {
		return func() error {
			fmt.Fprintf(out, "            %s %s\n", who, does)
			return act()
		}
	}
	program := func(id revv.DocumentID) func() error { return func() error { return advance(id) } }
	for _, do := range []func() error{
		program(order),
		person("approves", legal, func() error { return server.Approve(order, legal) }),
		program(order),
		person("approves", finance, func() error { return server.Approve(order, finance) }),
		program(order),
		person("signs", supplier, func() error { return server.Sign(order, supplier) }),
		program(order),
		program(rejected),
		person("says no", finance, func() error { return server.Reject(rejected, finance, "too expensive") }),
		program(rejected),
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return audit(server, order, rejected, out)
}

// audit checks who got mail: two approvers for each document, and the supplier
// for the one that was approved.
func audit(server *revvtest.Server, order, rejected revv.DocumentID, out io.Writer) error {
	mails := make(map[string]int)
	for _, mail := range server.Outbox() {
		mails[fmt.Sprint(mail.DocumentID, " ", mail.Kind)]++
	}
	doc, _ := server.Document(order)
	if mails[fmt.Sprint(order, " approve")] != 2 || mails[fmt.Sprint(order, " sign")] != 1 || mails[fmt.Sprint(rejected, " sign")] != 0 || doc.Stage != revv.StageSigned {
		return fmt.Errorf("the mails were %v, the order is %s", mails, doc.Stage)
	}
	fmt.Fprintf(out, "\ndone: %s was approved by 2 colleagues, then sent to the supplier once and signed; what was not approved was not sent\n", doc.Number)
	return nil
}
