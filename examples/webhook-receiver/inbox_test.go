package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// event is one about a document.
func event(t *testing.T, id, document string) *revv.Event {
	t.Helper()
	e, err := revv.ParseEvent([]byte(`{"id":"` + id + `","event":"DOCUMENT_CLOSED","document":{` + document + `}}`))
	require.NoError(t, err)
	return e
}

func open(t *testing.T, path string) *inbox {
	t.Helper()
	box, err := openInbox(path)
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
	all, waiting := open(t, path).counts()
	assert.Equal(t, []int{1, 1}, []int{all, waiting})
}

func TestInbox_programDiesAnywhere_keepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	first, second := event(t, "evt_1", `"id":14`), event(t, "", `"id":15`) // the key of the second is a digest
	require.NoError(t, box.put(t.Context(), first))
	require.NoError(t, box.put(t.Context(), second))
	require.NoError(t, box.done(first.Key(), 14, revv.StageSigned))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	again := open(t, path)
	assert.Equal(t, revv.StageSigned, again.stage(14))
	next, ok := again.next()
	require.True(t, ok)
	assert.Equal(t, revv.DocumentID(15), next.event.Document.ID)
	require.NoError(t, again.put(t.Context(), second))
	all, waiting := again.counts()
	assert.Equal(t, []int{2, 1}, []int{all, waiting})

	for size := 0; size < len(whole); size += 17 {
		cut := filepath.Join(t.TempDir(), "inbox")
		require.NoError(t, os.WriteFile(cut, whole[:size], 0o600))
		box := open(t, cut)
		all, waiting := box.counts()
		assert.Equal(t, min(2, bytes.Count(whole[:size], []byte("\n"))), all)
		assert.Equal(t, all, waiting, "what was not noted as handled is handled again")
		require.NoError(t, box.put(t.Context(), first))
		require.NoError(t, box.put(t.Context(), second))
		all, _ = open(t, cut).counts()
		assert.Equal(t, 2, all)
	}
}

func TestInbox_diskFails_theSenderIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	box := open(t, filepath.Join(t.TempDir(), "inbox"))
	require.NoError(t, box.file.Close())
	require.Error(t, box.put(t.Context(), event(t, "evt_1", `"id":14`)))
	all, _ := box.counts()
	assert.Zero(t, all)
}

func TestInbox_damaged_isNotOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	for _, text := range []string{"nonsense\n", `{"key":"k","event":{}}` + "\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := openInbox(path)
		require.ErrorContains(t, err, "line 1")
	}
}
