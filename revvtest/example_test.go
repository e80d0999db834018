package revvtest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A whole life of a contract: made from a template, filled, sent, signed.
func ExampleNewServer() {
	server := revvtest.NewServer(nil) // in a test: revvtest.NewServer(t), which closes itself
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	document, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21, Title: "Agreement with Acme"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Documents.SendForESign(ctx, document.ID, revv.SendParams{
		Recipients: []revv.Person{{Email: "first.signer@example.com"}},
	}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.Outbox()[0].Subject)

	err = server.Sign(document.ID, "first.signer@example.com",
		revvtest.FieldValue{Name: "Client", Value: "Acme"},
		revvtest.FieldValue{Name: "Start date", Value: "2021-07-01"})
	if err != nil {
		fmt.Println(err)
		return
	}
	document, err = client.Documents.Get(ctx, document.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(document.Number, document.Stage)
	// Output:
	// Please sign “Agreement with Acme”
	// DOC-000040 Signed
}

// The connection ends after the document was made and before the answer: the
// client must not make a second one.
func ExampleServer_Fail() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.Fail(revvtest.Fault{Operation: "Documents.Create", Times: 1, CutAfter: -1, Commit: true})

	_, err := server.Client().Documents.Create(context.Background(), revv.CreateDocumentParams{TemplateID: 21})
	fmt.Println("outcome unknown:", errors.Is(err, revv.ErrOutcomeUnknown))
	fmt.Println("requests:", len(server.Requests("Documents.Create")))
	// Output:
	// outcome unknown: true
	// requests: 1
}
