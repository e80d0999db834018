package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A client that was told to wait sends its request when the file is almost a minute old. A
// program that is killed then leaves nothing behind but the file.
func TestAdvance_killedWhileTheRequestIsOnItsWay_isSentOnce(t *testing.T) {
	for _, op := range []string{"Documents.SendForApproval", "Documents.SendForESign"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
				documents := server.Client().Documents
				id := server.AddDocument(23, "An order")
				p := order(t, "DOC-000040")
				if op == "Documents.SendForESign" {
					_, err := p.advance(t.Context(), documents)
					require.NoError(t, err)
					require.NoError(t, server.Approve(id, "a@example.com"))
					require.NoError(t, server.Approve(id, "b@example.com"))
				}
				before := len(server.Outbox())
				server.Fail(
					revvtest.Fault{Operation: op, Status: http.StatusTooManyRequests, RetryAfter: "50", Times: 1},
					revvtest.Fault{Operation: op, CutAfter: -1, Late: 40 * time.Second, Times: 1},
				)
				killed, leave := make(chan struct{}), make(chan struct{})
				client := server.Client(revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
					return transport(func(r *http.Request) (*http.Response, error) {
						resp, err := next.RoundTrip(r)
						if info, _ := revv.CallInfoFrom(r.Context()); info.Operation == op && info.Attempt == 2 {
							close(killed)
							<-leave // nothing more happens in this program
						}
						return resp, err
					})
				}))
				var dying sync.WaitGroup
				dying.Go(func() { _, _ = p.advance(t.Context(), client.Documents) })
				<-killed
				_, err := p.advance(t.Context(), documents)
				require.ErrorIs(t, err, errUnsettled)
				for range 60 { // whoever calls is impatient
					_, _ = p.advance(t.Context(), documents)
					<-time.After(3 * time.Second)
				}
				assert.Len(t, server.Requests(op), 2)
				sent := server.Outbox()[before:]
				if op == "Documents.SendForESign" {
					require.Len(t, sent, 1)
				} else {
					require.Len(t, sent, 2, "one for each approver")
				}
				close(leave)
				dying.Wait()
			})
		})
	}
}

func TestAdvance_manyAtOnce_askOnce(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithRepeatedSends())
	documents := server.Client().Documents
	server.AddDocument(23, "An order")
	p := order(t, "DOC-000040")
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			if now, err := p.advance(t.Context(), documents); err != nil {
				assert.ErrorIs(t, err, errUnsettled)
			} else {
				assert.Equal(t, waiting, now)
			}
		})
	}
	runs.Wait()
	assert.Len(t, server.Requests("Documents.SendForApproval"), 1)
}

// Two that look at the same moment find the same file missing.
func TestAsk_manyAtOnce_oneMayAsk(t *testing.T) {
	t.Parallel()
	for range 50 {
		p := order(t, "DOC-000040")
		var may atomic.Int32
		var runs sync.WaitGroup
		for range 8 {
			runs.Go(func() {
				if _, _, err := p.ask("approval", time.Now()); err != nil {
					assert.ErrorIs(t, err, errUnsettled)
					return
				}
				may.Add(1)
			})
		}
		runs.Wait()
		require.EqualValues(t, 1, may.Load())
	}
}

// The file says that nothing leaves after a minute, so nothing may.
func TestAdvance_toldToWaitAgainAndAgain_endsWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		server.AddDocument(23, "An order")
		server.Fail(revvtest.Fault{Operation: "Documents.SendForApproval", Status: http.StatusTooManyRequests, RetryAfter: "50", Times: 2})
		start := time.Now()
		_, err := order(t, "DOC-000040").advance(t.Context(), server.Client().Documents)
		require.ErrorIs(t, err, revv.ErrRateLimited)
		assert.Less(t, time.Since(start), askLimit)
		assert.Len(t, server.Requests("Documents.SendForApproval"), 2)
	})
}

// While a slow answer is on its way, the request that it does not show can still arrive.
func TestAdvance_answerOfTheLookIsSlow_isNotTakenForALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		server.AddDocument(23, "An order")
		p := order(t, "DOC-000040")
		_, _, err := p.ask("approval", time.Now())
		require.NoError(t, err)
		<-time.After(askLimit + p.Patience - 10*time.Second)
		slow := server.Client(revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return transport(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				<-time.After(20 * time.Second)
				return resp, err
			})
		}))
		_, err = p.advance(t.Context(), slow.Documents)
		require.ErrorIs(t, err, errUnsettled)
		now, err := p.advance(t.Context(), server.Client().Documents)
		require.NoError(t, err)
		assert.Equal(t, waiting, now)
	})
}

func TestAdvance_refusedForCertain_mayBeAskedAgainAtOnce(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	documents := server.Client().Documents
	server.AddDocument(23, "An order")
	server.Fail(revvtest.Fault{Operation: "Documents.SendForApproval", Status: http.StatusForbidden, Times: 1})
	p := order(t, "DOC-000040")
	_, err := p.advance(t.Context(), documents)
	require.ErrorIs(t, err, revv.ErrForbidden)
	now, err := p.advance(t.Context(), documents)
	require.NoError(t, err)
	assert.Equal(t, waiting, now)
}

// Whoever tidies up takes the number of no request that is on its way.
func TestAsk_earlierFilesAreRemoved_theLastOneCounts(t *testing.T) {
	t.Parallel()
	p := order(t, "DOC-000040")
	for n, settled := range map[int]time.Time{2: time.Now().Add(-time.Hour), 3: time.Now().Add(time.Hour)} {
		require.NoError(t, request(filepath.Join(p.Journal, fmt.Sprint("DOC-000040-approval-", n))).settle(settled))
	}
	_, _, err := p.ask("approval", time.Now())
	require.ErrorIs(t, err, errUnsettled)
	_, _, err = p.ask("signature", time.Now())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(p.Journal, "DOC-000040-signature-1"), []byte("soon"), 0o600))
	_, _, err = p.ask("signature", time.Now())
	require.ErrorContains(t, err, "must hold a time")
	files, err := filepath.Glob(filepath.Join(p.Journal, ".request-*"))
	require.NoError(t, err)
	assert.Empty(t, files)
}

func TestAdvance_journalCannotBeWritten_sendsNothing(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.AddDocument(23, "An order")
	p := order(t, "DOC-000040")
	p.Journal = filepath.Join(p.Journal, "missing")
	_, err := p.advance(t.Context(), server.Client().Documents)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Empty(t, server.Requests("Documents.SendForApproval"))
}

// Of two runs, one looks before the other one's request is acknowledged.
func TestNext_lookedBeforeItWasAcknowledged_isUnsettled(t *testing.T) {
	t.Parallel()
	p := order(t, "DOC-000040")
	looked := time.Now()
	asked, _, err := p.ask("signature", looked)
	require.NoError(t, err)
	require.NoError(t, asked.acknowledge())
	_, err = p.next("signature", looked)
	require.ErrorIs(t, err, errUnsettled)
	_, err = p.next("signature", time.Now())
	require.ErrorIs(t, err, errUnshown)
}

// told calls a function when a text is written.
type told struct {
	bytes.Buffer

	text string
	then func()
}

func (t *told) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(t.text)) {
		t.then()
	}
	return t.Buffer.Write(p)
}

// What an earlier run has asked for settles while this one looks again and again.
func TestRun_lookingAgain_goesOnWhileARequestIsOnItsWay(t *testing.T) {
	server, id := against(t)
	require.NoError(t, os.Mkdir("approvals", 0o700))
	earlier := request(filepath.Join("approvals", "DOC-000040-approval-1"))
	require.NoError(t, earlier.settle(time.Now().Add(time.Hour)))
	out := &told{text: "the last request may still be on its way: run again in 1h", then: func() { assert.NoError(t, earlier.settle(time.Now())) }}
	lookAgain(t, server, id, out)
	assert.Contains(t, out.String(), out.text)
	assert.Contains(t, out.String(), "done: DOC-000040 is signed\n")
}

// A service may be slower to send than it is to answer.
func TestRun_lookingAgain_goesOnUntilTheServiceShowsIt(t *testing.T) {
	server, id := against(t)
	require.NoError(t, os.Mkdir("approvals", 0o700))
	require.NoError(t, request(filepath.Join("approvals", "DOC-000040-approval-1")).acknowledge())
	var late sync.Once
	out := &told{text: "does not show that (yet)", then: func() {
		late.Do(func() {
			people := revv.SendParams{Recipients: []revv.Person{{Email: "a@example.com"}}}
			assert.NoError(t, server.Client().Documents.SendForApproval(t.Context(), id, people))
		})
	}}
	lookAgain(t, server, id, out)
	assert.Len(t, server.Requests("Documents.SendForApproval"), 1)
}
