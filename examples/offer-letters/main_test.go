package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// sampleFile is a copy of letters.csv, which has three letters.
func sampleFile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("letters.csv")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "letters.csv")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// offerLetter is the template of that name that every sandbox has.
const offerLetter = revv.TemplateID(22)

func TestRun_withoutAnEnvironment_sends300LettersOnceInASandbox(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	text := out.String()
	assert.Contains(t, text, "2 unclear")
	assert.Contains(t, text, "run 3: 300 sent before")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	assert.Contains(t, lines[len(lines)-1], "done: 300 letters in 3 runs, each sent once")
}

func TestRun_againstAServer_sendsWhatIsMissing(t *testing.T) {
	server := revvtest.NewServer(t)
	t.Setenv("REVV_BASE_URL", server.URL())
	t.Setenv("REVV_ACCESS_TOKEN", server.Token().AccessToken)
	path := sampleFile(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SetFields", After: 1, Status: 422, Times: 1})

	var out bytes.Buffer
	err := run(t.Context(), []string{"-template", "22", "-workers", "1", path}, &out)
	require.ErrorContains(t, err, "2 sent now, 1 failed")
	table, err := os.ReadFile(path + ".report.csv")
	require.NoError(t, err)
	assert.Contains(t, string(table), "2,O-001,candidate.one@example.com,DOC-000040,sent now,\n")
	assert.Contains(t, string(table), "3,O-002,candidate.two@example.com,DOC-000041,failed,revv: Documents.SetFields")

	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-template", "22", path}, &out))
	assert.Contains(t, out.String(), "done: 1 sent now, 2 sent before\n")
	assert.Len(t, server.Outbox(), 3)
	assert.Len(t, server.Requests("Documents.Create"), 3)
}

func TestRun_badInput_isToldBeforeAnythingIsSent(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "https://acme.example.com")
	t.Setenv("REVV_ACCESS_TOKEN", "")
	require.ErrorContains(t, run(t.Context(), []string{"letters.csv"}, &bytes.Buffer{}), "REVV_ACCESS_TOKEN")
	t.Setenv("REVV_ACCESS_TOKEN", "token-of-a-test")
	require.ErrorContains(t, run(t.Context(), []string{"letters.csv"}, &bytes.Buffer{}), "-template")
	require.ErrorContains(t, run(t.Context(), []string{"-workers", "0"}, &bytes.Buffer{}), "-workers")
	require.ErrorContains(t, run(t.Context(), []string{"-template", "22", filepath.Join(t.TempDir(), "none.csv")}, &bytes.Buffer{}), "none.csv")
}

func TestReadLetters_wrongRows_allAreNamed(t *testing.T) {
	t.Parallel()
	const header = "id,email,candidate,position,start_date,salary\n"
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"empty":       {"", []string{"line 1: the names of the columns are due"}},
		"no rows":     {header, []string{"line 2: there is no letter"}},
		"semicolons":  {"id;email\n", []string{"line 1: the columns must be id,email", "with commas"}},
		"extra":       {"id,email,candidate,position,start_date,salary,iban\n", []string{"line 1: the columns"}},
		"short row":   {header + "A,a@example.com\n", []string{"line 2: 2 values, but 6 columns"}},
		"open quote":  {header + "A,a@example.com,\"A,Engineer,2026-02-01,1\n", []string{"line 2"}},
		"every value": {header + "a b,nobody,,,soon,much\n", []string{"line 2: id", "line 2: email", "line 2: candidate", "line 2: position", "line 2: start_date", "line 2: salary"}},
		"twice": {
			header + "A,a@example.com,A,Engineer,2026-02-01,1\nA,A@example.com,B,Engineer,2026-02-01,1\n",
			[]string{"line 3: id A is in line 2 already", "line 3: email a@example.com is in line 2 already"},
		},
		"very many": {header + strings.Repeat("a b,nobody,,,soon,much\n", 10), []string{"and "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "letters.csv")
			require.NoError(t, os.WriteFile(path, []byte(test.file), 0o600))
			server := revvtest.NewServer(t)
			_, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
			for _, text := range append(test.want, "nothing was sent") {
				require.ErrorContains(t, err, text)
			}
			assert.Empty(t, server.Requests())
		})
	}
}

func TestReadLetters_fileOfASpreadsheet_isRead(t *testing.T) {
	t.Parallel()
	letters, err := parseLetters([]byte("\ufeffsalary,id,email,candidate,position,start_date\r\n1,A,a@example.com,\"A, the first\",Engineer,2026-02-01\r\n"))
	require.NoError(t, err)
	assert.Equal(t, []letter{{ID: "A", Email: "a@example.com", Candidate: "A, the first", Position: "Engineer", StartDate: "2026-02-01", Salary: "1", line: 2}}, letters)
}

// checkOnce checks that each of the three people has got one letter.
func checkOnce(t *testing.T, server *revvtest.Server) {
	t.Helper()
	people := make(map[string]int)
	for _, mail := range server.Outbox() {
		people[mail.To]++
	}
	assert.Equal(t, map[string]int{"candidate.one@example.com": 1, "candidate.two@example.com": 1, "candidate.three@example.com": 1}, people)
}

func TestSendFile_answersLostFromAnyRequestOn_rerunsSendTheRest(t *testing.T) {
	for name, fault := range map[string]revvtest.Fault{
		"applied": {CutAfter: -1, Commit: true}, "lost": {CutAfter: -1}, "late": {CutAfter: -1, Late: 40 * time.Second},
		"hanging": {Hang: true, Late: 90 * time.Second},
	} {
		for from := range 14 {
			t.Run(fmt.Sprintf("request %d, %s", from, name), func(t *testing.T) {
				path := sampleFile(t)
				synctest.Test(t, func(t *testing.T) {
					// A service that does not refuse a second send shows one.
					server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
					client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
					fault.After = from
					server.Fail(fault)
					_, _ = sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
					server.ClearFaults()
					var made report
					for range 15 { // whoever runs it is impatient
						var err error
						made, err = sendFile(t.Context(), client, offerLetter, path, 2, &bytes.Buffer{})
						require.NoError(t, err)
						<-time.After(5 * time.Second)
					}
					assert.Equal(t, report{before: 3}, made)
					checkOnce(t, server)
					assert.Len(t, server.Documents(), 3)
				})
			})
		}
	}
}

// A call can take a minute by itself: what it left behind is not settled when it returns.
func TestSendFile_callThatTookAMinute_isNotSettledAtItsEnd(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		client := server.Client()
		server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Hang: true, Late: 90 * time.Second, Times: 1})
		for range 30 {
			_, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
			require.NoError(t, err)
			<-time.After(5 * time.Second)
		}
		checkOnce(t, server)
	})
}

// The client waits as long as the service has asked it to, and its request leaves when the
// line of the journal is almost a minute old. A run that is killed then cannot say so.
func TestSendFile_killedAfterALongWait_sendsOnce(t *testing.T) {
	for _, op := range []string{"Documents.Create", "Documents.SendForESign"} {
		t.Run(op, func(t *testing.T) {
			path, copied := sampleFile(t), sampleFile(t)
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
				server.Fail(
					revvtest.Fault{Operation: op, Status: http.StatusTooManyRequests, RetryAfter: "50", Times: 1},
					revvtest.Fault{Operation: op, CutAfter: -1, Late: 40 * time.Second, Times: 1},
				)
				killed, leave := make(chan struct{}), make(chan struct{})
				client := server.Client(revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
					return roundTripper(func(r *http.Request) (*http.Response, error) {
						resp, err := next.RoundTrip(r)
						if info, _ := revv.CallInfoFrom(r.Context()); info.Operation == op && info.Attempt == 2 {
							close(killed)
							<-leave // nothing more happens in this run
						}
						return resp, err
					})
				}))
				var dying sync.WaitGroup
				dying.Go(func() { _, _ = sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{}) })
				<-killed
				journal, err := os.ReadFile(path + ".journal") // its lock ends with its process, which this one is not
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(copied+".journal", journal, 0o600))
				for range 60 { // whoever runs it is impatient
					_, err := sendFile(t.Context(), server.Client(), offerLetter, copied, 1, &bytes.Buffer{})
					require.NoError(t, err)
					<-time.After(3 * time.Second)
				}
				checkOnce(t, server)
				assert.Len(t, server.Documents(), 3)
				close(leave)
				dying.Wait()
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// While the outcome is not known, a run says so and sends nothing.
func TestSendFile_rerunAtOnce_saysWhatIsUnclear(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client()
		server.Fail(
			revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Times: 1},
			revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Times: 1},
		)
		for range 2 {
			made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
			require.NoError(t, err)
			assert.Equal(t, 2, made.unclear)
		}
		table, err := os.ReadFile(path + ".report.csv")
		require.NoError(t, err)
		assert.Contains(t, string(table), "DOC-000040,unclear,the last request may still be on its way: run again in 1m0s")
		assert.Len(t, server.Outbox(), 1)
		<-time.After(onItsWay)
		made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Equal(t, report{sent: 2, before: 1}, made)
	})
}

// Nobody has noticed that it was sent, and when somebody looks it is a draft again.
func TestSendFile_letterDeclinedUnnoticed_isNotSentAgain(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
		server.Fail(
			revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1},
			revvtest.Fault{Operation: "Documents.Get", Status: 500, Times: 1},
		)
		made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Equal(t, report{sent: 2, unclear: 1}, made)
		first := server.Documents()[0]
		require.NoError(t, server.Reject(first.ID, first.Signers[0].Email, "no"))
		<-time.After(time.Hour)
		for range 2 {
			made, err = sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
			require.NoError(t, err)
			assert.Equal(t, report{before: 2, failed: 1}, made)
		}
		table, err := os.ReadFile(path + ".report.csv")
		require.NoError(t, err)
		assert.Contains(t, string(table), "was sent and declined")
		assert.Len(t, server.Outbox(), 3)
	})
}

// The journal is lost, and a letter was declined: its document is found by its title.
func TestSendFile_letterDeclinedAndTheJournalLost_isNotSentAgain(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client()
		_, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		first := server.Documents()[0]
		require.NoError(t, server.Reject(first.ID, first.Signers[0].Email, "no"))
		<-time.After(time.Hour)
		journals, err := filepath.Glob(path + ".*")
		require.NoError(t, err)
		for _, name := range journals {
			require.NoError(t, os.Remove(name))
		}
		made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Equal(t, report{before: 2, failed: 1}, made)
		assert.Len(t, server.Outbox(), 3)
	})
}

// What is read while the lost request is on its way proves nothing, and less so when its
// answer takes so long that a minute has passed by then.
func TestSendFile_answerOfTheLookIsSlow_isNotTakenForALaterOne(t *testing.T) {
	for lost, look := range map[string]revvtest.Fault{
		"Documents.SendForESign": {Operation: "Documents.GetByNumber", Drip: 104 * time.Millisecond, Times: 1},
		"Documents.Create":       {Operation: "Documents.List", Drip: 150 * time.Millisecond, Times: 1, After: 2}, // at the second look
	} {
		t.Run(lost, func(t *testing.T) {
			path := sampleFile(t)
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
				client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
				server.Fail(revvtest.Fault{Operation: lost, CutAfter: -1, Late: 40 * time.Second, Times: 1})
				made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
				require.NoError(t, err)
				assert.Equal(t, report{sent: 2, unclear: 1}, made)
				<-time.After(10 * time.Second)
				server.Fail(look)
				start := time.Now()
				made, err = sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
				require.NoError(t, err)
				require.Greater(t, time.Since(start), onItsWay-10*time.Second, "the answer was slow")
				assert.Equal(t, report{before: 2, unclear: 1}, made)
				<-time.After(onItsWay)
				made, err = sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
				require.NoError(t, err)
				assert.Zero(t, made.missing())
				checkOnce(t, server)
				assert.Len(t, server.Documents(), 3)
			})
		})
	}
}

// What is removed in front while a list is read moves the rest, over the border of a page;
// what is added there moves an entry into the next page once more.
func TestSendFile_listPassesOverADocument_isSeenAtTheSecondLook(t *testing.T) {
	path := sampleFile(t)
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRepeatedSends())
		client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
		server.Fail(revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Commit: true, Times: 1})
		made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Equal(t, report{sent: 2, unclear: 1}, made)
		<-time.After(onItsWay)
		server.Fail(revvtest.Fault{Operation: "Documents.List", Body: `{"page":{"inodes":[],"count":0}}`, Status: 200, Times: 1})
		made, err = sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Equal(t, report{sent: 1, before: 2}, made)
		assert.Len(t, server.Documents(), 3)
		checkOnce(t, server)
		for _, request := range server.Requests("Documents.List") {
			assert.Contains(t, request.RawQuery, "sort_by_doc_num=true")
		}
	})
}

func TestSendFile_journalCutAnywhere_nothingIsSentTwice(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client := server.Client()
	path := sampleFile(t)
	_, err := sendFile(t.Context(), client, offerLetter, path, 2, &bytes.Buffer{})
	require.NoError(t, err)
	whole, err := os.ReadFile(path + ".journal")
	require.NoError(t, err)
	for size := 0; size <= len(whole); size += 5 {
		require.NoError(t, os.WriteFile(path+".journal", whole[:size], 0o600))
		made, err := sendFile(t.Context(), client, offerLetter, path, 1, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Equal(t, report{before: 3}, made)
	}
	checkOnce(t, server)
}

func TestSendFile_journalDamaged_nothingIsSent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	path := sampleFile(t)
	require.NoError(t, os.WriteFile(path+".journal", []byte("{\"id\":\"O-001\",\"number\":\"DOC-000040\"}\nnonsense\n"), 0o600))
	_, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.ErrorContains(t, err, "line 2")
	assert.Empty(t, server.Requests())
}

func TestSendFile_anotherRunAtWork_isRefused(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	path := sampleFile(t)
	other, err := openJournal(path + ".journal")
	require.NoError(t, err)
	_, err = sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.ErrorContains(t, err, "another run is at work")
	require.NoError(t, other.close())
	_, err = sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.NoError(t, err)
}

func TestSendAll_serviceFailsAgainAndAgain_stops(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	path := filepath.Join(t.TempDir(), "letters.csv")
	require.NoError(t, os.WriteFile(path, generate(40), 0o600))
	server.Fail(revvtest.Fault{Operation: "Documents.Create", Status: 403})
	made, err := sendFile(t.Context(), server.Client(), offerLetter, path, 2, &bytes.Buffer{})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, made.failed, maxFailures)
	assert.LessOrEqual(t, made.failed, maxFailures+3, "those under way are finished")
	assert.Equal(t, 40, made.failed+made.untried)
}

func TestSendAll_interrupted_finishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	client := server.Client(revv.WithMiddleware(after(2, interrupt)))
	made, err := sendFile(ctx, client, offerLetter, sampleFile(t), 1, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, report{sent: 2, untried: 1}, made)
}

func TestSendAll_journalCannotBeWritten_stops(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	j, err := openJournal(filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	require.NoError(t, j.file.Close()) // as a disk that has gone
	letters, err := parseLetters(generate(10))
	require.NoError(t, err)
	m := &mailing{documents: server.Client().Documents, template: offerLetter, journal: j}
	results := m.sendAll(t.Context(), letters, 1, func() {})
	require.ErrorIs(t, results[0].err, errJournal)
	assert.Empty(t, server.Outbox())
	assert.LessOrEqual(t, len(server.Requests("Documents.Create")), 2)
	require.Error(t, j.close())
}

func TestSendLetter_twoDocumentsWithItsTitle_asksAPerson(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	for range 2 {
		server.AddDocument(offerLetter, "Offer letter for Candidate One (O-001)")
	}
	path := sampleFile(t)
	made, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, report{sent: 2, failed: 1}, made)
	table, err := os.ReadFile(path + ".report.csv")
	require.NoError(t, err)
	assert.Contains(t, string(table), "DOC-000040 DOC-000041")
}

func TestBar_onATerminal_growsInOneLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := bar{out: &out, terminal: true, total: 4}
	for range 4 {
		b.step()
	}
	b.end()
	assert.Equal(t, "\r["+strings.Repeat("#", 10)+strings.Repeat(" ", 30)+"] 1 of 4", out.String()[:50])
	assert.Equal(t, 1, strings.Count(out.String(), "\n"))
	assert.True(t, strings.HasSuffix(out.String(), "["+strings.Repeat("#", 40)+"] 4 of 4\n"))
}

// Whoever asks for help has made no mistake.
func TestRun_askedForHelp_listsTheFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &out))
	assert.Contains(t, out.String(), "Usage of offer-letters")
}

func TestSendFile_reportCannotBeWritten_saysWhatWasSent(t *testing.T) {
	t.Parallel()
	server, path := revvtest.NewServer(t), sampleFile(t)
	require.NoError(t, os.Mkdir(path+".report.csv", 0o700))
	_, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.ErrorContains(t, err, "3 sent now; ")
}
