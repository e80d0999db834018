// Offer-letters sends an offer letter to everybody in a CSV file. All rows are
// checked before the first request, a few letters are under way at a time, and a
// journal beside the file makes a further run send what is missing, and no more.
//
// With no environment set it sends 300 letters in a sandbox in its own process,
// in three runs. With REVV_BASE_URL and REVV_ACCESS_TOKEN set, it sends the
// letters of the file that it is given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/revv-go/revv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first interrupt ends the run in good order, the second one at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "offer-letters:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("offer-letters", flag.ContinueOnError)
	flags.SetOutput(out)
	template := flags.Int64("template", 0, "the `number` of the template")
	workers := flags.Int("workers", 4, "how many letters are under way at a time")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	base, token := os.Getenv("REVV_BASE_URL"), os.Getenv("REVV_ACCESS_TOKEN")
	switch {
	case *workers < 1 || *workers > 32:
		return errors.New("-workers must be from 1 to 32")
	case base == "" && flags.NArg() == 0:
		return demonstrate(ctx, *workers, out)
	case base == "" || token == "":
		return errors.New("REVV_BASE_URL and REVV_ACCESS_TOKEN must be set to send the letters of a file; with neither of them and no file, a sandbox shows how it goes")
	case flags.NArg() != 1 || *template <= 0:
		return errors.New("usage with REVV_BASE_URL: offer-letters -template 22 letters.csv")
	}
	client, err := revv.NewClient(revv.StaticToken(token), revv.WithBaseURL(base))
	if err != nil {
		return err
	}
	made, err := sendFile(ctx, client, revv.TemplateID(*template), flags.Arg(0), *workers, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "report: %s.report.csv\n", flags.Arg(0))
	if made.missing() > 0 {
		return fmt.Errorf("%s; the report says why; a further run sends what was not sent, and the rest is for a person", made)
	}
	fmt.Fprintf(out, "done: %s\n", made)
	return nil
}

// sendFile is one run: it checks the file, sends what the journal and the account
// do not show as sent, and writes the report.
func sendFile(ctx context.Context, client *revv.Client, template revv.TemplateID, path string, workers int, out io.Writer) (report, error) {
	letters, err := readLetters(path)
	if err != nil {
		return report{}, err
	}
	journal, err := openJournal(path + ".journal")
	if err != nil {
		return report{}, err
	}
	m := &mailing{documents: client.Documents, template: template, journal: journal}
	if err := m.survey(ctx); err != nil {
		return report{}, errors.Join(err, journal.close())
	}
	progress := newBar(out, len(letters))
	results := m.sendAll(ctx, letters, workers, progress.step)
	progress.end()
	err = m.check(context.WithoutCancel(ctx), results)
	made := count(results)
	if err := errors.Join(err, writeReport(path+".report.csv", letters, results), journal.close()); err != nil {
		return made, fmt.Errorf("%s; %w", made, err) // the letters are out, whatever failed after them
	}
	return made, nil
}
