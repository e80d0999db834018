// Package sides has the clients that are compared, each beside its floor: the
// same requests, answered by the same server and decoded into the same types, by
// net/http, golang.org/x/oauth2 and encoding/json alone.
package sides

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/bench/world"
)

// The shape of the lists.
const (
	ListPages = 100
	PageItems = 100
	ListItems = ListPages * PageItems
)

// Token is what every client shows; no server looks at it.
const Token = "token-of-an-example" //nolint:gosec // it opens nothing

// Operations are what is measured of a client. An operation that a client does
// not have is nil.
type Operations struct {
	Get  func(context.Context) error
	Post func(context.Context) error
	// List calls item for each item of the list, in its order.
	List func(ctx context.Context, item func(index int) error) error
	// Serial does the same one page after the other, with nothing ahead.
	Serial  func(ctx context.Context, item func(index int) error) error
	Webhook func(context.Context) error
}

// Rival is a client with its floor.
type Rival struct {
	Name   string // as tables show it
	Module string // as go.mod has it
	// Answer is what the service of this client answers.
	Answer world.Answer
	// Connect makes the client and its floor for a service at base.
	Connect func(base string, transport http.RoundTripper) (client, floor Operations, err error)
	// Plain makes the client as its documentation does first, with the transport
	// that it takes by itself.
	Plain func(base string) (Operations, error)
}

// Rivals returns all of them, this project's client first.
func Rivals() ([]Rival, error) {
	known := []func() (Rival, error){Revv, Slack, GitHub, Tailscale, Godo, Stripe}
	rivals, errs := make([]Rival, len(known)), make([]error, len(known))
	for i, rival := range known {
		rivals[i], errs[i] = rival()
	}
	return rivals, errors.Join(errs...)
}

// ErrMissing means that a client has no such operation.
var ErrMissing = errors.New("the client has no such operation")

// errDecoded means that an answer did not become what was sent.
var errDecoded = errors.New("the answer was not decoded as it was sent")

// floor is a client by net/http and x/oauth2 alone.
type floor struct {
	base   string
	client *http.Client
}

func newFloor(base string, transport http.RoundTripper) floor {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: Token})
	return floor{base, &http.Client{Transport: &oauth2.Transport{Source: source, Base: transport}}}
}

// call sends a request with body as JSON, decodes the answer and returns its headers.
func (f floor) call(ctx context.Context, method, path string, body, out any) (http.Header, error) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, f.base+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return f.send(req, out)
}

func (f floor) send(req *http.Request, out any) (http.Header, error) {
	req.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(resp.Body)
	if closing := resp.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return resp.Header, json.Unmarshal(data, out)
}
