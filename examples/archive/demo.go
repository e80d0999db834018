package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// threeNights archives a sandbox: the first night ends in a power failure, the second
// continues from there, the third has nothing to do.
func threeNights(ctx context.Context, out io.Writer) error {
	const drafts, signed, powerFailsAt = 3, 9, 5
	server := revvtest.NewServer(nil)
	defer server.Close()
	if err := fill(ctx, server, drafts, signed); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "revv-archive-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	fmt.Fprintf(out, "sandbox at %s, in this process: %d documents, %d of them signed\n\n", server.URL(), drafts+signed, signed)

	dark, powerFails := context.WithCancel(ctx)
	defer powerFails()
	first, err := oneNight(dark, server.Client(revv.WithMiddleware(atDownload(powerFailsAt, powerFails))), dir)
	if !errors.Is(err, context.Canceled) || ctx.Err() != nil {
		return fmt.Errorf("the first night was to be interrupted: %w", errors.Join(err, ctx.Err()))
	}
	if err := tearLine(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "night 1: %v, then the power failed\n", first)
	for number := 2; number <= 3; number++ {
		next, err := oneNight(ctx, server.Client(), dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "night %d: %v\n", number, next)
		if first.archived += next.archived; first.archived != signed {
			return fmt.Errorf("%d documents were archived, %d are signed", first.archived, signed)
		}
	}
	fmt.Fprintf(out, "\ndone: %d of %d documents are signed and archived, with activities and checksums (a temporary directory)\n", signed, drafts+signed)
	return nil
}

// fill makes documents, and has some of them signed.
func fill(ctx context.Context, server *revvtest.Server, drafts, signed int) error {
	client := server.Client()
	template := server.AddTemplate(revvtest.Template{Title: "Lease"})
	signer := revv.Person{Email: "tenant@example.com"}
	for number := range drafts + signed {
		id := server.AddDocument(template, fmt.Sprintf("Lease %d", number+1))
		if number < drafts {
			continue
		}
		if err := client.Documents.SendForESign(ctx, id, revv.SendParams{Recipients: []revv.Person{signer}}); err != nil {
			return err
		}
		if err := server.Sign(id, signer.Email); err != nil {
			return err
		}
	}
	return nil
}

// atDownload calls do before the nth download.
func atDownload(nth int32, do func()) revv.Middleware {
	var seen atomic.Int32
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if info, _ := revv.CallInfoFrom(req.Context()); info.Operation == "Documents.Download" && seen.Add(1) == nth {
				do()
			}
			return next.RoundTrip(req)
		})
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// tearLine leaves what a power failure leaves of a line that is being written.
func tearLine(dir string) error {
	manifest, err := os.OpenFile(filepath.Join(dir, manifestName), os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // the directory is our own
	if err != nil {
		return err
	}
	_, err = manifest.WriteString(`{"number":"DOC-0000`)
	return errors.Join(err, manifest.Close())
}
