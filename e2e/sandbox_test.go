package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// program is a sandbox that runs for one test.
type program struct {
	url          string
	clientID     string
	clientSecret string
}

var (
	readyLine  = regexp.MustCompile(`ready at (http://127\.0\.0\.1:\d+)\n`)
	idLine     = regexp.MustCompile(`client id +(\S+)\n`)
	secretLine = regexp.MustCompile(`client secret +(\S+)\n`)
)

// start runs the program on a free port until the test ends, and checks that a
// signal ends it well.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	// The context of the test is over before the program should be.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), sandboxProgram, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	hanging := time.AfterFunc(2*longest, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, cmd.Wait(), "the program ends badly:\n%s", &complaints)
		hanging.Stop()
	})
	var said strings.Builder
	for out := bufio.NewReader(stdout); !strings.Contains(said.String(), "REVV_BASE_URL="); {
		line, err := out.ReadString('\n')
		require.NoError(t, err, "the program did not start:\n%s", &complaints)
		said.WriteString(line)
	}
	find := func(pattern *regexp.Regexp) string {
		match := pattern.FindStringSubmatch(said.String())
		require.NotNil(t, match, "%s is not in:\n%s", pattern, said.String())
		return match[1]
	}
	return &program{url: find(readyLine), clientID: find(idLine), clientSecret: find(secretLine)}
}

// client logs in as the programs of 2020 did, where consent is not the subject.
func (p *program) client(t *testing.T) *revv.Client {
	t.Helper()
	body := strings.NewReader(`{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/api/v2/auth/initiate-auth", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("GrantType", "password")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		User struct {
			AccessToken string `json:"access_token"`
		}
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	client, err := revv.NewClient(revv.StaticToken(answer.User.AccessToken), revv.WithBaseURL(p.url))
	require.NoError(t, err)
	return client
}

// The people of the tests.
var (
	ann = revv.Person{Email: "ann@example.com", FirstName: "Ann", LastName: "Archer", Order: 1}
	ben = revv.Person{Email: "ben@example.com", FirstName: "Ben", LastName: "Baker", Order: 2}
)

// agreement makes a document of the seeded template "Service agreement", whose
// fields are Client and Start date, which are required, and Fee.
func agreement(t *testing.T, client *revv.Client, title string) *revv.Document {
	t.Helper()
	for template, err := range client.Templates.All(t.Context(), revv.ListTemplatesParams{Status: revv.ActiveTemplates}) {
		require.NoError(t, err)
		if template.Title != "Service agreement" {
			continue
		}
		d, err := client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: template.ID, Title: title})
		require.NoError(t, err)
		return d
	}
	t.Fatal("there is no template Service agreement")
	return nil
}

// sent is an agreement that was sent for signing.
func sent(t *testing.T, client *revv.Client, title string, signers ...revv.Person) *revv.Document {
	t.Helper()
	d := agreement(t, client, title)
	require.NoError(t, client.Documents.SendForESign(t.Context(), d.ID, revv.SendParams{Recipients: signers}))
	return d
}

// stage is the stage of a document, as the API tells it.
func stage(t *testing.T, client *revv.Client, d *revv.Document) revv.Stage {
	t.Helper()
	now, err := client.Documents.Get(t.Context(), d.ID)
	require.NoError(t, err)
	return now.Stage
}

var mailLink = regexp.MustCompile(`<a [^>]*href="([^"]+)">Open ((?:and )?\w+).*, ([^ <]+)</span></a>`)

// mails are the links in the outbox, by address, and for a second role by address
// and role.
func mails(t *testing.T, p *program) map[string]string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/outbox", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	links := map[string]string{}
	for _, match := range mailLink.FindAllStringSubmatch(string(page), -1) {
		address, role := match[3], strings.TrimPrefix(match[2], "and ")
		if links[address] = match[1]; role == "accept" || role == "approve" {
			links[address+" "+role] = match[1]
		}
	}
	return links
}
