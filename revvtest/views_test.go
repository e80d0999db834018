package revvtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// What a test puts into the server is there for the client, each part of it.
func TestAdd_everyField_reachesTheClient(t *testing.T) {
	server := revvtest.NewServer(t, revvtest.WithoutSeedData())
	client := server.Client()
	id := server.AddContact(revvtest.Contact{
		Name: "n", Title: "t", Description: "d", Email: "e@example.com", Phone: "1", Type: "corporate",
		LinkedIn: "l", Instagram: "i", Twitter: "w", Notes: "o",
	})
	contact, err := client.Contacts.Get(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, []string{"n", "t", "d", "e@example.com", "1", "corporate", "l", "i", "w", "o"}, []string{
		contact.Name, contact.Title, contact.Description, contact.Email, contact.Phone, string(contact.Type),
		contact.LinkedIn, contact.Instagram, contact.Twitter, contact.Notes,
	})

	server.AddTemplate(revvtest.Template{Title: "In use"})
	server.AddTemplate(revvtest.Template{Title: "Of last year", Inactive: true})
	page, err := client.Templates.List(t.Context(), revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "In use", page.Items[0].Title)
}

// What the client sends is there for the test.
func TestDocument_everyPartOfAPerson_isShown(t *testing.T) {
	server := revvtest.NewServer(t)
	d := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "")
	err := server.Client().Documents.SendForESign(t.Context(), d, revv.SendParams{
		Recipients: []revv.Person{{Email: "s@example.com", FirstName: "First", LastName: "Signer"}}, Message: "Please sign",
	})
	require.NoError(t, err)
	view, ok := server.Document(d)
	require.True(t, ok)
	assert.Equal(t, []revvtest.Party{{Email: "s@example.com", FirstName: "First", LastName: "Signer", State: "open"}}, view.Signers)
	mails := server.Outbox()
	require.Len(t, mails, 1)
	assert.Equal(t, "Please sign", mails[0].Text)
	assert.Equal(t, d, mails[0].DocumentID)
	assert.WithinDuration(t, server.Now(), mails[0].SentAt, time.Minute)
}
