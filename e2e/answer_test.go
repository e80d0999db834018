package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

func TestAcceptance_acceptedAndRejected(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	acceptors := revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}, {Email: "ben@example.com"}}, Message: "Please have a look.\nThank you!"}
	fields := []revv.FieldValue{{Name: "Client", Value: "Acme Ltd"}, {Name: "Start date", Value: "2026-01-31"}}

	d := agreement(t, client, "To be accepted")
	_, err := client.Documents.SetFields(t.Context(), d.ID, fields)
	require.NoError(t, err)
	require.NoError(t, client.Documents.SendForAcceptance(t.Context(), d.ID, acceptors))
	for _, address := range []string{"ann@example.com", "ben@example.com"} {
		b.open(p.url + "/outbox")
		b.sees("Please have a look.")
		b.openMail(address)
		b.sees("For "+address, "Acme Ltd", "2026-01-31")
		link := b.address()
		b.press("Accept")
		b.sees("Thank you", "You accepted")
		b.open(link)
		b.sees("You have answered")
		assert.False(t, b.has("Accept", "button"), "an answer is given once")
	}
	assert.Equal(t, revv.StageCompleted, stage(t, client, d))

	d = agreement(t, client, "To be rejected")
	_, err = client.Documents.SetFields(t.Context(), d.ID, fields)
	require.NoError(t, err)
	require.NoError(t, client.Documents.SendForAcceptance(t.Context(), d.ID, acceptors))
	b.open(p.url + "/outbox")
	b.openMail("ann@example.com")
	b.sees("To be rejected")
	b.fill("Reason", "Not like this")
	b.press("Reject")
	b.sees("Your answer is noted", "You rejected")
	assert.Equal(t, revv.StageDraft, stage(t, client, d))
	b.open(p.url + "/")
	b.follow("To be rejected")
	b.sees("Rejected", "Not like this")
}

func TestApproval_comesBeforeSigning(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := agreement(t, client, "To be approved")
	boss := revv.SendParams{Recipients: []revv.Person{{Email: "boss@example.com", FirstName: "Chris", LastName: "Chief"}}}
	require.NoError(t, client.Documents.SendForApproval(t.Context(), d.ID, boss))
	people := revv.SendParams{Recipients: []revv.Person{ann}}
	require.ErrorIs(t, client.Documents.SendForESign(t.Context(), d.ID, people), revv.ErrConflict, "it waits for approval")

	b.open(p.url + "/")
	b.sees("Approval pending")
	b.open(p.url + "/outbox")
	b.openMail("boss@example.com")
	b.sees("For Chris Chief", "Colleagues ask you to approve")
	b.press("Approve")
	b.sees("Thank you", "You approved")
	require.NoError(t, client.Documents.SendForESign(t.Context(), d.ID, people))
	b.openToSign(p, ann)
	b.fillAndSign()
	assert.Equal(t, revv.StageSigned, stage(t, client, d))
}

// Everybody may open a magic link; it shows the document as it is, and no more.
func TestMagicLink_isReadOnlyAndLive(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	d := agreement(t, client, "For everybody")
	link, err := client.Documents.MagicLink(t.Context(), d.ObjectID)
	require.NoError(t, err)
	b.open(link.URL())
	b.sees("For everybody", "Draft", "cannot be changed here")
	for _, role := range append([]string{"button"}, inputRoles...) {
		assert.False(t, b.has("", role), "a %s changes something", role)
	}
	_, err = client.Documents.SetFields(t.Context(), d.ID, []revv.FieldValue{{Name: "Client", Value: "Acme Ltd"}})
	require.NoError(t, err)
	b.reload()
	b.sees("Acme Ltd")
	assert.Contains(t, string(b.download("Download as PDF")), "Acme Ltd")

	reader := revv.ShareParams{Recipients: []revv.Person{{Email: "reader@example.com"}}, Review: true}
	require.NoError(t, client.Documents.Share(t.Context(), d.ID, reader))
	b.open(p.url + "/outbox")
	b.openMail("reader@example.com")
	b.sees("For reader@example.com", "This is your private copy", "Acme Ltd")
	assert.False(t, b.has("", "button"))
}
