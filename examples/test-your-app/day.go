package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/examples/test-your-app/rental"
	"github.com/revv-go/revv/revvtest"
)

const tenant = "tenant@example.com"

// trouble is something that happens to a lease on its way.
type trouble struct {
	name  string
	begin func(*revvtest.Server)
}

func troubles() []trouble {
	once := func(f revvtest.Fault) func(*revvtest.Server) {
		f.Times = 1
		return func(s *revvtest.Server) { s.Fail(f) }
	}
	return []trouble{
		{"nothing", func(*revvtest.Server) {}},
		{"the document is made, the answer lost", once(revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Commit: true})},
		{"the document is made, the answer a web page", once(revvtest.Fault{Operation: "Documents.Create", HTML: true, Commit: true})},
		{"the lease is sent, the answer lost", once(revvtest.Fault{Operation: "Documents.SendForESign", Reset: true, Commit: true})},
		{"the service asks to wait for a second", once(revvtest.Fault{Operation: "Documents.SendForESign", Status: http.StatusTooManyRequests, RetryAfter: "1"})},
		{"the service hangs", once(revvtest.Fault{Operation: "Documents.SendForESign", Hang: true})},
		{"the service is a web page", once(revvtest.Fault{Operation: "Documents.SetFields", HTML: true})},
		{"the token is revoked", (*revvtest.Server).RevokeTokens},
	}
}

// day is the office on a bad day.
type day struct {
	server *revvtest.Server
	store  revv.TokenStore
	office *rental.Office
	hooks  *http.Server
	keys   atomic.Int32 // how often keys were handed out
}

// badDay sends a lease through every trouble and has all of them signed.
func badDay(ctx context.Context, out io.Writer) error {
	d, err := newDay(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	fmt.Fprintf(out, "sandbox at %s, in this process\n\n", d.server.URL())
	for i, trouble := range troubles() {
		trouble.begin(d.server)
		what, err := d.send(ctx, leaseOf(fmt.Sprintf("2026-%d", i+1), tenant))
		if err != nil {
			return fmt.Errorf("%s: %w", trouble.name, err)
		}
		fmt.Fprintf(out, "%-44s %s\n", trouble.name, what)
	}
	for _, mail := range d.server.Outbox() {
		if err := d.server.Sign(mail.DocumentID, mail.To); err != nil {
			return err
		}
	}
	if err := d.server.WaitDeliveries(ctx); err != nil {
		return err
	}
	leases, mails, keys := len(troubles()), len(d.server.Outbox()), int(d.keys.Load())
	if mails != leases || keys != leases {
		return fmt.Errorf("%d leases, but %d mails, and keys for %d", leases, mails, keys)
	}
	fmt.Fprintf(out, "\ndone: %d leases, each sent once, signed, and its keys handed out once, although every webhook came twice\n", leases)
	return nil
}

// send sends a lease as the people in the office do, who follow its advice.
func (d *day) send(ctx context.Context, lease rental.Lease) (what string, err error) {
	for range 3 {
		err = d.office.SendLease(ctx, lease)
		switch {
		case err == nil:
			return what + "sent", nil
		case errors.Is(err, rental.ErrTryLater):
			what += "later … "
			select {
			case <-time.After(d.office.Patience):
			case <-ctx.Done():
				return "", ctx.Err()
			}
		case errors.Is(err, rental.ErrReconnect):
			what += "connect again … "
			if err := d.connect(ctx); err != nil {
				return "", err
			}
		default:
			return "", err
		}
	}
	return "", err
}

// connect does what a person does who connects Revv.
func (d *day) connect(ctx context.Context) error {
	return revv.SaveToken(ctx, d.store, "office", d.server.Token())
}

func newDay(ctx context.Context) (_ *day, err error) {
	d := &day{server: revvtest.NewServer(nil), store: revv.NewMemoryStore()}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	template := d.server.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{
		{Name: "Tenant", Required: true}, {Name: "Rent", Type: "number", Required: true},
	}})
	if err := d.connect(ctx); err != nil {
		return nil, err
	}
	auth, err := d.server.OAuthConfig().Authenticator(d.store, "office")
	if err != nil {
		return nil, err
	}
	client, err := revv.NewClient(auth, revv.WithBaseURL(d.server.URL()), revv.WithAttemptTimeout(300*time.Millisecond))
	if err != nil {
		return nil, err
	}
	d.office = rental.New(client, template, func(string) { d.keys.Add(1) })
	d.office.Patience = 500 * time.Millisecond // nothing takes longer here, and nobody wants to wait for a minute
	err = d.receive(ctx, client)
	return d, err
}

// receive starts to receive webhooks, each of them twice.
func (d *day) receive(ctx context.Context, client *revv.Client) error {
	const secret = "a-secret-of-the-demonstration"
	handler, err := d.office.Webhooks(revv.PathSecret(secret))
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.hooks = &http.Server{Handler: twice(handler), ReadHeaderTimeout: 10 * time.Second}
	go d.hooks.Serve(listener) //nolint:errcheck // it ends when it is closed
	_, err = client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventClosed, URL: "http://" + listener.Addr().String() + "/hooks/" + url.PathEscape(secret)})
	return err
}

// twice has every request handled a second time.
func twice(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(httptest.NewRecorder(), r)
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	})
}

func (d *day) close() {
	d.server.Close()
	if d.hooks != nil {
		_ = d.hooks.Close()
	}
}
