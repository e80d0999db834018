package sandbox

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/revv-go/revv"
)

// WebhookEvents are the events that can be subscribed to.
func WebhookEvents() []string {
	return []string{eventStageChanged, eventClosed, eventSigned, eventAccepted}
}

const maxWebhooks = 1000

// Webhook is a subscription.
type Webhook struct {
	ID    int64  `json:"id"`
	Event string `json:"event"`
	URL   string `json:"url"`
}

// The states of a delivery.
const (
	DeliveryPending   = "pending"
	DeliveryDelivered = "delivered"
	DeliveryFailed    = "failed"
)

// Delivery is one event on its way to one URL.
type Delivery struct {
	ID        int64     `json:"id"`
	EventID   string    `json:"event_id"`
	Event     string    `json:"event"`
	URL       string    `json:"url"`
	Body      string    `json:"body"`
	State     string    `json:"state"`
	Attempts  []Attempt `json:"attempts"`
	CreatedAt time.Time `json:"created_at"`
}

// Attempt is one POST of a delivery.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"`         // 0 without an answer
	Error  string    `json:"error,omitzero"` // why there was none, or why it does not count
}

func (d *Delivery) clone() Delivery {
	c := *d
	c.Attempts = slices.Clone(d.Attempts)
	return c
}

// eventJSON is the payload: a stand-in from top to bottom.
type eventJSON struct {
	ID        string            `json:"id"`
	Event     string            `json:"event"`
	Timestamp string            `json:"timestamp"`
	Document  eventDocumentJSON `json:"document"`
	Previous  *statusJSON       `json:"previous_status,omitempty"`
	Recipient *recipientJSON    `json:"recipient,omitempty"`
}

type eventDocumentJSON struct {
	ID       int64       `json:"id"`
	Number   string      `json:"doc_no"`
	ObjectID string      `json:"object_id"`
	Title    string      `json:"title"`
	Status   *statusJSON `json:"document_status"`
}

type recipientJSON struct {
	Email     string `json:"user_email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// publish makes a delivery for every subscription to the event.
func (a *account) publish(d *Document, event string, previous revv.Stage, recipient *Person) {
	payload := eventJSON{
		ID: "evt_" + a.source.text(linkLength), Event: event, Timestamp: wireTime(a.stamp()),
		Document: eventDocumentJSON{int64(d.ID), string(d.Number), string(d.ObjectID), d.Title, stageJSON(d.Stage)},
		Previous: stageJSON(previous),
	}
	if recipient != nil {
		payload.Recipient = &recipientJSON{recipient.Email, recipient.FirstName, recipient.LastName}
	}
	body := string(jsonAnswer(0, payload).body)
	for _, hook := range a.Webhooks {
		if hook.Event == event {
			a.post(&Delivery{EventID: payload.ID, Event: event, URL: hook.URL, Body: body})
		}
	}
}

// post puts a delivery on the list and on its way.
func (a *account) post(d *Delivery) {
	d.ID = take(&a.Next.Delivery)
	d.State = DeliveryPending
	d.CreatedAt = a.sandbox.clock.now()
	a.Deliveries = boundedAppend(a.Deliveries, d, ringSize)
	a.postings = append(a.postings, d)
	a.changed("delivery", d.ID)
}

func (a *account) subscribe(c *call) (any, error) {
	b, err := c.object()
	if err != nil {
		return nil, err
	}
	event, target := b.text("event", required), b.words("url", required)
	if err := b.end(); err != nil {
		return nil, err
	}
	hook, err := a.addWebhook(event, target)
	if err != nil {
		return nil, err
	}
	return struct {
		Webhook Webhook `json:"Webhook"`
	}{*hook}, nil
}

// addWebhook checks and adds a subscription.
func (a *account) addWebhook(event, target string) (*Webhook, error) {
	if !slices.Contains(WebhookEvents(), event) {
		return nil, badValue("event: %q is not known; the events are %s", shorten(event), list(WebhookEvents()))
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return nil, badValue("url: an absolute http or https URL without a fragment is due") // not repeated: it may hold a secret
	}
	for _, hook := range a.Webhooks {
		if hook.Event == event && hook.URL == target {
			return nil, conflict("url: it is subscribed to %s already, as webhook %d", event, hook.ID)
		}
	}
	if len(a.Webhooks) >= maxWebhooks {
		return nil, conflict("there are %d webhooks already, which is the most", maxWebhooks)
	}
	hook := &Webhook{ID: take(&a.Next.Webhook), Event: event, URL: target}
	a.Webhooks = append(a.Webhooks, hook)
	a.changed("webhook", hook.ID)
	return hook, nil
}

// Subscribe has the event posted to the URL from now on. A subscription that
// exists already is left as it is.
func (s *Sandbox) Subscribe(event, target string) error {
	return s.do(func(a *account) error {
		for _, hook := range a.Webhooks {
			if hook.Event == event && hook.URL == target {
				return nil
			}
		}
		_, err := a.addWebhook(event, target)
		return err
	})
}

func (a *account) listWebhooks(*call) (any, error) {
	hooks := make([]Webhook, len(a.Webhooks))
	for i, hook := range a.Webhooks {
		hooks[i] = *hook
	}
	return struct {
		Webhooks []Webhook `json:"Webhooks"`
	}{hooks}, nil
}

func (a *account) unsubscribe(c *call) (any, error) {
	id, err := pathID("webhook id", c.param)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(a.Webhooks, func(hook *Webhook) bool { return hook.ID == id })
	if i < 0 {
		return nil, notFound("no webhook has the id %d", id)
	}
	a.ended = append(a.ended, a.Webhooks[i])
	a.Webhooks = slices.Delete(a.Webhooks, i, i+1)
	a.changed("webhook", id)
	return struct{}{}, nil
}

// Webhooks lists the subscriptions.
func (s *Sandbox) Webhooks() []Webhook {
	return read(s, func(a *account) []Webhook {
		hooks := make([]Webhook, len(a.Webhooks))
		for i, hook := range a.Webhooks {
			hooks[i] = *hook
		}
		return hooks
	})
}

// Deliveries lists the last 10,000 deliveries, the oldest first.
func (s *Sandbox) Deliveries() []Delivery {
	return read(s, func(a *account) []Delivery {
		deliveries := make([]Delivery, len(a.Deliveries))
		for i, d := range a.Deliveries {
			deliveries[i] = d.clone()
		}
		return deliveries
	})
}

// Resend delivers the same event to the same URL once more, as a delivery of its
// own: receivers have to cope with that.
func (s *Sandbox) Resend(deliveryID int64) error {
	return s.do(func(a *account) error {
		for _, d := range a.Deliveries {
			if d.ID == deliveryID {
				a.post(&Delivery{EventID: d.EventID, Event: d.Event, URL: d.URL, Body: d.Body})
				return nil
			}
		}
		return notFound("no delivery has the id %s", strconv.FormatInt(deliveryID, 10))
	})
}
