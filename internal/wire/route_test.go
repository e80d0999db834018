package wire_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/wire"
)

func TestParseRoute_takesPlainRoutes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, param, method, pattern string }{
		"no placeholder":  {"POST /api/docs", "", "POST", "/api/docs"},
		"trailing slash":  {"GET /api/folders/", "", "GET", "/api/folders/"},
		"placeholder":     {"PUT /api/docs/{id}/fields", "id", "PUT", "/api/docs/{id}/fields"},
		"at the end":      {"DELETE /api/folders/{id}", "id", "DELETE", "/api/folders/{id}"},
		"slash behind it": {"GET /api/folders/{id}/", "id", "GET", "/api/folders/{id}/"},
		"at the start":    {"GET /{object_id}", "object_id", "GET", "/{object_id}"},
		"other letters":   {"GET /übersicht/a;b=c,d", "", "GET", "/übersicht/a;b=c,d"},
		"root":            {"GET /", "", "GET", "/"},
		"other method":    {"AZ /", "", "AZ", "/"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route, err := wire.ParseRoute(test.text, test.param)
			require.NoError(t, err)
			assert.Equal(t, test.method, route.Method)
			assert.Equal(t, test.pattern, route.Pattern)
		})
	}
}

func TestParseRoute_saysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, param, rule string }{
		"nothing":              {"", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"path alone":           {"/api/docs", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"method alone":         {"GET", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"no method":            {" /api/docs", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"method in small":      {"Get /api/docs", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"method that repeats":  {"TRACE /api/docs", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"method of proxies":    {"CONNECT /api/docs", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"method with a hyphen": {"M-SEARCH /api/docs", "", "must be a method in capitals (not TRACE or CONNECT), one space and a path"},
		"two spaces":           {"GET  /api/docs", "", `the path must begin with "/"`},
		"relative":             {"GET api/docs", "", `the path must begin with "/"`},
		"URL":                  {"GET https://example.com/", "", `the path must begin with "/"`},
		"query":                {"GET /api?x", "", "the path must not carry a query or a fragment"},
		"fragment":             {"GET /api#x", "", "the path must not carry a query or a fragment"},
		"space":                {"GET /a b", "", "the path must be plain text"},
		"escape":               {"GET /a%20b", "", "the path must be plain text"},
		"backslash":            {`GET /a\b`, "", "the path must be plain text"},
		"line break":           {"GET /a\nb", "", "the path must be plain text"},
		"C1 control":           {"GET /a\u0085b", "", "the path must be plain text"},
		"broken UTF-8":         {"GET /a\xff", "", "the path must be plain text"},
		"host":                 {"GET //example.com/a", "", "the path must not contain an empty segment"},
		"empty segment":        {"GET /a//b", "", "the path must not contain an empty segment"},
		"dot":                  {"GET /a/./b", "", `the path must not contain "." or ".."`},
		"dots":                 {"GET /a/..", "", `the path must not contain "." or ".."`},
		"placeholder missing":  {"GET /api/docs", "id", "the placeholder {id} is missing"},
		"placeholder unknown":  {"GET /api/docs/{id}", "", "the placeholder {id} is not known here"},
		"placeholder of other": {"GET /api/docs/{id}/{doc_no}", "id", "the placeholder {doc_no} is not known here"},
		"placeholder twice":    {"GET /api/{id}/docs/{id}", "id", "has a placeholder that is no whole segment"},
		"placeholder in part":  {"GET /api/docs-{id}", "id", "has a placeholder that is no whole segment"},
		"placeholder open":     {"GET /api/docs/{id", "id", "has a placeholder that is no whole segment"},
		"placeholder empty":    {"GET /api/docs/{}", "id", "has a placeholder that is no whole segment"},
		"wildcard":             {"GET /api/docs/{id...}", "id", "has a placeholder that is no whole segment"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route, err := wire.ParseRoute(test.text, test.param)
			require.ErrorContains(t, err, test.rule)
			assert.Zero(t, route)
		})
	}
}

func TestParseTemplate_takesAnyPlaceholders(t *testing.T) {
	t.Parallel()
	route, err := wire.ParseTemplate("POST /shared/{kind}/1/{hash}/accept")
	require.NoError(t, err)
	assert.Equal(t, []string{"kind", "hash"}, route.Params)
	assert.Equal(t, "/shared/{kind}/1/{hash}/accept", route.Pattern)
	decoded, escaped, err := route.Path("a b", "{kind}/%")
	require.NoError(t, err)
	assert.Equal(t, "/shared/a b/1/{kind}/%/accept", decoded)
	assert.Equal(t, "/shared/a%20b/1/%7Bkind%7D%2F%25/accept", escaped)
	for _, wrong := range [][]string{{"..", "x"}, {"x", ""}, {"x", strings.Repeat("x", wire.MaxSegment+1)}} {
		_, _, err = route.Path(wrong...)
		require.Error(t, err)
	}
	route, err = wire.ParseTemplate("GET /{a}/{b}")
	require.NoError(t, err)
	_, escaped, err = route.Path("1", "2")
	require.NoError(t, err)
	assert.Equal(t, "/1/2", escaped)
	for _, text := range []string{"GET /{a}/{a}", "GET /{a}{b}", "GET /{{a}}", "GET /{a...}", "GET /x{a}", "GET /{a}x", "GET /}a{", "GET /{}"} {
		_, err = wire.ParseTemplate(text)
		require.ErrorContains(t, err, "has a placeholder that is no whole segment", text)
	}
}

func TestPath_expandsThePlaceholder(t *testing.T) {
	t.Parallel()
	route, err := wire.ParseRoute("GET /api/docs/{id}/fields", "id")
	require.NoError(t, err)
	for id, want := range map[string]struct{ decoded, escaped string }{
		"14":     {"/api/docs/14/fields", "/api/docs/14/fields"},
		"a/b":    {"/api/docs/a/b/fields", "/api/docs/a%2Fb/fields"},
		"a?b#c":  {"/api/docs/a?b#c/fields", "/api/docs/a%3Fb%23c/fields"},
		"50%":    {"/api/docs/50%/fields", "/api/docs/50%25/fields"},
		"%2e%2e": {"/api/docs/%2e%2e/fields", "/api/docs/%252e%252e/fields"},
		"{id}":   {"/api/docs/{id}/fields", "/api/docs/%7Bid%7D/fields"},
		"...":    {"/api/docs/.../fields", "/api/docs/.../fields"},
		"ü b":    {"/api/docs/ü b/fields", "/api/docs/%C3%BC%20b/fields"},
	} {
		decoded, escaped, err := route.Path(id)
		require.NoError(t, err, "%q", id)
		assert.Equal(t, want.decoded, decoded, "%q", id)
		assert.Equal(t, want.escaped, escaped, "%q", id)
	}
	for _, id := range []string{"", ".", "..", "\n", "\x7f", "\u009f", "\xff", strings.Repeat("x", wire.MaxSegment+1)} {
		decoded, escaped, err := route.Path(id)
		require.Error(t, err, "%q", id)
		assert.Empty(t, decoded+escaped)
	}
	_, _, err = route.Path(strings.Repeat("x", wire.MaxSegment))
	require.NoError(t, err)
}

func TestPath_withoutAPlaceholder_ignoresTheID(t *testing.T) {
	t.Parallel()
	route, err := wire.ParseRoute("GET /api/folders/", "")
	require.NoError(t, err)
	for _, id := range []string{"", "14", "..", "\n"} {
		decoded, escaped, err := route.Path(id)
		require.NoError(t, err)
		assert.Equal(t, "/api/folders/", decoded)
		assert.Equal(t, "/api/folders/", escaped)
	}
}

func TestPath_fixedPartsGoOverTheWireAsNetURLLetsThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/übersicht/{id}": "/%C3%BCbersicht/a%2Fb", "/a|b/{id}": "/a%7Cb/a%2Fb", `/"q"/{id}/^`: "/%22q%22/a%2Fb/%5E", "/[v1]/{id}": "/[v1]/a%2Fb",
		"/a;b=c,d/{id}/$&'()*+!@:~": "/a;b=c,d/a%2Fb/$&'()*+!@:~", "/a<b>`/{id}": "/a%3Cb%3E%60/a%2Fb",
	} {
		route, err := wire.ParseRoute("GET "+text, "id")
		require.NoError(t, err)
		decoded, escaped, err := route.Path("a/b")
		require.NoError(t, err)
		assert.Equal(t, want, escaped)
		assert.Equal(t, strings.Replace(text, "{id}", "a/b", 1), decoded)
		assert.Equal(t, want, (&url.URL{Path: decoded, RawPath: escaped}).EscapedPath(), "net/url must not write another path")
	}
	route, err := wire.ParseRoute("GET /übersicht", "")
	require.NoError(t, err)
	_, escaped, err := route.Path("")
	require.NoError(t, err)
	assert.Equal(t, "/%C3%BCbersicht", escaped)
}

// FuzzRoutePath: whatever a route and an id are, they are refused, or a server
// decodes the same id from exactly one segment.
func FuzzRoutePath(f *testing.F) {
	const usualBefore, usualAfter = "/api/docs/", "/fields"
	for _, id := range []string{"14", "", ".", "..", "a/b", "a?b", "a#b", "100%", "%2F", "%2e%2e", "..%2f", "{id}", "a b", "ü", "\x00", "\r\nX: y", "\\", ";", "//", "\u2028", "a\xffb"} {
		f.Add(usualBefore, id, usualAfter)
	}
	for _, fixed := range []string{"/doküment", "/a|b", `/"q"`, "/v1^", "/[a]", "/!'()*", "/a;b=c,d", "/\u2028"} {
		f.Add(fixed+"/", "../a?b", "")
		f.Add("/", "../a?b", fixed)
	}
	var arrived []string
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+usualBefore+"{id}"+usualAfter, func(_ http.ResponseWriter, r *http.Request) { arrived = append(arrived, r.PathValue("id")) })

	f.Fuzz(func(t *testing.T, before, id, after string) {
		route, err := wire.ParseRoute("GET "+before+"{id}"+after, "id")
		if err != nil || strings.Contains(before+after, "{id}") {
			return
		}
		decoded, escaped, err := route.Path(id)
		if refusal := wire.CheckSegment(id); refusal != nil {
			require.Equal(t, refusal, err)
			return
		}
		require.NoError(t, err)
		require.NotContains(t, []string{"", ".", ".."}, id)

		u := url.URL{Scheme: "https", Host: "example.com", Path: decoded, RawPath: escaped}
		require.Equal(t, escaped, u.EscapedPath(), "net/url would write another path")
		line := "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: example.com\r\n\r\n"
		require.Equal(t, 3, strings.Count(line, "\n"), "the id must not break the line")
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line)))
		require.NoError(t, err)
		require.Equal(t, before+id+after, r.URL.Path)
		require.Empty(t, r.URL.RawQuery)
		require.Empty(t, r.URL.Fragment)

		segments := strings.Split(r.URL.EscapedPath(), "/")
		require.Len(t, segments, strings.Count(before+after, "/")+1)
		segment, err := url.PathUnescape(segments[strings.Count(before, "/")])
		require.NoError(t, err)
		require.Equal(t, id, segment)

		if before != usualBefore || after != usualAfter || id == "/" {
			return // the mux of net/http takes this segment for the end of a path
		}
		arrived = nil
		mux.ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, []string{id}, arrived, "a mux routes it and decodes the same")
	})
}
