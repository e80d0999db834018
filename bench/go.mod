module github.com/revv-go/revv/bench

go 1.26.0

require (
	github.com/digitalocean/godo v1.236.0
	github.com/google/go-github/v89 v89.0.0
	github.com/revv-go/revv v0.0.0-00010101000000-000000000000
	github.com/slack-go/slack v0.35.0
	github.com/stripe/stripe-go/v86 v86.0.0
	golang.org/x/oauth2 v0.38.0
	tailscale.com/client/tailscale/v2 v2.12.0
)

require (
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.7 // indirect
	github.com/tailscale/hujson v0.0.0-20220506213045-af5ed07155e5 // indirect
	golang.org/x/time v0.6.0 // indirect
)

replace github.com/revv-go/revv => ../
