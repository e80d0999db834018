package revv_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// Benchmarks of single parts. How a call compares with net/http alone, and with
// other clients, is measured in bench/.

func BenchmarkGet(b *testing.B) {
	client := cannedClient(b, smallDocument)
	b.ReportAllocs()
	for b.Loop() {
		if err := errorOf(client.Documents.Get(b.Context(), 14)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	client := cannedClient(b, smallDocument)
	params := revv.CreateDocumentParams{TemplateID: 3, Title: strings.Repeat("x", 960)}
	b.ReportAllocs()
	for b.Loop() {
		if err := errorOf(client.Documents.Create(b.Context(), params)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	client := cannedClient(b, entriesPage(100))
	b.ReportAllocs()
	for b.Loop() {
		page, err := client.Documents.List(b.Context(), revv.ListDocumentsParams{})
		if err != nil || len(page.Items) != 100 {
			b.Fatal(len(page.Items), err)
		}
	}
}

// What a caller pays that brings a header and wants to see the answer.
func BenchmarkGet_withOptions(b *testing.B) {
	client := cannedClient(b, smallDocument)
	var response revv.Response
	b.ReportAllocs()
	for b.Loop() {
		if err := errorOf(client.Documents.Get(b.Context(), 14, revv.WithHeader("X-Trace", "1"), revv.CaptureResponse(&response))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet_middleware(b *testing.B) {
	pass := func(next http.RoundTripper) http.RoundTripper { return next }
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithMiddleware(pass),
		revv.WithHTTPClient(&http.Client{Transport: canned{[]byte(smallDocument)}}))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := errorOf(client.Documents.Get(b.Context(), 14)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvent_key(b *testing.B) {
	event, err := revv.ParseEvent([]byte(strings.Replace(smallEvent, `"id":"evt_1",`, "", 1)))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if event.Key() == "" {
			b.Fatal("no key")
		}
	}
}

func BenchmarkDownload(b *testing.B) {
	client := cannedClient(b, "%PDF-1.7\n"+strings.Repeat("0123456789abcde\n", 1<<16)+"%%EOF\n")
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	for b.Loop() {
		if err := errorOf(client.Documents.Download(b.Context(), 14, io.Discard)); err != nil {
			b.Fatal(err)
		}
	}
}
