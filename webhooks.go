package revv

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
)

// WebhooksService registers URLs that the service reports events to. It is known that
// this is possible, but not how: all three routes are stand-ins. [NewWebhookHandler] and
// [ParseEvent] read what the service posts.
type WebhooksService service

func (s *WebhooksService) root() *core { return (*service)(s).root() }

// Webhook is a subscription. Printing it shows its URL, which may contain a [PathSecret]
// or a password: do not log it.
type Webhook struct {
	ID    WebhookID `json:"id"`
	Event EventType `json:"event"`
	URL   string    `json:"url"`
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a subscription and keeps it in Raw.
func (w *Webhook) UnmarshalJSON(data []byte) error { return unmarshalModel(data, w) }

func (w *Webhook) decodeScanned(object []byte) error {
	return decodeModel(object, w, &w.Raw, member{"id", &w.ID}, member{"event", (*string)(&w.Event)}, member{"url", &w.URL})
}

// SubscribeParams are the arguments of [WebhooksService.Subscribe]. Printing them shows
// the URL, which may contain a [PathSecret] or a password: do not log them.
type SubscribeParams struct {
	Event EventType `json:"event"` // required
	URL   string    `json:"url"`   // required; https, or http on loopback
}

func (p SubscribeParams) validate() (name, rule string) {
	if p.Event == "" {
		return "Event", "must not be empty"
	}
	if err := checkTarget(p.URL); err != nil {
		return "URL", err.Error()
	}
	return validateTexts("Event", string(p.Event), "URL", p.URL)
}

// secrets lists the URL and those of its parts that can hold a shared secret: a service
// that cannot reach the URL may quote any of them.
func (p SubscribeParams) secrets() []string {
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil // then it was not sent
	}
	password, _ := u.User.Password()
	all := []string{p.URL, u.User.String(), password, u.User.Username(), u.RequestURI(), u.EscapedPath(), u.RawQuery}
	all = append(all, strings.Split(u.EscapedPath(), "/")...)
	all = append(all, strings.Split(u.Path, "/")...)
	for _, values := range u.Query() {
		all = append(all, values...)
	}
	return all
}

// Subscribe registers a URL for one type of event. It is not known whether the service
// refuses the same subscription a second time, as the sandbox does with [ErrConflict]: check
// [WebhooksService.List] first. A write with consequences: it is not repeated when its
// outcome is unknown ([ErrOutcomeUnknown]).
func (s *WebhooksService) Subscribe(ctx context.Context, params SubscribeParams, opts ...CallOption) (*Webhook, error) {
	return fetch[Webhook](ctx, s.root(), &call{op: opSubscribeWebhook, body: params}, "Webhook", opts)
}

// List returns the subscriptions of one answer: of a second page, or how to ask for one,
// nothing is known. A read.
func (s *WebhooksService) List(ctx context.Context, opts ...CallOption) ([]Webhook, error) {
	var list []Webhook
	err := s.root().fetchAny(ctx, &call{op: opListWebhooks}, "Webhooks", &list, opts)
	return list, err
}

// Unsubscribe removes a subscription. [ErrNotFound] if there is none, but
// success if an earlier attempt of the same call was cut, or answered with 408 or
// 5xx. An idempotent write.
func (s *WebhooksService) Unsubscribe(ctx context.Context, id WebhookID, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opUnsubscribeWebhook, id: segment{name: "id", text: string(id)}}, opts, decodeAcknowledgement)
}
