package revv_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// twoSigners sign one after the other.
func twoSigners() []revv.Person {
	return []revv.Person{
		{Email: "first.signer@example.com", FirstName: "First", LastName: "Signer", Order: 1},
		{Email: "second.signer@example.com", Order: 2},
	}
}

// withFilledOffer makes document 14 and fills what acceptors cannot.
func withFilledOffer(t *testing.T, s *revvtest.Server) {
	t.Helper()
	withOffer(t, s)
	_, err := s.Client().Documents.SetFields(t.Context(), 14, []revv.FieldValue{{Name: "Client", Value: "Acme"}, {Name: "Start date", Value: "2021-07-01"}})
	require.NoError(t, err)
}

func TestSendForESign_sendsSignersInOrder(t *testing.T) {
	t.Parallel()
	p := insert(t, "SendForESign", withOffer)
	require.NoError(t, p.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: twoSigners(), Message: "Please sign – it's <urgent>"}))
	p.sent(`POST /api/v2/doc-signers/14 {"signers":[` +
		`{"user_email":"first.signer@example.com","first_name":"First","last_name":"Signer","order":1},` +
		`{"user_email":"second.signer@example.com","first_name":"","last_name":"","order":2}],` +
		`"email_message":"Please sign – it's <urgent>"}`)
}

func TestSendForAcceptance_sendsAcceptorsWithoutOrder(t *testing.T) {
	t.Parallel()
	p := insert(t, "SendForAcceptance", withFilledOffer)
	require.NoError(t, p.Documents.SendForAcceptance(t.Context(), 14, revv.SendParams{Recipients: oneRecipient, Message: "Please accept"}))
	p.sent(`POST /api/v2/doc-acceptors/14 {"acceptors":[{"user_email":"ann@example.com","first_name":"Ann","last_name":"Lee"}],"email_message":"Please accept"}`)
}

func TestSendForApproval_sendsApprovers(t *testing.T) {
	t.Parallel()
	p := insert(t, "SendForApproval", withOffer)
	require.NoError(t, p.Documents.SendForApproval(t.Context(), 14, revv.SendParams{Recipients: oneRecipient}))
	p.sent(`POST /api/v2/doc-approvers/14 {"approvers":[{"user_email":"ann@example.com","first_name":"Ann","last_name":"Lee"}],"email_message":""}`)
}

func TestShare_spellsItsMembersInCamelCase(t *testing.T) {
	t.Parallel()
	p := insert(t, "ShareDocument", withOffer)
	require.NoError(t, p.Documents.Share(t.Context(), 14, revv.ShareParams{Recipients: oneRecipient, Message: "Please review", Review: true}))
	p.sent(`POST /api/v2/doc-recipients/14 {"collaborators":[{"user_email":"ann@example.com","first_name":"Ann","last_name":"Lee"}],"isReview":true,"reviewerEmailMessage":"Please review"}`)
}

func TestShare_withoutReview_saysSo(t *testing.T) {
	t.Parallel()
	p := insert(t, "ShareDocument_plain", withOffer)
	require.NoError(t, p.Documents.Share(t.Context(), 14, revv.ShareParams{Recipients: oneRecipient}))
	p.sent(`POST /api/v2/doc-recipients/14 {"collaborators":[{"user_email":"ann@example.com","first_name":"Ann","last_name":"Lee"}],"isReview":false,"reviewerEmailMessage":""}`)
}

// The answers of the sending calls are not known: any JSON and nothing at all
// are fine, a page is not.
func TestSend_answerOfAnyShape_isSuccess(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `null`, `true`, `"sent"`, `[]`, `{"status":"ok","Document":7}`} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			for _, op := range []string{"ShareDocument", "SendForESign", "SendForAcceptance", "SendForApproval"} {
				s := always(http.StatusOK, body)
				require.NoError(t, callOf(op)(t.Context(), s.client(t)), op)
				assert.Len(t, s.Sent(), 1, op)
			}
		})
	}
}

func TestSend_answerThatIsNoJSON_hasMostLikelyBeenApplied(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"ShareDocument", "SendForESign", "SendForAcceptance", "SendForApproval"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := always(http.StatusOK, `{"status":`)
			err := callOf(op)(t.Context(), s.client(t))
			require.ErrorIs(t, err, revv.ErrMalformedResponse)
			require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable)
			assert.Len(t, s.Sent(), 1)
		})
	}
}

func TestMagicLink_sendsTheObjectAndReadsTheURL(t *testing.T) {
	t.Parallel()
	p := insert(t, "CreateMagicLink", withOffer)
	link, err := p.Documents.MagicLink(t.Context(), offerObject)
	require.NoError(t, err)
	p.sent(`POST /api/perma-link {"object_id":"DOC-gD1cql1SohgD","object_type":"DOC"}`)
	assert.Equal(t, "https://sandbox.example.com/perma/DOC/000000000000000/Offer---M-ller---S-hne", link.URL())
}

func TestMagicLink_answerWithoutAWebAddress_isMalformed(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"url":""}`, `{"url":null}`, `{"url":"perma/DOC/x"}`, `{"url":"javascript:alert(1)"}`, `{"url":"https:///x"}`, `{"url":"ftp://example.com/x"}`, `{"url":7}`, `[]`} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			link, err := always(http.StatusOK, body).client(t).Documents.MagicLink(t.Context(), offerObject)
			require.ErrorIs(t, err, revv.ErrMalformedResponse)
			require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable, "a link may exist now")
			assert.Empty(t, link.URL())
		})
	}
}

func TestLink_neverPrints(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	link, err := always(http.StatusOK, `{"url":"https://acme.example.com/perma/DOC/`+secret+`/Offer"}`).client(t).Documents.MagicLink(t.Context(), offerObject)
	require.NoError(t, err)
	require.Contains(t, link.URL(), secret)

	held := struct {
		Link revv.Link
		Ptr  *revv.Link
	}{link, &link}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
		fmt.Fprintf(&out, verb+"\n", link)
		fmt.Fprintf(&out, verb+"\n", &link)
		fmt.Fprintf(&out, verb+"\n", held)
		fmt.Fprintf(&out, verb+"\n", []revv.Link{link})
		fmt.Fprintf(&out, verb+"\n", map[string]revv.Link{"link": link})
	}
	fmt.Fprintln(&out, link, &link, held, link.String(), link.GoString())
	slog.New(slog.NewTextHandler(&out, nil)).Info("made", "link", link, "held", held)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("made", "link", link, "held", held)
	for _, v := range []any{link, &link, held, []revv.Link{link}} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(data)
	}
	data, err := xml.Marshal(link)
	require.NoError(t, err)
	out.Write(data)
	require.NoError(t, gob.NewEncoder(&out).Encode(link))
	assert.NotContains(t, out.String(), secret)
	assert.Contains(t, out.String(), "[redacted]")
}
