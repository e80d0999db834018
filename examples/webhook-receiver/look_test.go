package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// about is an event of a type about document 14, which claims a stage if there is one.
func about(t *testing.T, id string, kind revv.EventType, claimed revv.Stage) *revv.Event {
	t.Helper()
	document := `{"id":14}`
	if claimed != "" {
		document = fmt.Sprintf(`{"id":14,"document_status":{"name":%q}}`, claimed)
	}
	return parse(t, fmt.Sprintf(`{"id":%q,"event":%q,"document":%s}`, id, kind, document))
}

// shown is the document of a service, which changes in the course of a test.
type shown struct {
	mu    sync.Mutex
	stage revv.Stage
	err   error
}

func (s *shown) read(asked revv.EventDocument) (*revv.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &revv.Document{ID: asked.ID, Stage: s.stage}, s.err
}

func (s *shown) change(stage revv.Stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage, s.err = stage, nil
}

func TestWork_whatIsReadIsBehindTheEvent_waitsUntilItCatchesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event         revv.EventType
		claimed, read revv.Stage
	}{
		"change to Signed":                 {revv.EventStageChanged, revv.StageSigned, revv.StageSent},
		"change to Sent":                   {revv.EventStageChanged, revv.StageSent, revv.StageDraft},
		"change to Completed":              {revv.EventStageChanged, revv.StageCompleted, revv.StageSigned},
		"change in another case":           {revv.EventStageChanged, "SIGNED", "sent"},
		"an unknown type":                  {"DOCUMENT_ARCHIVED", revv.StageSigned, revv.StageSent},
		"closed":                           {revv.EventClosed, revv.StageSigned, revv.StageSent},
		"closed without a stage":           {revv.EventClosed, "", revv.StageSent},
		"closed with the stage before":     {revv.EventClosed, revv.StageSent, revv.StageSent},
		"closed into a stage of their own": {revv.EventClosed, "Archived", revv.StageSent},
		"signed without a stage":           {revv.EventSigned, "", revv.StageDraft},
		"accepted without a stage":         {revv.EventAccepted, "", revv.StageDraft},
		"a document without a stage":       {revv.EventStageChanged, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "inbox")
			synctest.Test(t, func(t *testing.T) {
				var announced notices
				now := shown{stage: c.read}
				r := reader(t, path, now.read, &announced)
				require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_1", c.event, c.claimed)))
				stop := begin(t, r)
				pass(12 * time.Hour)
				assert.Empty(t, announced.list())
				_, waiting, aside := r.inbox.counts()
				assert.Equal(t, []int{1, 0}, []int{waiting, aside})
				then := revv.StageCompleted
				if c.claimed == "Archived" {
					then = c.claimed
				}
				now.change(then)
				pass(longestPause)
				stop()
				assert.Equal(t, []string{"14 " + string(then)}, announced.list())
				_, waiting, _ = r.inbox.counts()
				assert.Zero(t, waiting)
			})
		})
	}
}

func TestCompare_saysWhichStageIsMissing(t *testing.T) {
	t.Parallel()
	e := about(t, "evt_1", revv.EventClosed, revv.StageSent)
	require.ErrorContains(t, compare(e, "", revv.StageSent), "it is Sent and not Signed")
}

// Three events of one document overtake what is read.
func TestWork_signatureIsReadTooLate_isAnnouncedAllTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		now := shown{stage: revv.StageSent}
		r := reader(t, path, now.read, &announced)
		require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_1", revv.EventStageChanged, revv.StageSent)))
		require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_2", revv.EventStageChanged, revv.StageSigned)))
		require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_3", revv.EventClosed, revv.StageSigned)))
		stop := begin(t, r)
		synctest.Wait()
		assert.Equal(t, []string{"14 Sent"}, announced.list())
		now.change(revv.StageSigned)
		pass(firstPause)
		stop()
		assert.Equal(t, []string{"14 Sent", "14 Signed"}, announced.list())
		_, waiting, _ := r.inbox.counts()
		assert.Zero(t, waiting)
	})
}

// Two servers answer, and one of them lags: what was signed is not announced as sent.
func TestWork_readFallsBehindTheLastOne_isNotAnnounced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		now := shown{stage: revv.StageSigned}
		r := reader(t, path, now.read, &announced)
		require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_2", revv.EventClosed, revv.StageSigned)))
		stop := begin(t, r)
		synctest.Wait()
		now.change(revv.StageSent)
		require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_1", revv.EventStageChanged, revv.StageSent)))
		pass(time.Minute)
		now.change(revv.StageSigned)
		pass(10 * time.Minute)
		stop()
		assert.Equal(t, []string{"14 Signed"}, announced.list())
		_, waiting, _ := r.inbox.counts()
		assert.Zero(t, waiting)
	})
}

// Where nobody can tell which of two stages is the later one, what is read is believed in
// the end: as of a document that was declined, and is a draft again.
func TestWork_stagesCannotBeCompared_isAnnouncedAfterSomeMinutes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event                 revv.EventType
		claimed, before, read revv.Stage
	}{
		"declined":                   {revv.EventStageChanged, revv.StageDraft, revv.StageSent, revv.StageDraft},
		"moved on among their own":   {revv.EventStageChanged, "Negotiation", revv.StageSent, "Review"},
		"moved on from a known one":  {revv.EventStageChanged, revv.StageSent, revv.StageDraft, "Review"},
		"never came there":           {revv.EventStageChanged, "Negotiation", revv.StageDraft, revv.StageSent},
		"closed, and archived since": {revv.EventClosed, "", revv.StageSent, "Archived"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "inbox")
			synctest.Test(t, func(t *testing.T) {
				var announced notices
				now := shown{stage: c.before}
				r := reader(t, path, now.read, &announced)
				require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_1", revv.EventStageChanged, "")))
				stop := begin(t, r)
				synctest.Wait()
				now.change(c.read)
				require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_2", c.event, c.claimed)))
				pass(4 * time.Minute)
				assert.Equal(t, []string{"14 " + string(c.before)}, announced.list())
				pass(2 * time.Minute)
				stop()
				assert.Equal(t, []string{"14 " + string(c.before), "14 " + string(c.read)}, announced.list())
				_, waiting, _ := r.inbox.counts()
				assert.Zero(t, waiting)
			})
		})
	}
}

func TestHandle_documentIsWhereTheEventSaysOrFurther_isHandledAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event         revv.EventType
		claimed, read revv.Stage
	}{
		"there":                  {revv.EventStageChanged, revv.StageSent, "SENT"},
		"further":                {revv.EventStageChanged, revv.StageSent, revv.StageCompleted},
		"a stage of their own":   {revv.EventStageChanged, "Negotiation", "negotiation"},
		"closed into their own":  {revv.EventClosed, "Archived", "Archived"},
		"closed":                 {revv.EventClosed, "", revv.StageCompleted},
		"one of two has signed":  {revv.EventSigned, revv.StageSent, revv.StageSent},
		"signed, with no stage":  {revv.EventSigned, "", revv.StageSent},
		"accepted, with draft":   {revv.EventAccepted, revv.StageDraft, revv.StageSent},
		"something without more": {"DOCUMENT_OPENED", "", "Negotiation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var announced notices
			now := shown{stage: c.read}
			r := reader(t, filepath.Join(t.TempDir(), "inbox"), now.read, &announced)
			require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_1", c.event, c.claimed)))
			drain(t, r)
			assert.Equal(t, []string{"14 " + string(c.read)}, announced.list())
		})
	}
}

// A claim that never comes true, as one that was made up, has an end, too. It is still
// there when the program starts again.
func TestWork_documentNeverGetsThere_setsTheEventAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		now := shown{stage: revv.StageDraft}
		r := reader(t, path, now.read, &announced)
		require.NoError(t, r.inbox.put(t.Context(), about(t, "evt_1", revv.EventClosed, "")))
		stop := begin(t, r)
		pass(48 * time.Hour)
		stop()
		_, waiting, aside := r.inbox.counts()
		assert.Equal(t, []int{0, 1}, []int{waiting, aside})
		assert.Empty(t, announced.list())
		now.change(revv.StageSigned)
		drain(t, reader(t, path, now.read, &announced))
		assert.Equal(t, []string{"14 Signed"}, announced.list())
	})
}

// A document can be so new that what is read does not know it yet.
func TestWork_documentIsNotThereYet_isLookedAtAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		now := shown{err: revv.ErrNotFound}
		r := reader(t, path, now.read, &announced)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
		stop := begin(t, r)
		pass(4 * time.Minute)
		now.change(revv.StageSent)
		pass(time.Hour)
		assert.Empty(t, announced.list(), "it is there, but not closed")
		now.change(revv.StageSigned)
		pass(longestPause)
		stop()
		assert.Equal(t, []string{"14 Signed"}, announced.list())
	})
}

// The shape of the payload is a stand-in. What is not understood is not done with.
// The id of an event can be that of something else. Its number tells.
func TestHandle_idLeadsNowhereAndTheNumberDoes_waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var announced notices
		r := reader(t, filepath.Join(t.TempDir(), "inbox"), func(asked revv.EventDocument) (*revv.Document, error) {
			if asked.ID != 0 {
				return nil, revv.ErrNotFound
			}
			return allSigned(asked)
		}, &announced)
		require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":100001,"doc_no":"DOC-000040"`)))
		stop := begin(t, r)
		pass(time.Hour)
		stop()
		_, waiting, _ := r.inbox.counts()
		assert.Equal(t, 1, waiting)
		assert.Empty(t, announced.list())
	})
}

func TestWork_documentIsNotTheOneThatIsMeant_setsTheEventAside(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"no names":          ``,
		"an object id only": `"object_id":"DOC-aB3dE5gH7jK9"`,
		"another number":    `"id":14,"doc_no":"DOC-000041"`,
		"another object id": `"id":14,"object_id":"DOC-000000000000"`,
		"another id":        `"id":15`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "inbox")
			synctest.Test(t, func(t *testing.T) {
				var announced notices
				r := reader(t, path, func(revv.EventDocument) (*revv.Document, error) {
					return &revv.Document{ID: 14, Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9", Stage: revv.StageSigned}, nil
				}, &announced)
				require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", document)))
				require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"id":14,"doc_no":"doc-000040","object_id":"DOC-aB3dE5gH7jK9"`)))
				stop := begin(t, r)
				synctest.Wait()
				assert.Equal(t, []string{"14DOC-000040 Signed"}, announced.list())
				pass(48 * time.Hour)
				stop()
				all, waiting, aside := r.inbox.counts()
				assert.Equal(t, []int{2, 0, 1}, []int{all, waiting, aside})
				_, waiting, _ = open(t, path).counts()
				assert.Equal(t, 1, waiting)
			})
		})
	}
}
