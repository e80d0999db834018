package sides

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v86"
	"github.com/stripe/stripe-go/v86/webhook"

	"github.com/revv-go/revv/bench/world"
)

const stripeCustomer = `{"id":"cus_%d","object":"customer","balance":0,"created":1623753061,"currency":"eur","delinquent":false,"description":"%s","email":"tenant@example.com",` +
	`"invoice_prefix":"ABCD","livemode":false,"metadata":{"lease":"flat"},"name":"Tenant Example","phone":"","preferred_locales":["de"],` +
	`"address":{"city":"Elm","country":"DE","line1":"Elm Street 1","postal_code":"12345"},"tax_exempt":"none"}`

// Stripe is stripe-go.
func Stripe() (Rival, error) {
	customer := fmt.Appendf(nil, stripeCustomer, 14, strings.Repeat("x", padding))
	created := fmt.Appendf(nil, stripeCustomer, 14, strings.Repeat("x", longTitle))
	pages := world.Pages(ListPages, PageItems, func(b []byte, i int) []byte { return fmt.Appendf(b, stripeCustomer, i, "a tenant") }, func(list []byte, page int) []byte {
		return fmt.Appendf(nil, `{"object":"list","url":"/v1/customers","has_more":%t,"data":%s}`, page <= ListPages, list)
	})
	answer := func(r *http.Request) world.Reply {
		switch {
		case r.URL.Path == "/v1/customers/cus_14":
			return world.JSON(customer)
		case r.Method == http.MethodPost:
			return world.JSON(created)
		}
		page := 0
		if last, ok := strings.CutPrefix(r.URL.Query().Get("starting_after"), "cus_"); ok {
			page = (atoi(last) + 1) / PageItems
		}
		return world.JSON(pages[min(page, ListPages)])
	}
	connect := func(base string, client *http.Client) *stripe.Client {
		config := &stripe.BackendConfig{URL: stripe.String(base), HTTPClient: client, LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}}
		return stripe.NewClient(Token, stripe.WithBackends(stripe.NewBackendsWithConfig(config)))
	}
	return Rival{
		Name: "stripe-go", Module: "github.com/stripe/stripe-go/v86", Answer: answer,
		Connect: func(base string, transport http.RoundTripper) (client, floor Operations, err error) {
			return stripeOperations(connect(base, &http.Client{Transport: transport})), stripeFloor(newFloor(base, transport)), nil
		},
		Plain: func(base string) (Operations, error) { return stripeOperations(connect(base, nil)), nil },
	}, nil
}

func checkCustomer(c *stripe.Customer) error {
	return decoded(c.ID == "cus_14" && c.Address.City == "Elm" && c.Metadata["lease"] == "flat" && c.Created == 1623753061)
}

func customerIndex(c **stripe.Customer) int { return atoi(strings.TrimPrefix((*c).ID, "cus_")) }

func stripeOperations(c *stripe.Client) Operations {
	text := strings.Repeat("x", longTitle)
	body, header := stripeEvent()
	list := func(ctx context.Context, item func(int) error) error {
		params := &stripe.CustomerListParams{}
		params.Limit = stripe.Int64(PageItems)
		for customer, err := range c.V1Customers.List(ctx, params).All(ctx) {
			if err != nil {
				return err
			}
			if err := item(customerIndex(&customer)); err != nil {
				return err
			}
		}
		return nil
	}
	return Operations{
		Get: func(ctx context.Context) error {
			customer, err := c.V1Customers.Retrieve(ctx, "cus_14", nil)
			if err != nil {
				return err
			}
			return checkCustomer(customer)
		},
		Post: func(ctx context.Context) error {
			customer, err := c.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Description: &text})
			if err != nil {
				return err
			}
			return checkCustomer(customer)
		},
		List: list, Serial: list,
		Webhook: func(ctx context.Context) error {
			r, err := delivery(ctx, body, header)
			if err != nil {
				return err
			}
			payload, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			event, err := webhook.ConstructEventWithOptions(payload, r.Header.Get("Stripe-Signature"), signingSecret, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
			if err != nil {
				return err
			}
			return decoded(event.ID == "evt_1" && event.Data.Object["currency"] == "eur")
		},
	}
}

// stripeEvent is an event of 2 KB with its headers, signed now: signatures expire.
func stripeEvent() ([]byte, http.Header) {
	body := `{"id":"evt_1","object":"event","api_version":"2026-01-01","created":1623753061,"livemode":false,"type":"customer.updated","pending_webhooks":1,"data":{"object":` +
		fmt.Sprintf(stripeCustomer, 14, strings.Repeat("x", webhookBytes-700)) + `}}`
	now := strconv.FormatInt(time.Now().Unix(), 10)
	return []byte(body), http.Header{"Content-Type": {"application/json"}, "Stripe-Signature": {"t=" + now + ",v1=" + signature(now, ".", body)}}
}

func stripeFloor(f floor) Operations {
	text := strings.Repeat("x", longTitle)
	body, header := stripeEvent()
	return Operations{
		Get: func(ctx context.Context) error {
			var customer stripe.Customer
			if _, err := f.call(ctx, http.MethodGet, "/v1/customers/cus_14", nil, &customer); err != nil {
				return err
			}
			return checkCustomer(&customer)
		},
		Post: func(ctx context.Context) error {
			var customer stripe.Customer
			if err := f.form(ctx, "/v1/customers", url.Values{"description": {text}}, &customer); err != nil {
				return err
			}
			return checkCustomer(&customer)
		},
		List: func(ctx context.Context, item func(int) error) error {
			for after := ""; ; {
				var out struct {
					stripe.ListMeta

					Data []*stripe.Customer `json:"data"`
				}
				if _, err := f.call(ctx, http.MethodGet, "/v1/customers?limit=100"+after, nil, &out); err != nil {
					return err
				}
				if err := each(out.Data, customerIndex, item); err != nil {
					return err
				}
				if !out.HasMore || len(out.Data) == 0 {
					return nil
				}
				after = "&starting_after=" + out.Data[len(out.Data)-1].ID
			}
		},
		Webhook: func(ctx context.Context) error {
			r, err := delivery(ctx, body, header)
			if err != nil {
				return err
			}
			payload, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			stamp, given, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Stripe-Signature"), "t="), ",v1=")
			if err := checkSignature(given, stamp, ".", string(payload)); err != nil {
				return err
			}
			var event stripe.Event
			if err := json.Unmarshal(payload, &event); err != nil {
				return err
			}
			return decoded(event.ID == "evt_1" && event.Data.Object["currency"] == "eur")
		},
	}
}
