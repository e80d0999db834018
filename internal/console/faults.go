package console

import (
	"net/http"
	"strconv"
	"time"

	"github.com/revv-go/revv/internal/sandbox"
)

// preset is a fault that is known from real services.
type preset struct {
	Key   string
	Label string
	Help  string
	fault sandbox.Fault
}

// oauthToken is where presets of OAuth belong.
const oauthToken = "OAuth.Token" //nolint:gosec // the name of an operation

func presets() []preset {
	const (
		slow   = 3 * time.Second
		late   = 5 * time.Second
		drip   = 50 * time.Millisecond
		bomb   = 64 << 20
		halfOf = 20
	)
	return []preset{
		{"unavailable", "503 Service Unavailable", "The service is down for a moment. Nothing was done.", sandbox.Fault{Status: http.StatusServiceUnavailable}},
		{"rate-limited", "429 with Retry-After: 2", "Too many calls. The answer says when to come again.", sandbox.Fault{Status: http.StatusTooManyRequests, RetryAfter: "2"}},
		{"error", "500 Internal Server Error", "The service failed before it did anything.", sandbox.Fault{Status: http.StatusInternalServerError}},
		{"outcome-unknown", "Done, then 500", "The call was carried out, and the answer is an error all the same.", sandbox.Fault{Status: http.StatusInternalServerError, Commit: true}},
		{"answer-lost", "Done, then cut", "The call was carried out, and its answer never arrives.", sandbox.Fault{CutAfter: -1, Commit: true}},
		{"cut", "Cut before the answer", "The connection ends without an answer. Nothing was done.", sandbox.Fault{CutAfter: -1}},
		{"late", "Cut, and done 5 seconds later", "The connection ends without an answer, and the request arrives all the same.", sandbox.Fault{CutAfter: -1, Late: late}},
		{"cut-body", "Cut within the body", "The connection ends after 20 bytes of the body.", sandbox.Fault{CutAfter: halfOf}},
		{"reset", "Connection reset", "The connection is reset in the place of an answer.", sandbox.Fault{Reset: true}},
		{"hang", "No answer", "The service accepts the request and stays silent until the client leaves.", sandbox.Fault{Hang: true}},
		{"slow", "Answer after 3 seconds", "The right answer, late.", sandbox.Fault{Delay: slow}},
		{"drip", "Answer byte by byte", "The right answer, one byte every 50 milliseconds.", sandbox.Fault{Drip: drip}},
		{"html", "200 with an HTML page", "What the hosts of the service answer today, on every path.", sandbox.Fault{HTML: true}},
		{"truncated", "Half of the JSON", "A complete answer whose JSON ends in the middle.", sandbox.Fault{Truncate: true}},
		{"empty", "200 without a body", "A success that says nothing.", sandbox.Fault{Empty: true}},
		{"unauthorized", "401 Unauthorized", "The access token is refused, although it is good.", sandbox.Fault{Status: http.StatusUnauthorized}},
		{"forbidden", "403 Forbidden", "The user may not do this.", sandbox.Fault{Status: http.StatusForbidden}},
		{"redirect", "302 to another host", "Where a client must not follow with its token.", sandbox.Fault{RedirectTo: "https://example.com/"}},
		{"gzip-bomb", "64 MiB in a small body", "A compressed answer that grows a thousandfold.", sandbox.Fault{GzipBomb: bomb}},
		{"invalid-grant", "OAuth: invalid_grant", "The refresh token is refused; the user has to log in again.", sandbox.Fault{Operation: oauthToken, OAuthError: "invalid_grant"}},
		{"invalid-client", "OAuth: invalid_client", "The application is not known, or has not shown its secret.", sandbox.Fault{Operation: oauthToken, OAuthError: "invalid_client"}},
	}
}

// faultForm is what has been filled in for a new fault.
type faultForm struct {
	Preset     string
	Operation  string
	Times      string
	TimesError string
	Problem    string
}

// faultRow is a fault that is still to happen.
type faultRow struct {
	sandbox.Fault

	Label string
}

func (c *Console) faultsPage(w http.ResponseWriter, _ *http.Request) error {
	return c.faultForm(w, http.StatusOK, faultForm{Preset: "unavailable", Times: "1"})
}

func (c *Console) faultForm(w http.ResponseWriter, status int, form faultForm) error {
	faults := c.sandbox.Faults()
	rows := make([]faultRow, len(faults))
	for i, f := range faults {
		rows[i] = faultRow{f, faultLabel(f)}
	}
	return c.render(w, status, "faults", view{Title: "Faults", Nav: "faults", Watch: "fault", Data: struct {
		Form       faultForm
		Presets    []preset
		Operations []string
		Faults     []faultRow
	}{form, presets(), sandbox.Operations(), rows}})
}

// faultLabel finds the preset that a fault was made from; others say themselves
// what they do.
func faultLabel(f sandbox.Fault) string {
	bare := func(f sandbox.Fault) string {
		f.Operation, f.Times, f.After = "", 0, 0
		return f.String()
	}
	for _, p := range presets() {
		if bare(p.fault) == bare(f) {
			return p.Label
		}
	}
	return bare(f)
}

func (c *Console) addFault(w http.ResponseWriter, r *http.Request) error {
	const most = 10_000
	if err := onlyInputs(r, "preset", "operation", "times"); err != nil {
		return err // a misspelt operation would be a fault of every call
	}
	form := faultForm{Preset: r.PostFormValue("preset"), Operation: r.PostFormValue("operation"), Times: r.PostFormValue("times")}
	times, err := strconv.Atoi(form.Times)
	if err != nil || times < 1 || times > most {
		form.TimesError = "A whole number from 1 to 10,000 is due."
		return c.faultForm(w, http.StatusUnprocessableEntity, form)
	}
	for _, p := range presets() {
		if p.Key != form.Preset {
			continue
		}
		f := p.fault
		if f.Times = times; form.Operation != "" {
			f.Operation = form.Operation
		}
		if err := c.sandbox.Fail(f); err != nil {
			form.Problem = "The fault was not switched on: " + err.Error() + "."
			return c.faultForm(w, http.StatusUnprocessableEntity, form)
		}
		return back(w, "/faults")
	}
	form.Problem = "Please choose what goes wrong."
	return c.faultForm(w, http.StatusUnprocessableEntity, form)
}

func (c *Console) clearFaults(w http.ResponseWriter, _ *http.Request) error {
	c.sandbox.ClearFaults()
	return back(w, "/faults")
}
