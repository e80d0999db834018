package revv_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// sendLost sends a document in a way that loses the answer.
func sendLost(t *testing.T, server *revvtest.Server, id revv.DocumentID, commit bool) {
	t.Helper()
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: commit, Times: 1})
	err := server.Client().Documents.SendForESign(t.Context(), id, revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}})
	require.True(t, revv.MaybeApplied(err), "%v", err)
}

func TestSendOutcome_ofTheSandbox_isWhatHappened(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happens func(*testing.T, *revvtest.Server, revv.DocumentID)
		left    time.Duration // before the look
		want    revv.SendOutcome
	}{
		"applied, at once": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) { t.Helper(); sendLost(t, s, id, true) },
			0, revv.SendApplied,
		},
		"applied and signed": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) {
				t.Helper()
				sendLost(t, s, id, true)
				require.NoError(t, s.Sign(id, "tenant@example.com"))
			},
			2 * time.Minute, revv.SendApplied,
		},
		"lost, at once": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) { t.Helper(); sendLost(t, s, id, false) },
			0, revv.SendPending,
		},
		"lost, before its deadline": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) { t.Helper(); sendLost(t, s, id, false) },
			-time.Minute, revv.SendPending,
		},
		"lost, later": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) { t.Helper(); sendLost(t, s, id, false) },
			2 * time.Minute, revv.SendNotApplied,
		},
		"declined": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) {
				t.Helper()
				sendLost(t, s, id, true)
				require.NoError(t, s.Reject(id, "tenant@example.com", "too expensive"))
			},
			2 * time.Minute, revv.SendUndone,
		},
		"sent for approval": {
			func(t *testing.T, s *revvtest.Server, id revv.DocumentID) {
				t.Helper()
				require.NoError(t, s.Client().Documents.SendForApproval(t.Context(), id, revv.SendParams{Recipients: []revv.Person{{Email: "boss@example.com"}}}))
			},
			2 * time.Minute, revv.SendUndone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := revvtest.NewServer(t, revvtest.WithoutNetwork())
			id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease 7")
			test.happens(t, server, id)
			outcome, err := server.Client().Documents.SendOutcome(t.Context(), id, time.Now().Add(-test.left), time.Minute)
			require.NoError(t, err)
			assert.Equal(t, test.want, outcome)
		})
	}
}

func TestSendOutcome_noRequest_doesNotWait(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutNetwork())
	id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease 7")
	outcome, err := server.Client().Documents.SendOutcome(t.Context(), id, time.Unix(0, 0), time.Minute)
	require.NoError(t, err)
	assert.Equal(t, revv.SendNotApplied, outcome)
}

// lookAt is a client of a service that shows one document, a draft unless said otherwise,
// and takes that long for it.
func lookAt(t *testing.T, document, activities string, delay time.Duration) (*revv.Client, *service) {
	t.Helper()
	wire := &service{answer: func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/api/object-activities/") {
			var all []json.RawMessage
			if err := json.Unmarshal([]byte(activities), &all); err != nil {
				return nil, err
			}
			if r.URL.Query().Has("after") {
				all = all[len(all)-1:] // what came after the last one, and that one again
			}
			body, err := json.Marshal(all)
			return reply(http.StatusOK, string(body)), err
		}
		<-time.After(delay)
		return reply(http.StatusOK, `{"Document":`+document+`}`), nil
	}}
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: wire}))
	require.NoError(t, err)
	return client, wire
}

const (
	aDraft   = `{"id":14,"object_id":"DOC-ABCDEFGHIJKL","document_status":{"name":"Draft"}}`
	creation = `{"event":"DOCUMENT_CREATED","timestamp":"2021-06-18T10:00:00.000000Z"}`
)

func TestSendOutcome_patience_countsToTheBeginningOfTheLook(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		passed, delay time.Duration
		want          revv.SendOutcome
	}{
		"a moment too early":               {time.Minute - 1, 0, revv.SendPending},
		"a moment too early and slow":      {time.Minute - 1, 20 * time.Second, revv.SendPending},
		"the last moment":                  {time.Minute, 0, revv.SendNotApplied},
		"the last moment, and slow at it":  {time.Minute, 20 * time.Second, revv.SendNotApplied},
		"before the latest time, and slow": {-time.Second, 20 * time.Second, revv.SendPending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, _ := lookAt(t, aDraft, `[`+creation+`]`, test.delay)
				left := time.Now()
				<-time.After(max(test.passed, 0))
				left = left.Add(-min(test.passed, 0))
				outcome, err := client.Documents.SendOutcome(t.Context(), 14, left, time.Minute)
				require.NoError(t, err)
				assert.Equal(t, test.want, outcome)
			})
		})
	}
}

func TestSendOutcome_whatDoesNotTell_isUnclear(t *testing.T) {
	t.Parallel()
	sentElsewhere := `{"event":"DOCUMENT_SENT_FOR_ACCEPT","timestamp":"2021-06-18T10:00:01.000000Z"}`
	for name, test := range map[string]struct {
		document, activities string
		want                 revv.SendOutcome
	}{
		"a stage of the account's own":   {strings.Replace(aDraft, "Draft", "In review", 1), `[` + creation + `]`, revv.SendUnclear},
		"no stage":                       {`{"id":14,"object_id":"DOC-ABCDEFGHIJKL"}`, `[` + creation + `]`, revv.SendUnclear},
		"it was shared":                  {aDraft, `[` + creation + `,{"event":"DOCUMENT_SHARED","timestamp":"2021-06-18T10:00:01.000000Z"}]`, revv.SendUnclear},
		"no activities":                  {aDraft, `[]`, revv.SendUnclear},
		"not even its creation":          {aDraft, `[{"event":"DOCUMENT_VIEWED","timestamp":"2021-06-18T10:00:00.000000Z"}]`, revv.SendUnclear},
		"no id for its activities":       {`{"id":14,"document_status":{"name":"Draft"}}`, `[` + creation + `]`, revv.SendUnclear},
		"a name that is not known":       {aDraft, `[` + creation + `,{"event":"DOCUMENT_SENT","timestamp":"2021-06-18T10:00:01.000000Z"}]`, revv.SendUnclear},
		"an unknown name, and a sending": {aDraft, `[` + creation + `,{"event":"X","timestamp":"2021-06-18T10:00:01.000000Z"},{"event":"document_sent_for_sign","timestamp":"2021-06-18T10:00:02.000000Z"}]`, revv.SendUndone},
		"opened, in other letters":       {aDraft, `[` + strings.ToLower(creation[:27]) + creation[27:] + `,{"event":"Document_Opened","timestamp":"2021-06-18T10:00:01.000000Z"}]`, revv.SendNotApplied},
		"a sending before anything":      {aDraft, `[` + sentElsewhere + `,` + creation + `]`, revv.SendUndone},
		"a sending, no creation":         {aDraft, `[` + sentElsewhere + `]`, revv.SendUndone},
		"another spelling of Draft":      {strings.Replace(aDraft, "Draft", "DRAFT", 1), `[` + creation + `]`, revv.SendNotApplied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := lookAt(t, test.document, test.activities, 0)
			outcome, err := client.Documents.SendOutcome(t.Context(), 14, time.Now().Add(-2*time.Minute), time.Minute)
			require.NoError(t, err)
			assert.Equal(t, test.want, outcome)
		})
	}
}

// Somebody else may send the document between two readings, or a request may arrive later
// than anybody expects.
func TestSendOutcome_sentWhileItIsRead_isAsItIsNow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status   int
		document string
		want     revv.SendOutcome
	}{
		"sent":                         {http.StatusOK, strings.Replace(aDraft, "Draft", "Sent", 1), revv.SendApplied},
		"signed":                       {http.StatusOK, strings.Replace(aDraft, "Draft", "Signed", 1), revv.SendApplied},
		"a stage of the account's own": {http.StatusOK, strings.Replace(aDraft, "Draft", "In review", 1), revv.SendUnclear},
		"still a draft":                {http.StatusOK, aDraft, revv.SendUndone},
		"not readable":                 {http.StatusForbidden, `null`, ""},
	} {
		for _, sending := range []string{"", `,{"event":"DOCUMENT_SENT_FOR_SIGN","timestamp":"2021-06-18T10:00:01.000000Z"}`} { // activities can come late
			before := 1
			s := &service{answer: func(r *http.Request) (*http.Response, error) {
				switch {
				case strings.HasPrefix(r.URL.Path, "/api/object-activities/"):
					return reply(http.StatusOK, `[`+creation+sending+`]`), nil
				case before > 0:
					before--
					return reply(http.StatusOK, `{"Document":`+aDraft+`}`), nil
				}
				return reply(test.status, `{"Document":`+test.document+`}`), nil
			}}
			outcome, err := s.client(t).Documents.SendOutcome(t.Context(), 14, time.Unix(0, 0), time.Minute)
			want := test.want
			if want == revv.SendUndone && sending == "" {
				want = revv.SendNotApplied
			}
			assert.Equal(t, want, outcome, name)
			assert.Equal(t, want == "", errors.Is(err, revv.ErrForbidden), name)
		}
	}
}

func TestSendOutcome_whatCannotBeRead_isAnError(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"Documents.Get", "Documents.Activities"} {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease 7")
		server.Fail(revvtest.Fault{Operation: operation, Status: http.StatusForbidden})
		outcome, err := server.Client().Documents.SendOutcome(t.Context(), id, time.Unix(0, 0), time.Minute)
		require.ErrorIs(t, err, revv.ErrForbidden, operation)
		assert.Empty(t, outcome)
	}
}

func TestSendOutcome_wrongArguments_areRefusedBeforeTheNetwork(t *testing.T) {
	t.Parallel()
	client, wire := lookAt(t, aDraft, `[]`, 0)
	for _, patience := range []time.Duration{0, -time.Minute} {
		_, err := client.Documents.SendOutcome(t.Context(), 14, time.Now(), patience)
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
		assert.Contains(t, err.Error(), "patience must be positive")
	}
	_, err := client.Documents.SendOutcome(t.Context(), 14, time.Time{}, time.Minute)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Contains(t, err.Error(), "left must not be the zero time")
	_, err = client.Documents.SendOutcome(t.Context(), 0, time.Now(), time.Minute)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Contains(t, err.Error(), "id must be")
	assert.Empty(t, wire.Sent())
}

// The page that users translate names by lists what the code knows.
func TestSendOutcome_activitiesThatAreHarmless_areThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/after-a-lost-answer.md")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(page), "Harmless are ")
	require.True(t, found)
	list, _, found = strings.Cut(list, "(stand-ins")
	require.True(t, found)
	names := regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(list, -1)
	require.Len(t, names, 4)
	for _, name := range names {
		client, _ := lookAt(t, aDraft, `[`+creation+`,{"event":"`+name[1]+`","timestamp":"2021-06-18T10:00:01.000000Z"}]`, 0)
		outcome, err := client.Documents.SendOutcome(t.Context(), 14, time.Unix(0, 0), time.Minute)
		require.NoError(t, err)
		assert.Equal(t, revv.SendNotApplied, outcome, name[1])
	}
}
