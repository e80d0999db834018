package main

import (
	"bytes"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// In an account with stages of its own, nobody can tell whether a letter was sent.
func TestSendFile_stageTellsNothing_isNotTakenForSent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.Create", Members: map[string]string{"document_status": `null`}})
	path := sampleFile(t)
	made, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, report{failed: 3}, made)
	table, err := os.ReadFile(path + ".report.csv")
	require.NoError(t, err)
	assert.Contains(t, string(table), "does not tell whether it was sent")
	assert.Empty(t, server.Requests("Documents.SendForESign"))
}

func TestSendFile_activitiesTellNothing_sendsNothingAgain(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Times: 3}, revvtest.Fault{Operation: "Documents.Activities", Status: 200, Body: `[]`})
		for range 2 {
			_, err := sendFile(t.Context(), server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})), offerLetter, path, 1, &bytes.Buffer{})
			require.NoError(t, err)
			<-time.After(time.Hour)
		}
		assert.Len(t, server.Requests("Documents.SendForESign"), 3)
	})
}

func TestSendFile_fieldsWereNotWritten_sendsNothing(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SetFields", Members: map[string]string{"fields": `[]`}})
	made, err := sendFile(t.Context(), server.Client(), offerLetter, sampleFile(t), 1, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, report{failed: 3}, made)
	assert.Empty(t, server.Requests("Documents.SendForESign"))
}

// A service may answer first and send when it gets to it, or tell nobody: then the letters are
// drafts, and neither sent again nor taken for sent.
func TestSendFile_reportedAsSentAndStillADraft_isUnclear(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Status: http.StatusAccepted, Body: `{}`, Late: 30 * time.Minute, Times: 3})
		for _, want := range []report{{unclear: 3}, {unclear: 3}, {before: 3}} {
			made, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
			require.NoError(t, err)
			assert.Equal(t, want, made)
			<-time.After(20 * time.Minute)
		}
		assert.Len(t, server.Outbox(), 3)
	})
}

func TestSendFile_listFailsAfterwards_saysWhatIsNotChecked(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.List", After: 2, Status: 403})
	made, err := sendFile(t.Context(), server.Client(), offerLetter, sampleFile(t), 1, &bytes.Buffer{})
	require.ErrorIs(t, err, revv.ErrForbidden)
	require.ErrorContains(t, err, "whether the service shows the letters as sent")
	assert.Equal(t, report{sent: 3}, made)
}
