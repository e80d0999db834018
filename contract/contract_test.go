package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	invalid "github.com/pb33f/libopenapi-validator/errors"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const document = "../docs/openapi.yaml"

// deliveries is where the webhooks of the document stand among the paths, for the
// validator looks at paths alone.
const deliveries = "/deliveries/"

// node is an object of the document as YAML has it.
type node = map[string]any

// contract is the document and what was seen of it.
type contract struct {
	root       node
	operations []*operation
	validator  validator.Validator
	seen       map[string]bool
}

// operation is a method of a path, or of a webhook.
type operation struct {
	method, path string // the path as a template
	webhook      bool
	spec         node
	calls        map[string]bool // the calls of the client that were seen
}

func (o *operation) String() string { return o.method + " " + o.path }

// readDocument returns the document as YAML has it.
func readDocument(t *testing.T) (data []byte, root node) {
	t.Helper()
	data, err := os.ReadFile(document)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &root))
	return data, root
}

// load makes a contract of which nothing has been seen.
func load(t *testing.T) *contract {
	t.Helper()
	_, root := readDocument(t)
	c := &contract{root: root, seen: map[string]bool{}}
	paths := child(root, "paths")
	for name, item := range child(root, "webhooks") {
		paths[deliveries+name] = item
	}
	for path, item := range paths {
		for method, spec := range object(item) {
			c.operations = append(c.operations, &operation{
				method: strings.ToUpper(method), path: path, webhook: strings.HasPrefix(path, deliveries), spec: object(spec), calls: map[string]bool{},
			})
		}
	}
	slices.SortFunc(c.operations, func(a, b *operation) int { return strings.Compare(a.String(), b.String()) })
	require.NotEmpty(t, c.operations)
	delete(root, "webhooks")
	c.validator = newValidator(t, root)
	return c
}

// plumbing are the headers that belong to HTTP and to browsers, not to the API.
var plumbing = []string{
	"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "Host", "User-Agent", "X-Request-Id",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control", "Connection", "Content-Security-Policy", "Date", "Referrer-Policy", "X-Content-Type-Options",
}

// newValidator makes the validator. It is strict: what the document does not
// declare is an error, although its schemas are open.
//
// The validator does not look through a reference that has something beside it.
// What stands there are notes for readers, which are left out for it.
func newValidator(t *testing.T, root node) validator.Validator {
	t.Helper()
	var bare node
	data, err := yaml.Marshal(root)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &bare))
	walk(bare, "", func(at string, n node) {
		if n["$ref"] == nil {
			return
		}
		for name := range n {
			if name != "$ref" {
				require.True(t, name == "description" || strings.HasPrefix(name, "x-"), "%s beside the reference %s", name, at)
				delete(n, name)
			}
		}
	})
	data, err = yaml.Marshal(bare)
	require.NoError(t, err)
	parsed, err := libopenapi.NewDocument(data)
	require.NoError(t, err)
	v, problems := validator.NewValidator(
		parsed, config.WithStrictMode(), config.WithStrictIgnoredHeaders(plumbing...), config.WithURLEncodedBodyValidation(),
		config.WithRejectUndeclaredRequestBody(), config.WithFormatAssertions(), config.WithAuthenticationFunc(authenticate),
	)
	require.Empty(t, problems)
	return v
}

// authenticate accepts a token in exactly one header, the one of the scheme.
func authenticate(_ context.Context, in *config.AuthenticationInput) error {
	own, bearer := in.Request.Header.Values("Accesstoken"), in.Request.Header.Values("Authorization")
	if len(own)+len(bearer) != 1 {
		return fmt.Errorf("%d headers carry a token", len(own)+len(bearer))
	}
	switch in.SecuritySchemeName {
	case "AccessToken":
		if len(own) == 1 && own[0] != "" && !strings.HasPrefix(own[0], "Bearer ") {
			return nil
		}
	case "OAuth2":
		if len(bearer) == 1 && strings.HasPrefix(bearer[0], "Bearer ") {
			return nil
		}
	}
	return errors.New("the token is not where this scheme has it")
}

// exchange is a request with its answer, as it went over a wire.
type exchange struct {
	from     string // where it was seen, for messages
	call     string // of the client, as "Documents.Create"; "" if it is not known
	method   string
	url      *url.URL
	header   http.Header
	sent     []byte
	status   int
	answered http.Header
	received []byte
	// amiss says that the request is wrong on purpose, to see the answer.
	amiss bool
}

func (x *exchange) request() *http.Request {
	target := *x.url
	r := (&http.Request{Method: x.method, URL: &target, Host: target.Host, Header: canonical(x.header)}).WithContext(context.Background())
	r.ContentLength, r.Body = int64(len(x.sent)), io.NopCloser(bytes.NewReader(x.sent))
	if len(x.sent) == 0 {
		r.Body = http.NoBody
	}
	return r
}

func (x *exchange) response(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: x.status, Header: canonical(x.answered), Request: r, ContentLength: int64(len(x.received)), Body: io.NopCloser(bytes.NewReader(x.received)),
	}
}

// canonical spells headers as net/http finds them; the client spells AccessToken
// as it was observed.
func canonical(header http.Header) http.Header {
	out := http.Header{}
	for name, values := range header {
		for _, value := range values {
			out.Add(name, value)
		}
	}
	return out
}

// check validates an exchange and notes what was seen in it. It returns what is
// wrong: with the request, and with the answer.
func (c *contract) check(x *exchange) (request, response []string) {
	op := c.find(x.method, x.url.Path)
	if op == nil {
		return []string{fmt.Sprintf("%s: %s %s is not documented", x.from, x.method, x.url.Path)}, nil
	}
	if !x.amiss {
		if ok, problems := c.validator.ValidateHttpRequestSync(x.request()); !ok {
			request = describe(x.from+": request of "+op.String(), problems)
		}
		c.sawRequest(op, x)
	}
	if ok, problems := c.validator.ValidateHttpResponse(x.request(), x.response(x.request())); !ok {
		response = describe(fmt.Sprintf("%s: answer %d of %s", x.from, x.status, op), problems)
	}
	// The validator takes no content, and null, for an answer without a body.
	known := responseOf(op, x.status)
	content := child(c.resolve(child(op.spec, "responses")[known]), "content")
	switch body := bytes.TrimSpace(x.received); {
	case known == "":
		response = append(response, fmt.Sprintf("%s: the status %d of %s is not documented", x.from, x.status, op))
	case len(content) > 0 && (len(body) == 0 || string(body) == "null"):
		response = append(response, fmt.Sprintf("%s: answer %d of %s: %q in the place of a body", x.from, x.status, op, body))
	}
	c.sawResponse(op, x)
	if x.call != "" {
		op.calls[x.call] = true
	}
	return request, response
}

func describe(what string, problems []*invalid.ValidationError) []string {
	var lines []string
	for _, p := range problems {
		parts := []string{what + ": " + p.Message + ": " + p.Reason}
		for _, s := range p.SchemaValidationErrors {
			parts = append(parts, s.Reason)
		}
		lines = append(lines, strings.Join(parts, "; "))
	}
	if lines == nil {
		lines = []string{what + ": not valid, without a reason"}
	}
	return lines
}

// find returns the operation that a request is for, literal segments first.
func (c *contract) find(method, path string) *operation {
	var best *operation
	placeholders := 0
	for _, op := range c.operations {
		n, ok := matches(op.path, path)
		if ok && op.method == method && (best == nil || n < placeholders) {
			best, placeholders = op, n
		}
	}
	return best
}

func matches(template, path string) (placeholders int, ok bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return 0, false
	}
	for i := range want {
		switch {
		case strings.HasPrefix(want[i], "{") && got[i] != "":
			placeholders++
		case want[i] != got[i]:
			return 0, false
		}
	}
	return placeholders, true
}

// responseOf returns the key of the answer that is documented for a status.
func responseOf(op *operation, status int) string {
	documented := child(op.spec, "responses")
	for _, key := range []string{strconv.Itoa(status), fmt.Sprintf("%dXX", status/100), "default"} {
		if documented[key] != nil {
			return key
		}
	}
	return ""
}

// object returns a mapping of the document, empty for anything else.
func object(value any) node {
	m, ok := value.(node)
	if !ok {
		return node{}
	}
	return m
}

func child(n node, name string) node { return object(n[name]) }

func list(value any) []any {
	l, ok := value.([]any)
	if !ok {
		return nil
	}
	return l
}

func text(value any) string {
	s, ok := value.(string)
	if !ok {
		return ""
	}
	return s
}

// resolve follows a reference within the document. What stands beside it wins.
func (c *contract) resolve(value any) node {
	n := object(value)
	ref := text(n["$ref"])
	if ref == "" {
		return n
	}
	target := c.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		target = child(target, name)
	}
	merged := maps.Clone(c.resolve(target))
	for name, value := range n {
		if name != "$ref" {
			merged[name] = value
		}
	}
	return merged
}
