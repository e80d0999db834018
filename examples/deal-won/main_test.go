package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// won returns the sample deal in a file of its own.
func won(t *testing.T) *record {
	t.Helper()
	path := filepath.Join(t.TempDir(), "deal.json")
	require.NoError(t, os.WriteFile(path, sample, 0o600))
	deal, err := load(path)
	require.NoError(t, err)
	return deal
}

// again is the deal as a new process reads it.
func again(t *testing.T, deal *record) *record {
	t.Helper()
	deal, err := load(deal.path)
	require.NoError(t, err)
	return deal
}

func TestRun_withoutAnEnvironment_sendsOnceInASandbox(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Equal(t, "done: DOC-000040 was sent once in 3 calls, 2 answers lost on the way; 2 signers, 2 mails, stage Signed", lines[len(lines)-1])
}

func TestRun_againstAServer_sendsOnceInTwoRuns(t *testing.T) {
	server := revvtest.NewServer(t)
	t.Setenv("REVV_BASE_URL", server.URL())
	t.Setenv("REVV_ACCESS_TOKEN", server.Token().AccessToken)
	deal := won(t)
	for range 2 {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{deal.path}, &out))
		assert.Equal(t, "done: deal D-1042 has contract DOC-000040, stage Sent\n", out.String())
	}
	assert.Len(t, server.Requests("Documents.Create"), 1)
	assert.Len(t, server.Requests("Documents.SendForESign"), 1)
	mails := server.Outbox()
	require.Len(t, mails, 1, "the second signer has to wait for the first")
	assert.Equal(t, "director@example.com", mails[0].To)
	require.Error(t, server.Sign(mails[0].DocumentID, "sales@example.com"))
}

func TestRun_badInput_saysAllThatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deal.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"fee":"much","start_date":"soon","signers":[{"email":"nobody"}],"contract":{"state":"lost"}}`), 0o600))
	t.Setenv("REVV_BASE_URL", "https://acme.example.com")
	t.Setenv("REVV_ACCESS_TOKEN", "")
	err := run(t.Context(), []string{path}, &bytes.Buffer{})
	for _, text := range []string{"id must", "customer must", "fee must", "start_date must", "template_id must", "not 1", "signers[0].email must", "contract.state must"} {
		require.ErrorContains(t, err, text)
	}
	require.ErrorContains(t, run(t.Context(), []string{won(t).path}, &bytes.Buffer{}), "REVV_ACCESS_TOKEN")
	require.ErrorContains(t, run(t.Context(), nil, &bytes.Buffer{}), "usage")
	t.Setenv("REVV_BASE_URL", "")
	require.ErrorContains(t, run(t.Context(), []string{path}, &bytes.Buffer{}), "REVV_BASE_URL")
}

func TestSendContract_anyAnswerLost_isSentOnce(t *testing.T) {
	const create, send = "Documents.Create", "Documents.SendForESign"
	cases := map[string]struct {
		faults  []revvtest.Fault
		creates int // requests
		sends   int
	}{
		"create, applied":      {[]revvtest.Fault{{Operation: create, CutAfter: -1, Commit: true}}, 1, 1},
		"create, lost":         {[]revvtest.Fault{{Operation: create, CutAfter: -1}}, 2, 1},
		"create, late":         {[]revvtest.Fault{{Operation: create, CutAfter: -1, Late: late}}, 1, 1},
		"create, refused":      {[]revvtest.Fault{{Operation: create, Status: 403}}, 2, 1},
		"create, unreadable":   {[]revvtest.Fault{{Operation: create, HTML: true, Commit: true}}, 1, 1},
		"create, redirected":   {[]revvtest.Fault{{Operation: create, Status: 303, RedirectTo: "https://example.com/", Commit: true}}, 1, 1},
		"send, redirected":     {[]revvtest.Fault{{Operation: send, Status: 303, RedirectTo: "https://example.com/", Commit: true}}, 1, 1},
		"create, and no list":  {[]revvtest.Fault{{Operation: create, CutAfter: -1, Commit: true}, {Operation: "Documents.List", Status: 500}}, 1, 1},
		"read":                 {[]revvtest.Fault{{Operation: "Documents.GetByNumber", Status: 500}}, 1, 1},
		"fields":               {[]revvtest.Fault{{Operation: "Documents.SetFields", Status: 500}}, 1, 1},
		"send, applied":        {[]revvtest.Fault{{Operation: send, CutAfter: -1, Commit: true}}, 1, 1},
		"send, lost":           {[]revvtest.Fault{{Operation: send, CutAfter: -1}}, 1, 2},
		"send, late":           {[]revvtest.Fault{{Operation: send, CutAfter: -1, Late: late}}, 1, 1},
		"send, hangs":          {[]revvtest.Fault{{Operation: send, Hang: true, Late: 2 * late}}, 1, 1},
		"create, hangs":        {[]revvtest.Fault{{Operation: create, Hang: true, Late: 2 * late}}, 1, 1},
		"send, refused":        {[]revvtest.Fault{{Operation: send, Status: 403}}, 1, 2},
		"send, unreadable":     {[]revvtest.Fault{{Operation: send, HTML: true, Commit: true}}, 1, 1},
		"send, and no reading": {[]revvtest.Fault{{Operation: send, CutAfter: -1, Commit: true}, {Operation: "Documents.Get", Status: 500}}, 1, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// A service that does not refuse a second send shows one.
				server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
				client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
				for _, fault := range c.faults {
					fault.Times = 1
					server.Fail(fault)
				}
				deal := won(t)
				for range 30 { // whoever calls is impatient
					_, _ = sendContract(t.Context(), client.Documents, deal)
					deal = again(t, deal)
					<-time.After(5 * time.Second)
				}
				assert.Equal(t, contract{State: sent, Number: "DOC-000040"}, deal.Contract)
				assert.Len(t, server.Documents(), 1)
				assert.Len(t, server.Outbox(), 1)
				assert.Len(t, server.Requests(create), c.creates)
				assert.Len(t, server.Requests(send), c.sends)
			})
		})
	}
}

// late is how long a request is on its way whose answer is not.
const late = 40 * time.Second

// What is read while the lost request is on its way proves nothing, and less so when its
// answer takes so long that a minute has passed by then.
func TestSendContract_answerOfTheLookIsSlow_isNotTakenForALaterOne(t *testing.T) {
	for lost, look := range map[string]revvtest.Fault{
		"Documents.SendForESign": {Operation: "Documents.Get", Drip: 110 * time.Millisecond, Times: 1},
		"Documents.Create":       {Operation: "Documents.List", Drip: 130 * time.Millisecond, Times: 1},
	} {
		t.Run(lost, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
				client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
				deal := won(t)
				for range 3 {
					server.AddDocument(deal.TemplateID, "another contract")
				}
				server.Fail(revvtest.Fault{Operation: lost, CutAfter: -1, Late: late, Times: 1})
				_, err := sendContract(t.Context(), client.Documents, deal)
				require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
				<-time.After(10 * time.Second)
				server.Fail(look)
				start := time.Now()
				_, err = sendContract(t.Context(), client.Documents, again(t, deal))
				require.ErrorIs(t, err, errUnsettled)
				require.Greater(t, time.Since(start), onItsWay-10*time.Second, "the answer was slow")
				_, err = sendContract(t.Context(), client.Documents, again(t, deal))
				require.NoError(t, err)
				<-time.After(time.Hour)
				assert.Len(t, server.Requests(lost), 1)
				assert.Len(t, server.Documents(), 4)
				assert.Len(t, server.Outbox(), 1)
			})
		})
	}
}

// A program that dies between its request and what it would have written down is one
// more way to lose an answer.
func TestSendContract_afterACrash_waitsAndLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		client := server.Client()
		deal := won(t)
		id := server.AddDocument(deal.TemplateID, deal.title())
		doc, ok := server.Document(id)
		require.True(t, ok)
		require.NoError(t, deal.remember(sending, doc.Number))
		deal = again(t, deal)
		_, err := sendContract(t.Context(), client.Documents, deal)
		require.ErrorIs(t, err, errUnsettled)
		require.ErrorContains(t, err, "run again in 1m0s")
		assert.Empty(t, server.Requests("Documents.SendForESign"))
		<-time.After(onItsWay)
		_, err = sendContract(t.Context(), client.Documents, deal)
		require.NoError(t, err)
		assert.Len(t, server.Outbox(), 1)
	})
}

// The client waits as long as the service has asked it to, and its request leaves when the
// record is almost a minute old. A program that is killed then cannot say so.
func TestSendContract_killedAfterALongWait_isSentOnce(t *testing.T) {
	for _, op := range []string{"Documents.Create", "Documents.SendForESign"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
				deal := won(t)
				server.Fail(
					revvtest.Fault{Operation: op, Status: http.StatusTooManyRequests, RetryAfter: "50", Times: 1},
					revvtest.Fault{Operation: op, CutAfter: -1, Late: late, Times: 1},
				)
				killed, leave := make(chan struct{}), make(chan struct{})
				client := server.Client(revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
					return roundTripper(func(r *http.Request) (*http.Response, error) {
						resp, err := next.RoundTrip(r)
						if info, _ := revv.CallInfoFrom(r.Context()); info.Operation == op && info.Attempt == 2 {
							close(killed)
							<-leave // nothing more happens in this program
						}
						return resp, err
					})
				}))
				var dying sync.WaitGroup
				its := again(t, deal)
				dying.Go(func() { _, _ = sendContract(t.Context(), client.Documents, its) })
				<-killed
				for range 60 { // whoever calls is impatient
					_, _ = sendContract(t.Context(), server.Client().Documents, again(t, deal))
					<-time.After(3 * time.Second)
				}
				assert.Equal(t, contract{State: sent, Number: "DOC-000040"}, again(t, deal).Contract)
				assert.Len(t, server.Documents(), 1)
				assert.Len(t, server.Outbox(), 1)
				close(leave)
				dying.Wait()
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSendContract_calledByEightAtOnce_isSentOnce(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client := server.Client()
	deal := won(t)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			doc, err := sendContract(t.Context(), client.Documents, deal)
			if assert.NoError(t, err) {
				assert.Equal(t, revv.StageSent, doc.Stage)
			}
		})
	}
	calls.Wait()
	assert.Len(t, server.Requests("Documents.SendForESign"), 1)
}

func TestSendContract_declinedBySigner_isNotSentAgain(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client := server.Client()
	deal := won(t)
	doc, err := sendContract(t.Context(), client.Documents, deal)
	require.NoError(t, err)
	require.NoError(t, server.Reject(doc.ID, "director@example.com", "too expensive"))
	_, err = sendContract(t.Context(), client.Documents, again(t, deal))
	require.ErrorContains(t, err, "DOC-000040 was sent and is a draft again")
	assert.Len(t, server.Outbox(), 1)
}

// A service may answer first and send when it gets to it. Until then the contract is a draft.
func TestSendContract_theServiceQueuesIt_isNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		documents, deal := server.Client().Documents, won(t)
		server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Status: http.StatusAccepted, Body: `{}`, Late: 30 * time.Minute, Times: 1})
		for range 2 {
			_, err := sendContract(t.Context(), documents, again(t, deal))
			require.ErrorContains(t, err, "DOC-000040 was reported as sent")
			<-time.After(20 * time.Minute)
		}
		doc, err := sendContract(t.Context(), documents, again(t, deal))
		require.NoError(t, err)
		assert.Equal(t, revv.StageSent, doc.Stage)
		assert.Len(t, server.Outbox(), 1)
	})
}

// Nobody has noticed that it was sent, and when somebody looks it is a draft again.
func TestSendContract_declinedUnnoticed_isNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
		server.Fail(
			revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1},
			revvtest.Fault{Operation: "Documents.Get", Status: 500, Times: 1},
		)
		deal := won(t)
		_, err := sendContract(t.Context(), client.Documents, deal)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.NoError(t, server.Reject(server.Documents()[0].ID, "director@example.com", "too expensive"))
		<-time.After(time.Hour)
		for range 2 {
			_, err = sendContract(t.Context(), client.Documents, again(t, deal))
			require.ErrorContains(t, err, "DOC-000040 was sent and is a draft again")
		}
		assert.Len(t, server.Outbox(), 1)
	})
}

func TestSendContract_activitiesCannotBeRead_isNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		deal := won(t)
		document, ok := server.Document(server.AddDocument(deal.TemplateID, deal.title()))
		require.True(t, ok)
		require.NoError(t, deal.remember(sending, document.Number))
		<-time.After(onItsWay)
		server.Fail(revvtest.Fault{Operation: "Documents.Activities", Status: 403})
		_, err := sendContract(t.Context(), server.Client().Documents, deal)
		require.ErrorIs(t, err, revv.ErrForbidden)
		assert.Empty(t, server.Requests("Documents.SendForESign"))
	})
}

// The number leads to a document of somebody else if another account is connected now.
func TestSendContract_documentOfAnotherAccount_isNotSent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	deal := won(t)
	server.AddDocument(deal.TemplateID, "Secret plan")
	require.NoError(t, deal.remember(created, "DOC-000040"))
	_, err := sendContract(t.Context(), server.Client().Documents, deal)
	require.ErrorContains(t, err, `DOC-000040 is titled "Secret plan"`)
	assert.Empty(t, server.Requests("Documents.SetFields", "Documents.SendForESign"))
}

func TestSendContract_fieldsThatWereNotWritten_areNoticed(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SetFields", Members: map[string]string{"fields": `[{"name":"Client","value":""}]`}})
	_, err := sendContract(t.Context(), server.Client().Documents, won(t))
	require.ErrorContains(t, err, `DOC-000040 does not hold "Example Ltd" in the field "Client"`)
	assert.Empty(t, server.Outbox())
}

// In an account with stages of its own, or if the service names them otherwise, nobody can
// tell whether a contract was sent.
func TestSendContract_stageTellsNothing_isNeitherSentNorTakenForSent(t *testing.T) {
	t.Parallel()
	for _, status := range []string{`null`, `{"name":"In preparation"}`} {
		server := revvtest.NewServer(t)
		for _, operation := range []string{"Documents.Create", "Documents.GetByNumber", "Documents.Get"} {
			server.Fail(revvtest.Fault{Operation: operation, Members: map[string]string{"document_status": status}})
		}
		deal := won(t)
		for range 2 {
			_, err := sendContract(t.Context(), server.Client().Documents, again(t, deal))
			require.ErrorContains(t, err, "tell whether it was sent: a person decides", status)
		}
		assert.Equal(t, created, again(t, deal).Contract.State)
		assert.Empty(t, server.Outbox())
	}
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Status: http.StatusBadGateway, Times: 1})
	server.Fail(revvtest.Fault{Operation: "Documents.Get", Members: map[string]string{"document_status": `null`}})
	deal := won(t)
	_, err := sendContract(t.Context(), server.Client().Documents, deal)
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Equal(t, sending, again(t, deal).Contract.State)
}

// Activities that do not even show that the document was made are not understood.
func TestSendContract_activitiesTellNothing_isNotSentAgain(t *testing.T) {
	for _, body := range []string{`[]`, `[{"name":"DOCUMENT_CREATED"}]`} {
		synctest.Test(t, func(t *testing.T) {
			server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
			server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Times: 1})
			deal := won(t)
			_, err := sendContract(t.Context(), server.Client().Documents, deal)
			require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
			<-time.After(time.Hour)
			server.Fail(revvtest.Fault{Operation: "Documents.Activities", Status: 200, Body: body, Times: 2})
			for range 2 {
				_, err = sendContract(t.Context(), server.Client().Documents, again(t, deal))
				require.Error(t, err, body)
			}
			assert.Len(t, server.Requests("Documents.SendForESign"), 1)
			_, err = sendContract(t.Context(), server.Client().Documents, again(t, deal))
			require.NoError(t, err)
		})
	}
}

// The answer says one thing, the document another.
func TestSendContract_reportedAsSentAndStillADraft_isAnError(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Status: 200, Body: `{}`})
	_, err := sendContract(t.Context(), server.Client().Documents, won(t))
	require.ErrorContains(t, err, `its stage is "Draft"`)
}

func TestSendContract_twoDocumentsOfTheDeal_asksAPerson(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client := server.Client()
	deal := won(t)
	server.AddDocument(deal.TemplateID, deal.title())
	server.AddDocument(deal.TemplateID, deal.title())
	require.NoError(t, deal.remember(creating, ""))
	_, err := sendContract(t.Context(), client.Documents, deal)
	require.ErrorContains(t, err, "DOC-000040 and DOC-000041")
	assert.Empty(t, server.Outbox())
}

// What is removed in front while a list is read moves the rest, over the border of a page.
func TestSendContract_listPassesOverTheDocument_isSeenAtTheSecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
		deal := won(t)
		server.Fail(
			revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Commit: true, Times: 1},
			revvtest.Fault{Operation: "Documents.List", Body: `{"page":{"inodes":[],"count":0}}`, Status: 200, Times: 2}, // the second is that of the next call
		)
		_, err := sendContract(t.Context(), client.Documents, deal)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		<-time.After(onItsWay)
		_, err = sendContract(t.Context(), client.Documents, again(t, deal))
		require.NoError(t, err)
		assert.Len(t, server.Documents(), 1)
		assert.Len(t, server.Outbox(), 1)
		for _, request := range server.Requests("Documents.List") {
			assert.Contains(t, request.RawQuery, "sort_by_doc_num=true")
		}
	})
}

// What is added in front does the opposite: an entry comes twice.
// Whoever begins while another run is at work would find nothing sent, as that one did.
func TestRun_anotherRunIsAtWork_sendsNothing(t *testing.T) {
	server := revvtest.NewServer(t)
	t.Setenv("REVV_BASE_URL", server.URL())
	t.Setenv("REVV_ACCESS_TOKEN", server.Token().AccessToken)
	deal := won(t)
	other, err := lockFile(deal.path + ".lock")
	require.NoError(t, err)
	require.ErrorIs(t, run(t.Context(), []string{deal.path}, &bytes.Buffer{}), errLocked)
	assert.Empty(t, server.Requests())
	require.NoError(t, other.Close())
	require.NoError(t, run(t.Context(), []string{deal.path}, &bytes.Buffer{}))
	assert.Len(t, server.Outbox(), 1)
}

// The process goes on with what it knows. The file has to learn it as soon as it can.
func TestRemember_fileCannotBeWritten_isWrittenByTheNextCall(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	deal := won(t)
	doc, err := sendContract(t.Context(), server.Client().Documents, deal)
	require.NoError(t, err)
	path := deal.path
	deal.path = filepath.Join(t.TempDir(), "gone", "deal.json")
	require.Error(t, deal.remember(created, doc.Number))
	deal.path = path
	require.NoError(t, deal.remember(created, doc.Number))
	assert.Equal(t, contract{State: created, Number: doc.Number}, again(t, deal).Contract)
}

func TestSendContract_documentTwiceInTheList_isOne(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client := server.Client()
	deal := won(t)
	server.AddDocument(deal.TemplateID, deal.title())
	entry := `{"id":100001,"name":"` + deal.title() + `","type":"f","doc_no":"DOC-000040"}`
	server.Fail(revvtest.Fault{Operation: "Documents.List", Body: `{"page":{"inodes":[` + entry + `,` + entry + `],"count":1}}`, Status: 200, Times: 1})
	require.NoError(t, deal.remember(creating, ""))
	_, err := sendContract(t.Context(), client.Documents, deal)
	require.NoError(t, err)
	assert.Len(t, server.Outbox(), 1)
}

func TestSendContract_crmCannotSave_createsNothing(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client := server.Client()
	deal := won(t)
	deal.path = filepath.Join(t.TempDir(), "gone", "deal.json")
	_, err := sendContract(context.WithoutCancel(t.Context()), client.Documents, deal)
	require.Error(t, err)
	assert.Empty(t, server.Requests("Documents.Create"))
}
