package contract

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// The marks of provenance, the strongest first.
const (
	observed = "observed"
	inferred = "inferred"
	standIn  = "stand-in"
)

// outside are the documented operations that are no routes of the client.
var outside = []string{"OAuthAuthorize", "OAuthToken", "Login2020", "Login2020Unversioned", "AcceptShared", "RejectShared", "ApproveShared", "DisapproveShared"}

func TestDocument_isOpenAPI31(t *testing.T) {
	t.Parallel()
	data, root := readDocument(t)
	assert.Regexp(t, `^3\.1\.`, root["openapi"])
	parsed, err := libopenapi.NewDocument(data)
	require.NoError(t, err)
	v, problems := validator.NewValidator(parsed)
	require.Empty(t, problems)
	valid, invalid := v.ValidateDocument()
	assert.True(t, valid, "%v", describe(document, invalid))
}

func TestDocument_operationsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]*operation{}
	for _, op := range load(t).operations {
		id := text(op.spec["operationId"])
		assert.NotEmpty(t, id, op)
		assert.Nil(t, seen[id], "%s and %s are both called %s", op, seen[id], id)
		assert.NotEmpty(t, op.spec["summary"], op)
		assert.NotEmpty(t, op.spec["tags"], op)
		seen[id] = op
	}
	assert.Len(t, seen, len(load(t).operations))
}

// Every component is used, and every reference leads to one.
func TestDocument_referencesAndComponentsMatch(t *testing.T) {
	t.Parallel()
	_, root := readDocument(t)
	refs := map[string]bool{}
	walk(root, "", func(_ string, n node) {
		if ref := text(n["$ref"]); ref != "" {
			refs[ref] = true
		}
	})
	have := map[string]bool{}
	for kind, components := range child(root, "components") {
		for name := range object(components) {
			if kind != "securitySchemes" {
				have["#/components/"+kind+"/"+name] = true
			}
		}
	}
	require.NotEmpty(t, have)
	assert.Equal(t, have, refs)
}

// walk visits every mapping of the document.
func walk(value any, at string, visit func(at string, n node)) {
	switch value := value.(type) {
	case node:
		visit(at, value)
		for name, inner := range value {
			walk(inner, at+"/"+name, visit)
		}
	case []any:
		for i, inner := range value {
			walk(inner, fmt.Sprintf("%s/%d", at, i), visit)
		}
	}
}

func TestDocument_everythingSaysHowItIsKnown(t *testing.T) {
	t.Parallel()
	c := load(t)
	for _, op := range c.operations {
		assert.NotEmpty(t, op.spec["x-provenance"], op)
		assert.NotEmpty(t, op.spec["x-reason"], op)
	}
	schemas := child(child(c.root, "components"), "schemas")
	require.NotEmpty(t, schemas)
	for name, schema := range schemas {
		assert.NotEmpty(t, object(schema)["x-provenance"], name)
	}
	for name, scheme := range child(child(c.root, "components"), "securitySchemes") {
		assert.NotEmpty(t, object(scheme)["x-provenance"], name)
	}
	marks := 0
	walk(c.root, "", func(at string, n node) {
		mark, marked := n["x-provenance"]
		if !marked {
			return
		}
		marks++
		assert.Contains(t, []any{observed, inferred, standIn}, mark, at)
		if mark != observed {
			assert.NotEmpty(t, n["x-reason"], "%s is %v and does not say why", at, mark)
		}
	})
	assert.Greater(t, marks, len(c.operations)+len(schemas))
}

// A member of a request or an answer is never better known than what it is part
// of, unless it says so itself: a stand-in has no observed members by omission.
func TestDocument_operationsThatAreNotObserved_haveNoObservedBody(t *testing.T) {
	t.Parallel()
	c := load(t)
	checked := 0
	for _, op := range c.operations {
		body := c.resolve(op.spec["requestBody"])
		for _, content := range child(body, "content") {
			schema := c.resolve(child(object(content), "schema"))
			if op.spec["x-provenance"] == observed || body["x-provenance"] == observed {
				continue
			}
			checked++
			assert.NotEqual(t, observed, schema["x-provenance"], "%s is %v, its body is not", op, op.spec["x-provenance"])
		}
	}
	assert.Positive(t, checked)
}

func TestDocument_onlyListedOperationsAreNoRoutes(t *testing.T) {
	t.Parallel()
	var none []string
	for _, op := range load(t).operations {
		if !op.webhook && len(list(op.spec["x-routes"])) == 0 {
			none = append(none, text(op.spec["operationId"]))
		}
	}
	assert.ElementsMatch(t, outside, none)
}

func TestDocument_oauthLivesWhereTheClientLooks(t *testing.T) {
	t.Parallel()
	c := load(t)
	endpoint := revv.Endpoint("https://acme.example.com")
	flow := child(child(child(child(child(c.root, "components"), "securitySchemes"), "OAuth2"), "flows"), "authorizationCode")
	for address, op := range map[string]string{endpoint.AuthURL: "GET", endpoint.TokenURL: "POST"} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		assert.NotNil(t, c.find(op, u.Path), address)
		assert.Contains(t, []any{flow["authorizationUrl"], flow["tokenUrl"]}, u.Path)
	}
	assert.Equal(t, flow["tokenUrl"], flow["refreshUrl"])
}

// The enumerations of the document are the constants of the client.
func TestDocument_enumerationsAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	schemas := child(child(load(t).root, "components"), "schemas")
	assert.ElementsMatch(t, []any{string(revv.EventStageChanged), string(revv.EventClosed), string(revv.EventSigned), string(revv.EventAccepted)},
		list(child(schemas, "EventType")["enum"]))
	assert.ElementsMatch(t, []any{string(revv.ContactIndividual), string(revv.ContactCorporate), ""}, list(child(schemas, "ContactType")["enum"]))
	for _, stage := range []revv.Stage{revv.StageDraft, revv.StageSent, revv.StageSigned, revv.StageCompleted} {
		assert.Contains(t, child(schemas, "Stage")["description"], string(stage))
	}
	_, root := readDocument(t)
	var events []string
	for name, item := range child(root, "webhooks") {
		events = append(events, name)
		for _, content := range child(child(child(object(item), "post"), "requestBody"), "content") {
			schema := strings.TrimPrefix(text(child(object(content), "schema")["$ref"]), "#/components/schemas/")
			assert.Equal(t, name, child(child(child(schemas, schema), "properties"), "event")["const"])
		}
	}
	slices.Sort(events)
	assert.Len(t, events, 4)
}

// Examples are examples: nobody's host, nobody's address.
func TestDocument_namesNobody(t *testing.T) {
	t.Parallel()
	data, _ := readDocument(t)
	for _, address := range regexp.MustCompile(`[\w.+-]+@[\w.-]+`).FindAllString(string(data), -1) {
		assert.Regexp(t, `@([\w-]+\.)*example\.(com|org|net)$`, address)
	}
}
