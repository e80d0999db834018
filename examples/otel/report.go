package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// report prints the spans as a tree and counts what was observed.
func (p *pipeline) report(ctx context.Context, calls int, out io.Writer) error {
	spans := p.spans.GetSpans()
	slices.SortFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	printTree(out, spans, trace.SpanID{}, "")
	var attempts, repeated uint
	for _, span := range spans {
		if span.SpanKind != trace.SpanKindClient {
			continue
		}
		attempts++
		if value(span.Attributes, semconv.HTTPRequestResendCountKey) != "" {
			repeated++
		}
		if problem := checkName(span.Name); problem != nil {
			return problem
		}
	}
	measured, series, err := p.measured(ctx)
	if err != nil {
		return err
	}
	if measured != uint64(attempts) {
		return fmt.Errorf("%d attempts, but %d measurements", attempts, measured)
	}
	fmt.Fprintf(out, "\ndone: %d calls, %d requests, %d of them repeated; as many spans, and measurements in %d series\n", calls, attempts, repeated, series)
	return nil
}

func printTree(out io.Writer, spans tracetest.SpanStubs, parent trace.SpanID, indent string) {
	for _, span := range spans {
		if span.Parent.SpanID() != parent {
			continue
		}
		fmt.Fprintf(out, "%-52s %8s", indent+span.Name, span.EndTime.Sub(span.StartTime).Round(100*time.Microsecond))
		for _, key := range []attribute.Key{semconv.HTTPResponseStatusCodeKey, semconv.HTTPRequestResendCountKey, semconv.ErrorTypeKey} {
			if text := value(span.Attributes, key); text != "" {
				fmt.Fprintf(out, "  %s=%s", key, text)
			}
		}
		fmt.Fprintln(out)
		printTree(out, spans, span.SpanContext.SpanID(), indent+"  ")
	}
}

func value(attributes []attribute.KeyValue, key attribute.Key) string {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// checkName makes sure that a name has few values: a method and a route. The
// number of a version is no id.
func checkName(name string) error {
	if !regexp.MustCompile(`^[A-Z]+( (/(v[0-9]+|[a-z_-]+|\{[a-z_]+\}))+/?)?$`).MatchString(name) {
		return fmt.Errorf("%q is no method with a route", strings.ToValidUTF8(name, "?"))
	}
	return nil
}

// measured counts what is in the histogram, and its series.
func (p *pipeline) measured(ctx context.Context) (count uint64, series int, err error) {
	var collected metricdata.ResourceMetrics
	if err := p.reader.Collect(ctx, &collected); err != nil {
		return 0, 0, err
	}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			histogram, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || m.Name != "http.client.request.duration" {
				continue
			}
			for _, point := range histogram.DataPoints {
				count += point.Count
				series++
			}
		}
	}
	return count, series, nil
}
