package contract

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// known is how a route is known, as the comment of its field says.
type known struct {
	provenance string
	clients    string // how many clients it was observed in, "" if that is not the point
	comment    string
}

var provenanceWords = regexp.MustCompile(`(?m)^(?:Observed in ([0-9]+) clients?|Observed \((constant)\)|(Inferred)\b|(Stand-in)\b)`)

// routeComments reads the comments of revv.Routes.
func routeComments(t *testing.T) map[string]known {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../routes.go", nil, parser.ParseComments)
	require.NoError(t, err)
	all := map[string]known{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Routes" {
			return true
		}
		fields, ok := spec.Type.(*ast.StructType)
		require.True(t, ok)
		for _, field := range fields.Fields.List {
			comment := field.Doc.Text()
			words := provenanceWords.FindAllStringSubmatch(comment, -1)
			require.Len(t, words, 1, "the comment of Routes.%s must have one line that begins with how the route is known:\n%s", field.Names[0].Name, comment)
			k := known{clients: words[0][1], comment: comment}
			switch {
			case words[0][1] != "":
				k.provenance = observed
			case words[0][2] != "", words[0][3] != "":
				k.provenance = inferred // a path in a constant says nothing of the method and the body
			default:
				k.provenance = standIn
			}
			for _, name := range field.Names {
				all[name.Name] = k
			}
		}
		return false
	})
	return all
}

func TestRoutes_areDocumentedAsTheirCommentsHaveThem(t *testing.T) {
	t.Parallel()
	comments, c := routeComments(t), load(t)
	type entry struct {
		op     *operation
		spec   node
		first  bool
		others int
	}
	documented := map[string]entry{}
	for _, op := range c.operations {
		routes := list(op.spec["x-routes"])
		for i, r := range routes {
			field := text(object(r)["field"])
			require.NotContains(t, documented, field, "%s is documented twice", field)
			documented[field] = entry{op, object(r), i == 0, len(routes) - 1}
		}
	}
	defaults := reflect.ValueOf(revv.DefaultRoutes())
	require.Positive(t, defaults.NumField())
	for i := range defaults.NumField() {
		name := defaults.Type().Field(i).Name
		doc, ok := documented[name]
		if !assert.True(t, ok, "Routes.%s is not documented", name) {
			continue
		}
		delete(documented, name)
		assert.Equal(t, defaults.Field(i).String(), doc.op.String(), "Routes.%s", name)
		comment, ok := comments[name]
		require.True(t, ok, "Routes.%s has no comment", name)
		provenance, reason := doc.op.spec["x-provenance"], text(doc.op.spec["x-reason"])
		if own, ok := doc.spec["x-provenance"]; ok {
			assert.False(t, doc.first, "the first route of %s has the mark of the operation", doc.op)
			provenance, reason = own, text(doc.spec["x-reason"])
		}
		assert.Equal(t, comment.provenance, provenance, "Routes.%s:\n%s", name, comment.comment)
		if comment.clients != "" {
			assert.Regexp(t, `^`+comment.clients+` clients?\b`, reason, "Routes.%s:\n%s", name, comment.comment)
		}
	}
	assert.Empty(t, documented, "documented, but no field of Routes")
	assert.Len(t, comments, defaults.NumField())
}

// A placeholder is called the same in the document and in the route, and stands
// for the kind of id that the comment of the route says.
func TestRoutes_takeTheKindOfIDThatIsDocumented(t *testing.T) {
	t.Parallel()
	comments, c := routeComments(t), load(t)
	kinds := map[string]string{
		"DocumentID": "document id", "FolderID": "folder id", "ContactID": "contact id", "WebhookID": "webhook id",
		"doc_no": "document number", "object_id": "object id",
	}
	checked := 0
	for _, op := range c.operations {
		for _, p := range list(op.spec["parameters"]) {
			parameter := c.resolve(p)
			if parameter["in"] != "path" || len(list(op.spec["x-routes"])) == 0 {
				continue
			}
			name := text(object(p)["$ref"])
			name = name[strings.LastIndex(name, "/")+1:]
			if name == "" {
				name = text(parameter["name"])
			}
			field := text(object(list(op.spec["x-routes"])[0])["field"])
			assert.Contains(t, strings.Join(strings.Fields(comments[field].comment), " "), kinds[name], "%s: %s", field, name)
			assert.NotEmpty(t, kinds[name], name)
			assert.Contains(t, op.path, "{"+text(parameter["name"])+"}")
			checked++
		}
	}
	assert.Greater(t, checked, 10)
}
