package sandbox_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv/internal/sandbox"
)

// Programs and their tests are written against these, as the documentation lists them.
func TestSeedData_templatesAndTheirFields(t *testing.T) {
	a := newAPI(t)
	text, date, number := sandbox.FieldText, sandbox.FieldDate, sandbox.FieldNumber
	assert.Equal(t, []sandbox.Template{
		{ID: 21, Title: "Service agreement", Fields: []sandbox.Field{
			{Name: "Client", Type: text, Required: true}, {Name: "Start date", Type: date, Required: true}, {Name: "Fee", Type: number},
		}},
		{ID: 22, Title: "Offer letter", Fields: []sandbox.Field{
			{Name: "Candidate", Type: text, Required: true}, {Name: "Position", Type: text}, {Name: "Start date", Type: date, Required: true}, {Name: "Salary", Type: number},
		}},
		{ID: 23, Title: "Mutual NDA", Fields: []sandbox.Field{{Name: "Counterparty", Type: text}, {Name: "Effective date", Type: date}}},
		{ID: 24, Title: "Service agreement of last year", Inactive: true, Fields: []sandbox.Field{{Name: "Client", Type: text, Required: true}}},
	}, a.Templates())
}

// What a caller changes in what it was given is not changed in the sandbox.
func TestTemplatesAndApp_areCopies(t *testing.T) {
	a := newAPI(t)
	templates, app := a.Templates(), a.App()
	templates[0].Title, templates[0].Fields[0].Name = "changed", "changed"
	app.RedirectURLs[0] = "http://127.0.0.1/changed"
	assert.Equal(t, "Service agreement", a.Templates()[0].Title)
	assert.Equal(t, "Client", a.Templates()[0].Fields[0].Name)
	assert.Equal(t, []string{"http://127.0.0.1/callback"}, a.App().RedirectURLs)
}
