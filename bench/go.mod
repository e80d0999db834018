module github.com/revv-go/revv/bench

go 1.26.0

require (
	github.com/revv-go/revv v0.0.0-00010101000000-000000000000
	golang.org/x/oauth2 v0.37.0
)

require (
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
)

replace github.com/revv-go/revv => ../
