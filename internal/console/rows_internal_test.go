package console

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestRequestRow_saysHowItWent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status      int
		problem     string
		tone, label string
		refused     bool
	}{
		{200, "", "good", "200 OK", false},
		{299, "", "good", "299 ", false},
		{300, "", "calm", "300 Multiple Choices", false},
		{303, "", "calm", "303 See Other", false},
		{399, "", "calm", "399 ", false},
		{400, "no such member", "bad", "400 Bad Request", true},
		{400, "", "bad", "400 Bad Request", true},
		{0, "", "calm", "Under way", false},
		{0, "fault {cut}", "wait", "No answer", true},
		{200, "fault {html}", "wait", "200 OK", true},
		{500, "", "bad", "500 Internal Server Error", true},
	} {
		row := newRequestRow(sandbox.Request{Status: test.status, Problem: test.problem})
		assert.Equal(t, test.tone, row.Tone, test)
		assert.Equal(t, test.label, row.Label, test)
		assert.Equal(t, test.refused, row.Refused, test)
		assert.Equal(t, strings.HasPrefix(test.problem, "fault"), row.Fault, test)
	}
}

func TestDeliveryRow_showsTheLastAttempt(t *testing.T) {
	t.Parallel()
	assert.Zero(t, newDeliveryRow(sandbox.Delivery{}).Last)
	row := newDeliveryRow(sandbox.Delivery{State: sandbox.DeliveryFailed, Attempts: []sandbox.Attempt{{Status: 500}, {Status: 418}}})
	assert.Equal(t, 418, row.Last.Status)
	assert.Equal(t, 2, row.Tries)
	assert.Equal(t, "bad", row.Tone)
}

func TestMailRows_tellTheLinkOfThePageFromAddressesOfPrograms(t *testing.T) {
	t.Parallel()
	for page, links := range map[string]map[string]string{
		"/s": {"sign": "/s", "x": "/x", "b": "/b"},
		"/o": {"open": "/o", "reject": "/r", "accept": "/a"},
	} {
		row := mailRows([]sandbox.Mail{{Kind: sandbox.MailSign, Links: links}})[0]
		assert.Equal(t, page, row.Link)
		names := make([]string, len(row.Buttons))
		for i, b := range row.Buttons {
			names[i] = b.Name
			assert.Equal(t, links[b.Name], b.URL)
		}
		assert.Len(t, names, 2)
		assert.IsIncreasing(t, names)
	}
}

func TestPersonName_isTheAddressOfWhoHasNone(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "Ann Example", personName(sandbox.Person{FirstName: "Ann", LastName: "Example", Email: "a@example.com"}))
	assert.Equal(t, "a@example.com", personName(sandbox.Person{FirstName: " ", Email: "a@example.com"}))
}

func TestTitleProblem_atItsBounds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a": "", "a b": "", "~": "", strings.Repeat("ü", 255): "",
		"": "Give it a name.", strings.Repeat("ü", 256): "This is longer than 255 characters.",
		"a\x1fb": "This has characters that cannot be printed.", "a\x7fb": "This has characters that cannot be printed.",
	} {
		assert.Equal(t, want, titleProblem(text), strconv.Quote(text))
	}
}

func TestTemplateForm_growsToItsLimit(t *testing.T) {
	t.Parallel()
	var f templateForm
	f.grow(mostRows + 1)
	assert.Len(t, f.Rows, mostRows)
	assert.Equal(t, mostRows, f.Rows[mostRows-1].Number)
}

func TestPresets_thatCut_cutBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	cuts := map[string]int{}
	for _, p := range presets() {
		if p.fault.CutAfter != 0 {
			cuts[p.Key] = p.fault.CutAfter
		}
	}
	assert.Equal(t, map[string]int{"answer-lost": -1, "cut": -1, "cut-body": 20, "late": -1}, cuts)
}

func TestNewestFirst_turnsAnyNumberAround(t *testing.T) {
	t.Parallel()
	assert.Empty(t, newestFirst([]int{}))
	assert.Equal(t, []int{1}, newestFirst([]int{1}))
	assert.Equal(t, []int{4, 3, 2, 1}, newestFirst([]int{1, 2, 3, 4}))
	assert.Equal(t, []int{3, 2, 1}, newestFirst([]int{1, 2, 3}))
}

func TestDeliveryRow_saysHowItEnded(t *testing.T) {
	t.Parallel()
	for state, want := range map[string][2]string{
		sandbox.DeliveryPending: {"wait", "On its way"}, sandbox.DeliveryDelivered: {"good", "Delivered"}, sandbox.DeliveryFailed: {"bad", "Failed"},
	} {
		row := newDeliveryRow(sandbox.Delivery{State: state})
		assert.Equal(t, want, [2]string{row.Tone, row.Label}, state)
	}
}
