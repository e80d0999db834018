package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// event is one about a document that was closed.
func event(t *testing.T, id, document string) *revv.Event {
	t.Helper()
	return parse(t, `{"id":"`+id+`","event":"DOCUMENT_CLOSED","document":{`+document+`}}`)
}

func parse(t *testing.T, body string) *revv.Event {
	t.Helper()
	e, err := revv.ParseEvent([]byte(body))
	require.NoError(t, err)
	return e
}

func open(t *testing.T, path string) *inbox {
	t.Helper()
	box, err := openInbox(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = box.close() })
	return box
}

func TestInbox_sameEventManyTimesAtOnce_isKeptOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	e := event(t, "evt_1", `"id":14`)
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() { assert.NoError(t, box.put(t.Context(), e)) })
	}
	senders.Wait()
	all, waiting, _ := open(t, path).counts()
	assert.Equal(t, []int{1, 1}, []int{all, waiting})
}

func TestInbox_programDiesAnywhere_keepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	first, second := event(t, "evt_1", `"id":14`), event(t, "", `"id":15`) // the key of the second is a digest
	require.NoError(t, box.put(t.Context(), first))
	require.NoError(t, box.put(t.Context(), second))
	require.NoError(t, box.done(first.Key(), "number:DOC-000040", revv.StageSigned))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	again := open(t, path)
	assert.Equal(t, revv.StageSigned, again.stage("number:DOC-000040"))
	next, ok := again.next(time.Now())
	require.True(t, ok)
	assert.Equal(t, revv.DocumentID(15), next.event.Document.ID)
	require.NoError(t, again.put(t.Context(), second))
	all, waiting, _ := again.counts()
	assert.Equal(t, []int{2, 1}, []int{all, waiting})

	for size := 0; size < len(whole); size += 17 {
		cut := filepath.Join(t.TempDir(), "inbox")
		require.NoError(t, os.WriteFile(cut, whole[:size], 0o600))
		box := open(t, cut)
		all, waiting, _ := box.counts()
		assert.Equal(t, min(2, bytes.Count(whole[:size], []byte("\n"))), all)
		assert.Equal(t, all, waiting, "what was not noted as handled is handled again")
		require.NoError(t, box.put(t.Context(), first))
		require.NoError(t, box.put(t.Context(), second))
		all, _, _ = open(t, cut).counts()
		assert.Equal(t, 2, all)
	}
}

func TestInbox_diskFails_theSenderIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	box := open(t, filepath.Join(t.TempDir(), "inbox"))
	require.NoError(t, box.file.Close())
	require.Error(t, box.put(t.Context(), event(t, "evt_1", `"id":14`)))
	all, _, _ := box.counts()
	assert.Zero(t, all)
}

// fill takes the file of an inbox away, as a disk that is full does. The function that it
// returns brings it back.
func fill(t *testing.T, box *inbox) (free func()) {
	t.Helper()
	box.mu.Lock()
	defer box.mu.Unlock()
	good := box.file
	full, err := os.Open(good.Name()) // it can be read only
	require.NoError(t, err)
	box.file = full
	return func() {
		box.mu.Lock()
		defer box.mu.Unlock()
		box.file = good
		assert.NoError(t, full.Close())
	}
}

func TestInbox_halfALineWasWritten_isCutOffBeforeTheNext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	first, second := event(t, "evt_1", `"id":14`), event(t, "evt_2", `"id":15`)
	require.NoError(t, box.put(t.Context(), first))
	free := fill(t, box)
	require.Error(t, box.put(t.Context(), second))
	free()
	_, err := box.file.WriteString(`{"key":"id:evt_2","event":{"id":"evt`)
	require.NoError(t, err)
	require.NoError(t, box.put(t.Context(), second), "it comes again, and there is room")
	all, waiting, _ := open(t, path).counts()
	assert.Equal(t, []int{2, 2}, []int{all, waiting})

	free = fill(t, box)
	require.Error(t, box.done(first.Key(), "id:14", revv.StageSigned))
	free()
	require.NoError(t, box.close(), "the last chance to write what was done")
	again := open(t, path)
	next, _ := again.next(time.Now())
	assert.Equal(t, second.Key(), next.key)
	assert.Equal(t, revv.StageSigned, again.stage("id:14"))
}

func TestInbox_next_takesNewEventsFirstAndThenWhatIsDueTheLongest(t *testing.T) {
	t.Parallel()
	box, now := open(t, filepath.Join(t.TempDir(), "inbox")), time.Now()
	for _, id := range []string{"a", "b", "c", "d"} {
		require.NoError(t, box.put(t.Context(), event(t, id, `"id":14`)))
	}
	for _, due := range []time.Duration{2, 1, 3} { // of a, b and c
		w, ok := box.next(now)
		require.True(t, ok)
		w.due = now.Add(due)
		box.later(w)
	}
	assert.Negative(t, box.rest(now), "d is due")
	var order []string
	for i := range 4 {
		w, ok := box.next(now.Add(time.Duration(i)))
		require.True(t, ok)
		require.NoError(t, box.done(w.key, "", ""))
		order = append(order, w.key)
		if i == 0 {
			assert.EqualValues(t, 1, box.rest(now))
			_, ok := box.next(now)
			assert.False(t, ok)
		}
	}
	assert.Equal(t, []string{"id:d", "id:b", "id:a", "id:c"}, order)
	assert.Equal(t, time.Hour, box.rest(now))
}

// JSON can write some characters in a form that is six times as long.
func textOf(t *testing.T, event *revv.Event) string {
	t.Helper()
	var content struct{ Text string }
	require.NoError(t, json.Unmarshal(event.Raw, &content))
	return content.Text
}

func TestInbox_largeEventOfAwkwardCharacters_isReadAgainAsItCame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	handler, err := revv.NewWebhookHandler(revv.PathSecret("a-secret-of-the-test"), box.put)
	require.NoError(t, err)
	characters := []string{"<", "&", "\u2028", "\xff"}
	var bodies int
	for _, c := range characters {
		body := `{"event":"DOCUMENT_CLOSED","document":{"id":14},"text":"` + strings.Repeat(c, 180_000) + `"}`
		bodies += len(body)
		request := httptest.NewRequest(http.MethodPost, "/a-secret-of-the-test", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		require.Equal(t, http.StatusNoContent, answer.Code)
	}
	assert.Less(t, box.size, int64(2*bodies), "since Go 1.27, U+2028 is escaped all the same")

	again := open(t, path)
	require.Len(t, again.waiting, len(characters))
	for i, w := range again.waiting {
		assert.Equal(t, box.waiting[i].key, w.key)
		same := textOf(t, box.waiting[i].event) == textOf(t, w.event) // a failure of assert.Equal would show both
		assert.True(t, same)
		assert.Equal(t, revv.DocumentID(14), w.event.Document.ID)
	}
}

// A stored event may bring the key that it was stored with. One that came from a stranger
// must not take the place of another by that.
func TestInbox_eventClaimsTheKeyOfAnother_keepsItsOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box, honest := open(t, path), event(t, "", `"id":14`)
	forged := parse(t, `{"event":"DOCUMENT_CLOSED","revv_key":"`+honest.Key()+`"}`)
	require.NoError(t, box.put(t.Context(), forged))
	again := open(t, path)
	require.NoError(t, again.put(t.Context(), honest))
	require.NoError(t, again.done(forged.Key(), "", ""))
	for _, box := range []*inbox{again, open(t, path)} {
		all, waiting, _ := box.counts()
		assert.Equal(t, []int{2, 1}, []int{all, waiting})
		next, _ := box.next(time.Now())
		assert.Equal(t, honest.Key(), next.key)
	}
}

func TestInbox_damagedLines_areToldAndLoseNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	damaged := []string{"nonsense", `{"key":"id:evt_9","event":7}`, `{"key":"id:evt_9"}`, `{"event":{"event":"DOCUMENT_CLOSED"}}`, "\x00\x00", ""}
	text := strings.Join(damaged, "\n") + "\n" + `{"key":"id:evt_1","event":{"id":"evt_1","event":"DOCUMENT_CLOSED","document":{"id":14}}}` + "\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	for start := range 2 {
		var logged bytes.Buffer
		box, err := openInbox(path, slog.New(slog.NewTextHandler(&logged, nil)))
		require.NoError(t, err)
		for i := range damaged {
			assert.Contains(t, logged.String(), fmt.Sprintf("line=%d ", i+1))
		}
		assert.Equal(t, len(damaged), strings.Count(logged.String(), "level=ERROR"))
		next, ok := box.next(time.Now())
		require.True(t, ok)
		assert.Equal(t, "id:evt_1", next.key)
		require.NoError(t, box.put(t.Context(), event(t, "evt_9", `"id":15`)), "it comes again, as it was not read")
		all, waiting, _ := box.counts()
		assert.Equal(t, []int{2, 2}, []int{all, waiting}, "start %d", start)
		require.NoError(t, box.close())
	}
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(kept), text)
}
