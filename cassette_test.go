package revv_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/recorder"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// The cassettes hold what went over the wire, both ways. They are replayed by
// default, and matched strictly: a request that differs in one byte has no
// answer. REVV_RECORD=1 records them anew, from a sandbox in memory with a clock
// that stands still, which gives the same bytes every time.
//
// REVV_RECORD=live records the cassettes of the operations from the account of
// REVV_BASE_URL and REVV_ACCESS_TOKEN. This creates, sends and deletes
// there; mails go to example.com alone. A server on this machine is recorded with
// REVV_RECORD=1 as well; any other is refused then, because whoever works with an account
// has these variables set anyway. REVV_RECORD_IDS says what the ids of the
// tests are there, as "14=123,DOC-000040=DOC-000777". Tests then fail where the
// account answers something else than they state, which is what such a recording
// is made for. Look through its files before they are committed: what the names
// and titles of an account give away, no rule can know.
const (
	cassettes     = "testdata/cassettes"
	recordSwitch  = "REVV_RECORD"
	liveBase      = "REVV_BASE_URL"
	liveToken     = "REVV_ACCESS_TOKEN"
	liveIDs       = "REVV_RECORD_IDS"
	scrubbed      = "scrubbed"
	scrubbedLink  = "/perma/DOC/000000000000000/"
	failureShapes = "failures/" // the cassettes of what only the sandbox does on demand
)

// recordingTime is when every recording from the sandbox was made.
var recordingTime = time.Date(2021, 6, 18, 10, 0, 0, 0, time.UTC)

// tape is a client whose network is a cassette.
type tape struct {
	*revv.Client

	t      *testing.T
	wire   *service
	answer string // the body of the last answer
}

// insert plays the cassette, or records it from a server that prepare has made
// ready. Every interaction of a cassette has to be played.
func insert(t *testing.T, name string, prepare func(*testing.T, *revvtest.Server)) *tape {
	t.Helper()
	from, err := sourceOf(os.Getenv)
	require.NoError(t, err)
	switch from {
	case fromFile:
		return play(t, filepath.Join(cassettes, name))
	case fromSandbox:
		return record(t, filepath.Join(cassettes, name), prepare)
	case fromAccount:
	}
	if strings.HasPrefix(name, failureShapes) {
		t.Skip("a live account does not fail on demand")
	}
	base, err := url.Parse(os.Getenv(liveBase))
	require.NoError(t, err)
	return load(t, filepath.Join(cassettes, name), recorder.ModeRecordOnly,
		elsewhere{base: base, token: os.Getenv(liveToken), ids: idsOf(os.Getenv(liveIDs)), next: http.DefaultTransport})
}

// source is where the answers of a test come from.
type source int

const (
	fromFile source = iota
	fromSandbox
	fromAccount
)

// sourceOf reads the variables of a recording. An account that is not on this machine needs a
// word of its own.
func sourceOf(env func(string) string) (source, error) {
	base, token := env(liveBase), env(liveToken)
	switch word := env(recordSwitch); {
	case word == "":
		return fromFile, nil
	case word != "1" && word != "live":
		return fromFile, errors.New(recordSwitch + " must be 1 or live")
	case base != "" && token != "" && (word == "live" || isHere(base)):
		return fromAccount, nil
	case word == "live":
		return fromFile, errors.New(recordSwitch + "=live needs " + liveBase + " and " + liveToken)
	case base != "" && token != "":
		return fromFile, errors.New(liveBase + " leads to an account, in which a recording creates, sends and deletes: ask for that with " +
			recordSwitch + "=live, or unset the variable to record the sandbox")
	}
	return fromSandbox, nil
}

// isHere reports whether an address is on this machine.
func isHere(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// Whoever has worked with an account has its address and its token in the shell. A recording
// from the sandbox must not create, send and delete there.
func TestRecording_reachesAnAccount_onlyIfItIsAskedFor(t *testing.T) {
	t.Parallel()
	const here, there = "http://127.0.0.1:8787", "https://acme.example.com"
	for _, test := range []struct {
		word, base, token string
		want              source
		fails             string
	}{
		{"", there, "token", fromFile, ""},
		{"1", "", "", fromSandbox, ""},
		{"1", there, "", fromSandbox, ""},
		{"1", "", "token", fromSandbox, ""},
		{"1", here, "token", fromAccount, ""},
		{"1", "http://localhost:8787", "token", fromAccount, ""},
		{"1", there, "token", fromFile, "ask for that with REVV_RECORD=live"},
		{"1", ":", "token", fromFile, "ask for that with REVV_RECORD=live"},
		{"live", there, "token", fromAccount, ""},
		{"live", here, "token", fromAccount, ""},
		{"live", "", "token", fromFile, liveBase},
		{"live", there, "", fromFile, liveToken},
		{"true", here, "token", fromFile, "must be 1 or live"},
	} {
		from, err := sourceOf(func(name string) string {
			return map[string]string{recordSwitch: test.word, liveBase: test.base, liveToken: test.token}[name]
		})
		assert.Equal(t, test.want, from, "%+v", test)
		if test.fails == "" {
			assert.NoError(t, err, "%+v", test)
		} else {
			assert.ErrorContains(t, err, test.fails, "%+v", test)
		}
	}
}

// notWhileRecording skips a test that reads the cassettes of others.
func notWhileRecording(t *testing.T) {
	t.Helper()
	if os.Getenv(recordSwitch) != "" {
		t.Skip("the files are being written; the next run without " + recordSwitch + " looks at them")
	}
}

func play(t *testing.T, path string) *tape {
	t.Helper()
	unplayed := func(i *cassette.Interaction) error {
		assert.True(t, i.WasReplayed(), "not played: %s %s", i.Request.Method, i.Request.URL)
		return nil
	}
	return load(t, path, recorder.ModeReplayOnly, nil, recorder.WithHook(unplayed, recorder.OnRecorderStopHook))
}

func record(t *testing.T, path string, prepare func(*testing.T, *revvtest.Server)) *tape {
	t.Helper()
	server := revvtest.NewServer(t, revvtest.WithoutNetwork())
	server.SetTime(recordingTime)
	token := server.Token().AccessToken // before anything else is drawn, so that ids do not depend on what prepare draws
	if prepare != nil {
		prepare(t, server)
	}
	base, err := url.Parse(server.URL())
	require.NoError(t, err)
	return load(t, path, recorder.ModeRecordOnly, elsewhere{base: base, token: token, next: server.HTTPClient().Transport})
}

// load makes the tape. The client has a token that is none: the one that counts
// is put in behind the recorder, which never sees it.
func load(t *testing.T, path string, mode recorder.Mode, network http.RoundTripper, opts ...recorder.Option) *tape {
	t.Helper()
	base := apiBase
	if e, ok := network.(elsewhere); ok {
		base = e.base.Scheme + "://" + e.base.Host
	}
	scrub := func(i *cassette.Interaction) error {
		scrubInteraction(i, base)
		return nil
	}
	opts = append(
		opts, recorder.WithMode(mode), recorder.WithMatcher(sameRequest), recorder.WithSkipRequestLatency(true),
		// Scrubbed at once, so that a test sees the same when it records and when
		// it replays, and again before anything is written.
		recorder.WithHook(scrub, recorder.AfterCaptureHook), recorder.WithHook(scrub, recorder.BeforeSaveHook),
	)
	if network != nil {
		opts = append(opts, recorder.WithRealTransport(network))
	}
	vcr, err := recorder.New(path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, vcr.Stop()) })
	p := &tape{t: t}
	p.wire = &service{answer: func(r *http.Request) (*http.Response, error) {
		resp, err := vcr.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		p.answer = string(body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return resp, err
	}}
	p.Client, err = revv.NewClient(revv.StaticToken(scrubbed), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: p.wire}))
	require.NoError(t, err)
	return p
}

// sent asserts what went out: each request as method, path with query, and body.
func (p *tape) sent(lines ...string) {
	p.t.Helper()
	assert.Equal(p.t, lines, p.wire.Lines())
	for _, r := range p.wire.Sent() {
		want := http.Header{"AccessToken": {scrubbed}, "Accept": {"application/json"}, "User-Agent": {"revv-go/" + revv.Version}}
		if r.Body != "" {
			want["Content-Type"] = []string{"application/json"}
		}
		if strings.HasSuffix(r.URL, "/download") {
			want["Accept"], want["Accept-Encoding"] = []string{"application/pdf"}, []string{"identity"}
		}
		assert.Equal(p.t, want, r.Header, r.Line())
		assert.Equal(p.t, apiBase, r.Origin)
	}
}

// sameRequest is the strict matcher. The version in the user agent is the only
// thing that may differ.
func sameRequest(r *http.Request, recorded cassette.Request) bool {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	header := r.Header.Clone()
	header["User-Agent"] = []string{scrubbedAgent(header.Get("User-Agent"))}
	return r.Method == recorded.Method && r.URL.String() == recorded.URL && string(body) == recorded.Body &&
		r.ContentLength == recorded.ContentLength && maps.EqualFunc(header, recorded.Headers, slices.Equal)
}

func scrubbedAgent(agent string) string {
	name, _, _ := strings.Cut(agent, "/")
	return name
}

// elsewhere sends requests to the server that is recorded, with its token and
// its ids. It stands behind the recorder.
type elsewhere struct {
	base  *url.URL
	token string
	ids   map[string]string
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host = e.base.Scheme, e.base.Host, ""
	out.URL.Path, out.URL.RawPath = e.base.Path+e.there(out.URL.Path), ""
	out.Header["AccessToken"] = []string{e.token}
	if r.Body != nil && len(e.ids) > 0 {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		text := e.there(string(body))
		out.Body, out.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
	return e.next.RoundTrip(out)
}

var idPlace = regexp.MustCompile(`(/|_id":"?)([A-Za-z0-9-]+)`)

// there replaces the ids of the tests in a path or a body by those of the server.
func (e elsewhere) there(text string) string {
	return idPlace.ReplaceAllStringFunc(text, func(found string) string {
		parts := idPlace.FindStringSubmatch(found)
		if id, ok := e.ids[parts[2]]; ok {
			return parts[1] + id
		}
		return found
	})
}

func idsOf(text string) map[string]string {
	ids := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if here, there, ok := strings.Cut(pair, "="); ok {
			ids[strings.TrimSpace(here)] = strings.TrimSpace(there)
		}
	}
	return ids
}

// keptHeaders are the headers of answers that a cassette keeps. All others say
// something about the server or the moment.
var keptHeaders = []string{
	"Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Type", "Etag", "Last-Modified", "Location", "Retry-After", "X-Request-Id",
}

// scrubInteraction takes out what is secret, private or of the moment.
func scrubInteraction(i *cassette.Interaction, base string) {
	header := i.Request.Headers.Clone() // the slices of the original are shared by all requests
	for name := range header {
		if strings.EqualFold(name, "AccessToken") || strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie") {
			header[name] = []string{scrubbed}
		}
	}
	header["User-Agent"] = []string{scrubbedAgent(header.Get("User-Agent"))}
	i.Request.Headers = header
	i.Request.RemoteAddr, i.Request.RequestURI = "", ""
	i.Request.Body = scrubText(i.Request.Body, base)
	i.Request.URL = scrubText(i.Request.URL, base)
	i.Response.Duration = 0
	i.Response.Headers = maps.Clone(i.Response.Headers)
	maps.DeleteFunc(i.Response.Headers, func(name string, _ []string) bool { return !slices.Contains(keptHeaders, name) })
	body := scrubText(i.Response.Body, base)
	if strings.HasPrefix(body, "%PDF-") && !isSandbox(base) {
		body = "%PDF-1.4\n%%EOF\n" // a contract of somebody
	}
	if len(body) != len(i.Response.Body) {
		i.Response.Body, i.Response.ContentLength = body, int64(len(body))
		i.Response.Headers.Set("Content-Length", strconv.Itoa(len(body)))
	}
	i.Response.Body = body
}

func isSandbox(base string) bool { return base == apiBase || base == "http://localhost" }

var (
	tokenForm  = regexp.MustCompile(`ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	tokenPlace = regexp.MustCompile(`("(?:access_token|refresh_token|id_token|client_secret|password)"\s*:\s*)"[^"]*"`)
	linkPlace  = regexp.MustCompile(`/perma/DOC/[A-Za-z0-9]+/`)
	webAddress = regexp.MustCompile(`https?://([A-Za-z0-9.-]+)(:\d+)?[^\s"'<>\\)]*`)
	mailbox    = regexp.MustCompile(`[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}`)
	example    = regexp.MustCompile(`(?i)(?:^|[.@])example\.(?:com|org|net)$`)
)

// scrubText replaces tokens, magic links, addresses of people and of hosts.
func scrubText(text, base string) string {
	text = strings.ReplaceAll(text, base, apiBase)
	text = tokenForm.ReplaceAllString(text, scrubbed)
	text = tokenPlace.ReplaceAllString(text, `${1}"`+scrubbed+`"`)
	text = linkPlace.ReplaceAllString(text, scrubbedLink)
	text = webAddress.ReplaceAllStringFunc(text, func(address string) string {
		if example.MatchString(webAddress.FindStringSubmatch(address)[1]) {
			return address
		}
		return "https://example.com/" + scrubbed
	})
	return mailbox.ReplaceAllStringFunc(text, func(address string) string {
		if example.MatchString(address) {
			return address
		}
		sum := sha256.Sum256([]byte(strings.ToLower(address))) // the same address stays the same
		return fmt.Sprintf("person-%s@example.com", hex.EncodeToString(sum[:2]))
	})
}

func TestCassettes_recordedTwice_areTheSameBytes(t *testing.T) { //nolint:tparallel // its subtests are compared when they have ended
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			p := record(t, filepath.Join(dir, name), func(_ *testing.T, s *revvtest.Server) { s.AddDocument(21, "Offer") })
			link, err := p.Documents.MagicLink(t.Context(), objectOf(t, p))
			require.NoError(t, err)
			assert.Equal(t, apiBase+scrubbedLink+"Offer", link.URL())
			require.NoError(t, p.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: oneRecipient}))
			_, err = p.Documents.Download(t.Context(), 14, io.Discard)
			require.NoError(t, err)
		})
	}
	first, err := os.ReadFile(filepath.Join(dir, "first.yaml"))
	require.NoError(t, err)
	second, err := os.ReadFile(filepath.Join(dir, "second.yaml"))
	require.NoError(t, err)
	assert.Equal(t, string(first), string(second))
	assert.Contains(t, string(first), scrubbedLink)
	assert.Empty(t, secretsIn(binaryBlock.ReplaceAllString(string(first), "")))
}

func objectOf(t *testing.T, p *tape) revv.ObjectID {
	t.Helper()
	document, err := p.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	return document.ObjectID
}
