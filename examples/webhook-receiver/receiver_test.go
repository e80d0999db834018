package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
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

// service answers as a test says.
type service func(asked revv.EventDocument) (*revv.Document, error)

func (s service) Get(_ context.Context, id revv.DocumentID, _ ...revv.CallOption) (*revv.Document, error) {
	return s(revv.EventDocument{ID: id})
}

func (s service) GetByNumber(_ context.Context, number revv.DocumentNumber, _ ...revv.CallOption) (*revv.Document, error) {
	return s(revv.EventDocument{Number: number})
}

// allSigned is a service in which every document is signed.
func allSigned(asked revv.EventDocument) (*revv.Document, error) {
	return &revv.Document{ID: asked.ID, Number: asked.Number, Stage: revv.StageSigned}, nil
}

// reader is a receiver of what a service shows.
func reader(t *testing.T, path string, documents service, announced *[]string) *receiver {
	t.Helper()
	return &receiver{inbox: open(t, path), documents: documents, log: slog.New(slog.DiscardHandler), changed: func(_ context.Context, doc *revv.Document) error {
		*announced = append(*announced, fmt.Sprintf("%d%s %s", doc.ID, doc.Number, doc.Stage))
		return nil
	}}
}

// drain handles what is due.
func drain(t *testing.T, r *receiver) {
	t.Helper()
	for {
		ok, err := r.handle(t.Context())
		require.NoError(t, err)
		if !ok {
			return
		}
	}
}

// begin has a receiver work until stop is called.
func begin(t *testing.T, r *receiver) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.work(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// pass lets the time of a test pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestHandle_diskIsFull_actsOnceAndOnceMoreAfterARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	var announced []string
	r := reader(t, path, allSigned, &announced)
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"id":14`)))
	free := fill(t, r.inbox)
	drain(t, r)
	drain(t, r)
	assert.Equal(t, []string{"14 Signed"}, announced)

	killed := reader(t, path, allSigned, &announced)
	drain(t, killed)
	assert.Equal(t, []string{"14 Signed", "14 Signed"}, announced, "nothing on the disk says that it was done")

	free()
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_3", `"id":14`)))
	drain(t, r)
	again := reader(t, path, allSigned, &announced)
	drain(t, again)
	assert.Len(t, announced, 2)
	all, waiting := again.inbox.counts()
	assert.Equal(t, []int{3, 0}, []int{all, waiting})
}

func TestWork_roomAgainOnTheDisk_isNoticedWithoutAnotherEvent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced []string
		r := reader(t, path, allSigned, &announced)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		free := fill(t, r.inbox)
		stop := begin(t, r)
		pass(time.Hour)
		free()
		pass(2 * time.Minute)
		stop()
		assert.Equal(t, []string{"14 Signed"}, announced)
		_, waiting := open(t, path).counts()
		assert.Zero(t, waiting)
	})
}

func TestHandle_answersWithoutAnID_areOfDifferentDocuments(t *testing.T) {
	t.Parallel()
	var announced []string
	r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(asked revv.EventDocument) (*revv.Document, error) {
		return &revv.Document{Title: "no ids at all", Stage: revv.StageSigned}, nil
	}, &announced)
	for i, document := range []string{`"doc_no":"DOC-000040"`, `"doc_no":"DOC-000041"`, `"id":40`, `"id":41`, `"doc_no":"40"`, `"id":40,"doc_no":"DOC-000099"`} {
		require.NoError(t, r.inbox.put(t.Context(), event(t, fmt.Sprintf("evt_%d", i), document)))
	}
	drain(t, r)
	assert.Len(t, announced, 5)
}

// A document is the same one whether it is asked for by its id or by its number.
func TestHandle_answersWithBothIDs_areOfOneDocument(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]revv.DocumentNumber{"by id and number": "DOC-000040", "by id alone": ""} {
		var announced []string
		r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(asked revv.EventDocument) (*revv.Document, error) {
			return &revv.Document{ID: 14, Number: number, Stage: revv.StageSigned}, nil
		}, &announced)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		if number != "" {
			require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"doc_no":"DOC-000040"`)))
		}
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_3", `"id":14`)))
		drain(t, r)
		assert.Len(t, announced, 1, name)
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
