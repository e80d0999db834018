package contract

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"
)

const (
	cassettes    = "../testdata/cassettes"
	observations = "../testdata/observed"
)

// broken are the recordings of answers that break the contract, as a service on a
// bad day does: the client has to cope with them, and the document must not
// declare them. Their requests are right all the same.
var broken = []string{
	"200_empty", "200_memberThatDoesNotFit", "200_noPDF", "200_null", "200_page", "200_pageWhenAContractIsSent", "200_pageWhenFieldsAreSet",
	"200_textInThePlaceOfJSON", "200_truncated", "200_twoValues", "200_withoutTheMember", "200_wrongContentType",
	"204", "302", "400_errorAsObject", "400_text", "502_page",
}

// misdirected are the recordings whose request takes an id of the wrong kind.
var misdirected = []string{"400"}

// tapes returns the exchanges of the cassettes in a directory, by their names.
func tapes(t *testing.T, dir string) map[string][]*exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	all := map[string][]*exchange{}
	for _, file := range files {
		path := strings.TrimSuffix(file, ".yaml")
		tape, err := cassette.Load(path)
		require.NoError(t, err, file)
		require.NotEmpty(t, tape.Interactions, file)
		for _, i := range tape.Interactions {
			target, err := url.Parse(i.Request.URL)
			require.NoError(t, err, file)
			name := filepath.Base(path)
			all[name] = append(all[name], &exchange{
				from: strings.TrimPrefix(file, "../"), method: i.Request.Method, url: target, header: i.Request.Headers, sent: []byte(i.Request.Body),
				status: i.Response.Code, answered: i.Response.Headers, received: []byte(i.Response.Body), amiss: slices.Contains(misdirected, name),
			})
		}
	}
	return all
}

// The recordings of the operations are as documented, and there is one of every
// operation that is a route.
func TestCassettes_areAsDocumented(t *testing.T) {
	t.Parallel()
	c := load(t)
	answered := map[string]bool{}
	for _, exchanges := range tapes(t, cassettes) {
		for _, x := range exchanges {
			request, response := c.check(x)
			assert.Empty(t, request)
			assert.Empty(t, response)
			if op := c.find(x.method, x.url.Path); op != nil && x.status == http.StatusOK {
				answered[op.String()] = true
			}
		}
	}
	for _, op := range c.operations {
		if len(list(op.spec["x-routes"])) > 0 {
			assert.True(t, answered[op.String()], "no cassette of %s", op)
		}
	}
}

// The recordings of failures are as documented, apart from those that are known
// to break the contract. A shape that is in neither list has to be put into one:
// documented, or broken.
func TestCassettes_ofFailures_areAsDocumentedOrKnownToBeBroken(t *testing.T) {
	t.Parallel()
	c := load(t)
	unused := slices.Concat(broken, misdirected)
	for name, exchanges := range tapes(t, filepath.Join(cassettes, "failures")) {
		unused = slices.DeleteFunc(unused, func(other string) bool { return other == name })
		wrong := 0
		for _, x := range exchanges {
			request, response := c.check(x)
			assert.Empty(t, request)
			if wrong += len(response); !slices.Contains(broken, name) {
				assert.Empty(t, response)
			}
		}
		if slices.Contains(broken, name) {
			assert.Positive(t, wrong, "%s is listed as broken, but is as documented", name)
		}
	}
	assert.Empty(t, unused, "listed, but not there")
}

// What was observed of the live service is as documented.
func TestObservations_areAsDocumented(t *testing.T) {
	t.Parallel()
	c := load(t)
	files, err := filepath.Glob(filepath.Join(observations, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var o struct {
			Provenance string
			Request    struct {
				Method, Path, Query, Form string
				Body                      json.RawMessage
			}
			Status   int
			Response json.RawMessage
		}
		require.NoError(t, json.Unmarshal(data, &o), file)
		require.NotEmpty(t, o.Response, file)
		x := &exchange{
			from: strings.TrimPrefix(file, "../"), method: o.Request.Method, url: &url.URL{Scheme: "https", Host: "acme.example.com", Path: o.Request.Path, RawQuery: o.Request.Query},
			header: http.Header{"AccessToken": {"an-access-token"}}, status: o.Status, answered: http.Header{"Content-Type": {"application/json"}}, received: o.Response,
		}
		switch {
		case o.Request.Form != "":
			x.header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			x.sent = []byte(o.Request.Form)
		case o.Request.Body != nil:
			x.header["Content-Type"] = []string{"application/json"}
			x.sent = o.Request.Body
		}
		request, response := c.check(x)
		assert.Empty(t, request)
		assert.Empty(t, response)
		assert.True(t, strings.HasPrefix(o.Provenance, observed), file)
		assertObserved(t, c, x, file, o.Provenance)
	}
}

// assertObserved asserts that an observation is of an operation that is marked as
// observed, or says what of it is a stand-in.
func assertObserved(t *testing.T, c *contract, x *exchange, file, provenance string) {
	t.Helper()
	op := c.find(x.method, x.url.Path)
	require.NotNil(t, op, file)
	if mark := text(op.spec["x-provenance"]); mark != observed {
		assert.Contains(t, provenance, mark, file)
	}
}
