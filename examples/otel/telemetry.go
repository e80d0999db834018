package main

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/revv-go/revv"
)

const scope = "github.com/revv-go/revv/examples/otel"

// telemetry makes a span and a measurement for every attempt: a request that is repeated
// gives several spans. Names and metrics contain the route, such as "GET /api/docs/{id}",
// and therefore neither ids nor queries. Headers and bodies, which contain secrets, are
// not recorded.
type telemetry struct {
	tracer   trace.Tracer
	duration httpconv.ClientRequestDuration
}

func newTelemetry(traces trace.TracerProvider, metrics metric.MeterProvider) (*telemetry, error) {
	duration, err := httpconv.NewClientRequestDuration(metrics.Meter(scope),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	return &telemetry{tracer: traces.Tracer(scope), duration: duration}, err
}

// middleware goes into [revv.WithMiddleware].
func (t *telemetry) middleware(next http.RoundTripper) http.RoundTripper {
	return t.transport(next, "")
}

// transport observes the requests that go through next. route is used for requests that
// the SDK says nothing about, such as those to the token endpoint.
func (t *telemetry) transport(next http.RoundTripper, route string) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) { return t.observe(next, req, route) })
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// observe sends a request within a span, which ends with the body of the answer.
func (t *telemetry) observe(next http.RoundTripper, req *http.Request, route string) (*http.Response, error) {
	info, known := revv.CallInfoFrom(req.Context())
	if known && info.Operation != "Do" { // there, the route is the path that the caller has written, ids and all
		route = info.Route
	}
	name := req.Method
	if route != "" {
		name += " " + route
	}
	ctx, span := t.tracer.Start(req.Context(), name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(requestAttributes(req, route, info)...))
	o := &observation{span: span}
	start := time.Now()
	end := sync.OnceFunc(func() {
		result := o.end()
		if route != "" {
			result = append(result, semconv.URLTemplate(route))
		}
		t.duration.Record(ctx, time.Since(start).Seconds(), httpconv.RequestMethodAttr(req.Method), req.URL.Hostname(), port(req.URL), result...)
	})
	resp, err := next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		o.fail(semconv.ErrorType(err))
		end()
		return resp, err
	}
	o.add(semconv.HTTPResponseStatusCode(resp.StatusCode), semconv.NetworkProtocolVersion(strconv.Itoa(resp.ProtoMajor)+"."+strconv.Itoa(resp.ProtoMinor)))
	if resp.StatusCode >= http.StatusBadRequest {
		o.fail(semconv.ErrorTypeKey.String(strconv.Itoa(resp.StatusCode)))
	}
	resp.Body = &observedBody{ReadCloser: resp.Body, end: end, fail: o.fail}
	return resp, nil
}

// observation collects how a request ends. A body can be closed while it is read.
type observation struct {
	span   trace.Span
	mu     sync.Mutex
	result []attribute.KeyValue
}

func (o *observation) add(attributes ...attribute.KeyValue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.result = append(o.result, attributes...)
}

// fail marks the span as failed, without the text of the error, which may quote anything.
func (o *observation) fail(kind attribute.KeyValue) {
	o.add(kind)
	o.span.SetStatus(codes.Error, "")
}

// end ends the span and returns how the request has ended.
func (o *observation) end() []attribute.KeyValue {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.span.SetAttributes(o.result...)
	o.span.End()
	return slices.Clone(o.result)
}

// observedBody ends the span when the body ends, or is cut.
type observedBody struct {
	io.ReadCloser

	end  func()
	fail func(attribute.KeyValue)
	cut  sync.Once
}

// Read implements [io.Reader].
func (b *observedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			b.cut.Do(func() { b.fail(semconv.ErrorType(err)) })
		}
		b.end()
	}
	return n, err
}

// Close implements [io.Closer].
func (b *observedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// requestAttributes are those of the semantic conventions for HTTP clients.
func requestAttributes(req *http.Request, route string, info revv.CallInfo) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(req.Method), semconv.ServerAddress(req.URL.Hostname()), semconv.ServerPort(port(req.URL)),
		semconv.URLFull(redacted(req.URL)),
	}
	if route != "" {
		attributes = append(attributes, semconv.URLTemplate(route))
	}
	if info.Operation != "" {
		attributes = append(attributes, attribute.String("revv.operation", info.Operation))
	}
	if info.Attempt > 1 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(info.Attempt-1))
	}
	return attributes
}

// redacted replaces the values in the query of a URL, because they can be mail addresses.
func redacted(u *url.URL) string {
	query := u.Query()
	for name := range query {
		query[name] = []string{"REDACTED"}
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: query.Encode()}
	return bare.String()
}

func port(u *url.URL) int {
	if number, err := strconv.Atoi(u.Port()); err == nil {
		return number
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}
