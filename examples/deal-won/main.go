// Deal-won turns a deal that was won into a contract that two people sign, one after the
// other. It may be run again for the same deal, even after a crash or a lost answer: the
// contract goes out once.
//
// With no environment set it starts a sandbox in its own process, and loses two answers
// on purpose. With REVV_BASE_URL and REVV_ACCESS_TOKEN set, it sends the contract of the
// deal in the given file.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

//go:embed deal.json
var sample []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "deal-won:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	base := os.Getenv("REVV_BASE_URL")
	switch {
	case base == "" && len(args) == 0:
		return demonstrate(ctx, out)
	case base == "":
		return errors.New("REVV_BASE_URL and REVV_ACCESS_TOKEN must be set to send the contract of a deal; without a file, a sandbox shows how it goes")
	case len(args) != 1:
		return errors.New("usage with REVV_BASE_URL: deal-won deal.json")
	}
	return sendFile(ctx, base, args[0], out)
}

// sendFile sends the contract of the deal in a file. Two runs at once would both find
// nothing sent, so it locks the file before it reads it.
func sendFile(ctx context.Context, base, path string, out io.Writer) (err error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	deal, err := load(path)
	if err != nil {
		return err
	}
	token := os.Getenv("REVV_ACCESS_TOKEN")
	if token == "" {
		return errors.New("REVV_ACCESS_TOKEN must be set with REVV_BASE_URL")
	}
	client, err := revv.NewClient(revv.StaticToken(token), revv.WithBaseURL(base))
	if err != nil {
		return err
	}
	doc, err := sendContract(ctx, client.Documents, deal)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "done: deal %s has contract %s, stage %s\n", deal.ID, doc.Number, doc.Stage)
	return nil
}

// demonstrate sends the sample in a sandbox. The first call loses two answers; the later
// ones start from what is saved in the file, as a new process does.
func demonstrate(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "revv-deal-won-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "deal.json")
	if err := os.WriteFile(path, sample, 0o600); err != nil {
		return err
	}
	server := revvtest.NewServer(nil)
	defer server.Close()
	client := server.Client()
	server.Fail(
		revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Commit: true, Times: 1},
		revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1},
	)
	fmt.Fprintf(out, "Deal won\nsandbox in this process; nothing leaves this machine\n\n")

	const calls = 3
	var doc *revv.Document
	for i := range calls {
		deal, err := load(path)
		if err != nil {
			return err
		}
		before := len(server.Requests())
		if doc, err = sendContract(ctx, client.Documents, deal); err != nil {
			return err
		}
		fmt.Fprintf(out, "call %d   %s %q is %s\n", i+1, doc.Number, doc.Title, doc.Stage)
		for _, request := range server.Requests()[before:] {
			fmt.Fprintf(out, "         %-26s %s\n", request.Operation, answer(request))
		}
	}
	return signInOrder(server, doc, out)
}

// signInOrder lets the two signers sign, and checks what they saw.
func signInOrder(server *revvtest.Server, doc *revv.Document, out io.Writer) error {
	inside, _ := server.Document(doc.ID)
	for _, party := range inside.Signers {
		if err := server.Sign(doc.ID, party.Email); err != nil {
			return err
		}
		fmt.Fprintf(out, "%d. %s has signed\n", party.Order, party.Email)
	}
	mails := server.Outbox()
	inside, _ = server.Document(doc.ID)
	if len(mails) != len(inside.Signers) || inside.Stage != revv.StageSigned {
		return fmt.Errorf("%d mails for %d signers, stage %s", len(mails), len(inside.Signers), inside.Stage)
	}
	fmt.Fprintf(out, "\ndone: %s was sent once in 3 calls, 2 answers lost on the way; %d signers, %d mails, stage %s\n",
		doc.Number, len(inside.Signers), len(mails), inside.Stage)
	return nil
}

// answer describes how a request ended.
func answer(request revvtest.Request) string {
	if request.Problem != "" {
		return "carried out, but the answer is lost"
	}
	return strconv.Itoa(request.Status)
}
