// Webhook-receiver receives webhooks: it verifies them, puts them into an inbox
// on disk and answers at once. Then it handles each event once, however often it
// comes and in whatever order, by reading the document back.
//
// By default it shows that against a sandbox in its own process. With -serve it
// runs until it is interrupted, for the account that the environment names.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/revv-go/revv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal ends the program in good order, which can take a minute, the second one at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "webhook-receiver:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var (
		flags  = flag.NewFlagSet("webhook-receiver", flag.ContinueOnError)
		serves = flags.Bool("serve", false, "run until interrupted, for the account of REVV_BASE_URL")
		listen = flags.String("listen", "127.0.0.1:8788", "the `address` to listen on; TLS is the business of a proxy before it")
		public = flags.String("public", "", "the `URL` that leads to that address from outside; subscribes to the events")
		path   = flags.String("inbox", "inbox.jsonl", "the `file` that keeps the events")
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
	case *serves:
		return serve(ctx, *listen, *public, *path, out)
	}
	return demonstrate(ctx, out)
}

// serve runs the receiver for a real account.
func serve(ctx context.Context, listen, public, path string, out io.Writer) (err error) {
	secret := os.Getenv("REVV_WEBHOOK_SECRET")
	if secret == "" {
		return errors.New("REVV_WEBHOOK_SECRET must be set with -serve: 16 bytes or more that nobody guesses, as the end of the URL")
	}
	logger := slog.New(slog.NewTextHandler(out, nil))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen) // before the inbox: a second receiver ends here, and leaves it alone
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // the server closes it as well
	box, err := openInbox(path, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.close()) }()
	handler, err := revv.NewWebhookHandler(revv.PathSecret(secret), box.put, revv.WithWebhookObserver(func(r revv.WebhookResult) {
		if r.Status >= http.StatusBadRequest { // of a wrong secret nobody else would hear
			logger.Warn("not taken", "status", r.Status, "reason", r.Reason, "error", r.Err)
		}
	}))
	if err != nil {
		return err
	}
	client, err := connect(ctx, out, logger)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s/hooks/<secret>\n", listener.Addr())
	r := &receiver{inbox: box, documents: client.Documents, changed: announce(out), log: logger}
	if public != "" {
		public = strings.TrimRight(public, "/") + "/hooks/" + url.PathEscape(secret)
	}
	if err := serveOn(ctx, listener, handler, r, client, public, out); err != nil {
		return err
	}
	all, waiting, aside := box.counts()
	fmt.Fprintf(out, "done: stopped; %d events received, %d of them wait for the next start (%d were set aside)\n", all, waiting+aside, aside)
	return nil
}

// serveOn receives and handles events until ctx ends, on an open listener, which it
// closes. It settles last, when nothing calls the service any more, however it ends: a
// call that was given up leaves its renewal behind, and if the process ends before the
// new pair is saved, the pair is lost.
func serveOn(ctx context.Context, listener net.Listener, handler http.Handler, r *receiver, client *revv.Client, public string, out io.Writer) (err error) {
	defer func() { err = errors.Join(err, settle(ctx, client)) }()
	mux := http.NewServeMux()
	mux.Handle("/hooks/", handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	var running sync.WaitGroup
	defer running.Wait()
	working, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	running.Go(func() { served <- server.Serve(listener) })
	running.Go(func() { r.work(working) })
	if public != "" {
		err = subscribe(ctx, client.Webhooks, public)
	}
	if err == nil {
		fmt.Fprintln(out, "ready")
		select {
		case <-ctx.Done():
		case err = <-served:
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if problem := server.Shutdown(ending); problem != nil { // what is being received is received whole, unless somebody does not take the answer
		err = errors.Join(err, problem, server.Close())
	}
	return err
}

// settle waits for the renewal that is under way, if there is one. It has its own time
// limit, because stopping the server may have used up the other one.
func settle(ctx context.Context, client *revv.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 35*time.Second) // a renewal has 30 s
	defer cancel()
	return client.Settle(ctx)
}

// subscribe subscribes to the events, unless that was done before.
func subscribe(ctx context.Context, webhooks *revv.WebhooksService, target string) error {
	have, err := webhooks.List(ctx)
	if err != nil {
		return err
	}
	subscribed := make(map[revv.EventType]bool)
	for _, hook := range have {
		if hook.URL == target {
			subscribed[hook.Event] = true
		}
	}
	for _, event := range []revv.EventType{revv.EventStageChanged, revv.EventSigned, revv.EventClosed, revv.EventAccepted} {
		if subscribed[event] {
			continue
		}
		if _, err := webhooks.Subscribe(ctx, revv.SubscribeParams{Event: event, URL: target}); err != nil {
			return err
		}
	}
	return nil
}

// announce is what this program does when a document has reached a new stage. It can be
// called again for the same stage if the program dies in the middle.
func announce(out io.Writer) func(context.Context, *revv.Document) error {
	return func(_ context.Context, doc *revv.Document) error {
		_, err := fmt.Fprintf(out, "%s %q is %s\n", doc.Number, doc.Title, doc.Stage)
		return err
	}
}
