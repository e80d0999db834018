package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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
	t.Parallel()
	for name, fault := range map[string]revvtest.Fault{
		"create, applied":      {Operation: "Documents.Create", CutAfter: -1, Commit: true},
		"create, not applied":  {Operation: "Documents.Create", CutAfter: -1},
		"create, unreadable":   {Operation: "Documents.Create", HTML: true, Commit: true},
		"create, and no list":  {Operation: "Documents.List", Status: 500},
		"read":                 {Operation: "Documents.GetByNumber", Status: 500},
		"fields":               {Operation: "Documents.SetFields", Status: 500},
		"send, applied":        {Operation: "Documents.SendForESign", CutAfter: -1, Commit: true},
		"send, not applied":    {Operation: "Documents.SendForESign", CutAfter: -1},
		"send, unreadable":     {Operation: "Documents.SendForESign", HTML: true, Commit: true},
		"send, and no reading": {Operation: "Documents.Get", Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := revvtest.NewServer(t)
			client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
			fault.Times = 1
			server.Fail(fault)
			switch name { // a second thing fails, so that the first one matters
			case "create, and no list":
				server.Fail(revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Commit: true, Times: 1})
			case "send, and no reading":
				server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1})
			}
			deal := won(t)
			for range 3 {
				_, _ = sendContract(t.Context(), client.Documents, deal)
				deal = again(t, deal)
			}
			assert.Equal(t, contract{sent, "DOC-000040"}, deal.Contract)
			assert.Len(t, server.Documents(), 1)
			assert.Len(t, server.Outbox(), 1)
		})
	}
}

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
