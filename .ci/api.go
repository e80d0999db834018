//go:build ignore

// Api prints what packages export, one line for each part that a user can depend
// on, sorted: a line that goes away is a change that breaks somebody. An
// interface is one line with all its methods, for a new method breaks those who
// implement it.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	var lines []string
	for _, dir := range os.Args[1:] {
		found, err := list(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "api:", err)
			os.Exit(1)
		}
		lines = append(lines, found...)
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(slices.Compact(lines), "\n"))
}

// lister collects the lines of one package.
type lister struct {
	prefix string
	lines  []string
}

func list(dir string) ([]string, error) {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	l := &lister{prefix: "pkg " + pkg.Name + ", "}
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			l.declaration(decl)
		}
	}
	return l.lines, nil
}

func (l *lister) add(parts ...string) {
	l.lines = append(l.lines, l.prefix+strings.TrimSpace(strings.Join(parts, " ")))
}

func (l *lister) declaration(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type))) {
			parts := []string{"func"}
			if d.Recv != nil {
				parts = append(parts, "("+text(d.Recv.List[0].Type)+")")
			}
			l.add(append(parts, d.Name.Name+strings.TrimPrefix(text(d.Type), "func"))...)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				l.values(d.Tok, s)
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					l.typ(s)
				}
			}
		}
	}
}

// values lists constants with what they are, and variables with their type.
func (l *lister) values(kind token.Token, s *ast.ValueSpec) {
	for i, name := range s.Names {
		if !name.IsExported() {
			continue
		}
		parts := []string{kind.String(), name.Name}
		if s.Type != nil {
			parts = append(parts, text(s.Type))
		}
		if kind == token.CONST && i < len(s.Values) && name.Name != "Version" { // another one with each release
			parts = append(parts, "=", text(s.Values[i]))
		}
		l.add(parts...)
	}
}

func (l *lister) typ(s *ast.TypeSpec) {
	name := "type " + s.Name.Name
	if s.TypeParams != nil {
		var params []string
		for _, p := range s.TypeParams.List {
			for _, each := range p.Names {
				params = append(params, each.Name+" "+text(p.Type))
			}
		}
		name += "[" + strings.Join(params, ", ") + "]"
	}
	switch t := s.Type.(type) {
	case *ast.StructType:
		l.add(name, "struct")
		for _, field := range t.Fields.List {
			if len(field.Names) == 0 && ast.IsExported(receiver(field.Type)) {
				l.add(name, "struct, embedded", text(field.Type))
			}
			for _, each := range field.Names {
				if each.IsExported() {
					l.add(name, "struct,", each.Name, text(field.Type))
				}
			}
		}
	case *ast.InterfaceType:
		methods := []string{}
		for _, method := range t.Methods.List {
			switch {
			case len(method.Names) == 0:
				methods = append(methods, text(method.Type))
			case method.Names[0].IsExported():
				methods = append(methods, method.Names[0].Name+strings.TrimPrefix(text(method.Type), "func"))
			default:
				methods = append(methods, "unexported methods")
			}
		}
		slices.Sort(methods)
		l.add(name, "interface {", strings.Join(slices.Compact(methods), "; "), "}")
	default:
		if s.Assign.IsValid() {
			name += " ="
		}
		l.add(name, text(s.Type))
	}
}

// receiver is the name of the type of a receiver or of an embedded field.
func receiver(t ast.Expr) string {
	switch e := t.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// text writes a node on one line, without regard to how its source is broken and
// to the names of parameters, on which nobody depends.
func text(node ast.Node) string {
	ast.Inspect(node, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncType); ok {
			f.Params, f.Results = unnamed(f.Params), unnamed(f.Results)
		}
		return true
	})
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), node); err != nil {
		panic(err)
	}
	line := strings.Join(strings.Fields(b.String()), " ")
	return strings.NewReplacer("( ", "(", ", )", ")", " )", ")").Replace(line)
}

// unnamed gives each parameter a type of its own and no name.
func unnamed(list *ast.FieldList) *ast.FieldList {
	if list == nil {
		return nil
	}
	types := &ast.FieldList{}
	for _, field := range list.List {
		for range max(1, len(field.Names)) {
			types.List = append(types.List, &ast.Field{Type: field.Type})
		}
	}
	return types
}
