// Otel observes a client with OpenTelemetry, through revv.WithMiddleware: a span
// for every attempt, named by its route, and the histogram of the semantic
// conventions for HTTP clients.
//
// With no environment set it does some work in a sandbox in its own process, with
// failures, and prints the spans as a tree. With REVV_BASE_URL and
// REVV_ACCESS_TOKEN set it lists the templates of that account. With -stdout the
// spans and metrics come as JSON, from the exporters of the OpenTelemetry SDK.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "otel:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("otel", flag.ContinueOnError)
	flags.SetOutput(out)
	stdout := flags.Bool("stdout", false, "print spans and metrics as JSON")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	p, err := newPipeline(*stdout, out)
	if err != nil {
		return err
	}
	var report strings.Builder
	err = work(ctx, p, getenv, &report)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // a collector that hangs must not keep the program
	defer cancel()
	if err := errors.Join(err, p.shutdown(ending)); err != nil {
		return err
	}
	fmt.Fprint(out, report.String()) // behind what the exporters have printed
	return nil
}

// work observes what a client does, and reports it.
func work(ctx context.Context, p *pipeline, getenv func(string) string, report io.Writer) error {
	t, err := newTelemetry(p.traces, p.metrics)
	if err != nil {
		return err
	}
	var calls int
	if base := getenv("REVV_BASE_URL"); base != "" {
		calls, err = listTemplates(ctx, t, getenv("REVV_ACCESS_TOKEN"), base)
	} else {
		calls, err = sendContract(ctx, t)
	}
	if err != nil {
		return err
	}
	return p.report(ctx, calls, report)
}

// pipeline is where spans and measurements go.
type pipeline struct {
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	spans   *tracetest.InMemoryExporter
	reader  *sdkmetric.ManualReader
}

// newPipeline keeps everything in memory, and prints it if stdout is set. A
// program in production has the exporters of its collector here instead.
func newPipeline(stdout bool, out io.Writer) (*pipeline, error) {
	p := &pipeline{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	traceOptions := []sdktrace.TracerProviderOption{sdktrace.WithSyncer(p.spans)}
	metricOptions := []sdkmetric.Option{sdkmetric.WithReader(p.reader)}
	if stdout {
		spans, err := stdouttrace.New(stdouttrace.WithWriter(out))
		if err != nil {
			return nil, err
		}
		metrics, err := stdoutmetric.New(stdoutmetric.WithWriter(out))
		if err != nil {
			return nil, err
		}
		traceOptions = append(traceOptions, sdktrace.WithSyncer(spans))
		metricOptions = append(metricOptions, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	}
	p.traces, p.metrics = sdktrace.NewTracerProvider(traceOptions...), sdkmetric.NewMeterProvider(metricOptions...)
	return p, nil
}

func (p *pipeline) shutdown(ctx context.Context) error {
	return errors.Join(p.traces.Shutdown(ctx), p.metrics.Shutdown(ctx))
}

func listTemplates(ctx context.Context, t *telemetry, token, base string) (calls int, err error) {
	client, err := revv.NewClient(revv.StaticToken(token), revv.WithBaseURL(base), revv.WithMiddleware(t.middleware))
	if err != nil {
		return 0, err
	}
	ctx, span := t.tracer.Start(ctx, "list templates")
	defer span.End()
	for number := 1; ; number++ {
		page, err := client.Templates.List(ctx, revv.ListTemplatesParams{Page: number})
		if err != nil || page.Last() {
			return number, err
		}
	}
}

// observedClient returns a client whose calls are observed, as are the renewals of its
// token, which do not go through middleware.
func observedClient(ctx context.Context, t *telemetry, server *revvtest.Server) (*revv.Client, error) {
	config, store := server.OAuthConfig(), revv.NewMemoryStore()
	network := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second}
	config.HTTPClient = &http.Client{Transport: t.transport(network, "/oauth/token")}
	if err := revv.SaveToken(ctx, store, "demo", server.Token()); err != nil {
		return nil, err
	}
	auth, err := config.Authenticator(store, "demo")
	if err != nil {
		return nil, err
	}
	return revv.NewClient(auth, revv.WithBaseURL(server.URL()), revv.WithMiddleware(t.middleware))
}

// sendContract does some work in a sandbox that fails now and then. The span of
// the whole is the program's own: those of the attempts hang below it.
func sendContract(ctx context.Context, t *telemetry) (calls int, err error) {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, err := observedClient(ctx, t, server)
	if err != nil {
		return 0, err
	}
	template := server.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{{Name: "Rent"}}})
	server.AddContact(revvtest.Contact{Name: "Ann Archer", Email: "ann@example.com"})
	server.ExpireTokens()
	server.Fail(
		revvtest.Fault{Operation: "Documents.SetFields", Status: http.StatusServiceUnavailable, Times: 1},
		revvtest.Fault{Operation: "Documents.SendForESign", Status: http.StatusTooManyRequests, RetryAfter: "0", Times: 1},
		revvtest.Fault{Operation: "Documents.Download", CutAfter: 300, Times: 1},
	)
	ctx, span := t.tracer.Start(ctx, "send contract")
	defer span.End()
	person, err := client.Contacts.GetByEmail(ctx, "ann@example.com")
	if err != nil {
		return 0, err
	}
	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template, Title: "Lease"})
	if err != nil {
		return 0, err
	}
	if _, err := client.Documents.SetFields(ctx, doc.ID, []revv.FieldValue{{Name: "Rent", Value: "1200"}}); err != nil {
		return 0, err
	}
	if err := client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: []revv.Person{{Email: person.Email}}}); err != nil {
		return 0, err
	}
	if _, err := client.Documents.Download(ctx, doc.ID, io.Discard); err != nil {
		return 0, err
	}
	if _, err := client.Documents.Get(ctx, doc.ID+1000); !errors.Is(err, revv.ErrNotFound) {
		return 0, fmt.Errorf("a document that does not exist: %w", err)
	}
	return 6, nil
}
