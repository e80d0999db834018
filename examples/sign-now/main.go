// Sign-now is a web application with a button that opens a contract. The link to it is
// made when the button is clicked, and is never stored, cached or logged.
//
// By default the program clicks the button itself, against a sandbox in its own process.
// With -serve it waits for your browser, with that sandbox or with the account in the
// environment.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
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
	context.AfterFunc(ctx, stop) // the first signal ends the program in good order, which can take a minute, the second one at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sign-now:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var (
		flags   = flag.NewFlagSet("sign-now", flag.ContinueOnError)
		serves  = flags.Bool("serve", false, "wait for a browser, until interrupted")
		listen  = flags.String("listen", "127.0.0.1:8080", "the `address` to listen on; TLS is the business of a proxy before it")
		numbers = flags.String("documents", "", "the `numbers` of the customer's documents, with commas, such as DOC-000040; with REVV_BASE_URL")
	)
	flags.SetOutput(out)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is not understood; -h lists the flags", flags.Arg(0))
	case !*serves:
		return demonstrate(ctx, out)
	case os.Getenv("REVV_BASE_URL") == "":
		server, client, number := sandbox()
		defer server.Close()
		password := rand.Text()
		fmt.Fprintf(out, "sandbox in this process; log in as %q with the password %s\n", customer, password)
		return serve(ctx, *listen, client, []string{string(number)}, password, out)
	}
	const shortest = 16
	password := os.Getenv("SIGN_NOW_PASSWORD")
	var problems []error
	if len(password) < shortest {
		problems = append(problems, fmt.Errorf("SIGN_NOW_PASSWORD must be set with REVV_BASE_URL, to %d bytes or more: whoever has it opens the contracts", shortest))
	}
	if *numbers == "" {
		problems = append(problems, errors.New("-documents must name the documents that have a button, such as DOC-000040"))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	client, err := connect(ctx, out)
	if err != nil {
		return err
	}
	return serve(ctx, *listen, client, strings.Split(*numbers, ","), password, out)
}

// newApp reads the documents to learn their object ids. It makes no link.
func newApp(ctx context.Context, client *revv.Client, numbers []string, password string, log io.Writer) (*app, error) {
	a := &app{documents: client.Documents, password: sha256.Sum256([]byte(password)), log: slog.New(slog.NewTextHandler(log, nil))}
	for _, text := range numbers {
		number := revv.DocumentNumber(strings.TrimSpace(text))
		doc, err := client.Documents.GetByNumber(ctx, number)
		if err != nil {
			return nil, err
		}
		a.contracts = append(a.contracts, contract{Number: cmp.Or(doc.Number, number), Title: doc.Title, Object: doc.ObjectID})
	}
	return a, nil
}

// serve listens, and runs the application until ctx ends.
func serve(ctx context.Context, listen string, client *revv.Client, numbers []string, password string, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	if err := serveOn(ctx, listener, client, numbers, password, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "done: stopped")
	return nil
}

// serveOn is serve with an open listener, which it closes. It settles last, however it
// ends: a call that was given up leaves its renewal behind, and if the process ends
// before the new pair is saved, the pair is lost.
func serveOn(ctx context.Context, listener net.Listener, client *revv.Client, numbers []string, password string, out io.Writer) (err error) {
	defer func() { err = errors.Join(err, settle(ctx, client)) }()
	defer listener.Close() //nolint:errcheck // the server closes it as well
	a, err := newApp(ctx, client, numbers, password, out)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: a.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(out, "open http://%s\n", listener.Addr())
	select {
	case err := <-served:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	const grace = patience + 5*time.Second // behind that no click asks for a link any more
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(ending); err != nil { // somebody does not take the answer
		return errors.Join(err, server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// settle waits for the renewal that is under way, if there is one. It has its own time
// limit, because stopping the server may have used up the other one.
func settle(ctx context.Context, client *revv.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 35*time.Second) // a renewal has 30 s
	defer cancel()
	return client.Settle(ctx)
}
