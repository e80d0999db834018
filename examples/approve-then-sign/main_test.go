package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func TestRun_withoutAnEnvironment_sendsWhatWasApproved(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	assert.Equal(t, 2, strings.Count(out.String(), "the answer is lost"))
	assert.Contains(t, out.String(), "finance@example.com said no")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Contains(t, lines[len(lines)-1], "done: DOC-000040 was approved by 2 colleagues")
}

// against sets the environment for a server with one draft.
func against(t *testing.T) (*revvtest.Server, revv.DocumentID) {
	t.Helper()
	t.Chdir(t.TempDir()) // where the journal is
	server := revvtest.NewServer(t)
	t.Setenv("REVV_BASE_URL", server.URL())
	t.Setenv("REVV_ACCESS_TOKEN", server.Token().AccessToken)
	id := server.AddDocument(23, "An order")
	return server, id
}

func TestRun_againstAServer_takesAStepInEachRun(t *testing.T) {
	server, id := against(t)
	step := func(want string) {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-document", "DOC-000040", "-approvers", "a@example.com, b@example.com", "-supplier", "s@example.com"}, &out))
		assert.Equal(t, "done: DOC-000040 is "+want+"\n", out.String())
	}
	step("waiting for approval")
	step("waiting for approval")
	require.NoError(t, server.Approve(id, "a@example.com"))
	step("waiting for approval")
	require.NoError(t, server.Approve(id, "b@example.com"))
	step("with the supplier")
	step("with the supplier")
	require.NoError(t, server.Sign(id, "s@example.com"))
	step("signed")
	assert.Len(t, server.Requests("Documents.SendForApproval"), 1)
	assert.Len(t, server.Requests("Documents.SendForESign"), 1)
}

func TestRun_lookingAgain_endsWhenItIsSigned(t *testing.T) {
	server, id := against(t)
	var out bytes.Buffer
	lookAgain(t, server, id, &out)
	assert.Equal(t, "done: DOC-000040 is signed\n", out.String())
}

// lookAgain lets a run look every millisecond, while each of the two people answers as soon as
// the document has come.
func lookAgain(t *testing.T, server *revvtest.Server, id revv.DocumentID, out io.Writer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-document", "DOC-000040", "-approvers", "a@example.com", "-supplier", "s@example.com", "-every", "1ms"}, out)
	}()
	for server.Approve(id, "a@example.com") != nil {
		require.NoError(t, ctx.Err())
	}
	for server.Sign(id, "s@example.com") != nil {
		require.NoError(t, ctx.Err())
	}
	require.NoError(t, <-ended)
}

func TestRun_badInput_isNamed(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "https://acme.example.com")
	t.Setenv("REVV_ACCESS_TOKEN", "")
	err := run(t.Context(), []string{"-approvers", "a@example.com,b"}, io.Discard)
	for _, text := range []string{"REVV_ACCESS_TOKEN", "-document must", `which "b" is not`, "-supplier must"} {
		require.ErrorContains(t, err, text)
	}
	require.Error(t, run(t.Context(), []string{"-nonsense"}, io.Discard))
}

// order is a purchase of a document.
func order(t *testing.T, number revv.DocumentNumber) purchase {
	t.Helper()
	return purchase{
		Number: number, Approvers: []revv.Person{{Email: "a@example.com"}, {Email: "b@example.com"}}, Supplier: revv.Person{Email: "s@example.com"},
		Journal: t.TempDir(), Patience: time.Minute, Tell: func(string) {},
	}
}

func TestAdvance_anyRequestFails_nothingIsSentTwice(t *testing.T) {
	for _, operation := range []string{"Documents.GetByNumber", "Documents.Activities", "Documents.SendForApproval", "Documents.SendForESign"} {
		for name, fault := range map[string]revvtest.Fault{
			"applied": {CutAfter: -1, Commit: true}, "lost": {CutAfter: -1},
			"late": {CutAfter: -1, Late: 40 * time.Second}, "hanging": {Hang: true, Late: 90 * time.Second},
		} {
			t.Run(operation+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					// A service that does not refuse a second send shows one.
					server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
					documents := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})).Documents
					id := server.AddDocument(23, "An order")
					fault.Operation, fault.Times = operation, 1
					server.Fail(fault)
					p := order(t, "DOC-000040")
					for range 3 {
						_, _ = p.advance(t.Context(), documents)
					}
					require.NoError(t, server.Approve(id, "a@example.com"))
					require.NoError(t, server.Approve(id, "b@example.com"))
					for range 3 {
						_, _ = p.advance(t.Context(), documents)
					}
					require.NoError(t, server.Sign(id, "s@example.com"))
					now, err := p.advance(t.Context(), documents)
					require.NoError(t, err)
					assert.Equal(t, signed, now)
					assert.Len(t, server.Outbox(), 3)
				})
			})
		}
	}
}

func TestAdvance_outcomeUnknown_isWaitedForAndSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		documents := server.Client().Documents
		server.AddDocument(23, "An order")
		lost := revvtest.Fault{Operation: "Documents.SendForApproval", CutAfter: -1, Times: 1}
		server.Fail(lost)
		p := order(t, "DOC-000040")
		_, err := p.advance(t.Context(), documents)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown, "a minute later it still had not been sent")

		server.Fail(lost)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err = p.advance(ctx, documents)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		assert.Equal(t, 10*time.Second, time.Since(start), "whoever does not wait is told so")
		_, err = p.advance(t.Context(), documents)
		require.ErrorIs(t, err, errUnsettled)
		require.ErrorContains(t, err, "run again in 50s")
		<-time.After(50 * time.Second)

		lost.Late = 30 * time.Second
		server.Fail(lost)
		now, err := p.advance(t.Context(), documents)
		require.NoError(t, err)
		assert.Equal(t, waiting, now)
		assert.Len(t, server.Requests("Documents.SendForApproval"), 3)
	})
}

func TestAdvance_refusedOrDeclined_isLeftToAPerson(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	documents := server.Client().Documents
	refused, declined := server.AddDocument(23, "An order"), server.AddDocument(23, "An order")
	asked, sent := order(t, "DOC-000040"), order(t, "DOC-000041")
	for _, p := range []purchase{asked, sent} {
		_, err := p.advance(t.Context(), documents)
		require.NoError(t, err)
	}
	require.NoError(t, server.Approve(refused, "a@example.com"))
	require.NoError(t, server.Reject(refused, "b@example.com", "no"))
	require.NoError(t, server.Approve(declined, "a@example.com"))
	require.NoError(t, server.Approve(declined, "b@example.com"))
	now, err := sent.advance(t.Context(), documents)
	require.NoError(t, err)
	assert.Equal(t, offered, now)
	require.NoError(t, server.Reject(declined, "s@example.com", "no"))
	before := len(server.Outbox())
	for range 2 {
		_, err = asked.advance(t.Context(), documents)
		require.ErrorIs(t, err, errRefused)
		require.ErrorContains(t, err, "b@example.com")
		_, err = sent.advance(t.Context(), documents)
		require.ErrorIs(t, err, errDeclined)
	}
	assert.Len(t, server.Outbox(), before)
}

func TestStepOf_oneApproverTwice_isWaitingForTheOther(t *testing.T) {
	t.Parallel()
	by := func(event, address string) revv.Activity {
		return revv.Activity{Event: event, Actor: revv.Actor{Email: address}}
	}
	twice := approvalIn([]revv.Activity{by(sentForApproval, "buyer@example.com"), by(approved, "A@example.com"), by(approved, "a@Example.com")})
	order := purchase{Approvers: []revv.Person{{Email: "a@example.com"}, {Email: "b@example.com"}}}
	step, err := order.stepOf(revv.StageDraft, twice)
	require.NoError(t, err)
	assert.Equal(t, waiting, step)
}

func TestActivities_manyOfThem_areReadToTheEnd(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	documents := server.Client().Documents
	id := server.AddDocument(23, "An order")
	doc, _ := server.Document(id)
	for i := range 250 {
		_, err := documents.SetFields(t.Context(), id, []revv.FieldValue{{Name: "Counterparty", Value: strconv.Itoa(i)}})
		require.NoError(t, err)
	}
	history, err := activities(t.Context(), documents, doc.ObjectID)
	require.NoError(t, err)
	assert.Len(t, history, 251)
}

// renamed is middleware for a service that calls it otherwise when a document is sent for
// approval.
func renamed(name string) revv.Middleware {
	return func(next http.RoundTripper) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if call, _ := revv.CallInfoFrom(r.Context()); err != nil || call.Operation != "Documents.Activities" {
				return resp, err
			}
			body, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				return nil, err
			}
			body = bytes.ReplaceAll(body, []byte(sentForApproval), []byte(name))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Del("Content-Length")
			return resp, nil
		})
	}
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// Whoever runs it again must not ask again, whatever the activities are called.
func TestAdvance_activitiesOfOtherNames_asksOnce(t *testing.T) {
	t.Parallel()
	check := func(want error, faults []revvtest.Fault, options ...revv.Option) {
		server := revvtest.NewServer(t)
		documents := server.Client(options...).Documents
		server.AddDocument(23, "An order")
		server.Fail(faults...)
		p := order(t, "DOC-000040")
		now, err := p.advance(t.Context(), documents)
		require.NoError(t, err)
		assert.Equal(t, waiting, now)
		for range 2 {
			_, err = p.advance(t.Context(), documents)
			require.ErrorIs(t, err, want)
		}
		assert.Len(t, server.Requests("Documents.SendForApproval"), 1)
	}
	check(errUnseen, nil, revv.WithMiddleware(renamed("APPROVAL_REQUESTED")))
	check(errUnshown, []revvtest.Fault{{Operation: "Documents.Activities", Body: `[]`, Status: 200}})
}

// A service may answer first and send when it gets to it. Until then it shows nothing.
func TestAdvance_theServiceQueuesIt_isSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		documents := server.Client().Documents
		id := server.AddDocument(23, "An order")
		p := order(t, "DOC-000040")
		for _, operation := range []string{"Documents.SendForApproval", "Documents.SendForESign"} {
			server.Fail(revvtest.Fault{Operation: operation, Status: http.StatusAccepted, Body: `{}`, Late: 20 * time.Minute, Times: 1})
		}
		for _, next := range []step{waiting, offered} {
			now, err := p.advance(t.Context(), documents)
			require.NoError(t, err)
			assert.Equal(t, next, now)
			<-time.After(15 * time.Minute)
			_, err = p.advance(t.Context(), documents)
			require.ErrorIs(t, err, errUnshown)
			<-time.After(10 * time.Minute)
			now, err = p.advance(t.Context(), documents)
			require.NoError(t, err)
			assert.Equal(t, next, now)
			_, _ = server.Approve(id, "a@example.com"), server.Approve(id, "b@example.com")
		}
		assert.Len(t, server.Outbox(), 3)
	})
}

func TestAdvance_answerLostAndActivitiesOfOtherNames_isNoDraftUntouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		documents := server.Client(revv.WithMiddleware(renamed("SENT_TO_REVIEWERS"))).Documents
		server.AddDocument(23, "An order")
		server.Fail(revvtest.Fault{Operation: "Documents.SendForApproval", CutAfter: -1, Commit: true, Times: 1})
		_, err := order(t, "DOC-000040").advance(t.Context(), documents)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, errUnseen, "something has happened to it")
	})
}

// What somebody else has sent, without an approval and to whomever, is not done.
func TestAdvance_sentBySomebodyElse_isNotWithTheSupplier(t *testing.T) {
	server, id := against(t)
	documents := server.Client().Documents
	require.NoError(t, documents.SendForESign(t.Context(), id, revv.SendParams{Recipients: []revv.Person{{Email: "other@example.com"}}}))
	for range 2 { // sent, and then signed
		var out bytes.Buffer
		err := run(t.Context(), []string{"-document", "DOC-000040", "-approvers", "a@example.com", "-supplier", "s@example.com"}, &out)
		require.ErrorIs(t, err, errUnapproved)
		assert.Empty(t, out.String())
		_ = server.Sign(id, "other@example.com")
	}
	assert.Len(t, server.Outbox(), 1)
}

func TestAdvance_stageTellsNothing_isNotWithTheSupplier(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	documents := server.Client().Documents
	id := server.AddDocument(23, "An order")
	p := order(t, "DOC-000040")
	_, err := p.advance(t.Context(), documents)
	require.NoError(t, err)
	require.NoError(t, server.Approve(id, "a@example.com"))
	require.NoError(t, server.Approve(id, "b@example.com"))
	server.Fail(revvtest.Fault{Operation: "Documents.GetByNumber", Members: map[string]string{"document_status": `{"name":"Approved"}`}})
	_, err = p.advance(t.Context(), documents)
	require.ErrorContains(t, err, `the stage "Approved" does not tell whether it was sent`)
	assert.Empty(t, server.Requests("Documents.SendForESign"))
}

// Whoever asks for help has made no mistake.
func TestRun_askedForHelp_listsTheFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &out))
	assert.Contains(t, out.String(), "Usage of approve-then-sign")
}
