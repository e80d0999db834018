// Archive downloads every signed document in the list of an account into a directory,
// with its activities and checksums. Run it every night: it brings what is new,
// verifies what is there, continues where it was interrupted, and overwrites
// nothing.
//
// With no environment set it shows three nights against a sandbox in its own
// process. With REVV_BASE_URL and REVV_ACCESS_TOKEN set it archives that account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	flags.SetOutput(out)
	dir := flags.String("dir", "archive", "the directory of the archive; not used with the sandbox")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: the directory is given with -dir", flags.Arg(0))
	}
	base := getenv("REVV_BASE_URL")
	if base == "" {
		return threeNights(ctx, out)
	}
	client, err := revv.NewClient(revv.StaticToken(getenv("REVV_ACCESS_TOKEN")), revv.WithBaseURL(base))
	if err != nil {
		return err
	}
	night, err := oneNight(ctx, client, *dir)
	if err != nil {
		return fmt.Errorf("%v; %w", night, err)
	}
	fmt.Fprintf(out, "done: %v in %s\n", night, *dir)
	return nil
}

// night is what one run has done.
type night struct {
	archived, verified, torn int
}

func (n night) String() string {
	text := fmt.Sprintf("%d archived, %d verified", n.archived, n.verified)
	if n.torn > 0 {
		text += fmt.Sprintf(" (torn lines in the manifest: %d)", n.torn)
	}
	return text
}

// oneNight is a whole run over the archive in dir.
func oneNight(ctx context.Context, client *revv.Client, dir string) (night, error) {
	a, err := openArchive(dir)
	if err != nil {
		return night{}, err
	}
	n, err := archiveSigned(ctx, client, a)
	return n, errors.Join(err, a.close())
}

// archiveSigned verifies what is archived, and archives signed documents that are
// missing. A document that fails is reported and does not stop the others.
func archiveSigned(ctx context.Context, client *revv.Client, a *archive) (night, error) {
	n := night{torn: a.torn}
	whole, problems := a.verify()
	n.verified = whole
	for entry, err := range client.Documents.All(ctx, revv.ListDocumentsParams{}) {
		if err != nil {
			problems = append(problems, err)
			break
		}
		if _, archived := a.records[entry.Number]; archived || !isSigned(entry.Stage) {
			continue
		}
		if err := archiveOne(ctx, client, a, entry.Number); err != nil {
			problems = append(problems, fmt.Errorf("document %q: %w", entry.Number, err))
			if isFinal(ctx, err) {
				break
			}
			continue
		}
		n.archived++
	}
	return n, errors.Join(problems...)
}

// archiveOne writes the two files of a document, and then its line in the manifest. If it
// is interrupted, the next run continues from there.
func archiveOne(ctx context.Context, client *revv.Client, a *archive, number revv.DocumentNumber) error {
	if !isFileName(number) {
		return errors.New("the number cannot be the name of a file")
	}
	doc, err := client.Documents.GetByNumber(ctx, number)
	if err != nil {
		return err
	}
	var activities []revv.Activity
	for activity, err := range client.Documents.AllActivities(ctx, doc.ObjectID, revv.ListActivitiesParams{}) {
		if err != nil {
			return err
		}
		activities = append(activities, activity)
	}
	kept, err := a.keepActivities(number, activities)
	if err != nil {
		return err
	}
	pdf, err := client.Documents.DownloadFile(ctx, doc.ID, a.pdfPath(number))
	if errors.Is(err, fs.ErrExist) {
		pdf, err = adopt(ctx, client, a, doc.ID, number)
	}
	if err != nil {
		return err
	}
	return a.commit(record{
		Number: number, ID: doc.ID, ObjectID: doc.ObjectID, Title: doc.Title, Stage: doc.Stage,
		PDF: checksum{pdf.Size, pdf.SHA256}, Activities: kept, ArchivedAt: time.Now().UTC(),
	})
}

// adopt accepts a PDF without a line in the manifest, if it is what the service has: an
// earlier run was interrupted before it could write the line.
func adopt(ctx context.Context, client *revv.Client, a *archive, id revv.DocumentID, number revv.DocumentNumber) (*revv.Download, error) {
	pdf, err := client.Documents.Download(ctx, id, io.Discard)
	if err != nil {
		return nil, err
	}
	return pdf, a.compare(pdfName(number), checksum{pdf.Size, pdf.SHA256})
}

func isSigned(stage revv.Stage) bool {
	return stage.Reached(revv.StageSigned)
}

// isFinal reports whether every other document would fail in the same way.
func isFinal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, errManifest) || errors.Is(err, revv.ErrUnauthorized) || errors.Is(err, revv.ErrReauthorizationRequired)
}
