// Revv-sandbox is a Revv on your own machine: the API and OAuth with a consent page,
// templates, documents, mails, pages for signers, webhooks, and faults on demand, for
// programs in any language. It listens on loopback, and prints its address and how to run
// the quickstart against it.
//
//	go run github.com/revv-go/revv/cmd/revv-sandbox
//
// docs/sandbox.md describes it; -h lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/revv-go/revv/internal/console"
	"github.com/revv-go/revv/internal/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "revv-sandbox:", err)
		stop()
		os.Exit(exitCode(err))
	}
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

// Unwrap returns the mistake.
func (e usageError) Unwrap() error { return e.error }

// exitCode is 2 for a wrong call, as in programs with package flag, and 1 for
// everything else that went wrong.
func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// run is the whole program; it ends when ctx does.
func run(ctx context.Context, args, environment []string, stdout, stderr io.Writer) (err error) {
	c, err := readConfig(args, environment, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	listener, err := listen(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has closed it, unless it never began
	if c.baseURL == "" {
		c.baseURL = "http://" + reachable(listener.Addr())
	}
	pages, err := console.New(c.options)
	if err != nil {
		return err
	}
	defer pages.Close()
	box := pages.Sandbox()
	if err := box.SetBaseURL(c.baseURL); err != nil {
		return err
	}
	logger := log.New(stderr, "", log.LstdFlags)
	state, err := openState(ctx, c.named("state"), c.stateFile, box)
	if err != nil {
		return err
	}
	defer func() {
		pages.Close() // so that nothing changes behind the last save
		err = errors.Join(err, state.close())
	}()
	for _, target := range c.webhooks {
		for _, event := range sandbox.WebhookEvents() {
			if err := box.Subscribe(event, target); err != nil { //nolint:contextcheck // deliveries live as long as the sandbox
				return fmt.Errorf("%s: %w", c.named("webhook"), err)
			}
		}
	}
	var background sync.WaitGroup
	saving, stopSaving := context.WithCancel(ctx)
	background.Go(func() { state.run(saving, logger) })
	defer background.Wait()
	defer stopSaving()
	announce(stdout, box, c, listener.Addr().String())
	return serve(ctx, listener, pages, logger)
}

// listen opens the port, and makes sure that localhost is a loopback address.
func listen(ctx context.Context, c *config) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.address)
	if err != nil && isTaken(err) {
		return nil, fmt.Errorf("%s: %w; -addr 127.0.0.1:0 takes a free port", c.named("addr"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.named("addr"), err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); !c.allowRemote && (!ok || !tcp.IP.IsLoopback()) {
		_ = listener.Close()
		return nil, fmt.Errorf("%s: %q leads to %v, which is not a loopback address; -allow-remote permits it", c.named("addr"), c.address, listener.Addr())
	}
	return listener, nil
}

// reachable is the address for a browser on this machine, which cannot connect to "all
// addresses".
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return address.String()
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}).String()
}

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second // of a whole request; net/http lifts it when the body has arrived
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	// grace is what answers in progress get before they are cut.
	grace = 500 * time.Millisecond
)

// serve answers until ctx is done. There is a limit for the arrival of a request, but
// none for its answer: events are a stream, and some faults take their time on purpose.
func serve(ctx context.Context, listener net.Listener, pages *console.Console, logger *log.Logger) error {
	server := &http.Server{
		Handler:           logRequests(pages.Handler(), logger),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          logger,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	// Streams and hanging answers end with the console, all others within their
	// grace; what a client does not read is cut.
	ending := make(chan struct{})
	go func() {
		defer close(ending)
		pages.Close()
	}()
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(patience) != nil {
		_ = server.Close()
	}
	<-ending
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// announce prints the address of the sandbox and how to use it. Its last line can be
// pasted into a shell.
func announce(out io.Writer, box *sandbox.Sandbox, c *config, address string) {
	app := box.App()
	registered := strings.Replace(strings.Join(app.RedirectURLs, ", "), callbackURL, callbackURL+" (with any port)", 1)
	variables := fmt.Sprintf("REVV_BASE_URL=%s REVV_CLIENT_ID=%s REVV_CLIENT_SECRET=%s", c.baseURL, app.ClientID, app.ClientSecret)
	fmt.Fprintf(out, "Revv sandbox, ready at %s\n", c.baseURL)
	if !strings.HasSuffix(c.baseURL, "//"+address) {
		fmt.Fprintf(out, "It listens on %s\n", address)
	}
	fmt.Fprintln(out)
	fmt.Fprintf(out, "  client id      %s\n  client secret  %s\n", app.ClientID, app.ClientSecret)
	fmt.Fprintf(out, "  redirect URLs  %s\n", registered)
	fmt.Fprintf(out, "  login of 2020  %s, password %s, org_domain %s\n\n", sandbox.OwnerEmail, sandbox.OwnerPassword, sandbox.Organisation)
	fmt.Fprintf(out, "For programs of your own:\n\n  export %s\n\n", variables)
	fmt.Fprintf(out, "An access token without a consent page:\n\n"+
		"  export REVV_ACCESS_TOKEN=$(curl -sS -H 'GrantType: password' -H 'Content-Type: application/json' \\\n"+
		`    -d '{"user_email":%q,"password":%q,"org_domain":%q}' %s/api/v2/auth/initiate-auth |`+
		` sed 's/.*"access_token":"\([^"]*\)".*/\1/')`+"\n\n",
		sandbox.OwnerEmail, sandbox.OwnerPassword, sandbox.Organisation, c.baseURL)
	if u, err := url.Parse(c.baseURL); err == nil && u.Scheme == "http" && !sandbox.IsLoopback(u.Hostname()) {
		fmt.Fprint(out, "The Go client takes http on loopback alone: put TLS in front of the sandbox before you use it.\n\n")
	}
	fmt.Fprintf(out, "The quickstart against it, from the folder of the project:\n\n"+
		"%s REVV_REDIRECT_URL=%s REVV_WEBHOOK_URL=http://127.0.0.1:8788 "+
		"REVV_SIGNERS=first.signer@example.com,second.signer@example.com go run ./examples/quickstart\n", variables, callbackURL)
}
