package revv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// history is a service with the activities of a document, one a second, or so many at
// the same moment.
type history struct {
	events    []string      // with their times, as JSON
	inclusive bool          // after means from then on
	deaf      bool          // after is not understood
	late      time.Duration // after is understood as so much later
	coarse    time.Duration // after is cut to that
	most      int           // that an answer holds, whatever limit says; 0 means limit alone
	backwards bool
	changing  bool // the last activity's event is another in each answer
	changes   int
}

func newHistory(n, together int) *history {
	h := &history{}
	start := time.Date(2020, 9, 17, 14, 48, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(i/together) * time.Second)
		h.events = append(h.events, fmt.Sprintf(`{"event":"E%d","timestamp":%q}`, i, at.Format("2006-01-02T15:04:05.000000Z")))
	}
	return h
}

func (h *history) answer(r *http.Request) (*http.Response, error) {
	if h.changing {
		h.changes++ // a clock may stand still between two answers, as that of Windows
		h.events[len(h.events)-1] = fmt.Sprintf(`{"event":"E%d","timestamp":"2020-09-17T14:48:00.000000Z"}`, 1_000_000+h.changes)
	}
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return nil, err
	}
	if h.most > 0 {
		limit = min(limit, h.most)
	}
	rows := []json.RawMessage{}
	for _, event := range h.events {
		var parsed revv.Activity
		if err := json.Unmarshal([]byte(event), &parsed); err != nil {
			return nil, err
		}
		if after := query.Get("after"); after != "" && !h.deaf {
			asked, err := time.Parse(time.RFC3339Nano, after)
			if err != nil {
				return nil, err
			}
			asked = asked.Add(h.late).Truncate(max(h.coarse, 1))
			if parsed.Timestamp.Before(asked) || parsed.Timestamp.Equal(asked) && !h.inclusive {
				continue
			}
		}
		rows = append(rows, json.RawMessage(event))
	}
	if h.backwards {
		slices.Reverse(rows)
	}
	body, err := json.Marshal(rows[:min(limit, len(rows))])
	if err != nil {
		return nil, err
	}
	return reply(http.StatusOK, string(body)), nil
}

func collect(ctx context.Context, client *revv.Client, params revv.ListActivitiesParams) (events []string, err error) {
	for activity, failed := range client.Documents.AllActivities(ctx, "DOC-aB3dE5gH7jK9", params) {
		if failed != nil {
			return events, failed
		}
		if events = append(events, activity.Event); len(events) > 1000 {
			return events, errors.New("it goes on and on")
		}
	}
	return events, nil
}

func TestAllActivities_readsThemToTheEndAndNoneTwice(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 39, 40, 41, 99, 100, 101, 250} {
		for _, together := range []int{1, 2, 7} {
			for _, most := range []int{0, 40} {
				for _, inclusive := range []bool{false, true} {
					h := newHistory(n, together)
					h.most, h.inclusive = most, inclusive
					client := (&service{answer: h.answer}).client(t)
					for range 2 { // a range can be repeated
						events, err := collect(t.Context(), client, revv.ListActivitiesParams{})
						require.NoError(t, err)
						require.Len(t, events, n)
						for i, event := range events {
							require.Equal(t, fmt.Sprint("E", i), event)
						}
					}
				}
			}
		}
	}
}

// Two activities can be the same to the letter, and be two all the same.
func TestAllActivities_twins_areBothGiven(t *testing.T) {
	t.Parallel()
	const twin = `{"event":"TWIN","timestamp":"2020-09-17T14:48:02.000000Z"}`
	h := newHistory(4, 1)
	h.events = []string{h.events[0], h.events[1], twin, twin, h.events[3]}
	events, err := collect(t.Context(), (&service{answer: h.answer}).client(t), revv.ListActivitiesParams{Limit: 3})
	require.NoError(t, err)
	assert.Equal(t, []string{"E0", "E1", "TWIN", "TWIN", "E3"}, events)
}

// The address of a picture can be signed anew for each answer.
func TestAllActivities_pictureThatChanges_isNoOtherActivity(t *testing.T) {
	t.Parallel()
	n, h := 0, newHistory(3, 1)
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		n++
		h.events[2] = fmt.Sprintf(`{"event":"E2","timestamp":"2020-09-17T14:48:02.000000Z","actor":{"name":"Ada","image_url":"https://img.example.com/a?sig=%d"}}`, n)
		return h.answer(r)
	}}
	events, err := collect(t.Context(), s.client(t), revv.ListActivitiesParams{})
	require.NoError(t, err)
	assert.Equal(t, []string{"E0", "E1", "E2"}, events)
}

// after has six digits. What differs in later ones, or in the last of the six while after
// means from then on, comes again as well.
func TestAllActivities_finestTimes_end(t *testing.T) {
	t.Parallel()
	for name, times := range map[string][]string{
		"neighbours":  {"02.000000Z", "02.000001Z", "02.000002Z"},
		"nanoseconds": {"02.123456100Z", "02.123456789Z", "02.123457001Z"},
		"nearly":      {"02.123454000Z", "02.123455300Z", "02.123456789Z"},
	} {
		for _, inclusive := range []bool{false, true} {
			h := &history{inclusive: inclusive}
			for i, at := range times {
				h.events = append(h.events, fmt.Sprintf(`{"event":"E%d","timestamp":"2020-09-17T14:48:%s"}`, i, at))
			}
			for limit := range 6 {
				if limit == 1 {
					continue
				}
				events, err := collect(t.Context(), (&service{answer: h.answer}).client(t), revv.ListActivitiesParams{Limit: limit})
				if err != nil { // so many do not fit into an answer beside those that come again
					require.ErrorIs(t, err, revv.ErrPageLoop)
					require.Contains(t, []int{2, 3}, limit, "%s, inclusive %v", name, inclusive)
					continue
				}
				require.Equal(t, []string{"E0", "E1", "E2"}, events, "%s, inclusive %v, limit %d", name, inclusive, limit)
			}
		}
	}
}

func TestAllActivities_afterAndLimit_areTheCallers(t *testing.T) {
	t.Parallel()
	h := newHistory(10, 1)
	s := &service{answer: h.answer}
	events, err := collect(t.Context(), s.client(t), revv.ListActivitiesParams{After: time.Date(2020, 9, 17, 14, 48, 5, 0, time.UTC), Limit: 2})
	require.NoError(t, err)
	assert.Equal(t, []string{"E6", "E7", "E8", "E9"}, events)
	assert.Equal(t, "GET /api/object-activities/objects/DOC-aB3dE5gH7jK9?after=2020-09-17T14%3A48%3A05.000000Z&limit=2", s.Lines()[0])
}

// What cannot be read to its end must not look as if it had been.
func TestAllActivities_serviceDoesNotGoOn_isAnError(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*history{
		"after is not understood": {events: newHistory(60, 1).events, deaf: true, most: 40},
		"after is another zone's": {events: newHistory(60, 1).events, late: 5 * time.Hour},
		"after passes over some":  {events: newHistory(60, 1).events, late: 3 * time.Second, most: 40},
		"the newest comes first":  {events: newHistory(60, 1).events, backwards: true, most: 40},
		"a busy moment":           {events: newHistory(300, 300).events},
		"a busy moment, capped":   {events: newHistory(50, 50).events, most: 40},
		"a busy moment, and then": {events: newHistory(13, 12).events, most: 10},
		"the same, inclusive":     {events: newHistory(13, 12).events, most: 10, inclusive: true},
		"after an answer, too":    {events: append(newHistory(3, 1).events, newHistory(49, 12).events[36:]...), most: 10},
		"the same for ever":       {events: newHistory(1, 1).events, changing: true},
		"some of a busy moment":   {events: newHistory(2, 2).events, changing: true},
		"one at a time":           {events: newHistory(2, 1).events, most: 1},
		"times that are none":     {events: []string{`{"event":"E0","timestamp":"yesterday"}`, `{"event":"E1","timestamp":"today"}`}},
	} {
		events, err := collect(t.Context(), (&service{answer: h.answer}).client(t), revv.ListActivitiesParams{})
		require.ErrorIs(t, err, revv.ErrPageLoop, name)
		assert.Equal(t, "Documents.Activities", failure(t, err).Op)
		assert.Equal(t, name == "times that are none", strings.Contains(err.Error(), "no time that can be read"), name)
		assert.NotEmpty(t, events, name)
		for i, event := range events { // what was given until then is in order, without a gap and not repeated
			assert.True(t, h.backwards || h.changing || strings.Contains(h.events[i], fmt.Sprintf("%q", event)), "%s: %s in the place of number %d", name, event, i)
		}
	}
}

// A short answer is no reason to doubt a history, and to ask once more, if it may be whole.
func TestAllActivities_oneMoment_ends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		history  *history
		n        int
		requests int
	}{
		"one activity":                  {newHistory(1, 1), 1, 3},
		"one activity at a time":        {newHistory(5, 1), 5, 2},
		"all of one moment":             {newHistory(7, 7), 7, 3},
		"all of it, in a whole answer":  {&history{events: newHistory(10, 10).events, most: 10}, 10, 3},
		"the last moment is a full one": {&history{events: newHistory(40, 10).events, most: 20}, 40, 4},
	} {
		s := &service{answer: c.history.answer}
		events, err := collect(t.Context(), s.client(t), revv.ListActivitiesParams{})
		require.NoError(t, err, name)
		assert.Len(t, events, c.n, name)
		assert.Len(t, s.Sent(), c.requests, name)
	}
}

// What decides whether the history is whole must not be missed.
func TestAllActivities_lastQuestionFails_isTheError(t *testing.T) {
	t.Parallel()
	n, h := 0, newHistory(7, 7)
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		if n++; n == 3 {
			return reply(http.StatusForbidden, "{}"), nil
		}
		return h.answer(r)
	}}
	events, err := collect(t.Context(), s.client(t), revv.ListActivitiesParams{})
	require.ErrorIs(t, err, revv.ErrForbidden)
	assert.Len(t, events, 7)
}

func TestAllActivities_leftEarlyOrFailing_ends(t *testing.T) {
	t.Parallel()
	s := &service{answer: newHistory(250, 1).answer}
	for _, err := range s.client(t).Documents.AllActivities(t.Context(), "DOC-aB3dE5gH7jK9", revv.ListActivitiesParams{}) {
		require.NoError(t, err)
		break
	}
	assert.Len(t, s.Sent(), 1)
	_, err := collect(t.Context(), always(http.StatusForbidden, "{}").client(t), revv.ListActivitiesParams{})
	require.ErrorIs(t, err, revv.ErrForbidden)
	for _, limit := range []int{-1, 1} {
		_, err = collect(t.Context(), silent(t).client(t), revv.ListActivitiesParams{Limit: limit})
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
		assert.Equal(t, "Limit", failure(t, err).Argument)
	}
}

// What happens while the history is read is part of it.
func TestAllActivities_somethingHappensMeanwhile_isRead(t *testing.T) {
	t.Parallel()
	for _, at := range []int{2, 3, 4, 5} {
		n, h, later := 0, newHistory(1, 1), newHistory(3, 1).events
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			if n++; n >= at {
				h.events = later
			}
			return h.answer(r)
		}}
		events, err := collect(t.Context(), s.client(t), revv.ListActivitiesParams{})
		require.NoError(t, err, at)
		assert.Len(t, events, map[bool]int{true: 3, false: 1}[at <= 3], at)
	}
}

// Two in the last microsecond are no reason to stop, where there was one before it.
func TestAllActivities_neighbouringMicroseconds_areRead(t *testing.T) {
	t.Parallel()
	h := &history{most: 2}
	for i, at := range []string{"00.000000", "00.000001", "00.000001"} {
		h.events = append(h.events, fmt.Sprintf(`{"event":"E%d","timestamp":"2020-09-17T14:48:%sZ"}`, i, at))
	}
	events, err := collect(t.Context(), (&service{answer: h.answer}).client(t), revv.ListActivitiesParams{})
	require.NoError(t, err)
	assert.Len(t, events, 3)
}

// A service that takes no fine times gives the moment again that was asked for.
func TestAllActivities_coarseTimesAndAFullMoment_isAnError(t *testing.T) {
	t.Parallel()
	for _, coarse := range []time.Duration{0, time.Millisecond, time.Second} {
		moment := newHistory(3, 3).events
		h := &history{events: append(moment, newHistory(10, 1).events[3]), most: 3, inclusive: true, coarse: coarse}
		_, err := collect(t.Context(), (&service{answer: h.answer}).client(t), revv.ListActivitiesParams{})
		require.ErrorIs(t, err, revv.ErrPageLoop, coarse)

		whole := &service{answer: (&history{events: moment, most: 3, inclusive: true, coarse: coarse}).answer}
		events, err := collect(t.Context(), whole.client(t), revv.ListActivitiesParams{})
		require.NoError(t, err, coarse)
		assert.Len(t, events, 3)
		assert.LessOrEqual(t, len(whole.Sent()), 4)
	}
}

// Whatever the order of the answer that decides it is in, something later counts.
func TestAllActivities_lastAnswerIsInNoOrder_whatIsLaterCounts(t *testing.T) {
	t.Parallel()
	n, h := 0, &history{events: append(newHistory(3, 3).events, newHistory(10, 1).events[3]), most: 3, inclusive: true, coarse: time.Minute}
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		if n++; n > 2 {
			h.most, h.backwards = 0, true
		}
		return h.answer(r)
	}}
	_, err := collect(t.Context(), s.client(t), revv.ListActivitiesParams{})
	require.ErrorIs(t, err, revv.ErrPageLoop, "there is a fourth, which a whole history would have")
}
