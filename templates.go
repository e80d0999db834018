package revv

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
)

// TemplatesService lists templates.
type TemplatesService service

func (s *TemplatesService) root() *core { return (*service)(s).root() }

// Template is what documents are made from.
type Template struct {
	ID        TemplateID `json:"id"`
	Title     string     `json:"title"`
	Thumbnail string     `json:"thumbnail"` // a URL
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a template and keeps it in Raw.
func (t *Template) UnmarshalJSON(data []byte) error { return unmarshalModel(data, t) }

func (t *Template) decodeScanned(object []byte) error {
	return decodeModel(object, t, &t.Raw, member{"id", &t.ID}, member{"title", &t.Title}, member{"thumbnail", &t.Thumbnail})
}

// TemplateStatus selects templates.
type TemplateStatus string

// ActiveTemplates selects the templates that documents can be made from; the
// zero TemplateStatus selects all.
const ActiveTemplates TemplateStatus = "ACTIVE"

// ListTemplatesParams are the arguments of [TemplatesService.List] and
// [TemplatesService.All].
type ListTemplatesParams struct {
	Status   TemplateStatus `url:"status,omitempty"` // "" means all (inferred)
	Page     int            `url:"page_num"`         // from 1; 0 means 1
	Prefetch int            `url:"-"`                // pages All reads ahead, 32 at most: 0 means 4, negative means none
}

func (p ListTemplatesParams) validate() (name, rule string) {
	if name, rule := validatePaging(p.Page, p.Prefetch); rule != "" {
		return name, rule
	}
	return validateTexts("Status", string(p.Status))
}

// List returns one page of the templates. A read.
func (s *TemplatesService) List(ctx context.Context, params ListTemplatesParams, opts ...CallOption) (*Page[Template], error) {
	params.Page = cmp.Or(params.Page, 1)
	return fetchPage[Template](ctx, s.root(), &call{op: opListTemplates, query: params}, params.Page, "Templates", opts)
}

// All ranges over the templates, page by page, reading some pages ahead. The second value
// is an error, which ends the range; it is [ErrPageLoop] if a page comes again. A
// template can be missed if the list changes meanwhile, see [DocumentsService.All]. A
// read.
func (s *TemplatesService) All(ctx context.Context, params ListTemplatesParams, opts ...CallOption) iter.Seq2[Template, error] {
	return allPages[Template](ctx, operations[opListTemplates].name, params.Page, params.Prefetch, func(ctx context.Context, number int) (anyPage, error) {
		params := params // pages are fetched at the same time
		params.Page = number
		return s.List(ctx, params, opts...)
	})
}
