//go:build ignore

// Symbols counts what a package exports: constants, variables, functions, types
// and methods. Fields are reported beside the count.
package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
)

func main() {
	if err := count(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "symbols:", err)
		os.Exit(1)
	}
}

func count(dir string) error {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	public, err := doc.NewFromFiles(fset, files, "package")
	if err != nil {
		return err
	}
	constants, variables, functions := public.Consts, public.Vars, len(public.Funcs)
	var methods, fields int
	for _, t := range public.Types {
		constants, variables = append(constants, t.Consts...), append(variables, t.Vars...)
		functions += len(t.Funcs)
		methods += len(t.Methods)
		for _, spec := range t.Decl.Specs {
			ast.Inspect(spec, func(n ast.Node) bool {
				s, ok := n.(*ast.StructType)
				if ok {
					for _, field := range s.Fields.List {
						for _, name := range field.Names {
							if name.IsExported() {
								fields++
							}
						}
					}
				}
				return true
			})
		}
	}
	counts := []struct {
		n    int
		what string
	}{
		{exported(constants), "constants"},
		{exported(variables), "variables"},
		{functions, "functions"},
		{len(public.Types), "types"},
		{methods, "methods"},
	}
	sum := 0
	for _, c := range counts {
		sum += c.n
		fmt.Println(c.n, c.what)
	}
	fmt.Println(sum, "symbols in package", public.Name)
	fmt.Println(fields, "fields beside them")
	return nil
}

func exported(values []*doc.Value) int {
	n := 0
	for _, value := range values {
		for _, name := range value.Names {
			if token.IsExported(name) {
				n++
			}
		}
	}
	return n
}
