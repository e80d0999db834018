package contract

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/revvtest"
)

const docs = "../docs"

func readDoc(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(docs, name))
	require.NoError(t, err)
	return string(data)
}

// wireRow is a row of wire.md that describes a call.
type wireRow struct{ call, known string }

var operationRow = regexp.MustCompile("(?m)^\\| (`[^`]+`|none) \\| `([A-Z]+ /[^`]*)` \\|.*\\| ([^|]+) \\|$")

// The page for people and the document for machines say the same: the same calls,
// at the same places, known equally well.
func TestWire_hasEveryOperationAndItsProvenance(t *testing.T) {
	t.Parallel()
	rows := map[string][]wireRow{}
	count := 0
	for _, m := range operationRow.FindAllStringSubmatch(readDoc(t, "wire.md"), -1) {
		rows[m[2]] = append(rows[m[2]], wireRow{strings.Trim(m[1], "`"), m[3]})
		count++
	}
	require.Greater(t, count, len(calls()))
	clients := regexp.MustCompile(`\b([0-9]+) clients?\b`)
	for _, op := range load(t).operations {
		if op.webhook {
			assert.Contains(t, readDoc(t, "wire.md"), "| `"+strings.TrimPrefix(op.path, deliveries)+"` |")
			continue
		}
		of := rows[op.String()]
		delete(rows, op.String())
		routes := list(op.spec["x-routes"])
		if !assert.NotEmpty(t, of, "%s is not in wire.md", op) {
			continue
		}
		if len(routes) == 0 {
			for _, row := range of {
				assertKnown(t, op.String(), text(op.spec["x-provenance"]), row)
			}
			continue
		}
		require.Len(t, of, len(routes), "%s in wire.md", op)
		for _, r := range routes {
			provenance, reason := text(op.spec["x-provenance"]), text(op.spec["x-reason"])
			if own := text(object(r)["x-provenance"]); own != "" {
				provenance, reason = own, ""
			}
			row := find(of, text(object(r)["call"]))
			require.NotNil(t, row, "%s of %s is not in wire.md", object(r)["call"], op)
			assertKnown(t, op.String(), provenance, *row)
			if n := clients.FindString(reason); provenance == observed && n != "" {
				assert.Contains(t, row.known, n, op)
			}
		}
	}
	assert.Empty(t, rows, "in wire.md, and not documented")
}

func find(rows []wireRow, call string) *wireRow {
	for i := range rows {
		if rows[i].call == call {
			return &rows[i]
		}
	}
	return nil
}

func assertKnown(t *testing.T, what, provenance string, row wireRow) {
	t.Helper()
	assert.True(t, strings.HasPrefix(row.known, strings.ToUpper(provenance)), "%s is %s in openapi.yaml and %q in wire.md", what, provenance, row.known)
}

// exported lists what a package exports: names, and fields and methods as Type.Name.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			note(names, decl)
		}
	}
	require.NotEmpty(t, names, dir)
	return names
}

func note(names map[string]bool, decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			names[decl.Name.Name] = true
			return
		}
		receiver := decl.Recv.List[0].Type
		if pointer, ok := receiver.(*ast.StarExpr); ok {
			receiver = pointer.X
		}
		if generic, ok := receiver.(*ast.IndexExpr); ok {
			receiver = generic.X
		}
		if of, ok := receiver.(*ast.Ident); ok {
			names[of.Name+"."+decl.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names[name.Name] = true
				}
			case *ast.TypeSpec:
				names[spec.Name.Name] = true
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, name := range field.Names {
							names[spec.Name.Name+"."+name.Name] = true
						}
					}
				}
			}
		}
	}
}

// The page of errors has every sentinel, in the order of a table, and no other.
func TestErrors_hasEverySentinel(t *testing.T) {
	t.Parallel()
	sentinel := regexp.MustCompile("(?m)^\\| `(Err[A-Za-z]+)` \\|")
	documented := map[string]bool{}
	for _, m := range sentinel.FindAllStringSubmatch(readDoc(t, "errors.md"), -1) {
		assert.False(t, documented[m[1]], "%s is there twice", m[1])
		documented[m[1]] = true
	}
	sentinels := map[string]bool{}
	for name := range exported(t, "..") {
		if strings.HasPrefix(name, "Err") && name != "Error" && !strings.Contains(name, ".") {
			sentinels[name] = true
		}
	}
	require.Greater(t, len(sentinels), 15)
	assert.Equal(t, sentinels, documented)
}

// The page on testing has every option of a server, every way to ask it, and
// every fault.
func TestTesting_hasAllOfRevvtest(t *testing.T) {
	t.Parallel()
	page := readDoc(t, "testing.md")
	checked := 0
	for name := range exported(t, "../revvtest") {
		of, member, isMember := strings.Cut(name, ".")
		switch {
		case !isMember && strings.HasPrefix(name, "With"):
			member = name
		case isMember && (of == "Server" || of == "Fault") && ast.IsExported(member):
		default:
			continue
		}
		checked++
		assert.Regexp(t, "`(Server\\.|revvtest\\.)?"+member+"\\b", page, name)
	}
	assert.Greater(t, checked, 40)
}

// The operations that the page offers for faults are operations of a server.
func TestTesting_namesOperationsThatCanFail(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| `Operation` \\| (.*) \\|$").FindStringSubmatch(readDoc(t, "testing.md"))
	require.NotNil(t, row)
	names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1)
	require.NotEmpty(t, names)
	server := revvtest.NewServer(t)
	for _, m := range names {
		server.Fail(revvtest.Fault{Operation: m[1], Status: 500}) // ends the test for a name that it does not know
	}
}

// Every call stands in the row of its class.
func TestErrors_hasEveryCallInItsClass(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../routes.go")
	require.NoError(t, err)
	page := readDoc(t, "errors.md")
	rows := map[string]string{}
	for class, title := range map[string]string{"Read": "read", "Idempotent": "idempotent write", "Deletion": "idempotent write", "Consequences": "write with consequences"} {
		row := regexp.MustCompile(`(?m)^\| ` + title + ` \| (.*) \|$`).FindStringSubmatch(page)
		require.NotNil(t, row, title)
		rows[class] = row[1]
	}
	operations := regexp.MustCompile(`\{"([A-Za-z]+)\.([A-Za-z]+)", retry\.([A-Za-z]+),`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, operations, len(calls()))
	for _, m := range operations {
		assert.Regexp(t, "`("+m[1]+"\\.)?"+m[2]+"`", rows[m[3]], "%s.%s", m[1], m[2])
	}
}

// Every Go snippet of the pages is a part of a file that is compiled.
func TestPages_snippetsAreCompiledCode(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("../*_test.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, name := range sources {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		code.WriteString(flush(string(content)))
	}
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	require.NoError(t, err)
	found := 0
	for _, path := range pages {
		for _, snippet := range strings.Split(readDoc(t, filepath.Base(path)), "```go\n")[1:] {
			snippet, _, closed := strings.Cut(snippet, "```")
			require.True(t, closed, path)
			assert.True(t, strings.Contains(code.String(), flush(snippet)), "%s: no test has this:\n%s", path, snippet) //nolint:testifylint // Contains would print all tests
			found++
		}
	}
	assert.Positive(t, found)
}

// flush removes the indentation of every line.
func flush(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, "\t "))
	}
	return b.String()
}

var (
	identifier = regexp.MustCompile("`(?:(revv|revvtest)\\.)?([A-Z][A-Za-z]+(?:\\.[A-Z][A-Za-z]+)?)(?:\\([^`]*\\))?`")
	link       = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	mail       = regexp.MustCompile(`[\w.+-]+@[\w.-]+\w`)
)

// notOurs are words in code spans that are spelt like names of Go and are none.
var notOurs = []string{
	"AccessToken", "Authorization", "Bearer", "GrantType", "RefreshToken", "Draft", "Sent", "Signed", "Completed",
	"Document", "Templates", "Contacts", "User", "OAuth.Token", "OAuth.Authorize", "OAuth.Consent", "Auth.Login", "GET",
}

// Names, links and addresses in the pages are good.
func TestPages_nameWhatExists(t *testing.T) {
	t.Parallel()
	client, server := exported(t, ".."), exported(t, "../revvtest")
	// The services are fields of Client, so that Documents.Get is a call.
	for _, service := range []string{"Documents", "Templates", "Folders", "Contacts", "Webhooks"} {
		for name := range client {
			if method, ok := strings.CutPrefix(name, service+"Service."); ok {
				client[service+"."+method] = true
			}
		}
	}
	methods := map[string]bool{} // and fields, for where the type is clear
	for _, names := range []map[string]bool{client, server} {
		for name := range names {
			if _, member, ok := strings.Cut(name, "."); ok {
				methods[member] = true
			}
		}
	}
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	found := 0
	for _, path := range pages {
		page := readDoc(t, filepath.Base(path))
		for _, m := range identifier.FindAllStringSubmatch(page, -1) {
			if filepath.Base(path) == "mutation.md" {
				break // it names what is inside
			}
			known := client[m[2]] && m[1] != "revvtest" || server[m[2]] && m[1] != "revv"
			if !known && m[1] == "" && (slices.Contains(notOurs, m[2]) || methods[m[2]]) {
				continue
			}
			found++
			assert.True(t, known, "%s: %s does not exist", path, m[0])
		}
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			target := filepath.Join(docs, m[1])
			_, err := os.Stat(target)
			assert.NotErrorIs(t, err, fs.ErrNotExist, "%s links to %s", path, m[1])
			if m[2] != "" && err == nil {
				assert.Contains(t, anchors(t, target), m[2], "%s links to %s%s", path, m[1], m[2])
			}
		}
		for _, address := range mail.FindAllString(page, -1) {
			assert.Regexp(t, `@([\w-]+\.)*example\.(com|org|net)$`, address, path)
		}
	}
	assert.Greater(t, found, 100)
}

// anchors are the places within a page that a link can lead to.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var all []string
	for _, m := range heading.FindAllStringSubmatch(string(data), -1) {
		name := strings.ToLower(regexp.MustCompile(`[^\w\s-]`).ReplaceAllString(m[1], ""))
		all = append(all, "#"+strings.ReplaceAll(name, " ", "-"))
	}
	return all
}
