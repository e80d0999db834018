package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// noHooks is the hookURL of a place that cannot reach this machine.
const noHooks = "none"

// place is where the walk happens: the sandbox in this process, or a server.
type place struct {
	title     string
	config    revv.OAuthConfig
	options   []revv.Option
	signers   []string
	template  revv.TemplateID
	hookURL   string
	patience  time.Duration
	pollEvery time.Duration

	browse  func(authURL string) error
	sign    func(context.Context, revv.DocumentID, []revv.Person) error
	pdfPath func(revv.DocumentNumber) string
	fate    string // what becomes of the file
	close   func()
}

// findPlace looks at the environment.
func findPlace(out io.Writer) (*place, error) {
	if os.Getenv("REVV_BASE_URL") == "" {
		return sandbox(revvtest.NewServer(nil))
	}
	return server(out)
}

// sandbox is a place in which the program plays the people as well. It closes s.
func sandbox(s *revvtest.Server) (*place, error) {
	dir, err := os.MkdirTemp("", "revv-quickstart-")
	if err != nil {
		s.Close()
		return nil, err
	}
	return &place{
		title:   "sandbox at " + s.URL() + ", in this process; nothing leaves this machine",
		config:  s.OAuthConfig(), // its redirect URL leaves the port open: Login takes a free one
		options: []revv.Option{revv.WithBaseURL(s.URL())},
		signers: []string{"first@example.com", "second@example.com"},

		patience: 10 * time.Second, pollEvery: 10 * time.Millisecond,
		browse: func(authURL string) error { return consent(s, authURL) },
		sign: func(_ context.Context, id revv.DocumentID, people []revv.Person) error {
			for _, person := range people {
				if err := s.Sign(id, person.Email); err != nil {
					return err
				}
			}
			return nil
		},
		pdfPath: func(number revv.DocumentNumber) string { return filepath.Join(dir, string(number)+".pdf") },
		fate:    " (a temporary file)",
		close: func() {
			s.Close()
			_ = os.RemoveAll(dir)
		},
	}, nil
}

// consent agrees as a person would, and follows the redirect as a browser would.
func consent(s *revvtest.Server, authURL string) error {
	redirect, err := s.Authorize(authURL)
	if err != nil {
		return err
	}
	go func() {
		resp, err := http.Get(redirect) //nolint:gosec,noctx // the callback of this very program
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
	return nil
}

// server uses the server of the environment, with real people.
func server(out io.Writer) (*place, error) {
	base := os.Getenv("REVV_BASE_URL")
	p := &place{
		title: "server at " + base,
		config: revv.OAuthConfig{
			ClientID: os.Getenv("REVV_CLIENT_ID"), ClientSecret: os.Getenv("REVV_CLIENT_SECRET"),
			RedirectURL: os.Getenv("REVV_REDIRECT_URL"), Endpoint: revv.Endpoint(base),
		},
		options:  []revv.Option{revv.WithBaseURL(base)},
		patience: time.Hour, pollEvery: 5 * time.Second,
		hookURL: noHooks,
		pdfPath: func(number revv.DocumentNumber) string { return filepath.Base(string(number)) + ".pdf" },
		fate:    " (in this directory)",
		close:   func() {},
	}
	if p.config.RedirectURL == "" {
		p.config.RedirectURL = "http://127.0.0.1:8765/callback"
	}
	for name, target := range map[string]*string{
		"REVV_WEBHOOK_URL": &p.hookURL, "REVV_AUTH_URL": &p.config.Endpoint.AuthURL, "REVV_TOKEN_URL": &p.config.Endpoint.TokenURL,
	} {
		if value := os.Getenv(name); value != "" {
			*target = value
		}
	}
	var problems []error
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		if os.Getenv(name) == "" {
			problems = append(problems, fmt.Errorf("%s must be set with REVV_BASE_URL", name))
		}
	}
	for address := range strings.SplitSeq(os.Getenv("REVV_SIGNERS"), ",") {
		if address = strings.TrimSpace(address); address != "" {
			p.signers = append(p.signers, address)
		}
	}
	if len(p.signers) != 2 {
		problems = append(problems, errors.New("REVV_SIGNERS must be two addresses with a comma: the document is really sent to them"))
	}
	if text := os.Getenv("REVV_TEMPLATE_ID"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			problems = append(problems, errors.New("REVV_TEMPLATE_ID must be a number"))
		}
		p.template = revv.TemplateID(id)
	}
	if text := os.Getenv("REVV_ROUTES"); text != "" {
		var routes revv.Routes
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&routes); err != nil {
			problems = append(problems, fmt.Errorf(`REVV_ROUTES must be JSON such as {"SetFields":"POST /api/docs/{id}/fields"}: %w`, err))
		}
		p.options = append(p.options, revv.WithRoutes(routes))
		// Before a person authorizes anything.
		if _, err := revv.NewClient(revv.StaticToken("unused"), revv.WithBaseURL("https://acme.example.com"), revv.WithRoutes(routes)); err != nil {
			problems = append(problems, fmt.Errorf("REVV_ROUTES: %w", err))
		}
	}
	p.browse = func(authURL string) error {
		fmt.Fprintf(out, "\nPlease authorize the program in a browser:\n\n  %s\n\n", authURL)
		openBrowser(authURL)
		return nil
	}
	p.sign = func(_ context.Context, _ revv.DocumentID, people []revv.Person) error {
		fmt.Fprintf(out, "\nWaiting for %s and then %s to sign, up to %v.\n\n", people[0].Email, people[1].Email, p.patience)
		return nil
	}
	return p, errors.Join(problems...)
}

// openBrowser tries; the address is on the screen in any case.
func openBrowser(address string) {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	cmd := exec.Command(name, args...) //nolint:gosec,noctx // a fixed program; the URL is our own
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}

// checkPDF reads the file back and holds it against what the download said.
func checkPDF(path string, got *revv.Download) error {
	content, err := os.ReadFile(path) //nolint:gosec // the path is our own
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	switch {
	case int64(len(content)) != got.Size || hex.EncodeToString(sum[:]) != got.SHA256:
		return errors.New("the file is not what was downloaded")
	case !bytes.HasPrefix(content, []byte("%PDF-")) || !bytes.Contains(content, []byte("%%EOF")):
		return errors.New("the file is no PDF")
	}
	return nil
}
