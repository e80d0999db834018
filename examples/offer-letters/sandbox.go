package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// demonstrate sends 300 letters in three runs: the first one is interrupted and
// loses answers, the second one sends the rest, the third one finds nothing to do.
func demonstrate(ctx context.Context, workers int, out io.Writer) error {
	const total, interruptAt = 300, 120
	dir, err := os.MkdirTemp("", "revv-offer-letters-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "letters.csv")
	if err := os.WriteFile(path, generate(total), 0o600); err != nil {
		return err
	}
	server := revvtest.NewServer(nil)
	defer server.Close()
	client := server.Client()
	template := server.AddTemplate(revvtest.Template{Title: "Offer letter", Fields: []revvtest.Field{
		{Name: "Candidate", Required: true},
		{Name: "Position", Required: true},
		{Name: "Start date", Type: "date", Required: true},
		{Name: "Salary", Type: "number", Required: true},
	}})
	server.Fail(
		revvtest.Fault{Operation: "Documents.Create", After: 30, CutAfter: -1, Commit: true, Times: 2},
		revvtest.Fault{Operation: "Documents.SendForESign", After: 60, CutAfter: -1, Commit: true, Times: 2},
	)
	fmt.Fprintf(out, "Offer letters\nsandbox in this process; nothing leaves this machine\n")

	first, interrupt := context.WithCancel(ctx)
	defer interrupt()
	interrupted := server.Client(revv.WithMiddleware(after(interruptAt, interrupt)))
	var made report
	for i, about := range []string{"interrupted in the middle; the answers to 2 creates and 2 sends are lost", "the rest", "nothing left to do"} {
		fmt.Fprintf(out, "\nrun %d: %s\n", i+1, about)
		runCtx, runClient := ctx, client
		if i == 0 {
			runCtx, runClient = first, interrupted
		}
		if made, err = sendFile(runCtx, runClient, template, path, workers, out); err != nil {
			return err
		}
		fmt.Fprintf(out, "run %d: %s\n", i+1, made)
	}
	return audit(server, made, total, out)
}

// generate writes a file with so many letters.
func generate(n int) []byte {
	var file bytes.Buffer
	fmt.Fprintln(&file, strings.Join(columns(), ","))
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&file, "O-%03d,candidate.%d@example.com,Candidate %d,Engineer,2026-02-01,%d\n", i, i, i, 48000+100*i)
	}
	return file.Bytes()
}

// after is middleware that calls fn when so many letters are being sent.
func after(letters int64, fn func()) revv.Middleware {
	var count atomic.Int64
	return func(next http.RoundTripper) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) {
			if call, _ := revv.CallInfoFrom(r.Context()); call.Operation == "Documents.SendForESign" && count.Add(1) == letters {
				fn()
			}
			return next.RoundTrip(r)
		})
	}
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// audit looks into the sandbox: everybody must have got one letter.
func audit(server *revvtest.Server, made report, total int, out io.Writer) error {
	people := make(map[string]int)
	documents := make(map[revv.DocumentID]bool)
	for _, mail := range server.Outbox() {
		people[mail.To]++
		documents[mail.DocumentID] = true
	}
	for address, n := range people {
		if n != 1 {
			return fmt.Errorf("%s has got %d letters", address, n)
		}
	}
	if len(people) != total || len(documents) != total || made.before != total {
		return fmt.Errorf("%d people have got %d letters, the last run says: %s", len(people), len(documents), made)
	}
	fmt.Fprintf(out, "\ndone: %d letters in 3 runs, each sent once; %d requests\n", total, len(server.Requests()))
	return nil
}
