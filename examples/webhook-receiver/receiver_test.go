package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// quiet is a receiver that counts what it announces.
func quiet(t *testing.T, server *revvtest.Server, announced *[]revv.Stage) *receiver {
	t.Helper()
	return &receiver{
		inbox: open(t, filepath.Join(t.TempDir(), "inbox")), documents: server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})).Documents,
		log: slog.New(slog.DiscardHandler),
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

// notices are what a receiver has announced.
type notices struct {
	mu    sync.Mutex
	texts []string
}

func (n *notices) add(_ context.Context, doc *revv.Document) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(n.texts, fmt.Sprintf("%d%s %s", doc.ID, doc.Number, doc.Stage))
	return nil
}

func (n *notices) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.texts)
}

// reader is a receiver of what a service shows.
func reader(t *testing.T, path string, documents service, announced *notices) *receiver {
	t.Helper()
	return &receiver{inbox: open(t, path), documents: documents, log: slog.New(slog.DiscardHandler), changed: announced.add}
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
	var announced notices
	r := reader(t, path, allSigned, &announced)
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"id":14`)))
	free := fill(t, r.inbox)
	drain(t, r)
	drain(t, r)
	assert.Equal(t, []string{"14 Signed"}, announced.list())

	killed := reader(t, path, allSigned, &announced)
	drain(t, killed)
	assert.Equal(t, []string{"14 Signed", "14 Signed"}, announced.list(), "nothing on the disk says that it was done")

	free()
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_3", `"id":14`)))
	drain(t, r)
	again := reader(t, path, allSigned, &announced)
	drain(t, again)
	assert.Len(t, announced.list(), 2)
	all, waiting, _ := again.inbox.counts()
	assert.Equal(t, []int{3, 0}, []int{all, waiting})
}

func TestWork_roomAgainOnTheDisk_isNoticedWithoutAnotherEvent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		r := reader(t, path, allSigned, &announced)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		free := fill(t, r.inbox)
		stop := begin(t, r)
		pass(time.Hour)
		free()
		pass(2 * time.Minute)
		stop()
		assert.Equal(t, []string{"14 Signed"}, announced.list())
		_, waiting, _ := open(t, path).counts()
		assert.Zero(t, waiting)
	})
}

func TestHandle_answersWithoutAnID_areOfDifferentDocuments(t *testing.T) {
	t.Parallel()
	var announced notices
	r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(asked revv.EventDocument) (*revv.Document, error) {
		return &revv.Document{Title: "no ids at all", Stage: revv.StageSigned}, nil
	}, &announced)
	for i, document := range []string{`"doc_no":"DOC-000040"`, `"doc_no":"DOC-000041"`, `"id":40`, `"id":41`, `"doc_no":"40"`, `"id":40,"doc_no":"DOC-000099"`} {
		require.NoError(t, r.inbox.put(t.Context(), event(t, fmt.Sprintf("evt_%d", i), document)))
	}
	drain(t, r)
	assert.Len(t, announced.list(), 5)
}

// A document is the same one whether it is asked for by its id or by its number.
func TestHandle_answersWithBothIDs_areOfOneDocument(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]revv.DocumentNumber{"by id and number": "DOC-000040", "by id alone": ""} {
		var announced notices
		r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(asked revv.EventDocument) (*revv.Document, error) {
			return &revv.Document{ID: 14, Number: number, Stage: revv.StageSigned}, nil
		}, &announced)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		if number != "" {
			require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"doc_no":"DOC-000040"`)))
		}
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_3", `"id":14`)))
		drain(t, r)
		assert.Len(t, announced.list(), 1, name)
	}
}

func TestWork_eventAboutNoDocument_isDoneWith(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced []revv.Stage
		r := quiet(t, revvtest.NewServer(t, revvtest.WithoutNetwork()), &announced)
		r.inbox = open(t, path)
		for i, document := range []string{`"id":99`, `"doc_no":"DOC-000099"`, `"id":-1`, `"doc_no":".."`} {
			require.NoError(t, r.inbox.put(t.Context(), event(t, fmt.Sprintf("evt_%d", i), document)))
		}
		stop := begin(t, r)
		synctest.Wait()
		_, waiting, _ := r.inbox.counts()
		assert.Equal(t, 2, waiting, "of those there may be one soon")
		pass(6 * time.Minute)
		stop()
		all, waiting, aside := open(t, path).counts()
		assert.Equal(t, []int{4, 0, 0}, []int{all, waiting, aside})
		assert.Empty(t, announced)
	})
}

// The vendor's hosts answer every path with a page. That says nothing of a document.
func TestWork_pageInThePlaceOfTheAPI_keepsTheEvent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		var announced []revv.Stage
		r := quiet(t, server, &announced)
		r.inbox = open(t, path)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		server.Fail(revvtest.Fault{Operation: "Documents.Get", Status: http.StatusNotFound, Body: "<!doctype html><title>Revv</title>", ContentType: "text/html"})
		stop := begin(t, r)
		pass(time.Hour)
		stop()
		_, waiting, _ := r.inbox.counts()
		assert.Equal(t, 1, waiting)
		assert.Empty(t, announced)
	})
}

func TestHandle_programEnds_isNoFaultOfTheEvent(t *testing.T) {
	t.Parallel()
	var (
		announced notices
		logged    bytes.Buffer
	)
	ctx, stop := context.WithCancel(t.Context())
	r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(revv.EventDocument) (*revv.Document, error) {
		stop()
		return nil, ctx.Err()
	}, &announced)
	r.log = slog.New(slog.NewTextHandler(&logged, nil))
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	_, err := r.handle(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, due := r.inbox.next(time.Now())
	assert.True(t, due)
	assert.Empty(t, logged.String())
}

func TestWork_documentCannotBeRead_comesAgainBehindTheOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		server.AddDocument(23, "First")
		server.AddDocument(23, "Second")
		server.Fail(revvtest.Fault{Operation: "Documents.Get", Status: 500, Times: 1})
		var announced []revv.Stage
		r := quiet(t, server, &announced)
		r.inbox = open(t, path)
		require.NoError(t, r.inbox.put(t.Context(), parse(t, `{"event":"DOCUMENT_STAGE_CHANGED","document":{"id":14}}`)))
		require.NoError(t, r.inbox.put(t.Context(), parse(t, `{"event":"DOCUMENT_STAGE_CHANGED","document":{"doc_no":"DOC-000041"}}`)))
		stop := begin(t, r)
		pass(10 * time.Second)
		stop()
		assert.Len(t, announced, 2)
		var order []string
		for _, request := range server.Requests() {
			order = append(order, request.Operation)
		}
		assert.Equal(t, []string{"Documents.Get", "Documents.GetByNumber", "Documents.Get"}, order)
	})
}

// A mistake of this program, or of whoever runs it, is no mistake of the event.
func TestHandle_ownTokenIsRefused_keepsTheEvent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.AddDocument(23, "A contract")
	var announced []revv.Stage
	r := quiet(t, server, &announced)
	client, err := revv.NewClient(revv.FromTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token\n"})), revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	r.documents = client.Documents
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"doc_no":"DOC-000040"`)))
	for range 2 {
		_, err := r.handle(t.Context())
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
	}
	_, waiting, _ := r.inbox.counts()
	assert.Equal(t, 2, waiting)
}

// forbidden is a service that shows some documents, and of others that nobody may see them.
func forbidden(asked revv.EventDocument) (*revv.Document, error) {
	if asked.ID > 1000 {
		return nil, revv.ErrForbidden
	}
	return allSigned(asked)
}

func TestWork_manyEventsFailForGood_holdNoOthersUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		r := reader(t, path, forbidden, &announced)
		stop := begin(t, r)
		for i := range 20 {
			require.NoError(t, r.inbox.put(t.Context(), event(t, fmt.Sprintf("bad_%d", i), fmt.Sprintf(`"id":%d`, 1001+i))))
		}
		for i := range 10 {
			require.NoError(t, r.inbox.put(t.Context(), event(t, fmt.Sprintf("good_%d", i), fmt.Sprintf(`"id":%d`, 1+i))))
		}
		synctest.Wait()
		assert.Len(t, announced.list(), 10, "at once")
		pass(time.Hour)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "good_late", `"id":11`)))
		synctest.Wait()
		assert.Len(t, announced.list(), 11, "at once")
		stop()
	})
}

func TestWork_eventFailsForGood_isTriedMoreAndMoreSeldomAndThenSetAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		var tries []time.Time
		r := reader(t, path, func(asked revv.EventDocument) (*revv.Document, error) {
			tries = append(tries, time.Now())
			return forbidden(asked)
		}, &announced)
		var logged bytes.Buffer
		r.log = slog.New(slog.NewTextHandler(&logged, nil))
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":1001`)))
		stop := begin(t, r)
		pass(48 * time.Hour)
		stop()
		require.Len(t, tries, mostMisfits)
		for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			assert.Equal(t, want, tries[i+1].Sub(tries[i]))
		}
		assert.Equal(t, longestPause, tries[mostMisfits-1].Sub(tries[mostMisfits-2]))
		assert.InDelta(t, 24, tries[mostMisfits-1].Sub(tries[0]).Hours(), 2)
		assert.Equal(t, 1, strings.Count(logged.String(), `level=ERROR msg="an event is set aside until the next start" event=DOCUMENT_CLOSED key=id:evt_1`))
		all, waiting, aside := r.inbox.counts()
		assert.Equal(t, []int{1, 0, 1}, []int{all, waiting, aside})

		again := reader(t, path, allSigned, &announced)
		drain(t, again)
		assert.Equal(t, []string{"1001 Signed"}, announced.list(), "after a restart it is tried again")
	})
}

// Whose fault it is decides: an event cannot help that nobody has authorized the program again.
func TestWork_outageOfDays_setsNothingAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		var back atomic.Bool
		r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(asked revv.EventDocument) (*revv.Document, error) {
			if !back.Load() {
				return nil, revv.ErrReauthorizationRequired
			}
			return allSigned(asked)
		}, &announced)
		for i := range 5 {
			require.NoError(t, r.inbox.put(t.Context(), event(t, fmt.Sprintf("evt_%d", i), fmt.Sprintf(`"id":%d`, 1+i))))
		}
		stop := begin(t, r)
		pass(72 * time.Hour)
		back.Store(true)
		pass(time.Hour)
		stop()
		assert.Len(t, announced.list(), 5)
		_, waiting, aside := r.inbox.counts()
		assert.Zero(t, waiting+aside)
	})
}

// hanging answers for document 1 alone.
type hanging struct{ service }

func (h hanging) Get(ctx context.Context, id revv.DocumentID, opts ...revv.CallOption) (*revv.Document, error) {
	if id == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.service.Get(ctx, id, opts...)
}

func TestWork_readHangs_holdsOthersUpForSecondsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		r := reader(t, filepath.Join(t.TempDir(), "inbox"), allSigned, &announced)
		r.documents = hanging{allSigned}
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":1`)))
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"id":2`)))
		stop := begin(t, r)
		pass(lookLimit + time.Second)
		assert.Equal(t, []string{"2 Signed"}, announced.list())
		stop()
	})
}

func TestWork_actionFails_isTriedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		r := reader(t, path, allSigned, &announced)
		changed, failures := r.changed, 3
		r.changed = func(ctx context.Context, doc *revv.Document) error {
			if failures--; failures >= 0 {
				return errors.New("the mail server is away")
			}
			return changed(ctx, doc)
		}
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		stop := begin(t, r)
		pass(time.Minute)
		stop()
		assert.Equal(t, []string{"14 Signed"}, announced.list())
		_, waiting, _ := r.inbox.counts()
		assert.Zero(t, waiting)
	})
}
