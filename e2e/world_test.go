package e2e

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// place is a page with something on it.
type place struct{ name, url string }

// world fills a sandbox so that there is something on every page, with names that
// are short, long, strange and hostile, and returns all pages.
func world(t *testing.T, p *program, client *revv.Client) []place {
	t.Helper()
	ctx := t.Context()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "broken") {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(receiver.Close)
	for path, event := range map[string]revv.EventType{"/hook": revv.EventStageChanged, "/broken": revv.EventSigned} {
		_, err := client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: event, URL: receiver.URL + path})
		require.NoError(t, err)
	}
	folder, err := client.Folders.Create(ctx, revv.CreateFolderParams{Name: "Agreements 2026"})
	require.NoError(t, err)
	_, err = client.Contacts.Upsert(ctx, revv.UpsertContactParams{Name: hostile, Email: "x@example.com", Title: new(hostile), Notes: new(hostile)})
	require.NoError(t, err)

	agreement(t, client, "Draft of a service agreement")
	boss := revv.SendParams{Recipients: []revv.Person{{Email: "boss@example.com", FirstName: "Chris", LastName: "Chief"}}}
	approval := agreement(t, client, "Lease of the second floor")
	require.NoError(t, client.Documents.SendForApproval(ctx, approval.ID, boss))
	acceptance := agreement(t, client, strings.Repeat("Averylongtitlewithoutanyblank", 6))
	require.NoError(t, client.Documents.SendForAcceptance(ctx, acceptance.ID, boss))
	bad := sent(t, client, hostile, revv.Person{Email: "evil@example.com", FirstName: hostile, LastName: hostile})
	_, err = client.Documents.SetFields(ctx, bad.ID, []revv.FieldValue{{Name: "Client", Value: hostile}})
	require.NoError(t, err)
	require.ErrorIs(t, client.Documents.SendForESign(ctx, bad.ID, boss), revv.ErrConflict, "a refused request, for the traffic")
	d := sent(t, client, "Service agreement with Acme", ann, ben)
	_, err = client.Documents.Move(ctx, d.ID, folder.ID)
	require.NoError(t, err)
	require.NoError(t, client.Documents.Share(ctx, d.ID, revv.ShareParams{Recipients: []revv.Person{{Email: "reader@example.com"}}, Message: "For your files.\nBest regards"}))
	magic, err := client.Documents.MagicLink(ctx, d.ObjectID)
	require.NoError(t, err)

	links := mails(t, p)
	return []place{
		{"dashboard", p.url + "/"},
		{"document", p.url + "/documents/" + strconv.FormatInt(int64(d.ID), 10)},
		{"document-draft", p.url + "/documents/" + strconv.FormatInt(int64(d.ID-4), 10)},
		{"document-hostile", p.url + "/documents/" + strconv.FormatInt(int64(bad.ID), 10)},
		{"templates", p.url + "/templates"},
		{"template", p.url + "/templates/21"},
		{"new-template", p.url + "/templates/new"},
		{"folders", p.url + "/folders"},
		{"contacts", p.url + "/contacts"},
		{"nothing-found", p.url + "/contacts?q=nobody"},
		{"outbox", p.url + "/outbox"},
		{"webhooks", p.url + "/webhooks"},
		{"delivery", p.url + "/webhooks/deliveries/1"},
		{"traffic", p.url + "/traffic"},
		{"request", p.url + "/traffic/1"},
		{"faults", p.url + "/faults"},
		{"connect", p.url + "/help"},
		{"no-such-page", p.url + "/no/such/page"},
		{"sign", links["ann@example.com"]},
		{"sign-hostile", links["evil@example.com"]},
		{"share", links["reader@example.com"]},
		{"accept", links["boss@example.com accept"]},
		{"approve", links["boss@example.com approve"]},
		{"magic-link", magic.URL()},
		{"dead-link", p.url + "/sign/nothing"},
	}
}

// hostile is what somebody types who wants to run a script in another's browser.
const hostile string = `"'><script>alert(1)</script><img src=x onerror=alert(2)>`
