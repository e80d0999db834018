package sides

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Parts that the clients of other services have in common: forms, signatures.

// signingSecret signs the webhooks of the services that sign them.
const signingSecret = "a-signing-secret-of-an-example"

// signature is what a service puts beside a payload.
func signature(parts ...string) string {
	mac := hmac.New(sha256.New, []byte(signingSecret))
	for _, part := range parts {
		_, _ = io.WriteString(mac, part) // a hash never fails
	}
	return hex.EncodeToString(mac.Sum(nil))
}

var errSignature = errors.New("the signature is wrong")

// checkSignature is what a handler cannot do without.
func checkSignature(given string, parts ...string) error {
	if !hmac.Equal([]byte(signature(parts...)), []byte(given)) {
		return errSignature
	}
	return nil
}

// delivery makes the request of a webhook.
func delivery(ctx context.Context, body []byte, header http.Header) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/hooks", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	return req, nil
}

// form posts a form and decodes the answer.
func (f floor) form(ctx context.Context, path string, values url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.base+path, strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = f.send(req, out)
	return err
}

// decoded is nil, or errDecoded if what was decoded is not what was sent.
func decoded(ok bool) error {
	if !ok {
		return errDecoded
	}
	return nil
}

// each hands items on by their indexes.
func each[T any](items []T, index func(*T) int, item func(int) error) error {
	for i := range items {
		if err := item(index(&items[i])); err != nil {
			return err
		}
	}
	return nil
}
