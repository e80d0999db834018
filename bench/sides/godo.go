package sides

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv/bench/world"
)

const godoDroplet = `{"id":%d,"name":"flat.example.com","memory":1024,"vcpus":1,"disk":25,"locked":false,"status":"active","created_at":"2021-06-14T09:30:00Z",` +
	`"features":["backups","ipv6"],"size_slug":"s-1vcpu-1gb","region":{"slug":"fra1","name":"Frankfurt 1","available":true},` +
	`"image":{"id":6,"name":"20.04","distribution":"Ubuntu","slug":"ubuntu-20-04-x64","public":true},` +
	`"networks":{"v4":[{"ip_address":"192.0.2.1","netmask":"255.255.255.0","gateway":"192.0.2.254","type":"public"}]},"tags":["lease"],"vpc_uuid":"%s"}`

// Godo is godo.
func Godo() (Rival, error) {
	droplet := fmt.Appendf(nil, `{"droplet":`+godoDroplet+`}`, 14, strings.Repeat("u", padding/2))
	key := []byte(`{"ssh_key":{"id":14,"name":"flat","fingerprint":"aa:bb","public_key":"` + strings.Repeat("x", longTitle) + `"}}`)
	pages := world.Pages(ListPages, PageItems, func(b []byte, i int) []byte { return fmt.Appendf(b, godoDroplet, i+1, "u") }, func(list []byte, page int) []byte {
		links := `{}`
		if page <= ListPages {
			links = fmt.Sprintf(`{"pages":{"next":"https://example.com/v2/droplets?page=%d","last":"https://example.com/v2/droplets?page=%d"}}`, page+1, ListPages+1)
		}
		return fmt.Appendf(nil, `{"droplets":%s,"links":%s,"meta":{"total":%d}}`, list, links, ListItems)
	})
	answer := func(r *http.Request) world.Reply {
		switch r.URL.Path {
		case "/v2/droplets/14":
			return world.JSON(droplet)
		case "/v2/droplets":
			return world.JSON(pages[min(max(1, atoi(r.URL.Query().Get("page"))), len(pages))-1])
		}
		return world.JSON(key)
	}
	connect := func(base string, transport http.RoundTripper) (*godo.Client, error) {
		source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: Token})
		return godo.New(&http.Client{Transport: &oauth2.Transport{Source: source, Base: transport}}, godo.SetBaseURL(base+"/"))
	}
	return Rival{
		Name: "godo", Module: "github.com/digitalocean/godo", Answer: answer,
		Connect: func(base string, transport http.RoundTripper) (client, floor Operations, err error) {
			c, err := connect(base, transport)
			if err != nil {
				return client, floor, err
			}
			return godoOperations(c), godoFloor(newFloor(base, transport)), nil
		},
		Plain: func(base string) (Operations, error) {
			c, err := connect(base, nil)
			if err != nil {
				return Operations{}, err
			}
			return godoOperations(c), nil
		},
	}, nil
}

func checkDroplet(d *godo.Droplet) error {
	return decoded(d.ID == 14 && d.Region.Slug == "fra1" && len(d.Networks.V4) == 1 && len(d.Tags) == 1)
}

func dropletIndex(d *godo.Droplet) int { return d.ID - 1 }

func newGodoKey() *godo.KeyCreateRequest {
	return &godo.KeyCreateRequest{Name: "flat", PublicKey: strings.Repeat("x", longTitle)}
}

func godoOperations(c *godo.Client) Operations {
	request := newGodoKey()
	list := func(ctx context.Context, item func(int) error) error {
		for page := 1; ; page++ {
			droplets, resp, err := c.Droplets.List(ctx, &godo.ListOptions{Page: page, PerPage: PageItems})
			if err != nil {
				return err
			}
			if err := each(droplets, dropletIndex, item); err != nil {
				return err
			}
			if resp.Links == nil || resp.Links.IsLastPage() {
				return nil
			}
		}
	}
	return Operations{
		Get: func(ctx context.Context) error {
			droplet, _, err := c.Droplets.Get(ctx, 14)
			if err != nil {
				return err
			}
			return checkDroplet(droplet)
		},
		Post: func(ctx context.Context) error {
			key, _, err := c.Keys.Create(ctx, request)
			if err != nil {
				return err
			}
			return decoded(key.ID == 14 && len(key.PublicKey) == longTitle)
		},
		List: list, Serial: list,
	}
}

func godoFloor(f floor) Operations {
	request := newGodoKey()
	return Operations{
		Get: func(ctx context.Context) error {
			var out struct {
				Droplet godo.Droplet `json:"droplet"`
			}
			if _, err := f.call(ctx, http.MethodGet, "/v2/droplets/14", nil, &out); err != nil {
				return err
			}
			return checkDroplet(&out.Droplet)
		},
		Post: func(ctx context.Context) error {
			var out struct {
				Key godo.Key `json:"ssh_key"`
			}
			if _, err := f.call(ctx, http.MethodPost, "/v2/account/keys", request, &out); err != nil {
				return err
			}
			return decoded(out.Key.ID == 14 && len(out.Key.PublicKey) == longTitle)
		},
		List: func(ctx context.Context, item func(int) error) error {
			for page := 1; ; page++ {
				var out struct {
					Droplets []godo.Droplet `json:"droplets"`
					Links    *godo.Links    `json:"links"`
					Meta     *godo.Meta     `json:"meta"`
				}
				if _, err := f.call(ctx, http.MethodGet, "/v2/droplets?per_page=100&page="+strconv.Itoa(page), nil, &out); err != nil {
					return err
				}
				if err := each(out.Droplets, dropletIndex, item); err != nil {
					return err
				}
				if out.Links == nil || out.Links.IsLastPage() {
					return nil
				}
			}
		},
	}
}
