package revv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/go-querystring/query"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/wire"
)

// call is one operation in the pipeline.
type call struct {
	// What a service method, or Do, passes.
	op    opID    // not of Do
	id    segment // expands the route's placeholder
	query any     // a struct for go-querystring
	body  any     // a value for encoding/json
	// refused is why the call cannot be made, if that is known from the start. prepare
	// returns it only after it has applied the options, because CaptureResponse has to
	// empty its Response in any case.
	refused error

	// What the table says of op, or Do of itself.
	name  string
	field string // of Routes, "" for Do
	class retry.Class
	route wire.Route
}

// segment is an id for a path, with the name of its argument. The rules of a segment are
// checked where the path is built; numericID makes one with a rule of its own.
type segment struct {
	name, text string
	rule       string // why the id cannot be used, "" if it can
}

// numericID turns an integer id into a segment.
func numericID(name string, id int64) segment {
	s := segment{name: name, text: strconv.FormatInt(id, 10)}
	if id <= 0 {
		s.rule = "must be positive"
	}
	return s
}

// validator is implemented by parameters that have rules. validate returns the name of the
// argument at fault and the rule that it breaks, or "". Exported types have it by value,
// because a program can pass one to Do.
type validator interface {
	validate() (name, rule string)
}

// Headers whose values never change, ready to be shared by all requests.
//
//nolint:gochecknoglobals // constant lists; Go has no constant slices
var (
	jsonType = []string{"application/json"}
	pdfType  = []string{"application/pdf"}
)

// prepared is a call after every check that needs no network.
type prepared struct {
	*call

	settings *callSettings
	url      url.URL
	payload  []byte // the body, encoded

	// What the attempts have used, and what errors must not show.
	token   *oauth2.Token   // that of the last attempt
	before  []*oauth2.Token // those of earlier attempts, if they were different
	targets []*url.URL      // where a download was redirected to
}

// prepare checks the arguments and encodes the call once, for all attempts.
func (c *core) prepare(ctx context.Context, call *call, opts []CallOption) (*prepared, error) {
	if c == nil {
		return nil, errNoClient(call.name)
	}
	settings, err := c.settingsOf(call.name, opts)
	if err != nil {
		return nil, err
	}
	if call.refused != nil {
		return nil, call.refused
	}
	for _, in := range []any{call.query, call.body} {
		if v, ok := in.(validator); ok {
			if name, rule := v.validate(); rule != "" {
				return nil, invalidArgument(call.name, name, rule)
			}
		}
	}
	path, escaped, err := call.path(settings.path.Reveal())
	if err != nil {
		return nil, err
	}
	if settings.consequences {
		call.class = retry.Consequences
	}
	p := &prepared{call: call, settings: settings}
	p.url = url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: c.base.Path + path}
	if path != escaped {
		p.url.RawPath = c.base.EscapedPath() + escaped
	}
	if p.url.RawQuery, err = encodeQuery(call.query, settings.query.Reveal()); err != nil {
		return nil, invalidArgument(call.name, "query", err.Error())
	}
	if call.body != nil {
		if p.payload, err = encodeBody(call.body); err != nil {
			return nil, invalidArgument(call.name, "body", "cannot be encoded as JSON: "+printable(err.Error(), maxErrorText))
		}
	}
	return p, checkContext(ctx, call.name) // last, because the options have to be applied even then
}

// path expands the route of a call with its id, or in a call of Do with the values of
// WithPathValue.
func (c *call) path(given valuesByKey) (path, escaped string, err error) {
	id := c.id
	if id.rule != "" {
		return "", "", invalidArgument(c.name, id.name, id.rule)
	}
	values, source := []string{id.text}, id.name
	if id.name == "" {
		values, source = values[:0], "WithPathValue"
		for _, name := range c.route.Params {
			value, ok := given[name]
			if !ok {
				return "", "", invalidArgument(c.name, "path", "has the placeholder {"+name+"}, and no WithPathValue is given for it")
			}
			values = append(values, value...)
		}
	}
	for name := range given {
		if c.name != opDo {
			return "", "", invalidArgument(c.name, "WithPathValue", "is for Do alone: this call fills its path itself")
		}
		if !containsText(c.route.Params, name) {
			return "", "", invalidArgument(c.name, "WithPathValue", "names a placeholder that the path does not have")
		}
	}
	path, escaped, err = c.route.Path(values...)
	if err != nil {
		return "", "", invalidArgument(c.name, source, err.Error())
	}
	return path, escaped, nil
}

// header returns the headers of one attempt, without the credentials, in a new map; extra
// ones replace the others. The values are shared: a transport must not write into them
// (see [http.RoundTripper]), and middleware, which may, gets a copy.
func (c *core) header(p *prepared, extra valuesByKey) http.Header {
	given := p.settings.header.Reveal()
	header := make(valuesByKey, len(given)+len(extra)+4)
	header["User-Agent"], header["Accept"] = c.agent, jsonType
	if p.payload != nil {
		header["Content-Type"] = jsonType
	}
	maps.Copy(header, given)
	maps.Copy(header, extra)
	return header
}

// cloneHeader is the Clone of headers. Like join it is not inlined.
//
//go:noinline
func cloneHeader(header http.Header) http.Header { return header.Clone() }

// settingsOf merges the options of a call into the client's.
func (c *core) settingsOf(op string, opts []CallOption) (*callSettings, error) {
	if len(opts) == 0 {
		return &c.defaults, nil
	}
	s := c.defaults
	s.refusals, s.retry = refusals{op: op}, RetryPolicy{}
	for _, opt := range opts {
		if opt == nil {
			s.reject("option", "must not be nil")
			continue
		}
		opt.applyCall(&s)
	}
	s.retry = s.retry.withDefaults(c.defaults.retry)
	return &s, join(s.problems...)
}

func encodeQuery(params any, extra valuesByKey) (string, error) {
	if params == nil {
		return url.Values(extra).Encode(), nil
	}
	values, err := query.Values(params)
	if err != nil {
		return "", err
	}
	maps.Copy(valuesByKey(values), extra) // as headers are copied: for another type it would be compiled anew
	return values.Encode(), nil
}

// encodeBody encodes without escaping <, > and &, which JSON does not require.
func encodeBody(body any) ([]byte, error) {
	raw, ok := body.(json.RawMessage)
	if !ok {
		raw, ok = body.([]byte) // encoding/json would encode it as base 64
	}
	if ok {
		if !utf8.Valid(raw) {
			return nil, errors.New("a text " + notUTF8)
		}
		if err := wire.Scan(raw, jsonLimits); err != nil {
			return nil, err
		}
		return raw, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, err
	}
	if !utf8.Valid(b.Bytes()) || hasReplaced(b.Bytes(), body) { // the first if a type encodes itself so
		return nil, errors.New("a text " + notUTF8)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// fetch runs an operation that answers with one object under a key.
func fetch[T any](ctx context.Context, c *core, call *call, key string, opts []CallOption) (*T, error) {
	out := new(T)
	if err := c.fetchAny(ctx, call, key, out, opts); err != nil {
		return nil, err
	}
	return out, nil
}

// fetchAny decodes the answer, which is under a key, or a bare array where the key is "",
// into whatever out points to. A list is set as a whole, or left nil. It is compiled once,
// and not again for every type that fetch is used with.
//
//go:noinline
func (c *core) fetchAny(ctx context.Context, call *call, key string, out any, opts []CallOption) error {
	return c.runOp(ctx, call, opts, func(body []byte) error { return decodeMember(body, key, out) })
}

// runOp runs an operation of the table.
func (c *core) runOp(ctx context.Context, call *call, opts []CallOption, decode decoder) error {
	return c.run(ctx, c.lookUp(call), opts, decode)
}

// lookUp completes a call with its row of the table. Without a client there are no routes;
// prepare then refuses the call.
func (c *core) lookUp(call *call) *call {
	row := &operations[call.op]
	call.name, call.field, call.class = row.name, row.field, row.class
	if c != nil {
		call.route = c.routes[call.op]
	}
	return call
}

// requestIDHeaders are tried in turn. Which header the service uses is not known; these
// are common names.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var requestIDHeaders = []string{"X-Request-Id", "X-Amzn-Requestid", "X-Correlation-Id"}

func requestID(header http.Header) string {
	for _, name := range requestIDHeaders {
		if id := header.Get(name); id != "" {
			return strings.TrimSpace(id)
		}
	}
	return ""
}
