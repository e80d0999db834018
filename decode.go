package revv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/wire"
)

// The bounds of what is read from the network, after decompression.
const (
	maxJSON      = 8 << 20
	maxErrorBody = 64 << 10
)

// jsonLimits hold for every JSON document of the API.
//
//nolint:gochecknoglobals // a constant; Go has no constant structs
var jsonLimits = wire.Limits{Depth: wire.DefaultDepth}

// decoder takes the body of a successful answer. Its error is one of the
// sentinels below, wrapped.
type decoder func(body []byte) error

// ignored is the decoder of operations whose answer is not known: any JSON will
// do, and nothing at all.
func ignored(body []byte) error {
	if isBlank(body) {
		return nil
	}
	return malformed(wire.Scan(body, jsonLimits))
}

// decodeInto decodes the whole body.
func decodeInto(body []byte, out any) error {
	if isBlank(body) {
		return ErrEmptyResponse
	}
	if err := wire.Scan(body, jsonLimits); err != nil {
		return malformed(err)
	}
	return unmarshal(body, "", out)
}

// decodeMember decodes the member of the body that the service puts its answer
// under, or the whole of a body that must be an array where key is "".
func decodeMember(body []byte, key string, out any) error {
	if isBlank(body) {
		return ErrEmptyResponse
	}
	if key == "" {
		if wire.Kind(body) != '[' {
			if err := wire.Scan(body, jsonLimits); err != nil {
				return malformed(err)
			}
			return malformed(errors.New("not a JSON array"))
		}
		return decodeInto(body, out)
	}
	value, found, err := wire.Object(body, key, jsonLimits)
	switch {
	case err != nil:
		return malformed(err)
	case !found:
		return malformed(fmt.Errorf("the member %q is missing", key))
	}
	return unmarshal(value, key, out)
}

// unmarshal decodes a value that has been scanned, and names the member that
// does not fit, never its content.
func unmarshal(value []byte, key string, out any) error {
	err := json.Unmarshal(value, out)
	if err == nil {
		return nil
	}
	if misfit, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		path := strings.Trim(key+"."+misfit.Field, ".")
		kind, _, _ := strings.Cut(misfit.Value, " ")
		return malformed(fmt.Errorf("the member %q cannot hold this %s", path, printable(kind, maxErrorText)))
	}
	return malformed(fmt.Errorf("the member %q: %w", key, err))
}

func malformed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrMalformedResponse, err)
}

// unexpected says why a body is not even an attempt at the JSON that is due, or
// returns nil. A wrong content type alone is no reason: right JSON was seen to
// come as text.
func unexpected(contentType string, body []byte) error {
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

// readSuccess reads and decodes the body of a 2xx answer.
func readSuccess(resp *http.Response, decode decoder) (retry.Outcome, error) {
	body, err := readBody(resp, maxJSON)
	if err != nil {
		if errors.Is(err, wire.ErrTooLarge) {
			return retry.BodyUnusable, fmt.Errorf("%w: more than %d bytes of JSON", ErrResponseTooLarge, maxJSON)
		}
		if isCorrupt(err) {
			return retry.BodyUnusable, malformed(err)
		}
		return retry.BodyCut, err
	}
	if err := unexpected(resp.Header.Get("Content-Type"), body); err != nil {
		return retry.BodyUnusable, err
	}
	if err := decode(body); err != nil {
		return retry.BodyUnusable, err
	}
	return retry.Success, nil
}

// readBody reads within limit and leaves the connection usable if it can.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	body, err := wire.ReadAll(resp.Body, resp.ContentLength, limit)
	discard(resp.Body)
	return body, err
}

// discard reads a little of what is left, so that the connection can serve the
// next call, and closes.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
	_ = body.Close()
}

// problem is what could be made of the body of an error answer. Its shape is
// not known; {"error":"CODE","message":"text"} is a stand-in, the others are
// what services of this kind use.
type problem struct{ code, message string }

// readProblem reads the body of an error answer, as much as is sensible.
func readProblem(resp *http.Response) problem {
	if resp.StatusCode < http.StatusOK {
		// After a 101 the connection itself is the body, without an end, and no
		// context ends it.
		_ = resp.Body.Close()
		return problem{}
	}
	body, err := readBody(resp, maxErrorBody)
	if err != nil || len(body) == 0 {
		return problem{}
	}
	if isHTML(resp.Header.Get("Content-Type"), body) {
		return problem{message: "an HTML page in the place of JSON"}
	}
	return parseProblem(body)
}

func parseProblem(body []byte) problem {
	if wire.Scan(body, jsonLimits) != nil || wire.Kind(body) != '{' {
		return problem{}
	}
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil {
		return problem{}
	}
	if wire.Kind(outer["error"]) == '{' {
		var inner map[string]json.RawMessage
		if json.Unmarshal(outer["error"], &inner) == nil {
			delete(outer, "error")
			maps.Copy(outer, inner)
		}
	}
	return problem{
		code:    firstText(outer, "code", "error", "error_code"),
		message: firstText(outer, "message", "error_message", "error_description", "detail"),
	}
}

// firstText returns the first of the members that holds some text.
func firstText(members map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		if text, ok := scalarText(members[name]); ok && text != "" {
			return text
		}
	}
	return ""
}
