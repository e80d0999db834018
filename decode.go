package revv

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sort"
	"strings"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
	"github.com/revv-go/revv/internal/wire"
)

// The bounds of what is read from the network, after decompression.
const (
	maxJSON      = 8 << 20
	maxErrorBody = 64 << 10
)

// jsonLimits hold for every JSON document for which there are no stricter ones.
//
//nolint:gochecknoglobals // a constant; Go has no constant structs
var jsonLimits = wire.Limits{Depth: wire.DefaultDepth}

// maxElements bounds the arrays of an answer that is decoded into our own types, because
// an element can take a hundred times the memory of its two bytes. The 8 MiB of a body do
// not hold more real entries than that.
const maxElements = 100_000

// modelLimits hold for answers that are decoded into our own types.
//
//nolint:gochecknoglobals // a constant; Go has no constant structs
var modelLimits = wire.Limits{Depth: wire.DefaultDepth, Elements: maxElements}

// decoder decodes the body of a successful answer, and keeps no part of it. Its error
// wraps one of the sentinels.
type decoder func(body []byte) error

// decodeAcknowledgement is the decoder of an answer of which nothing is wanted: any JSON,
// or an empty body, unless it reports an error or denies its success.
func decodeAcknowledgement(body []byte) error {
	if isBlank(body) {
		return nil
	}
	if err := wire.Scan(body, jsonLimits); err != nil {
		return malformed(err)
	}
	return checkDenial(body)
}

// decodeInto decodes the whole body. If out points to bytes, they become the body.
func decodeInto(body []byte, out any) error {
	if isBlank(body) {
		return ErrEmptyResponse
	}
	if err := wire.Scan(body, jsonLimits); err != nil {
		return malformed(err)
	}
	switch out := out.(type) {
	case *[]byte:
		*out = body
		return nil
	case *json.RawMessage:
		*out = body
		return nil
	}
	if target := reflect.TypeOf(out).Elem(); wire.Kind(body) == 'n' && target.Kind() == reflect.Struct && !decodesItself(target) {
		return malformed(errors.New("null is no object")) // encoding/json would leave out as it was
	}
	err := json.Unmarshal(body, out)
	if err != nil && !isAny(err, new(*json.UnmarshalTypeError), new(modelError)) && !errors.Is(err, ErrMalformedResponse) {
		err = &concealedError{"a value does not fit what it is decoded into", secret.New(err)} // which may quote it
	}
	return describeMismatch("", err)
}

// modelError is why one of our models refuses a value, without any of its content.
type modelError string

func (e modelError) Error() string { return string(e) }

// decodesItself reports a type with an UnmarshalJSON.
func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// decodeMember decodes the value under a key of the body, or the whole body, which must
// be a list, if key is "".
func decodeMember(body []byte, key string, out any) error {
	raw, err := memberOf(body, key)
	if err != nil {
		return err
	}
	return describeMismatch(key, decodeValue(raw, out))
}

// memberOf scans the body and returns the member that the service puts its answer under,
// or the whole body, which must be an array, if key is "". It refuses an answer that denies its
// success; an error beside a member that holds something is not taken for a denial.
func memberOf(body []byte, key string) ([]byte, error) {
	if isBlank(body) {
		return nil, ErrEmptyResponse
	}
	if key == "" {
		if err := wire.Scan(body, modelLimits); err != nil {
			return nil, unscannable(err)
		}
		if wire.Kind(body) != '[' {
			return nil, malformed(errors.New("not a JSON array"))
		}
		return body, nil
	}
	value, err := wire.Member(body, key, modelLimits)
	switch {
	case err != nil:
		return nil, unscannable(err)
	case value == nil:
		missing := &complaint{key: key}
		if denial := denialIn(body); denial != nil { // without one it may be any object, whose content is nobody's business
			missing.said = denial.said
		}
		return nil, malformed(missing)
	}
	alone := len(body) <= len(value)+len(key)+len(`{"":}`)            // without another member
	if !alone && (isEmptyValue(value) || denyingMember(body) != "") { // an empty list could be taken for all that there is
		return value, checkDenial(body)
	}
	return value, nil
}

// unscannable turns the error of a scan with modelLimits into that of a call.
func unscannable(err error) error {
	if errors.Is(err, wire.ErrTooMany) {
		return fmt.Errorf("%w: more than %d elements in lists", ErrResponseTooLarge, maxElements)
	}
	return malformed(err)
}

// describeMismatch turns the error of a decoder into one that names the member that does not fit,
// but not its content.
func describeMismatch(key string, err error) error {
	if err == nil {
		return nil
	}
	if misfit, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(misfit.Value, " ")
		return malformed(fmt.Errorf("%s cannot hold this %s", placeOf(strings.Trim(key+"."+misfit.Field, ".")), printable(kind, maxErrorText)))
	}
	return malformed(fmt.Errorf("%s: %w", placeOf(key), err))
}

func placeOf(path string) string {
	if path == "" {
		return "the answer"
	}
	return fmt.Sprintf("the member %q", path)
}

func malformed(err error) error {
	return fmt.Errorf("%w: %w", ErrMalformedResponse, err)
}

// unexpectedContent returns an error if a body is not even an attempt at the expected JSON. A
// wrong content type alone is no reason: correct JSON was seen to come as text.
func unexpectedContent(contentType string, body []byte) error {
	switch {
	case isBlank(body):
		return nil // nothing is nothing, whatever it is called
	case isHTML(contentType, body):
		return fmt.Errorf("%w: an HTML page in the place of JSON; is this the address of the API?", ErrUnexpectedContent)
	case contentType == "" || strings.Contains(contentType, "json"):
		return nil
	}
	if err := wire.Scan(body, jsonLimits); err != nil && wire.Kind(body) != '{' && wire.Kind(body) != '[' {
		return fmt.Errorf("%w: %q in the place of JSON", ErrUnexpectedContent, printable(contentType, maxErrorText))
	}
	return nil
}

// isBlank reports a body without anything but white space.
func isBlank(body []byte) bool { return len(bytes.Trim(body, " \t\r\n")) == 0 }

func isHTML(contentType string, body []byte) bool {
	return wire.Kind(body) == '<' || strings.HasPrefix(strings.ToLower(contentType), "text/html") && wire.Kind(body) != '{' && wire.Kind(body) != '['
}

// largestKept is the size of the buffers that are reused for answers. One holds a page of
// a list; a larger answer gets its own memory.
const largestKept = 32 << 10

// readSuccess reads and decodes the body of a 2xx answer. decode must keep no part of
// what it is given, because the next answer uses the same memory.
func (c *core) readSuccess(resp *http.Response, decode decoder) (retry.Outcome, error) {
	buffer, ok := c.buffers.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 0, largestKept)
		buffer = &fresh
	}
	defer c.buffers.Put(buffer)
	body, err := readBody(resp, *buffer, maxJSON)
	switch {
	case err == nil:
	case errors.Is(err, wire.ErrTooLarge):
		return retry.BodyUnusable, fmt.Errorf("%w: more than %d bytes of JSON", ErrResponseTooLarge, maxJSON)
	case isCorrupt(err):
		return retry.BodyUnusable, malformed(err)
	default:
		return retry.BodyCut, err
	}
	if err = unexpectedContent(resp.Header.Get("Content-Type"), body); err == nil {
		err = decode(body)
	}
	if err != nil {
		return retry.BodyUnusable, err
	}
	return retry.Success, nil
}

// readBody reads at most limit bytes, into buffer if they fit, and leaves the connection
// usable if it can.
func readBody(resp *http.Response, buffer []byte, limit int64) ([]byte, error) {
	body, err := wire.ReadInto(buffer, resp.Body, resp.ContentLength, limit)
	if err != nil {
		discard(resp.Body)
		return nil, err
	}
	_ = resp.Body.Close() // it was read to its end: there is nothing left to discard
	return body, nil
}

// discard reads a little of what is left, so that the connection can be used for the next
// call, and closes the body.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
	_ = body.Close()
}

// problem is what could be read from the body of an error answer. Its shape is not known;
// {"error":"CODE","message":"text"} is a stand-in, the others are common in similar
// services.
type problem struct {
	code, message string
	html          bool // it was a web page
}

// readProblem reads the body of an error answer, up to maxErrorBody.
func readProblem(resp *http.Response) problem {
	if resp.StatusCode < http.StatusOK {
		// After a 101 the connection itself is the body, without an end, and no
		// context ends it.
		_ = resp.Body.Close()
		return problem{}
	}
	body, err := readBody(resp, nil, maxErrorBody)
	contentType := resp.Header.Get("Content-Type")
	switch {
	case err == nil && len(body) == 0:
		return problem{}
	case isHTML(contentType, body): // also one that is too large, or cut
		return problem{message: "an HTML page in the place of JSON", html: true}
	case err != nil:
		return problem{}
	case wire.Scan(body, jsonLimits) == nil:
		return parseProblem(body)
	case strings.HasPrefix(strings.ToLower(contentType), "text/plain"):
		return problem{message: strings.TrimSpace(string(body))}
	}
	return problem{}
}

// problemMembers are the members of an error, each in any case of its letters: those of its
// code, those of its message, a list, and a title.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var problemMembers = []string{"code", "error", "error_code", "message", "error_message", "error_description", "detail", "errors", "title"}

// parseProblem reads JSON that has been scanned. The members of an object "error" join the
// others, and replace those of the same name.
func parseProblem(body []byte) problem {
	values := wire.Select(body, problemMembers...)
	if inner := values[1]; wire.Kind(inner) == '{' {
		values[1] = nil
		for i, value := range wire.Select(inner, problemMembers...) {
			if value != nil {
				values[i] = value
			}
		}
	}
	return problem{
		code:    firstText(values[:3]),
		message: cmp.Or(firstText(values[3:7]), listedText(values[7]), listedText(values[6]), firstText(values[8:])),
	}
}

// firstText returns the first of the values that holds some text.
func firstText(values [][]byte) string {
	for _, value := range values {
		if text, ok := scalarText(value); ok && text != "" {
			return text
		}
	}
	return ""
}

// maxInner is how many levels are looked into for a text: deeper, nobody hides what is wrong.
const maxInner = 8

// listedText returns the first text in a value, as in a list of what is wrong.
func listedText(value []byte) string {
	var list any
	if value == nil || json.Unmarshal(value, &list) != nil {
		return ""
	}
	return innerText(list, maxInner)
}

// innerText returns the first text, with the names of the members that lead to it, unless those
// are only names for a text.
func innerText(value any, depth int) string {
	if depth == 0 {
		return ""
	}
	switch value := value.(type) {
	case string:
		return value
	case []any:
		for _, element := range value {
			if text := innerText(element, depth-1); text != "" {
				return text
			}
		}
	case map[string]any:
		for _, name := range []string{"message", "msg", "detail", "title"} {
			if text, _ := value[name].(string); text != "" {
				return text
			}
		}
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		sort.Strings(names) // slices.Sort would be compiled anew here
		for _, name := range names {
			if text := innerText(value[name], depth-1); text != "" {
				return name + ": " + text
			}
		}
	}
	return ""
}

// complaint is the error for an answer of a success without the member that is due, or with one
// that denies the success. What the answer says is not part of its text, because secrets have
// to be taken out first.
type complaint struct {
	key    string
	said   problem
	denies bool
}

func (c *complaint) Error() string {
	if c.denies {
		return fmt.Sprintf("its status reports success, and its member %q does not", c.key)
	}
	return fmt.Sprintf("the member %q is missing", c.key)
}

// In the answer to a real success, errorMembers are not there, or empty, and successMembers
// are none of their denials. (A status of 0 is a success in many services.)
//
//nolint:gochecknoglobals // constant lists; Go has no constant slices
var (
	errorMembers   = []string{"error", "errors"}
	successMembers = []string{"success", "ok", "status"}
	denials        = [][]string{{"false", "0"}, {"false", "0"}, {"false", "error", "fail", "failed", "failure"}}
)

// checkDenial returns an error for an answer that complains although its status is a success.
func checkDenial(body []byte) error {
	if denial := denialIn(body); denial != nil {
		return malformed(denial)
	}
	return nil
}

// denialIn is the complaint of an answer that complains although its status is a success, nil
// if it does not.
func denialIn(body []byte) *complaint {
	denial := &complaint{key: denyingMember(body), denies: true}
	for i, value := range wire.Select(body, errorMembers...) {
		if value != nil && !isEmptyValue(value) {
			denial.key = errorMembers[i]
			break
		}
	}
	if denial.key == "" {
		return nil
	}
	if len(body) <= maxErrorBody {
		denial.said = parseProblem(body)
	}
	return denial
}

// denyingMember returns the name of a member with which an answer says that it is no success.
func denyingMember(body []byte) string {
	for i, value := range wire.Select(body, successMembers...) {
		if text, _ := scalarText(value); containsText(denials[i], strings.ToLower(text)) {
			return successMembers[i]
		}
	}
	return ""
}

// isEmptyValue reports a value that means nothing: null, false, 0, or an empty text, array
// or object.
func isEmptyValue(value []byte) bool {
	switch wire.Kind(value) {
	case '"', '[', '{':
		return isBlank(value[1 : len(value)-1])
	case 'n', 'f':
		return true
	case 't':
		return false
	}
	return len(bytes.Trim(value, "0.-+eE")) == 0
}
