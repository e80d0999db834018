package sides

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	tailscale "tailscale.com/client/tailscale/v2"

	"github.com/revv-go/revv/bench/world"
)

// Tailscale is tailscale-client-go v2. It has no lists in pages, and its webhooks
// have no handler.
func Tailscale() (Rival, error) {
	device := []byte(`{"addresses":["100.64.0.1","fd7a:115c:a1e0::1"],"name":"flat.example.com","id":"14","nodeId":"n14","authorized":true,"user":"tenant@example.com",` +
		`"tags":["tag:lease","tag:flat"],"clientVersion":"1.90.0","created":"2021-06-14T09:30:00Z","expires":"2022-06-14T09:30:00Z","hostname":"flat","os":"linux",` +
		`"lastSeen":"2021-06-15T10:31:01Z","machineKey":"mkey:` + strings.Repeat("a", padding) + `","nodeKey":"nodekey:` + strings.Repeat("b", 64) + `","updateAvailable":true}`)
	key := []byte(`{"id":"k14","keyType":"auth","key":"key-of-an-example","description":"` + strings.Repeat("x", longTitle) + `","created":"2021-06-14T09:30:00Z","expires":"2022-06-14T09:30:00Z",` +
		`"capabilities":{"devices":{"create":{"reusable":true,"ephemeral":false,"tags":["tag:lease"]}}}}`)
	answer := func(r *http.Request) world.Reply {
		if strings.Contains(r.URL.Path, "/device/") {
			return world.JSON(device)
		}
		return world.JSON(key)
	}
	connect := func(base string, client *http.Client) (*tailscale.Client, error) {
		u, err := url.Parse(base)
		if err != nil {
			return nil, err
		}
		return &tailscale.Client{BaseURL: u, APIKey: Token, Tailnet: "example.com", HTTP: client}, nil
	}
	return Rival{
		Name: "tailscale", Module: "tailscale.com/client/tailscale/v2", Answer: answer,
		Connect: func(base string, transport http.RoundTripper) (client, floor Operations, err error) {
			c, err := connect(base, &http.Client{Transport: transport})
			if err != nil {
				return client, floor, err
			}
			return tailscaleOperations(c), tailscaleFloor(newFloor(base, transport)), nil
		},
		Plain: func(base string) (Operations, error) {
			c, err := connect(base, nil)
			if err != nil {
				return Operations{}, err
			}
			return tailscaleOperations(c), nil
		},
	}, nil
}

func checkDevice(d *tailscale.Device) error {
	return decoded(d.ID == "14" && len(d.Tags) == 2 && d.Created.Minute() == 30 && d.UpdateAvailable)
}

func checkKey(k *tailscale.Key) error {
	return decoded(k.ID == "k14" && k.Capabilities.Devices.Create.Reusable && k.Created.Minute() == 30)
}

func newKey() tailscale.CreateKeyRequest {
	return tailscale.CreateKeyRequest{ExpirySeconds: 3600, Description: strings.Repeat("x", longTitle)}
}

func tailscaleOperations(c *tailscale.Client) Operations {
	request := newKey()
	return Operations{
		Get: func(ctx context.Context) error {
			device, err := c.Devices().Get(ctx, "14")
			if err != nil {
				return err
			}
			return checkDevice(device)
		},
		Post: func(ctx context.Context) error {
			key, err := c.Keys().CreateAuthKey(ctx, request)
			if err != nil {
				return err
			}
			return checkKey(key)
		},
	}
}

func tailscaleFloor(f floor) Operations {
	request := newKey()
	return Operations{
		Get: func(ctx context.Context) error {
			var device tailscale.Device
			if _, err := f.call(ctx, http.MethodGet, "/api/v2/device/14", nil, &device); err != nil {
				return err
			}
			return checkDevice(&device)
		},
		Post: func(ctx context.Context) error {
			var key tailscale.Key
			if _, err := f.call(ctx, http.MethodPost, "/api/v2/tailnet/example.com/keys", request, &key); err != nil {
				return err
			}
			return checkKey(&key)
		},
	}
}
