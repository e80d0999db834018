package rental_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/examples/test-your-app/rental"
	"github.com/revv-go/revv/revvtest"
)

const (
	send   = "Documents.SendForESign"
	create = "Documents.Create"
	secret = "a-secret-of-enough-bytes"
)

func lease() rental.Lease {
	return rental.Lease{Number: "2026-17", Rent: "1200.00", Tenant: revv.Person{Email: "tenant@example.com", FirstName: "Ann", LastName: "Archer"}}
}

// world is an office and the Revv that it uses: without a network, so that the
// time of a test is fake and waiting takes none.
type world struct {
	*revvtest.Server

	office   *rental.Office
	store    revv.TokenStore
	template revv.TemplateID

	mu   sync.Mutex
	keys []string // leases whose keys were handed out
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: revv.NewMemoryStore()}
	w.Server = revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithWebhookClient(&http.Client{Transport: w}),
		revvtest.WithRepeatedSends()) // a service that refuses a second send would hide it
	w.template = w.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{
		{Name: "Tenant", Required: true}, {Name: "Rent", Type: "number", Required: true},
	}})
	w.connect(t)
	auth, err := w.OAuthConfig().Authenticator(w.store, "office")
	require.NoError(t, err)
	client, err := revv.NewClient(auth, revv.WithBaseURL(w.URL()), revv.WithHTTPClient(w.HTTPClient()))
	require.NoError(t, err)
	w.office = rental.New(client, w.template, func(number string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.keys = append(w.keys, number)
	})
	return w
}

// connect does what a person does who connects Revv.
func (w *world) connect(t *testing.T) {
	t.Helper()
	require.NoError(t, revv.SaveToken(t.Context(), w.store, "office", w.Token()))
}

// RoundTrip carries the webhooks to the office, each of them twice.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	handler, err := w.office.Webhooks(revv.PathSecret(secret))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var last *httptest.ResponseRecorder
	for range 2 {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		last = httptest.NewRecorder()
		handler.ServeHTTP(last, again)
	}
	return last.Result(), nil
}

// sentOnce checks the one thing that matters.
func (w *world) sentOnce(t *testing.T) revvtest.Mail {
	t.Helper()
	mails := w.Outbox()
	require.Len(t, mails, 1, "mails to the tenant")
	page, err := w.Client().Documents.List(t.Context(), revv.ListDocumentsParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1, "documents made")
	return mails[0]
}

// late is how long a request can be on its way whose answer is lost.
const late = 45 * time.Second

// sendImpatiently clicks every few seconds for longer than any request takes.
func (w *world) sendImpatiently(t *testing.T) {
	t.Helper()
	var err error
	for range 30 {
		err = w.office.SendLease(t.Context(), lease())
		<-time.After(3 * time.Second)
	}
	require.NoError(t, err)
}

// bubble runs a test where time is fake.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

func TestSendLease_aGoodDay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		mail := w.sentOnce(t)
		assert.Equal(t, "tenant@example.com", mail.To)
		doc, _ := w.Document(mail.DocumentID)
		assert.Equal(t, "Lease 2026-17", doc.Title)
		assert.Equal(t, revvtest.Field{Name: "Rent", Type: "number", Required: true, Value: "1200.00"}, doc.Fields[1])

		require.NoError(t, w.office.SendLease(t.Context(), lease()), "a second click")
		w.sentOnce(t)
	})
}

// What is noted down is when a request has left at the latest: the call must not go on after
// that, however long the service asks it to wait first.
func TestSendLease_longWait_endsWithinWhatIsNotedDown(t *testing.T) {
	t.Parallel()
	for _, op := range []string{create, send} {
		bubble(t, func(t *testing.T, w *world) {
			w.Fail(
				revvtest.Fault{Operation: op, Status: http.StatusTooManyRequests, RetryAfter: "50", Times: 1},
				revvtest.Fault{Operation: op, Hang: true, Times: 1},
			)
			start := time.Now()
			require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
			assert.Len(t, w.Requests(op), 2)
			assert.Equal(t, time.Minute, time.Since(start), op)
		})
	}
}

// Whatever goes wrong: the tenant gets one mail, at once or when the office tries
// again.
func TestSendLease_aBadDay(t *testing.T) {
	t.Parallel()
	for name, day := range map[string]struct {
		faults []revvtest.Fault
		first  error // of the first try, nil if it succeeds
	}{
		"the document was made, the answer lost":   {[]revvtest.Fault{{Operation: create, CutAfter: -1, Commit: true}}, nil},
		"the document was not made, the line cut":  {[]revvtest.Fault{{Operation: create, CutAfter: -1}}, rental.ErrTryLater},
		"the document was made, the answer a page": {[]revvtest.Fault{{Operation: create, HTML: true, Commit: true}}, nil},
		"the document was made, the answer cut":    {[]revvtest.Fault{{Operation: create, CutAfter: 20}}, nil},
		"the lease was sent, the answer lost":      {[]revvtest.Fault{{Operation: send, Reset: true, Commit: true}}, nil},
		"the lease was sent, the answer a 502":     {[]revvtest.Fault{{Operation: send, Status: 502, Commit: true}}, nil},
		"the lease was not sent, the answer a 500": {[]revvtest.Fault{{Operation: send, Status: 500}}, rental.ErrTryLater},
		"sent, and nobody can look whether it was": {[]revvtest.Fault{
			{Operation: send, CutAfter: -1, Commit: true}, {Operation: "Documents.Get", Status: 503, Times: 3},
		}, rental.ErrTryLater},
		"made, and nobody can look whether it was": {[]revvtest.Fault{
			{Operation: create, CutAfter: -1, Commit: true}, {Operation: "Documents.List", HTML: true, Times: 8},
		}, rental.ErrTryLater},
		"the document is made when nobody expects it": {[]revvtest.Fault{{Operation: create, CutAfter: -1, Late: late}}, rental.ErrTryLater},
		"the lease is sent when nobody expects it":    {[]revvtest.Fault{{Operation: send, CutAfter: -1, Late: late}}, rental.ErrTryLater},
		"the same, and the answer was a 500":          {[]revvtest.Fault{{Operation: send, Status: 500, Late: late}}, rental.ErrTryLater},
		"the service hangs, and sends it afterwards":  {[]revvtest.Fault{{Operation: send, Hang: true, Late: 2 * late}}, rental.ErrTryLater},
		"the service hangs, and makes it afterwards":  {[]revvtest.Fault{{Operation: create, Hang: true, Late: 2 * late}}, rental.ErrTryLater},
		"pages everywhere":                            {[]revvtest.Fault{{HTML: true, Times: 10}}, rental.ErrTryLater},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, w *world) {
				for _, fault := range day.faults {
					fault.Times = max(fault.Times, 1)
					w.Fail(fault)
				}
				require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), day.first)
				w.ClearFaults()
				w.sendImpatiently(t)
				w.sentOnce(t)
			})
		})
	}
}

// Nobody has noticed that it was sent, and when somebody looks it is a draft again.
func TestSendLease_declinedUnnoticed_isNotSentAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: send, CutAfter: -1, Commit: true, Times: 1}, revvtest.Fault{Operation: "Documents.Get", After: 2, Status: 503, Times: 3})
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
		require.NoError(t, w.Reject(w.Documents()[0].ID, lease().Tenant.Email, "too dear"))
		<-time.After(time.Hour)
		for range 2 {
			require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrDeclined)
		}
		assert.Len(t, w.Outbox(), 1)
	})
}

func TestSendLease_declined_isNotSentAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		require.NoError(t, w.Reject(w.Documents()[0].ID, lease().Tenant.Email, "too dear"))
		<-time.After(time.Hour)
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrDeclined)
		assert.Len(t, w.Outbox(), 1)
	})
}

// In an account with stages of its own, nobody can tell whether it was sent.
func TestSendLease_stageTellsNothing_isNotTakenForSent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: "Documents.Get", Members: map[string]string{"document_status": `{"name":"In preparation"}`}})
		require.ErrorContains(t, w.office.SendLease(t.Context(), lease()), "neither the stage of the lease nor its activities tell")
		assert.Empty(t, w.Requests(send))
	})
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: send, Status: http.StatusBadGateway, Times: 1}, revvtest.Fault{Operation: "Documents.Get", After: 2, Members: map[string]string{"document_status": `null`}})
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
	})
}

func TestSendLease_fieldsWereNotWritten_isNotSent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: "Documents.SetFields", Members: map[string]string{"fields": `[]`}})
		require.ErrorContains(t, w.office.SendLease(t.Context(), lease()), `in the field "Tenant"`)
		assert.Empty(t, w.Requests(send))
	})
}

// A renewal that fails today can succeed tomorrow, without anybody's help.
func TestSendLease_tokenEndpointIsDown_isForLater(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.ExpireTokens()
		w.Fail(revvtest.Fault{Operation: "OAuth.Token", Status: 500})
		err := w.office.SendLease(t.Context(), lease())
		require.ErrorIs(t, err, rental.ErrTryLater)
		require.NotErrorIs(t, err, rental.ErrReconnect)
	})
}

// A list that is not found says nothing of the lease.
func TestSendLease_listIsNotFound_makesNoSecondDocument(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: create, CutAfter: -1, Commit: true, Times: 1}, revvtest.Fault{Operation: "Documents.List", Status: 404})
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
		<-time.After(time.Hour)
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), revv.ErrNotFound)
		assert.Len(t, w.Documents(), 1)
	})
}

// What is read while the lost request is on its way proves nothing, and less so when its
// answer takes so long that a minute has passed by then.
func TestSendLease_answerOfTheLookIsSlow_isNotTakenForALaterOne(t *testing.T) {
	t.Parallel()
	for lost, look := range map[string]revvtest.Fault{
		send:   {Operation: "Documents.Get", Drip: 140 * time.Millisecond, Times: 1},
		create: {Operation: "Documents.List", Drip: 1700 * time.Millisecond, Times: 1},
	} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, w *world) {
				w.Fail(revvtest.Fault{Operation: lost, CutAfter: -1, Late: late, Times: 1})
				require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
				<-time.After(10 * time.Second)
				w.Fail(look)
				start := time.Now()
				require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
				require.Greater(t, time.Since(start), 50*time.Second, "the answer was slow")
				w.sendImpatiently(t)
				<-time.After(time.Hour)
				w.sentOnce(t)
				assert.Len(t, w.Requests(lost), 1)
			})
		})
	}
}

// What is removed in front while a list is read moves the rest, over the border of a page.
func TestSendLease_listPassesOverTheDocument_isSeenAtTheSecondLook(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(
			revvtest.Fault{Operation: create, CutAfter: -1, Commit: true, Times: 1},
			revvtest.Fault{Operation: "Documents.List", Body: `{"page":{"inodes":[],"count":0}}`, Status: 200, Times: 2}, // the second is that of the next try
		)
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
		<-time.After(time.Minute)
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		for _, request := range w.Requests("Documents.List") {
			assert.Contains(t, request.RawQuery, "sort_by_doc_num=true")
		}
		w.sentOnce(t)
	})
}

func TestSendLease_askedToWait_waitsAWhileButNotForHours(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		w.Fail(revvtest.Fault{Operation: send, Status: 429, RetryAfter: "30", Times: 1})
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		assert.Equal(t, 30*time.Second, time.Since(start))
		w.sentOnce(t)
	})
	bubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		w.Fail(revvtest.Fault{Status: 429, RetryAfter: "7200", Times: 1})
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
		assert.Zero(t, time.Since(start))
		assert.Empty(t, w.Outbox())
	})
}

func TestSendLease_serviceHangs_theOfficeDoesNot(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		w.Fail(revvtest.Fault{Operation: send, Hang: true, Times: 1})
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
		assert.LessOrEqual(t, time.Since(start), time.Minute)
		require.ErrorContains(t, w.office.SendLease(t.Context(), lease()), "may still be on its way")
		assert.Len(t, w.Requests(send), 1, "not before a minute has passed")
		w.sendImpatiently(t)
		w.sentOnce(t)
	})
}

func TestSendLease_tokensExpireAndAreRevoked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.ExpireTokens() // nobody notices
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		w.sentOnce(t)
	})
	bubble(t, func(t *testing.T, w *world) {
		w.RevokeTokens()
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrReconnect)
		require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrReconnect)
		assert.Len(t, w.Requests("OAuth.Token"), 1, "a dead refresh token is not sent again")
		w.connect(t)
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		w.sentOnce(t)
	})
}

func TestSendLease_ofSomebodyWithoutAnAddress_isNoBadDay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		wrong := lease()
		wrong.Tenant.Email = "nobody"
		err := w.office.SendLease(t.Context(), wrong)
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
		require.NotErrorIs(t, err, rental.ErrTryLater, "later it would not be better")
		require.NoError(t, w.office.SendLease(t.Context(), lease()), "corrected")
		w.sentOnce(t)
	})
}

func TestWebhooks_everyEventTwice_theKeysOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		for _, event := range []revv.EventType{revv.EventClosed, revv.EventSigned, revv.EventStageChanged} {
			_, err := w.Client().Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: event, URL: "https://office.example.com/hooks/" + secret})
			require.NoError(t, err)
		}
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		mail := w.sentOnce(t)
		require.NoError(t, w.WaitDeliveries(t.Context()))
		assert.Empty(t, w.keys, "not signed yet")

		w.Fail(revvtest.Fault{Operation: "Documents.Get", Status: 503, Times: 6}) // it cannot be read back at first
		require.NoError(t, w.Sign(mail.DocumentID, "tenant@example.com"))
		require.NoError(t, w.WaitDeliveries(t.Context()))
		assert.Equal(t, []string{"2026-17"}, w.keys)
	})
}

// An account can have stages of its own. Nobody knows which of them mean that a lease is
// signed, whatever an event calls itself.
func TestWebhooks_closedInAStageOfTheAccountsOwn_noKeys(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		w.Fail(revvtest.Fault{Operation: "Documents.Get", Members: map[string]string{"Document": `{"id":14,"document_status":{"name":"Legal review"}}`}})
		handler, err := w.office.Webhooks(revv.PathSecret(secret))
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/hooks/"+secret, bytes.NewBufferString(`{"event":"DOCUMENT_CLOSED","document":{"id":14}}`))
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		assert.Equal(t, http.StatusNoContent, answer.Code)
		assert.Empty(t, w.keys)
	})
}

// What failed is due again when the event comes again.
func TestWebhooks_theKeysAreNotHandedOutAtFirst_areLater(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		var handed []string
		office := rental.New(w.Client(), w.template, func(number string) {
			if handed = append(handed, number); len(handed) == 1 {
				panic("the drawer is stuck")
			}
		})
		require.NoError(t, office.SendLease(t.Context(), lease()))
		require.NoError(t, w.Sign(w.Documents()[0].ID, lease().Tenant.Email))
		handler, err := office.Webhooks(revv.PathSecret(secret))
		require.NoError(t, err)
		deliver := func() {
			r := httptest.NewRequest(http.MethodPost, "/hooks/"+secret, strings.NewReader(`{"event":"DOCUMENT_CLOSED","document":{"id":14}}`))
			r.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		assert.Panics(t, deliver)
		deliver()
		deliver()
		assert.Equal(t, []string{lease().Number, lease().Number}, handed)
	})
}

// A lease that was never made has no document, and no event is about it.
func TestWebhooks_documentWithoutAnID_isNoLease(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: "Documents.Create", Status: http.StatusBadGateway, Times: 1})
		require.Error(t, w.office.SendLease(t.Context(), lease()))
		other := w.AddDocument(w.template, "Somebody else's")
		w.Fail(revvtest.Fault{Operation: "Documents.GetByNumber", Members: map[string]string{"id": "", "document_status": `"Signed"`}})
		doc, _ := w.Document(other)
		handler, err := w.office.Webhooks(revv.PathSecret(secret))
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/hooks/"+secret, strings.NewReader(`{"event":"DOCUMENT_CLOSED","document":{"doc_no":"`+string(doc.Number)+`"}}`))
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		assert.Equal(t, http.StatusNoContent, answer.Code)
		assert.Empty(t, w.keys)
	})
}

func TestSendLease_madeWithoutAnID_isFoundLater(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: "Documents.Create", Members: map[string]string{"id": ""}})
		require.ErrorContains(t, w.office.SendLease(t.Context(), lease()), "is known without its id")
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		w.sentOnce(t)
	})
}

func TestSendLease_activitiesTellNothing_isNotSentAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: "Documents.Activities", Status: 200, Body: `[]`})
		require.ErrorContains(t, w.office.SendLease(t.Context(), lease()), "tell whether it was sent")
		assert.Empty(t, w.Requests(send))
	})
}

func TestWebhooks_madeUpByAStranger_noKeys(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		handler, err := w.office.Webhooks(revv.PathSecret(secret))
		require.NoError(t, err)
		for path, status := range map[string]int{"/hooks/guessed-secret-of-bytes": http.StatusUnauthorized, "/hooks/" + secret: http.StatusServiceUnavailable} {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewBufferString(`{"event":"DOCUMENT_CLOSED","document":{"id":14,"document_status":"Signed"}}`))
			r.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			assert.Equal(t, status, answer.Code)
		}
		assert.Empty(t, w.keys, "who knows the secret is believed only what the document says")
	})
}
