package revv_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"

	"github.com/revv-go/revv"
)

// routeFields lists the fields of [revv.Routes] with their default.
func routeFields() map[string]string {
	fields := map[string]string{}
	routes := reflect.ValueOf(revv.DefaultRoutes())
	for i := range routes.NumField() {
		fields[routes.Type().Field(i).Name] = routes.Field(i).String()
	}
	return fields
}

// routesWith returns routes of which one field alone is set.
func routesWith(t *testing.T, field, route string) revv.Routes {
	t.Helper()
	var routes revv.Routes
	f := reflect.ValueOf(&routes).Elem().FieldByName(field)
	require.True(t, f.IsValid(), "no route %s", field)
	f.SetString(route)
	return routes
}

var anyPlaceholder = regexp.MustCompile(`\{[a-z_]+\}`)

// routePattern matches the method and the path of requests for a route.
func routePattern(route string) *regexp.Regexp {
	parts := anyPlaceholder.Split(route, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, "[^/?]+") + "$")
}

// requestsIn lists method and path of what a cassette holds, with the status of
// the answer.
func requestsIn(t *testing.T, path string) (lines []string, statuses []int) {
	t.Helper()
	tape, err := cassette.Load(strings.TrimSuffix(path, ".yaml"))
	require.NoError(t, err)
	for _, i := range tape.Interactions {
		target, ok := strings.CutPrefix(i.Request.URL, apiBase)
		require.True(t, ok, i.Request.URL)
		target, _, _ = strings.Cut(target, "?")
		lines, statuses = append(lines, i.Request.Method+" "+target), append(statuses, i.Response.Code)
	}
	return lines, statuses
}

func TestRoutes_everyRouteHasACassette(t *testing.T) {
	t.Parallel()
	notWhileRecording(t)
	for field, route := range routeFields() {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			lines, statuses := requestsIn(t, filepath.Join(cassettes, field))
			require.NotEmpty(t, lines)
			for i, line := range lines {
				assert.Regexp(t, routePattern(route), line)
				assert.Equal(t, http.StatusOK, statuses[i])
			}
		})
	}
}

func TestCassettes_belongToARouteAndToATest(t *testing.T) {
	t.Parallel()
	notWhileRecording(t)
	var sources strings.Builder
	tests, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, test := range tests {
		source, err := os.ReadFile(test)
		require.NoError(t, err)
		sources.Write(source)
	}
	err = filepath.WalkDir(cassettes, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		assert.Contains(t, sources.String(), `"`+name+`"`, "no test plays %s", path)
		lines, _ := requestsIn(t, path)
		require.NotEmpty(t, lines, path)
		for _, line := range lines {
			known := false
			for _, route := range routeFields() {
				known = known || routePattern(route).MatchString(line)
			}
			assert.True(t, known, "%s: %s is no route", path, line)
		}
		return nil
	})
	require.NoError(t, err)
}

func TestRoutes_defaults_areComplete(t *testing.T) {
	t.Parallel()
	calls := map[string]bool{}
	for _, op := range operationCalls() {
		calls[op.field] = true
	}
	for field, route := range routeFields() {
		assert.NotEmpty(t, route, field)
		assert.True(t, calls[field], "no call for %s", field)
	}
	assert.Len(t, calls, len(routeFields()))
}

// A repair of one route changes that operation and no other.
func TestRoutes_oneField_isUsedByItsOperationAlone(t *testing.T) {
	t.Parallel()
	for field, route := range routeFields() {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			repaired := "PATCH /v9/" + strings.ToLower(field)
			if placeholder := anyPlaceholder.FindString(route); placeholder != "" {
				repaired += "/" + placeholder + "/end"
			}
			for _, op := range operationCalls() {
				s := always(http.StatusNotFound, `{}`)
				err := op.call(t.Context(), s.client(t, revv.WithRoutes(routesWith(t, field, repaired))))
				require.ErrorIs(t, err, revv.ErrNotFound)
				assert.Equal(t, op.name, failure(t, err).Op)
				require.Len(t, s.Sent(), 1, op.field)
				sent := s.Sent()[0]
				path, _, _ := strings.Cut(sent.URL, "?")
				want := routePattern(routeFields()[op.field])
				if op.field == field {
					want = routePattern(repaired)
				}
				assert.Regexp(t, want, sent.Method+" "+path, op.field)
			}
		})
	}
}

func TestRoutes_empty_areTheDefaults(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{"Document":{"id":14}}`)
	_, err := s.client(t, revv.WithRoutes(revv.Routes{})).Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /api/docs/14"}, s.Lines())
}

func TestRoutes_bad_areRefusedByName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ route, rule string }{
		"no method":               {"/api/docs/{id}", `must be a method in capitals (not TRACE or CONNECT), one space and a path`},
		"method in small letters": {"get /api/docs/{id}", `must be a method in capitals (not TRACE or CONNECT), one space and a path`},
		"no path":                 {"GET", `must be a method in capitals (not TRACE or CONNECT), one space and a path`},
		"two spaces":              {"GET  /api/docs/{id}", `the path must begin with "/"`},
		"relative path":           {"GET api/docs/{id}", `the path must begin with "/"`},
		"other host":              {"GET https://example.com/{id}", `the path must begin with "/"`},
		"query":                   {"GET /api/docs/{id}?x=1", "the path must not carry a query or a fragment"},
		"fragment":                {"GET /api/docs/{id}#x", "the path must not carry a query or a fragment"},
		"space":                   {"GET /api/my docs/{id}", "the path must be plain text"},
		"escape":                  {"GET /api/docs%2f/{id}", "the path must be plain text"},
		"backslash":               {`GET /api\docs/{id}`, "the path must be plain text"},
		"line break":              {"GET /api/docs/{id}\r\nX: y", "the path must be plain text"},
		"empty segment":           {"GET /api//docs/{id}", "the path must not contain an empty segment"},
		"dots":                    {"GET /api/../docs/{id}", `the path must not contain "." or ".."`},
		"no placeholder":          {"GET /api/docs/", "the placeholder {id} is missing"},
		"another placeholder":     {"GET /api/docs/{doc_no}", `the placeholder {doc_no} is not known here`},
		"placeholder twice":       {"GET /api/{id}/{id}", `has a placeholder that is no whole segment`},
		"placeholder and more":    {"GET /api/docs/x{id}", `has a placeholder that is no whole segment`},
		"open brace":              {"GET /api/docs/{id", `has a placeholder that is no whole segment`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithRoutes(revv.Routes{GetDocument: test.route}))
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			assert.Nil(t, client)
			assert.Equal(t, "WithRoutes", failure(t, err).Argument)
			assert.ErrorContains(t, err, "Routes.GetDocument: ")
			assert.ErrorContains(t, err, test.rule)
		})
	}
}

func TestRoutes_placeholderWhereNoneIsDue_isRefused(t *testing.T) {
	t.Parallel()
	_, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithRoutes(revv.Routes{CreateDocument: "POST /api/docs/{id}"}))
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.ErrorContains(t, err, `Routes.CreateDocument: "POST /api/docs/{id}": the placeholder {id} is not known here`)
}

func TestRoutes_severalBad_areAllReported(t *testing.T) {
	t.Parallel()
	_, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithRoutes(revv.Routes{
		GetDocument: "GET /api/docs", ListContacts: "contacts", DeleteFolder: "DELETE /api/folders/{id}",
	}))
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.ErrorContains(t, err, "Routes.GetDocument")
	assert.ErrorContains(t, err, "Routes.ListContacts")
	assert.NotContains(t, err.Error(), "Routes.DeleteFolder")
}

// What a repetition would do follows from the operation and not from its route:
// reads and idempotent writes are repeated after a failure that may have been
// applied, writes with consequences are not.
func TestOperations_afterAFailureOfTheServer_areRepeatedByTheirKind(t *testing.T) {
	t.Parallel()
	for _, op := range operationCalls() {
		t.Run(op.field, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := always(http.StatusInternalServerError, `{"error":"OOPS"}`)
				err := op.call(t.Context(), s.client(t))
				require.ErrorIs(t, err, revv.ErrServer)
				attempts := map[string]int{"R": 3, "I": 3, "W": 1}[op.kind]
				assert.Len(t, s.Sent(), attempts)
				assert.Equal(t, attempts, failure(t, err).Attempts)
				if op.kind == "W" {
					require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
				} else {
					require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
				}
				for _, r := range s.Sent()[1:] {
					assert.Equal(t, s.Sent()[0], r, "each attempt sends the same")
				}
			})
		})
	}
}

func TestOperations_answeredWithAPage_sayWhetherTheyWereApplied(t *testing.T) {
	t.Parallel()
	for _, op := range operationCalls() {
		t.Run(op.field, func(t *testing.T) {
			t.Parallel()
			s := always(http.StatusOK, "<!DOCTYPE html><html></html>", "Content-Type", "text/html; charset=utf-8")
			err := op.call(t.Context(), s.client(t))
			require.ErrorIs(t, err, revv.ErrUnexpectedContent)
			assert.ErrorContains(t, err, "HTML")
			assert.Equal(t, op.kind != "R", errors.Is(err, revv.ErrAppliedResponseUnreadable), fmt.Sprint(err))
			assert.Len(t, s.Sent(), 1)
		})
	}
}

var commentedRoute = regexp.MustCompile(`(?m)((?:^\t// .*\n)+)\t(\w+) string$`)

// A 404 in JSON is about the object where the route is known to exist. Where it is a guess,
// nobody can say, so the error tells that; the comments on the fields of Routes decide.
func TestError_notFoundOnAStandIn_saysThatItIsOne(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("routes.go")
	require.NoError(t, err)
	standIns := map[string]bool{}
	for _, match := range commentedRoute.FindAllStringSubmatch(string(source), -1) {
		standIns[match[2]] = strings.Contains(match[1], "\t// Stand-in")
	}
	missing := func(op operationCall, opts ...revv.Option) string {
		err := op.call(t.Context(), always(http.StatusNotFound, `{"error":"NOT_FOUND"}`).client(t, opts...))
		require.ErrorIs(t, err, revv.ErrNotFound, op.field)
		return err.Error()
	}
	for _, op := range operationCalls() {
		standIn, ok := standIns[op.field]
		require.True(t, ok, op.field)
		hint := fmt.Sprintf("route: %s, a stand-in, see Routes.%s)", routeFields()[op.field], op.field)
		assert.Equal(t, standIn, strings.Contains(missing(op), hint), missing(op))
		repaired := strings.Replace(routeFields()[op.field], "/api/", "/api/v9/", 1)
		assert.NotContains(t, missing(op, revv.WithRoutes(routesWith(t, op.field, repaired))), "stand-in", "it is the caller's")
	}
}

// net/url escapes a path anew as a whole where it does not like a character of it.
// An id stays one segment nevertheless, whatever the route and the base URL hold.
func TestRoutes_withCharactersThatAreEscaped_keepTheIDOneSegment(t *testing.T) {
	t.Parallel()
	for base, prefix := range map[string]string{apiBase: "", apiBase + "/m%C3%BCller": "/m%C3%BCller"} {
		for route, want := range map[string]string{
			"GET /api/doküment/{doc_no}": "/api/dok%C3%BCment/..%2F..%2Fwebhooks%2F1", "GET /api/a|b/{doc_no}": "/api/a%7Cb/..%2F..%2Fwebhooks%2F1",
			`GET /api/{doc_no}/"q"`: "/api/..%2F..%2Fwebhooks%2F1/%22q%22", "GET /api/v1^/{doc_no}": "/api/v1%5E/..%2F..%2Fwebhooks%2F1",
			"GET /api/documents/{doc_no}": "/api/documents/..%2F..%2Fwebhooks%2F1",
		} {
			s := always(http.StatusOK, offerAnswer)
			client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(base), revv.WithHTTPClient(&http.Client{Transport: s}),
				revv.WithRoutes(routesWith(t, "GetDocumentByNumber", route)))
			require.NoError(t, err)
			_, err = client.Documents.GetByNumber(t.Context(), "../../webhooks/1")
			require.NoError(t, err)
			assert.Equal(t, []string{"GET " + prefix + want}, s.Lines())
		}
	}
}

// Whoever has to repair a route is told which, and only then.
func TestError_answerThatMayBeOfTheRoute_namesIt(t *testing.T) {
	t.Parallel()
	html := []string{"Content-Type", "text/html"}
	const named = "route: PUT /api/docs/{id}/fields, a stand-in, see Routes.SetFields)"
	for name, test := range map[string]struct {
		service *service
		named   bool
	}{
		"no such path, as a page":   {always(http.StatusNotFound, "<html>", html...), true},
		"no such object, or path":   {always(http.StatusNotFound, `{"error":"NOT_FOUND"}`), true},
		"another method":            {always(http.StatusMethodNotAllowed, ""), true},
		"not implemented":           {always(http.StatusNotImplemented, ""), true},
		"a page in the place of it": {always(http.StatusOK, "<html>", html...), true},
		"refused with a page":       {always(http.StatusForbidden, "<html>", html...), true},
		"refused with a page, 401":  {always(http.StatusUnauthorized, "<html>", html...), false},
		"refused with a page, 429":  {always(http.StatusTooManyRequests, "<html>", html...), false},
		"too large, as a page":      {always(http.StatusRequestEntityTooLarge, "<html>", html...), false},
		"path too long, as a page":  {always(http.StatusRequestURITooLong, "<html>", html...), false},
		"misdirected, as a page":    {always(http.StatusMisdirectedRequest, "<html>", html...), false},
		"header too large, a page":  {always(http.StatusRequestHeaderFieldsTooLarge, "<html>", html...), false},
		"redirected":                {always(http.StatusFound, "", "Location", "/login"), true},
		"refused":                   {always(http.StatusUnprocessableEntity, `{}`), false},
		"failed, as a page":         {always(http.StatusBadGateway, "<html>", html...), false},
		"no connection":             {&service{answer: func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }}, false},
		"JSON of another shape":     {always(http.StatusOK, `{"document":{"id":{}}}`), false},
	} {
		client := test.service.client(t, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
		_, err := client.Documents.SetFields(t.Context(), 14, []revv.FieldValue{{Name: "Fee", Value: "1"}})
		require.Error(t, err, name)
		assert.Equal(t, test.named, strings.Contains(err.Error(), named), "%s: %v", name, err)
		if err := client.Do(t.Context(), http.MethodGet, "/api/x", nil, nil); err != nil {
			assert.NotContains(t, err.Error(), "route:", name)
		}
	}
	_, err := always(http.StatusNotFound, `{"error":"NOT_FOUND"}`).client(t).Webhooks.List(t.Context())
	require.ErrorContains(t, err, "route: GET /api/webhooks, a stand-in, see Routes.ListWebhooks)")
	_, err = always(http.StatusNotFound, `{"error":"NOT_FOUND"}`).client(t).Contacts.List(t.Context(), revv.ListContactsParams{})
	require.ErrorContains(t, err, "route: GET /api/contacts/all, see Routes.ListContacts)", "a list that is not there has another route")
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		storage := &service{answer: func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "files.example.com" {
				return reply(status, "<html>", html...), nil
			}
			return reply(http.StatusFound, "", "Location", "https://files.example.com/x"), nil
		}}
		_, err = storage.client(t).Documents.Download(t.Context(), 14, io.Discard)
		require.ErrorContains(t, err, "said by the storage")
		require.NotContains(t, err.Error(), "route:")
	}
	_, err = always(http.StatusBadRequest, "<html>", html...).client(t).Documents.Get(t.Context(), 14)
	require.ErrorIs(t, err, revv.ErrInvalid)
	require.ErrorIs(t, err, revv.ErrUnexpectedContent)
	_, err = always(http.StatusNotFound, `{"error":"NOT_FOUND"}`).client(t).Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
	require.NotContains(t, err.Error(), "route:", "it can be the template")
}
