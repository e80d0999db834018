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

// A folder is where the test has put it: what is in it moves there when it is deleted.
func TestAddFolder_insideAnother(t *testing.T) {
	server := revvtest.NewServer(t)
	client := server.Client()
	outer := server.AddFolder("Leases", 0)
	inner := server.AddFolder("Signed", outer)
	id := server.AddDocument(23, "")
	_, err := client.Documents.Move(t.Context(), id, inner)
	require.NoError(t, err)
	require.NoError(t, client.Folders.Delete(t.Context(), inner))
	d, _ := server.Document(id)
	assert.Equal(t, outer, d.FolderID)
}

func TestWithRotation_off_keepsTheRefreshToken(t *testing.T) {
	for rotates, want := range map[bool]bool{true: false, false: true} {
		server := revvtest.NewServer(t, revvtest.WithRotation(rotates))
		store := revv.NewMemoryStore()
		require.NoError(t, revv.SaveToken(t.Context(), store, "a", server.Token()))
		before, err := store.Load(t.Context(), "a")
		require.NoError(t, err)
		auth, err := server.OAuthConfig().Authenticator(store, "a")
		require.NoError(t, err)
		client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
		require.NoError(t, err)
		server.ExpireTokens()
		_, err = client.Webhooks.List(t.Context())
		require.NoError(t, err)
		after, err := store.Load(t.Context(), "a")
		require.NoError(t, err)
		assert.NotEqual(t, before.AccessToken, after.AccessToken)
		assert.Equal(t, want, before.RefreshToken == after.RefreshToken, "rotation: %t", rotates)
	}
}

func TestWithPageSize_ofOne(t *testing.T) {
	page, err := revvtest.NewServer(t, revvtest.WithPageSize(1)).Client().Contacts.List(t.Context(), revv.ListContactsParams{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 1)
}

// A document has all its ids, and everybody whom it was sent to, in their roles.
func TestDocument_hasItsIDsAndEverybodyInTheirRoles(t *testing.T) {
	server := revvtest.NewServer(t)
	client := server.Client()
	id := server.AddDocument(23, "")
	require.NoError(t, client.Documents.SendForApproval(t.Context(), id, revv.SendParams{Recipients: []revv.Person{{Email: "a@example.com"}}}))
	require.NoError(t, server.Approve(id, "a@example.com"))
	require.NoError(t, client.Documents.Share(t.Context(), id, revv.ShareParams{Recipients: []revv.Person{{Email: "r@example.com"}}}))
	require.NoError(t, client.Documents.SendForESign(t.Context(), id, signers("s@example.com")))
	d, _ := server.Document(id)
	assert.Equal(t, []any{revv.EntryID(100001), revv.DocumentNumber("DOC-000040"), revv.TemplateID(23)}, []any{d.EntryID, d.Number, d.TemplateID})
	require.Len(t, d.Approvers, 1)
	assert.Equal(t, "a@example.com", d.Approvers[0].Email)
	assert.WithinDuration(t, server.Now(), d.Approvers[0].At, time.Minute)
	require.Len(t, d.Readers, 1)
	assert.Equal(t, "r@example.com", d.Readers[0].Email)
	require.Len(t, d.Signers, 1)
	assert.Equal(t, 1, d.Signers[0].Order)
}
