package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// Problem is a refusal. On the wire it is {"error":"CODE","message":"text"}, or
// the form of OAuth at the token endpoint.
//
//nolint:errname // it is part of an answer first, and an error on the way there
type Problem struct {
	Status  int
	Code    string
	Message string

	header http.Header
	oauth  bool
}

// Error is the message of the refusal.
func (p *Problem) Error() string { return p.Message }

// The codes of refusals: a stand-in, since none were ever observed.
const (
	codeInvalidRequest = "INVALID_REQUEST"        // not understood: path, query, header, JSON
	codeInvalidValue   = "INVALID_VALUE"          // understood, and against a rule
	codeInvalidID      = "INVALID_ID"             // an id of another kind
	codeUnauthorized   = "UNAUTHORIZED"           // no valid access token
	codeNotFound       = "NOT_FOUND"              // no such object, no such path
	codeMethod         = "METHOD_NOT_ALLOWED"     // the path exists with other methods
	codeConflict       = "CONFLICT"               // the state of the object forbids it
	codeMediaType      = "UNSUPPORTED_MEDIA_TYPE" // a body that does not say it is JSON
	codeForeignHost    = "FOREIGN_HOST"           // a request for a name that is not ours
	codeForeignOrigin  = "FOREIGN_ORIGIN"         // a page of another site asks
	codeTooLarge       = "REQUEST_TOO_LARGE"      // a body over the limit
	codeRateLimited    = "RATE_LIMITED"           // too many calls in the window
	codeClosed         = "SANDBOX_CLOSED"         // after Close
)

func problem(status int, code, format string, args ...any) *Problem {
	return &Problem{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, codeInvalidRequest, format, args...)
}

func badValue(format string, args ...any) *Problem {
	return problem(http.StatusUnprocessableEntity, codeInvalidValue, format, args...)
}

func badID(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, codeInvalidID, format, args...)
}

func notFound(format string, args ...any) *Problem {
	return problem(http.StatusNotFound, codeNotFound, format, args...)
}

func conflict(format string, args ...any) *Problem {
	return problem(http.StatusConflict, codeConflict, format, args...)
}

// oauthProblem is a refusal of the token endpoint, with the codes of RFC 6749.
func oauthProblem(code, format string, args ...any) *Problem {
	p := problem(http.StatusBadRequest, code, format, args...)
	p.oauth = true
	if code == "invalid_client" {
		p.Status = http.StatusUnauthorized
	}
	return p
}

// answer is the refusal as it goes over the wire.
func (p *Problem) answer() *answer {
	var body any = struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{p.Code, p.Message}
	if p.oauth {
		body = struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{p.Code, p.Message}
	}
	a := jsonAnswer(p.Status, body)
	maps.Copy(a.header, p.header)
	return a
}

// asProblem returns the refusal in err. Any other error is a fault of the
// sandbox itself and says so.
func asProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return problem(http.StatusInternalServerError, "SANDBOX_ERROR", "the sandbox itself failed: %v", err)
}

// list joins names for a message: a, b and c.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
