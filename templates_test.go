package revv_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func seededTemplates() []revv.Template {
	return []revv.Template{
		{
			ID: 21, Title: "Service agreement", Thumbnail: "https://example.com/thumbnails/21.png",
			Raw: json.RawMessage(`{"id":21,"title":"Service agreement","thumbnail":"https://example.com/thumbnails/21.png"}`),
		},
		{
			ID: 22, Title: "Offer letter", Thumbnail: "https://example.com/thumbnails/22.png",
			Raw: json.RawMessage(`{"id":22,"title":"Offer letter","thumbnail":"https://example.com/thumbnails/22.png"}`),
		},
		{
			ID: 23, Title: "Mutual NDA", Thumbnail: "https://example.com/thumbnails/23.png",
			Raw: json.RawMessage(`{"id":23,"title":"Mutual NDA","thumbnail":"https://example.com/thumbnails/23.png"}`),
		},
	}
}

func TestListTemplates_activeAlone_asksForTheStatus(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListTemplates", nil)
	page, err := p.Templates.List(t.Context(), revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	require.NoError(t, err)
	p.sent("GET /api/docstemplate/?page_num=1&status=ACTIVE")
	assert.Equal(t, seededTemplates(), page.Items)
	assert.Equal(t, 1, page.Number)
	assert.Equal(t, 3, page.Entries)
	assert.Zero(t, page.Count, "templates have no counter")
	assert.False(t, page.Last())
}

func TestListTemplates_withoutStatus_listsAll(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListTemplates_everyStatus", nil)
	page, err := p.Templates.List(t.Context(), revv.ListTemplatesParams{})
	require.NoError(t, err)
	p.sent("GET /api/docstemplate/?page_num=1")
	assert.Equal(t, append(seededTemplates(), revv.Template{
		ID: 24, Title: "Service agreement of last year", Thumbnail: "https://example.com/thumbnails/24.png",
		Raw: json.RawMessage(`{"id":24,"title":"Service agreement of last year","thumbnail":"https://example.com/thumbnails/24.png"}`),
	}), page.Items)
}

func TestTemplatesAll_rangesOverEveryPage(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListTemplates_all", func(_ *testing.T, s *revvtest.Server) {
		for range 18 { // a page has 20
			s.AddTemplate(revvtest.Template{Title: "Renewal"})
		}
	})
	var ids []revv.TemplateID
	for template, err := range p.Templates.All(t.Context(), revv.ListTemplatesParams{Status: revv.ActiveTemplates, Prefetch: -1}) {
		require.NoError(t, err)
		ids = append(ids, template.ID)
	}
	p.sent("GET /api/docstemplate/?page_num=1&status=ACTIVE", "GET /api/docstemplate/?page_num=2&status=ACTIVE", "GET /api/docstemplate/?page_num=3&status=ACTIVE")
	assert.Equal(t, []revv.TemplateID{21, 22, 23, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42}, ids)
}
