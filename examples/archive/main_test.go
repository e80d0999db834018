package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// account is a sandbox with signed documents from DOC-000040 on.
func account(t *testing.T, signed int) *revvtest.Server {
	t.Helper()
	server := revvtest.NewServer(t)
	require.NoError(t, fill(t.Context(), server, 0, signed))
	return server
}

func noEnvironment(string) string { return "" }

func TestRun_withoutAnEnvironment_archivesASandboxInThreeNights(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, noEnvironment, &out))
	assert.Contains(t, out.String(), "night 1: 4 archived, 0 verified")
	assert.Contains(t, out.String(), "night 2: 5 archived, 4 verified (torn lines in the manifest: 1)")
	assert.Contains(t, out.String(), "night 3: 0 archived, 9 verified")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Contains(t, lines[len(lines)-1], "done: 9 of 12 documents")
}

func TestRun_withAnEnvironment_archivesThatAccount(t *testing.T) {
	t.Parallel()
	server := account(t, 2)
	environment := map[string]string{"REVV_BASE_URL": server.URL(), "REVV_ACCESS_TOKEN": server.Token().AccessToken}
	dir := filepath.Join(t.TempDir(), "kept", "here")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-dir", dir}, func(name string) string { return environment[name] }, &out))
	assert.Equal(t, "done: 2 archived, 0 verified in "+dir+"\n", out.String())

	content, err := os.ReadFile(filepath.Join(dir, "DOC-000040.activities.json"))
	require.NoError(t, err)
	var activities []revv.Activity
	require.NoError(t, json.Unmarshal(content, &activities))
	assert.Contains(t, fmt.Sprint(activities), "DOCUMENT_SIGNED")

	content, err = os.ReadFile(filepath.Join(dir, manifestName))
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(content, []byte("\n")))
	assert.NotContains(t, string(content), environment["REVV_ACCESS_TOKEN"])
}

func TestRun_badArguments_areNamed(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"REVV_BASE_URL": "http://acme.example.com"}
	err := run(t.Context(), nil, func(name string) string { return environment[name] }, &bytes.Buffer{})
	require.ErrorContains(t, err, "https")
	require.ErrorContains(t, run(t.Context(), []string{"here"}, noEnvironment, &bytes.Buffer{}), "-dir")
	require.ErrorContains(t, run(t.Context(), []string{"-nope"}, noEnvironment, &bytes.Buffer{}), "nope")
}

func TestOneNight_interruptedAtAnyPoint_isContinued(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(t *testing.T, dir string){
		"before the line in the manifest": func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, manifestName), 0))
		},
		"in the middle of the line": func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, manifestName))
			require.NoError(t, err)
			require.NoError(t, os.Truncate(filepath.Join(dir, manifestName), info.Size()-20))
		},
		"before the PDF": func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, manifestName), 0))
			require.NoError(t, os.Remove(filepath.Join(dir, "DOC-000040.pdf")))
		},
		"a file is lost": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "DOC-000040.pdf")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, dir := account(t, 1), t.TempDir()
			_, err := oneNight(t.Context(), server.Client(), dir)
			require.NoError(t, err)
			crash(t, dir)

			n, err := oneNight(t.Context(), server.Client(), dir)
			require.NoError(t, err)
			assert.Equal(t, 1, n.archived)
			n, err = oneNight(t.Context(), server.Client(), dir)
			require.NoError(t, err)
			assert.Equal(t, 0, n.archived)
			assert.Equal(t, 1, n.verified)
		})
	}
}

// What a service gives of a long history by itself is a part.
func TestOneNight_longHistory_isKeptWhole(t *testing.T) {
	t.Parallel()
	server, dir := account(t, 1), t.TempDir()
	client := server.Client()
	doc, err := client.Documents.GetByNumber(t.Context(), "DOC-000040")
	require.NoError(t, err)
	for range 65 {
		require.NoError(t, client.Documents.Share(t.Context(), doc.ID, revv.ShareParams{Recipients: []revv.Person{{Email: "reader@example.com"}}}))
	}
	_, err = oneNight(t.Context(), client, dir)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(dir, "DOC-000040.activities.json"))
	require.NoError(t, err)
	var kept []revv.Activity
	require.NoError(t, json.Unmarshal(content, &kept))
	inside, _ := server.Document(doc.ID)
	assert.Len(t, kept, len(inside.Events))
	assert.Greater(t, len(kept), 65)
}

func TestOneNight_foreignAndChangedFiles_areReportedAndKept(t *testing.T) {
	t.Parallel()
	server, dir := account(t, 3), t.TempDir()
	foreign := filepath.Join(dir, "DOC-000041.pdf")
	require.NoError(t, os.WriteFile(foreign, []byte("somebody's own"), 0o600))
	n, err := oneNight(t.Context(), server.Client(), dir)
	require.ErrorContains(t, err, foreign)
	assert.Equal(t, 2, n.archived, "the others are archived")

	changed := filepath.Join(dir, "DOC-000040.pdf")
	require.NoError(t, os.WriteFile(changed, []byte("tampered with"), 0o600))
	n, err = oneNight(t.Context(), server.Client(), dir)
	require.ErrorContains(t, err, changed)
	assert.Equal(t, 1, n.verified)
	for path, want := range map[string]string{foreign: "somebody's own", changed: "tampered with"} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, string(content))
	}
}

func TestOneNight_changedAndMissingFile_isNotVouchedForAgain(t *testing.T) {
	t.Parallel()
	server, dir := account(t, 1), t.TempDir()
	_, err := oneNight(t.Context(), server.Client(), dir)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "DOC-000040.pdf")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "DOC-000040.activities.json"), []byte("[]"), 0o600))
	n, err := oneNight(t.Context(), server.Client(), dir)
	require.ErrorContains(t, err, "DOC-000040.activities.json")
	assert.Zero(t, n.archived)
}

func TestOneNight_aDocumentThatFails_doesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	server, dir := account(t, 3), t.TempDir()
	server.Fail(revvtest.Fault{Operation: "Documents.Download", Status: 404, Times: 1})
	n, err := oneNight(t.Context(), server.Client(), dir)
	require.ErrorIs(t, err, revv.ErrNotFound)
	require.ErrorContains(t, err, `"DOC-000040"`)
	assert.Equal(t, 2, n.archived)
}

func TestOneNight_revokedToken_stopsAtOnce(t *testing.T) {
	t.Parallel()
	server := account(t, 3)
	server.Fail(revvtest.Fault{Operation: "Documents.GetByNumber", Status: 401})
	_, err := oneNight(t.Context(), server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})), t.TempDir())
	require.ErrorIs(t, err, revv.ErrUnauthorized)
	assert.LessOrEqual(t, len(server.Requests("Documents.GetByNumber")), 2, "one, and one with a fresh token")
}

func TestArchiveOne_numberThatIsAPath_isRefused(t *testing.T) {
	t.Parallel()
	a, err := openArchive(t.TempDir())
	require.NoError(t, err)
	defer a.close() //nolint:errcheck // nothing was written
	for _, number := range []revv.DocumentNumber{"", "..", "../DOC-1", "a/b", `a\b`, ".hidden", "DOC 1", "C:x", "CON", "lpt1"} {
		err := archiveOne(context.Background(), nil, a, number)
		require.ErrorContains(t, err, "cannot be the name of a file", number)
	}
}

// The disk is full: another line would grow on the part of a line that may be there.
func TestArchiveSigned_manifestCannotBeWritten_stopsAtOnce(t *testing.T) {
	t.Parallel()
	server, dir := account(t, 3), t.TempDir()
	a, err := openArchive(dir)
	require.NoError(t, err)
	writable := a.manifest
	a.manifest, err = a.root.Open(manifestName) // to read
	require.NoError(t, err)
	n, err := archiveSigned(t.Context(), server.Client(), a)
	require.ErrorIs(t, err, errManifest)
	assert.Zero(t, n.archived)
	assert.Len(t, server.Requests("Documents.Download"), 1)
	require.NoError(t, a.close())
	require.NoError(t, writable.Close())
	n, err = oneNight(t.Context(), server.Client(), dir)
	require.NoError(t, err)
	assert.Equal(t, 3, n.archived, "the first one is adopted")
}
