package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/revv-go/revv"
)

// connect returns a client for the server in the environment. The first start asks a
// person for permission, in a browser; from then on the token pair is kept in a
// directory, and renewed for as long as the program runs.
func connect(ctx context.Context, out io.Writer) (*revv.Client, error) {
	var missing []error
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		if os.Getenv(name) == "" {
			missing = append(missing, fmt.Errorf("%s must be set with REVV_BASE_URL", name))
		}
	}
	if len(missing) > 0 {
		return nil, errors.Join(missing...)
	}
	base := os.Getenv("REVV_BASE_URL")
	endpoint := revv.Endpoint(base)
	endpoint.AuthURL = cmp.Or(os.Getenv("REVV_AUTH_URL"), endpoint.AuthURL)
	endpoint.TokenURL = cmp.Or(os.Getenv("REVV_TOKEN_URL"), endpoint.TokenURL)
	config := revv.OAuthConfig{
		ClientID: os.Getenv("REVV_CLIENT_ID"), ClientSecret: os.Getenv("REVV_CLIENT_SECRET"),
		RedirectURL: cmp.Or(os.Getenv("REVV_REDIRECT_URL"), "http://127.0.0.1:8765/callback"),
		Endpoint:    endpoint,
	}
	store, err := revv.NewFileStore(cmp.Or(os.Getenv("REVV_TOKENS"), "tokens"))
	if err != nil {
		return nil, err
	}
	auth, err := config.Connect(ctx, store, "example", func(authURL string) error {
		_, err := fmt.Fprintf(out, "Please authorize the program in a browser:\n\n  %s\n\n", authURL)
		return err
	})
	if err != nil {
		return nil, err
	}
	return revv.NewClient(auth, revv.WithBaseURL(base))
}
