// Package console is the face of the sandbox program: web pages, rendered on the
// server, in which a developer sees what their program did, answers the mails that
// it sent, and makes calls go wrong on purpose.
package console

import (
	"net/http"

	"github.com/revv-go/revv/internal/sandbox"
)

// Console is a sandbox with its web pages. It is safe for concurrent use.
type Console struct {
	sandbox *sandbox.Sandbox
}

// New builds the sandbox and the pages around it.
func New(opts sandbox.Options) (*Console, error) {
	c := &Console{}
	opts.Fallback = http.HandlerFunc(c.servePage)
	s, err := sandbox.New(opts)
	if err != nil {
		return nil, err
	}
	c.sandbox = s
	return c, nil
}

// Sandbox is the service behind the pages.
func (c *Console) Sandbox() *sandbox.Sandbox { return c.sandbox }

// Handler serves everything: the API, OAuth, the links of mails and the pages.
func (c *Console) Handler() http.Handler { return c.sandbox.Handler() }

// Close closes the sandbox and ends all live updates.
func (c *Console) Close() { c.sandbox.Close() }

func (c *Console) servePage(w http.ResponseWriter, r *http.Request) {
	http.NotFound(w, r)
}
