package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func rowsOf(t *testing.T, text string) []row {
	t.Helper()
	rows, err := readRows(strings.NewReader(text), "test.csv")
	require.NoError(t, err)
	return rows
}

func TestRun_withoutAnEnvironment_syncsTheSampleTwice(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, environment(nil), &out))
	text := out.String()
	assert.Contains(t, text, "+ Cleo Carter <cleo.carter@example.com>")
	assert.Contains(t, text, "~ Ann Archer <ann.archer@example.com>: title")
	assert.Contains(t, text, "~ Dan Dyer <Dan.Dyer@example.com>: phone, notes", "in the spelling of the service")
	assert.Contains(t, text, "second run: 0 created, 0 updated, 9 unchanged")
	assert.True(t, strings.HasSuffix(text, "\ndone: 9 contacts, 5 created, 2 updated, 2 unchanged\n"), text)
}

func TestRun_withAnEnvironment_syncsTheFileWithThatAccount(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutSeedData())
	file := filepath.Join(t.TempDir(), "crm.csv")
	require.NoError(t, os.WriteFile(file, []byte("\ufeffemail,name\nann@example.com,Ann\n"), 0o600))
	env := environment(map[string]string{"REVV_BASE_URL": server.URL(), "REVV_ACCESS_TOKEN": server.Token().AccessToken})

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-dry-run", file}, env, &out))
	assert.Contains(t, out.String(), "done: 1 created, 0 updated, 0 unchanged (a dry run: nothing was sent)")
	assert.Empty(t, server.Requests("Contacts.Upsert"))
	out.Reset()
	require.NoError(t, run(t.Context(), []string{file}, env, &out))
	assert.Equal(t, "  + Ann <ann@example.com>\ndone: 1 created, 0 updated, 0 unchanged\n", out.String())

	require.ErrorContains(t, run(t.Context(), nil, env, &out), "name the CSV file")
	require.ErrorIs(t, run(t.Context(), []string{file + ".not"}, env, &out), os.ErrNotExist)
	require.ErrorContains(t, run(t.Context(), []string{"a", "b"}, env, &out), "one file at a time")
}

func TestReadRows_everyProblemIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		problems   []string
	}{
		{"empty", "", []string{"read the header: EOF"}},
		{"header", "name,surname,name\n", []string{`test.csv:1: unknown column "surname"`, `column "name" stands there twice`, `column "email" is missing`}},
		{"semicolons", "name;email\nAnn;ann@example.com\n", []string{`unknown column "name;email": columns are separated by commas`}},
		{"values", "name,email,type\n,nobody,person\nAnn,ann@example.com\nBen,\"Ben <ben@example.com>\",\n\xff,x@example.com,\n", []string{
			"test.csv:2: name: must not be empty", `test.csv:2: email: "nobody" is not an address`, `test.csv:2: type: "person" is neither individual nor corporate`,
			"test.csv:3: 2 values for 3 columns", "test.csv:4: email:", "test.csv:5: name: is not UTF-8",
		}},
		{"twice", "name,email\nAnn,ann@example.com\nAnn,Ann@Example.com\n", []string{`test.csv:3: email: "Ann@Example.com" stands in line 2 already`}},
		{"quotes", "name,email\nBad,bad\nAn\"n,ann@example.com\n", []string{"test.csv:2: email:", "line 3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rows, err := readRows(strings.NewReader(test.text), "test.csv")
			assert.Empty(t, rows)
			for _, problem := range test.problems {
				require.ErrorContains(t, err, problem)
			}
		})
	}
}

func TestSyncContacts_emptyCellClears_missingColumnLeavesAlone(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutSeedData())
	server.AddContact(revvtest.Contact{Name: "Ann", Email: "ann@example.com", Phone: "1", Notes: "kept", Type: "individual"})
	_, err := syncContacts(t.Context(), server.Client(), rowsOf(t, "name,email,phone,type\nAnn,ann@example.com,,\n"), false, &bytes.Buffer{})
	require.NoError(t, err)
	contact, err := server.Client().Contacts.GetByEmail(t.Context(), "ann@example.com")
	require.NoError(t, err)
	assert.Empty(t, contact.Phone)
	assert.Equal(t, "kept", contact.Notes)
	assert.Equal(t, revv.ContactIndividual, contact.Type)
}

func TestSyncContacts_lostAnswer_isLookedUpAndNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault revvtest.Fault
		want  tally
	}{
		"applied":     {revvtest.Fault{CutAfter: -1, Commit: true}, tally{created: 1}},
		"unreadable":  {revvtest.Fault{HTML: true, Commit: true}, tally{created: 1}},
		"not applied": {revvtest.Fault{CutAfter: -1}, tally{failed: 1}},
		"refused":     {revvtest.Fault{Status: 403}, tally{failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := revvtest.NewServer(t, revvtest.WithoutSeedData())
			test.fault.Operation, test.fault.Times = "Contacts.Upsert", 1
			server.Fail(test.fault)
			got, err := syncContacts(t.Context(), server.Client(), rowsOf(t, "name,email\nAnn,ann@example.com\n"), false, &bytes.Buffer{})
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.want.failed > 0, err != nil)
			assert.Len(t, server.Requests("Contacts.Upsert"), 1)
		})
	}
}

func TestSyncContacts_ambiguousAddress_isReportedAndTheOthersAreSent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutSeedData())
	server.AddContact(revvtest.Contact{Name: "Ann", Email: "ann@example.com"})
	server.AddContact(revvtest.Contact{Name: "Ann again", Email: "Ann@example.com"})
	got, err := syncContacts(t.Context(), server.Client(), rowsOf(t, "name,email\nAnn,ann@example.com\nBen,ben@example.com\n"), false, &bytes.Buffer{})
	require.ErrorContains(t, err, "line 2: 2 contacts have the address ann@example.com")
	assert.Equal(t, tally{created: 1, failed: 1}, got)
}

func TestSyncContacts_revokedToken_stopsAtOnce(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutSeedData())
	server.Fail(revvtest.Fault{Operation: "Contacts.Upsert", Status: 401})
	client, err := revv.NewClient(revv.StaticToken(server.Token().AccessToken), revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	got, err := syncContacts(t.Context(), client, rowsOf(t, sampleFile), false, &bytes.Buffer{})
	require.ErrorIs(t, err, revv.ErrUnauthorized)
	assert.Equal(t, tally{failed: 1, untried: 8}, got)
	assert.Equal(t, "0 created, 0 updated, 0 unchanged, 1 failed, 8 not tried", got.String())
	assert.Len(t, server.Requests("Contacts.Upsert"), 1)
}
