package revv_test

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	rootPath    = "github.com/revv-go/revv"
	sandboxPath = rootPath + "/revvtest"
)

// calledByOthers are methods that users do not call: the name of the method, and
// who calls it in their place.
func calledByOthers() map[string]string {
	return map[string]string{
		"UnmarshalJSON": "encoding/json calls it; every example that reads an answer goes through it",
		"MarshalJSON":   "encoding/json calls it",
		"Format":        "fmt calls it",
		"LogValue":      "log/slog calls it",
		"Unwrap":        "errors.Is and errors.As call it",
		"Error":         "fmt and log call it; examples print errors",
	}
}

// withoutExample are functions and methods that have no tested example, and why.
func withoutExample() map[string]string {
	return map[string]string{
		"revv.DocumentReader.Get":         "the handler calls it; the example of WithReadBack hands in Client.Documents, which has it",
		"revv.DocumentReader.GetByNumber": "as DocumentReader.Get",
		"revvtest.TestTokenStore":         "it needs a *testing.T, which an example has not; its comment shows the call, and the tests of the stores make it",
		"revvtest.TestSharedTokenStore":   "it needs a *testing.T, as TestTokenStore",
	}
}

// Everything that a user calls is used by an example that runs and whose output
// is compared, and everything exported has a comment. What a new export lacks is
// an example, or a reason above.
func TestExports_haveExamplesAndComments(t *testing.T) {
	t.Parallel()
	source := readSource(t)
	callable, used := source.callable(), source.usedByExamples()
	require.Greater(t, len(callable), 100)
	var lacking, needless []string
	for name, method := range callable {
		_, others := calledByOthers()[method]
		_, excepted := withoutExample()[name]
		switch {
		case used[name] && excepted:
			needless = append(needless, name)
		case !used[name] && !excepted && !others:
			lacking = append(lacking, name)
		}
	}
	for name := range withoutExample() {
		if _, exported := callable[name]; !exported {
			needless = append(needless, name)
		}
	}
	slices.Sort(lacking)
	assert.Empty(t, lacking, "no example with an output uses them")
	assert.Empty(t, needless, "they need no exception, or do not exist")

	symbols := 0
	for _, path := range []string{rootPath, sandboxPath} {
		for name, comment := range source.comments(t, path) {
			symbols++
			assert.NotEmpty(t, comment, "%s has no comment", name)
		}
	}
	t.Logf("%d exported symbols, %d functions and methods among them, %d of which are used by examples", symbols, len(callable), len(used))
}

// apiSource is the source of the two packages and of their tests, with what each
// name in it stands for.
type apiSource struct {
	files    *token.FileSet
	parsed   map[string][]*ast.File // by package path; tests under path_test
	packages map[string]*types.Package
	uses     map[*ast.Ident]types.Object
}

// readSource checks the types of the packages without those of any other: an
// import of another package is empty here, and the errors that follow from that
// are of no interest. What stands for this module's own names is right all the same.
func readSource(t *testing.T) *apiSource {
	t.Helper()
	s := &apiSource{
		files: token.NewFileSet(), parsed: make(map[string][]*ast.File),
		packages: make(map[string]*types.Package), uses: make(map[*ast.Ident]types.Object),
	}
	for _, path := range []string{rootPath, sandboxPath} {
		dir := filepath.FromSlash("." + strings.TrimPrefix(path, rootPath))
		listed, err := build.ImportDir(dir, 0)
		require.NoError(t, err)
		s.check(t, path, dir, listed.GoFiles)
	}
	for _, path := range []string{rootPath, sandboxPath} {
		dir := filepath.FromSlash("." + strings.TrimPrefix(path, rootPath))
		listed, err := build.ImportDir(dir, 0)
		require.NoError(t, err)
		s.check(t, path+"_test", dir, listed.XTestGoFiles)
	}
	return s
}

func (s *apiSource) check(t *testing.T, path, dir string, names []string) {
	t.Helper()
	for _, name := range names {
		file, err := parser.ParseFile(s.files, filepath.Join(dir, name), nil, parser.ParseComments)
		require.NoError(t, err)
		s.parsed[path] = append(s.parsed[path], file)
	}
	config := types.Config{Importer: s, Error: func(error) {}}
	checked, _ := config.Check(path, s.files, s.parsed[path], &types.Info{Uses: s.uses})
	require.NotNil(t, checked)
	s.packages[path] = checked
}

// Import implements [types.Importer].
func (s *apiSource) Import(path string) (*types.Package, error) {
	if known, ok := s.packages[path]; ok {
		return known, nil
	}
	empty := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	empty.MarkComplete()
	return empty, nil
}

// callable are the exported functions, and the exported methods of exported types
// and interfaces, by their names as "revv.Client.Do", with their bare names.
func (s *apiSource) callable() map[string]string {
	found := make(map[string]string)
	for _, path := range []string{rootPath, sandboxPath} {
		scope := s.packages[path].Scope()
		for _, name := range scope.Names() {
			object := scope.Lookup(name)
			if !object.Exported() {
				continue
			}
			if function, ok := object.(*types.Func); ok {
				found[callableName(function)] = name
			}
			named, ok := object.Type().(*types.Named)
			if _, isType := object.(*types.TypeName); !ok || !isType {
				continue
			}
			methods := slices.Collect(named.Methods())
			if contract, ok := named.Underlying().(*types.Interface); ok {
				methods = slices.Collect(contract.ExplicitMethods())
			}
			for _, method := range methods {
				if method.Exported() {
					found[callableName(method)] = method.Name()
				}
			}
		}
	}
	return found
}

// usedByExamples are the functions and methods that stand in examples with an
// output, in functions of the tests that these call, or in methods of types of
// the tests that they use.
func (s *apiSource) usedByExamples() map[string]bool {
	used := make(map[string]bool)
	for _, path := range []string{rootPath + "_test", sandboxPath + "_test"} {
		bodies := s.bodies(path)
		var follow func(body ast.Node)
		follow = func(body ast.Node) {
			ast.Inspect(body, func(node ast.Node) bool {
				name, ok := node.(*ast.Ident)
				if !ok {
					return true
				}
				object := s.uses[name]
				if function, ok := object.(*types.Func); ok && function.Pkg() != nil {
					used[callableName(function.Origin())] = true
				}
				next := bodies[object]
				delete(bodies, object)
				for _, each := range next {
					follow(each)
				}
				return true
			})
		}
		for _, example := range doc.Examples(s.parsed[path]...) {
			if example.Output != "" || example.EmptyOutput {
				follow(example.Code)
			}
		}
	}
	exported := s.callable()
	maps.DeleteFunc(used, func(name string, _ bool) bool { _, ok := exported[name]; return !ok })
	return used
}

// bodies are the bodies of the functions of a package and, under the type, of
// the methods.
func (s *apiSource) bodies(path string) map[types.Object][]*ast.BlockStmt {
	found := make(map[types.Object][]*ast.BlockStmt)
	for _, file := range s.parsed[path] {
		for _, declared := range file.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := function.Name
			if function.Recv != nil {
				of := function.Recv.List[0].Type
				if pointer, ok := of.(*ast.StarExpr); ok {
					of = pointer.X
				}
				if name, ok = of.(*ast.Ident); !ok {
					continue // a generic type, whose methods are its tests'
				}
			}
			if object := s.packages[path].Scope().Lookup(name.Name); object != nil {
				found[object] = append(found[object], function.Body)
			}
		}
	}
	return found
}

// comments are the comments of what a package exports, but for fields.
func (s *apiSource) comments(t *testing.T, path string) map[string]string {
	t.Helper()
	public, err := doc.NewFromFiles(s.files, slices.Clone(s.parsed[path]), path, doc.PreserveAST)
	require.NoError(t, err)
	found := map[string]string{public.Name: public.Doc}
	functions, values := public.Funcs, slices.Concat(public.Consts, public.Vars)
	for _, each := range public.Types {
		found[public.Name+"."+each.Name] = each.Doc
		functions = slices.Concat(functions, each.Funcs)
		values = slices.Concat(values, each.Consts, each.Vars)
		for _, method := range each.Methods {
			found[public.Name+"."+each.Name+"."+method.Name] = method.Doc
		}
	}
	for _, function := range functions {
		found[public.Name+"."+function.Name] = function.Doc
	}
	for _, group := range values {
		for _, name := range group.Names {
			found[public.Name+"."+name] = group.Doc
		}
	}
	return found
}

// callableName writes a function as "revv.NewClient", a method as "revv.Client.Do".
func callableName(function *types.Func) string {
	name := function.Pkg().Name() + "."
	if receiver := function.Signature().Recv(); receiver != nil {
		of := receiver.Type()
		if pointer, ok := of.(*types.Pointer); ok {
			of = pointer.Elem()
		}
		if named, ok := of.(*types.Named); ok {
			name += named.Obj().Name() + "."
		}
	}
	return name + function.Name()
}
