// Package contract holds docs/openapi.yaml against everything that speaks the
// wire contract: the routes of the client, the traffic between the client and the
// sandbox, and the recorded fixtures. What is not documented fails, and so does
// what is documented and never spoken. There is nothing to import; run
//
//	go test ./...
//
// in this directory. It is a module of its own, so that nobody who imports the
// client depends on a validator of OpenAPI.
package contract
