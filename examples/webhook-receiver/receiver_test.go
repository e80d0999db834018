package main

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// quiet is a receiver that counts what it announces.
func quiet(t *testing.T, server *revvtest.Server, announced *[]revv.Stage) *receiver {
	t.Helper()
	return &receiver{
		inbox: open(t, filepath.Join(t.TempDir(), "inbox")), documents: server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})).Documents,
		log: slog.New(slog.DiscardHandler), pause: time.Millisecond,
		changed: func(_ context.Context, doc *revv.Document) error {
			*announced = append(*announced, doc.Stage)
			return nil
		},
	}
}

func TestHandle_eventAboutNoDocument_isDoneWith(t *testing.T) {
	t.Parallel()
	var announced []revv.Stage
	r := quiet(t, revvtest.NewServer(t), &announced)
	for id, document := range map[string]string{"evt_1": `"id":99`, "evt_2": ``, "evt_3": `"doc_no":"DOC-000099"`} {
		require.NoError(t, r.inbox.put(t.Context(), event(t, id, document)))
	}
	for range 3 {
		ok, err := r.handle(t.Context())
		require.NoError(t, err)
		assert.True(t, ok)
	}
	_, waiting := r.inbox.counts()
	assert.Zero(t, waiting)
	assert.Empty(t, announced)
}

// The vendor's hosts answer every path with a page. That says nothing of a document.
func TestHandle_pageInThePlaceOfTheAPI_keepsTheEvent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	var announced []revv.Stage
	r := quiet(t, server, &announced)
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	server.Fail(revvtest.Fault{Operation: "Documents.Get", Status: http.StatusNotFound, Body: "<!doctype html><title>Revv</title>", ContentType: "text/html"})
	ok, err := r.handle(t.Context())
	require.ErrorIs(t, err, revv.ErrUnexpectedContent)
	assert.True(t, ok)
	_, waiting := r.inbox.counts()
	assert.Equal(t, 1, waiting)
	assert.Empty(t, announced)
}

func TestWork_documentCannotBeRead_comesAgainBehindTheOthers(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.AddDocument(23, "First")
	server.AddDocument(23, "Second")
	server.Fail(revvtest.Fault{Operation: "Documents.Get", Status: 500, Times: 1})
	var announced []revv.Stage
	r := quiet(t, server, &announced)
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"doc_no":"DOC-000041"`)))
	ctx, stop := context.WithCancel(t.Context())
	count, changed := 0, r.changed
	r.changed = func(ctx context.Context, doc *revv.Document) error {
		if count++; count == 2 {
			stop()
		}
		return changed(ctx, doc)
	}
	r.work(ctx)
	assert.Len(t, announced, 2)
	var order []string
	for _, request := range server.Requests() {
		order = append(order, request.Operation)
	}
	assert.Equal(t, []string{"Documents.Get", "Documents.GetByNumber", "Documents.Get"}, order)
}
