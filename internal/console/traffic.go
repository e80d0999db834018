package console

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/revv-go/revv/internal/sandbox"
)

// requestRow is a request, as a page shows it.
type requestRow struct {
	sandbox.Request

	Tone, Label string
	Refused     bool
	Fault       bool // it met a fault that was asked for
}

func newRequestRow(q sandbox.Request) requestRow {
	row := requestRow{Request: q, Tone: "good", Fault: strings.HasPrefix(q.Problem, "fault {")}
	row.Refused = q.Status >= http.StatusBadRequest || q.Problem != ""
	switch {
	case q.Status == 0 && row.Fault:
		row.Label = "No answer"
	case q.Status == 0:
		row.Label = "Under way"
	default:
		row.Label = strconv.Itoa(q.Status) + " " + http.StatusText(q.Status)
	}
	switch {
	case row.Fault:
		row.Tone = "wait"
	case row.Refused:
		row.Tone = "bad"
	case q.Status == 0 || q.Status >= http.StatusMultipleChoices:
		row.Tone = "calm"
	}
	return row
}

func (c *Console) trafficPage(w http.ResponseWriter, r *http.Request) error {
	show := r.URL.Query().Get("show")
	requests := newestFirst(c.sandbox.Requests())
	found := list(r, requests, func(q sandbox.Request, query string) bool {
		row := newRequestRow(q)
		if show == "refused" && !row.Refused || show == "faults" && !row.Fault {
			return false
		}
		return contains(query, q.Operation, q.Method+" "+q.Path, q.Problem, strconv.Itoa(q.Status))
	})
	rows := make([]requestRow, len(found.Rows))
	for i, q := range found.Rows {
		rows[i] = newRequestRow(q)
	}
	return c.render(w, http.StatusOK, "traffic", view{Title: "Traffic", Nav: "traffic", Watch: "request", Data: struct {
		List     listing[sandbox.Request]
		Requests []requestRow
		Show     string
	}{found, rows, show}})
}

// trafficData gives all requests to a program, the oldest first.
func (c *Console) trafficData(w http.ResponseWriter, _ *http.Request) error {
	return data(w, c.sandbox.Requests())
}

func (c *Console) requestPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathNumber(r, "request")
	if err != nil {
		return err
	}
	type header struct{ Name, Value string }
	for _, q := range c.sandbox.Requests() {
		if q.ID != id {
			continue
		}
		var headers []header
		for _, name := range slices.Sorted(maps.Keys(q.Header)) {
			for _, value := range q.Header[name] {
				headers = append(headers, header{name, value})
			}
		}
		return c.render(w, http.StatusOK, "request", view{Title: "Request " + strconv.FormatInt(id, 10), Nav: "traffic", Data: struct {
			requestRow

			Headers []header
			Pretty  string
			Section string
		}{newRequestRow(q), headers, pretty(q.Body), section(q)}})
	}
	return missing("request")
}

func (c *Console) clearTraffic(w http.ResponseWriter, _ *http.Request) error {
	c.sandbox.ClearRequests()
	return back(w, "/traffic")
}

// section names the heading of docs/wire.md under which the contract says what the
// request should have been.
func section(q sandbox.Request) string {
	about := func(words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(q.Problem, word) })
	}
	group, name, _ := strings.Cut(q.Operation, ".")
	switch {
	case q.Status == http.StatusUnauthorized, group == "OAuth", group == "Auth":
		return "Authentication"
	case q.Status == http.StatusUnsupportedMediaType, q.Operation == "", group == "CORS":
		return "Conventions"
	case about("page_num:"):
		return "Paging"
	case about("document number (doc_no)", "is an object id", "is no document id", "is no object id"):
		return "Four kinds of ids"
	case about("after: a time"):
		return "Times"
	case group == "Webhooks":
		return "Webhook subscriptions"
	case group == "Shared", name == "Share", name == "MagicLink", strings.HasPrefix(name, "SendFor"):
		return "Sending"
	case name == "Activities":
		return "Activities"
	}
	return group // Documents, Templates, Folders, Contacts
}
