package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/revv-go/revv/internal/sandbox"
)

// deliveryRow is a delivery, as a page shows it.
type deliveryRow struct {
	sandbox.Delivery

	Tone, Label string
	Last        sandbox.Attempt
	Tries       int
}

func newDeliveryRow(d sandbox.Delivery) deliveryRow {
	row := deliveryRow{Delivery: d, Tone: "wait", Label: "On its way", Tries: len(d.Attempts)}
	switch d.State {
	case sandbox.DeliveryDelivered:
		row.Tone, row.Label = "good", "Delivered"
	case sandbox.DeliveryFailed:
		row.Tone, row.Label = "bad", "Failed"
	}
	if row.Tries > 0 {
		row.Last = d.Attempts[row.Tries-1]
	}
	return row
}

func (c *Console) webhooksPage(w http.ResponseWriter, r *http.Request) error {
	state := r.URL.Query().Get("state")
	found := list(r, newestFirst(c.sandbox.Deliveries()), func(d sandbox.Delivery, query string) bool {
		return (state == "" || d.State == state) && contains(query, d.Event, d.URL, d.EventID, d.Body)
	})
	rows := make([]deliveryRow, len(found.Rows))
	for i, d := range found.Rows {
		rows[i] = newDeliveryRow(d)
	}
	return c.render(w, http.StatusOK, "webhooks", view{Title: "Webhooks", Nav: "webhooks", Watch: "webhook delivery", Data: struct {
		Hooks      []sandbox.Webhook
		List       listing[sandbox.Delivery]
		Deliveries []deliveryRow
		State      string
	}{c.sandbox.Webhooks(), found, rows, state}})
}

func (c *Console) deliveryPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathNumber(r, "delivery")
	if err != nil {
		return err
	}
	for _, d := range c.sandbox.Deliveries() {
		if d.ID == id {
			return c.render(w, http.StatusOK, "delivery", view{
				Title: "Delivery " + strconv.FormatInt(id, 10), Nav: "webhooks", Watch: "delivery",
				Data: struct {
					deliveryRow

					Pretty string
				}{newDeliveryRow(d), pretty(d.Body)},
			})
		}
	}
	return missing("delivery")
}

func (c *Console) resendDelivery(w http.ResponseWriter, r *http.Request) error {
	id, err := pathNumber(r, "delivery")
	if err != nil {
		return err
	}
	if err := c.sandbox.Resend(id); err != nil {
		return err
	}
	return back(w, "/webhooks")
}

// pretty indents JSON and leaves anything else as it is.
func pretty(body string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(body), "", "  ") != nil {
		return body
	}
	return b.String()
}
