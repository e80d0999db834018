// Connect-accounts is a web application whose customers each connect their own
// account. The tokens are kept per customer in a SQLite database, sealed, and
// renewed once however many replicas of the application share it.
//
// Without arguments it shows that: a sandbox, two replicas behind one address, two
// customers, in this process. With -serve, or with REVV_BASE_URL set, it serves.
package main

import (
	"context"
	"encoding/base64"
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
	"syscall"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal ends the program in good order, which can take a minute, the second one at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "connect-accounts:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("connect-accounts", flag.ContinueOnError)
	flags.SetOutput(out)
	serving := flags.Bool("serve", false, "serve, with a sandbox if REVV_BASE_URL is not set")
	addr := flags.String("addr", "127.0.0.1:8080", "where to serve")
	database := flags.String("db", "connect-accounts.db", "the database, which replicas share")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if !*serving && getenv("REVV_BASE_URL") == "" {
		return demonstrate(ctx, out)
	}
	return serve(ctx, *addr, *database, getenv, out)
}

// settings are what the environment says.
type settings struct {
	config  revv.OAuthConfig
	baseURL string
	key     []byte
}

// readSettings reads the environment, and names all that is wrong with it.
func readSettings(getenv func(string) string) (s settings, err error) {
	s.baseURL = getenv("REVV_BASE_URL")
	s.config = revv.OAuthConfig{ClientID: getenv("REVV_CLIENT_ID"), ClientSecret: getenv("REVV_CLIENT_SECRET"), Endpoint: revv.Endpoint(s.baseURL)}
	var problems []error
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		if getenv(name) == "" {
			problems = append(problems, fmt.Errorf("%s must be set with REVV_BASE_URL", name))
		}
	}
	appURL, err := url.Parse(getenv("APP_URL"))
	if err != nil || appURL.Host == "" {
		problems = append(problems, errors.New("APP_URL must be the address of this application, as https://app.example.com; APP_URL/callback is registered as its redirect URL"))
	} else {
		s.config.RedirectURL = appURL.JoinPath("callback").String()
	}
	if s.key, err = base64.StdEncoding.DecodeString(getenv("APP_KEY")); err != nil || len(s.key) != 32 {
		problems = append(problems, errors.New("APP_KEY must be 32 random bytes in base64, as of: openssl rand -base64 32"))
	}
	return s, errors.Join(problems...)
}

// serve serves the application until ctx is done.
func serve(ctx context.Context, addr, database string, getenv func(string) string, out io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // the server closes it
	appURL := "http://" + listener.Addr().String()
	var s settings
	if getenv("REVV_BASE_URL") == "" {
		sandbox := revvtest.NewServer(nil, revvtest.WithLocalOnly(), revvtest.WithRedirectURLs(appURL+"/callback"))
		defer sandbox.Close()
		dir, err := os.MkdirTemp("", "revv-connect-accounts-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
		database = dir + "/tokens.db"
		s = settings{config: sandbox.OAuthConfig(), baseURL: sandbox.URL(), key: newKey()}
	} else if s, err = readSettings(getenv); err != nil {
		return err
	}
	a, err := newApp(ctx, s.config, s.baseURL, database, s.key, slog.New(slog.NewTextHandler(out, nil)))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "serving at %s, with %s\n", appURL, s.baseURL)
	if err := serveOn(ctx, listener, a); err != nil {
		return err
	}
	fmt.Fprintln(out, "done: served until it was stopped")
	return nil
}

// serveOn serves the application until ctx is done, behind an open listener, and closes
// both. However it ends, the requests that are under way come first, of which one may be
// trading a customer's code for a pair; then the renewals that requests have left behind;
// then the database. A process that ends before a new pair is saved has lost it.
func serveOn(ctx context.Context, listener net.Listener, a *app) error {
	handler, err := a.handler()
	if err != nil {
		return errors.Join(err, listener.Close(), a.close())
	}
	server := newServer(handler)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if problem := server.Shutdown(ending); problem != nil { // a request takes too long: it is given up
		err = errors.Join(err, problem, server.Close())
	}
	settling, cancelSettling := context.WithTimeout(context.WithoutCancel(ctx), grace) // its own: the other may be used up
	defer cancelSettling()
	return errors.Join(err, a.settle(settling), a.close())
}

// grace is how long the requests may take to end, and then the renewals. A renewal and an
// exchange have 30 s.
const grace = 35 * time.Second

func newServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
}
