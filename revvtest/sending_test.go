package revvtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

const sendOperation = "Documents.SendForESign"

// ready returns a document that has all it needs to be sent.
func ready(ctx context.Context, t *testing.T, client *revv.Client) *revv.Document {
	t.Helper()
	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template})
	require.NoError(t, err)
	doc, err = client.Documents.SetFields(ctx, doc.ID, []revv.FieldValue{{Name: "Client", Value: "Acme"}, {Name: "Start date", Value: "2021-07-01"}})
	require.NoError(t, err)
	return doc
}

// A request that arrives when nobody waits for its answer any more leaves a draft
// behind that is none a little later.
func TestServer_requestThatArrivesLate(t *testing.T) {
	for name, fault := range map[string]revvtest.Fault{
		"cut": {CutAfter: -1}, "reset": {Reset: true}, "status": {Status: 500}, "hang": {Hang: true}, "page": {HTML: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork())
				client := server.Client()
				doc := ready(t.Context(), t, client)
				const after = 30 * time.Second
				fault.Operation, fault.Times, fault.Late = sendOperation, 1, after
				server.Fail(fault)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				sent := time.Now()
				err := client.Documents.SendForESign(ctx, doc.ID, signers("a@example.com"))
				require.True(t, revv.MaybeApplied(err), err)
				state, _ := server.Document(doc.ID)
				assert.Equal(t, revv.StageDraft, state.Stage)

				<-time.After(after - time.Since(sent) - time.Second)
				assert.Empty(t, server.Outbox())
				<-time.After(2 * time.Second)
				synctest.Wait()
				state, _ = server.Document(doc.ID)
				assert.Equal(t, revv.StageSent, state.Stage)
				assert.Len(t, server.Outbox(), 1)
				assert.Len(t, server.Requests(sendOperation), 1)
			})
		})
	}
}

func TestServer_closedBeforeARequestArrives_isLeftAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client()
		doc := ready(t.Context(), t, client)
		server.Fail(revvtest.Fault{Operation: sendOperation, CutAfter: -1, Late: time.Hour})
		require.True(t, revv.MaybeApplied(client.Documents.SendForESign(t.Context(), doc.ID, signers("a@example.com"))))
		start := time.Now()
		server.Close()
		assert.Zero(t, time.Since(start), "it is not waited for")
		<-time.After(2 * time.Hour)
		assert.Empty(t, server.Outbox())
	})
}

// A second send is refused, so that mails alone do not show it. With
// WithRepeatedSends they do.
func TestServer_secondSend(t *testing.T) {
	ways := map[string]func(*revv.DocumentsService, context.Context, revv.DocumentID, revv.SendParams, ...revv.CallOption) error{
		"for signing":    (*revv.DocumentsService).SendForESign,
		"for acceptance": (*revv.DocumentsService).SendForAcceptance,
		"for approval":   (*revv.DocumentsService).SendForApproval,
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			for _, repeated := range []bool{false, true} {
				var options []revvtest.Option
				if repeated {
					options = append(options, revvtest.WithRepeatedSends())
				}
				server := revvtest.NewServer(t, options...)
				client, ctx := server.Client(), t.Context()
				doc := ready(ctx, t, client)
				params := revv.SendParams{Recipients: []revv.Person{{Email: "a@example.com"}}}
				require.NoError(t, way(client.Documents, ctx, doc.ID, params))
				again := way(client.Documents, ctx, doc.ID, params)
				if repeated {
					require.NoError(t, again)
					assert.Len(t, server.Outbox(), 2)
					continue
				}
				require.ErrorIs(t, again, revv.ErrConflict)
				assert.Len(t, server.Outbox(), 1)
			}
		})
	}
}

func TestServer_withRepeatedSends_signedDocumentStaysSigned(t *testing.T) {
	server := revvtest.NewServer(t, revvtest.WithRepeatedSends())
	client, ctx := server.Client(), t.Context()
	doc := ready(ctx, t, client)
	require.NoError(t, client.Documents.SendForESign(ctx, doc.ID, signers("a@example.com")))
	require.NoError(t, client.Documents.SendForESign(ctx, doc.ID, signers("a@example.com")))
	require.NoError(t, server.Sign(doc.ID, "a@example.com"))
	require.ErrorIs(t, client.Documents.SendForESign(ctx, doc.ID, signers("a@example.com")), revv.ErrConflict)
}
