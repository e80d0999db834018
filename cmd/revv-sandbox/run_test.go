package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// How long tests wait for what happens soon.
const (
	waiting = 10 * time.Second
	tick    = 10 * time.Millisecond
)

func TestRun_saysWhereItIs(t *testing.T) {
	t.Parallel()
	p := start(t)
	text := p.out.String()
	for _, name := range []string{"REVV_BASE_URL", "REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		require.NotEmpty(t, p.ready[name], name)
		assert.GreaterOrEqual(t, strings.Count(text, p.ready[name]), 2, "%s, also for people", name)
	}
	for _, part := range []string{"owner@example.com", "revv-sandbox", "org_domain sandbox"} {
		assert.Contains(t, text, part)
	}
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	assert.True(t, net.ParseIP(u.Hostname()).IsLoopback())
	assert.Equal(t, http.StatusOK, p.send("GET", "/", "").status)
}

func TestRun_aPortThatIsTaken(t *testing.T) {
	t.Parallel()
	p := start(t)
	err := run(t.Context(), []string{"-addr", strings.TrimPrefix(p.url, "http://")}, nil, io.Discard, io.Discard)
	require.ErrorContains(t, err, "-addr: ")
	require.ErrorContains(t, err, "-addr 127.0.0.1:0 takes a free port")
	err = run(t.Context(), nil, []string{"REVV_SANDBOX_ADDR=" + strings.TrimPrefix(p.url, "http://")}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "REVV_SANDBOX_ADDR: ")
}

// A name can stand for any machine, whatever it was called when it was checked.
func TestListen_looksWhereItIs(t *testing.T) {
	t.Parallel()
	for variable, named := range map[string]string{"": "-addr: ", "REVV_SANDBOX_ADDR": "REVV_SANDBOX_ADDR: "} {
		c := &config{address: "0.0.0.0:0"}
		if variable != "" {
			c.variables = map[string]string{"addr": variable}
		}
		listener, err := listen(t.Context(), c)
		require.ErrorContains(t, err, named)
		require.ErrorContains(t, err, "not a loopback address")
		assert.Nil(t, listener)
		c.allowRemote = true
		listener, err = listen(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
}

func TestRun_refusesRemoteAddresses(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := run(t.Context(), nil, []string{"REVV_SANDBOX_ADDR=0.0.0.0:0"}, &out, &out)
	require.ErrorContains(t, err, "-allow-remote")
	assert.Empty(t, out.String())
}

func TestRun_baseURL_isWhatLinksBeginWith(t *testing.T) {
	t.Parallel()
	p := start(t, "-base-url", "http://sandbox.localhost:8787")
	assert.Equal(t, "http://sandbox.localhost:8787", p.ready["REVV_BASE_URL"])
}

// The same seed and clock give the same ids and secrets, and times of then.
func TestRun_seedAndClock(t *testing.T) {
	t.Parallel()
	var documents, secrets []string
	for range 2 {
		p := start(t, "-seed", "7", "-clock", "2021-06-18T12:00:00Z")
		p.login()
		document := at(t, p.call("POST", "/api/docs", `{"template_id":23}`), "Document")
		assert.True(t, strings.HasPrefix(textAt(t, document, "created_at"), "2021-06-18T12:0"), "%v", document)
		documents = append(documents, textAt(t, document, "object_id"))
		secrets = append(secrets, p.ready["REVV_CLIENT_SECRET"]+p.token)
	}
	assert.Equal(t, documents[0], documents[1])
	assert.Equal(t, secrets[0], secrets[1])
	assert.NotEqual(t, secrets[0], start(t).ready["REVV_CLIENT_SECRET"])
}

func TestRun_rateLimitAndSeedData(t *testing.T) {
	t.Parallel()
	p := start(t, "-rate-limit", "2/1h", "-seed-data=false")
	p.login()
	assert.Empty(t, at(t, p.call("GET", "/api/docstemplate/", ""), "Templates"))
	assert.Empty(t, at(t, p.call("GET", "/api/contacts/all", ""), "Contacts"))
	r := p.send("GET", "/api/contacts/all", "", "AccessToken", p.token)
	assert.Equal(t, http.StatusTooManyRequests, r.status)
	assert.NotEmpty(t, r.header.Get("Retry-After"))
}

func TestRun_webhookTargets_getEveryEvent(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	}))
	t.Cleanup(receiver.Close)
	state := t.TempDir() + "/state.json"
	start(t, "-state", state, "-webhook", receiver.URL).end()
	p := start(t, "-state", state, "-webhook", receiver.URL) // subscribed once
	p.login()
	assert.Len(t, at(t, p.call("GET", "/api/webhooks", ""), "Webhooks"), 4)
	p.call("POST", "/api/docs", `{"template_id":23}`)
	p.call("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"a@example.com"}]}`)
	p.signAll(1)
	got := map[string]int{}
	for range 4 { // Draft to Sent, signed, Sent to Signed, closed
		select {
		case body := <-bodies:
			got[textAt(t, decode(t, body), "event")]++
		case <-time.After(waiting):
			require.Fail(t, "an event is missing", "%v", got)
		}
	}
	assert.Equal(t, map[string]int{"DOCUMENT_STAGE_CHANGED": 2, "DOCUMENT_SIGNED": 1, "DOCUMENT_CLOSED": 1}, got)
}

// Neither a stream of events, nor an answer that hangs, nor a client that sends
// half a request keeps the program from ending.
func TestRun_endsInTheMiddleOfStreamsAndHangingAnswers(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.login()
	faultsNamed := func() int {
		page, _ := p.open("/faults")
		return strings.Count(page, "Documents.List")
	}
	none := faultsNamed() // the form names every operation
	for preset, operation := range map[string]string{"hang": "Documents.List", "drip": "Contacts.List"} {
		r := p.submit(&form{action: "/faults", values: url.Values{}}, "preset", preset, "operation", operation, "times", "1")
		require.Equal(t, http.StatusSeeOther, r.status, "%s", r.body)
	}
	get := func(path string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("AccessToken", p.token)
		return req
	}
	require.Greater(t, faultsNamed(), none)
	ended := make(chan error, 3)
	stream, err := p.http.Do(get("/events"))
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
	dripping, err := p.http.Do(get("/api/contacts/all"))
	require.NoError(t, err)
	for _, body := range []io.ReadCloser{stream.Body, dripping.Body} {
		go func() {
			_, err := io.Copy(io.Discard, body)
			_ = body.Close()
			ended <- err
		}()
	}
	go func() {
		resp, err := p.http.Do(get("/api/folders/"))
		if err == nil {
			err = errors.Join(errors.New("it was answered"), resp.Body.Close())
		}
		ended <- err
	}()
	half, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer func() { _ = half.Close() }()
	_, err = io.WriteString(half, "POST /api/docs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return faultsNamed() == none }, waiting, tick, "until the hanging one has arrived")

	begun := time.Now()
	p.stop()
	select {
	case err := <-p.done:
		require.NoError(t, err)
		p.done <- nil
	case <-time.After(waiting):
		require.Fail(t, "the program does not end")
	}
	assert.Less(t, time.Since(begun), 2*time.Second)
	var failed int
	for range 3 {
		if err := <-ended; err != nil {
			failed++
		}
	}
	assert.GreaterOrEqual(t, failed, 2, "the dripping and the hanging answer are cut, the stream may end as it should")
	_, err = bufio.NewReader(half).ReadByte()
	require.Error(t, err)
}

// What is in flight when the signal comes is answered, if it does not take long.
func TestRun_answersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	p := start(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /api/v2/auth/initiate-auth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	goOn, err := answers.ReadString('\n') // the handler asks for the body, and no sooner is the request in flight
	require.NoError(t, err)
	require.Contains(t, goOn, "100 Continue")
	_, err = answers.ReadString('\n')
	require.NoError(t, err)
	p.stop()
	require.Eventually(t, func() bool { // no new connection
		other, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	}, waiting, time.Millisecond)
	_, err = io.WriteString(conn, "{}")
	require.NoError(t, err)
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	p.end()
}

// The log has methods, routes and statuses, and nothing that opens anything.
func TestLog_hasNoSecret(t *testing.T) {
	t.Parallel()
	p := start(t)
	refreshToken := p.login()
	secrets := []string{p.token, refreshToken, p.ready["REVV_CLIENT_SECRET"], "revv-sandbox", "owner@example.com", "s3cret"}
	authURL := p.url + "/oauth/authorize?response_type=code&state=s3cret-state&client_id=" + p.ready["REVV_CLIENT_ID"] +
		"&redirect_uri=" + url.QueryEscape("http://127.0.0.1:4711/callback")
	location, err := url.Parse(p.authorize(authURL))
	require.NoError(t, err)
	code := location.Query().Get("code")
	require.NotEmpty(t, code)
	r := p.send("POST", "/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"http://127.0.0.1:4711/callback"},
		"client_id": {p.ready["REVV_CLIENT_ID"]}, "client_secret": {p.ready["REVV_CLIENT_SECRET"]},
	}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	secrets = append(secrets, code, textAt(t, decode(t, r.body), "access_token"), textAt(t, decode(t, r.body), "refresh_token"))

	object := textAt(t, p.call("POST", "/api/docs", `{"template_id":23}`), "Document", "object_id")
	magic := textAt(t, p.call("POST", "/api/perma-link", `{"object_id":"`+object+`","object_type":"DOC"}`), "url")
	p.open(magic)
	p.call("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"a@example.com"}]}`)
	page, _ := p.open("/outbox")
	secrets = append(secrets, regexp.MustCompile(`/perma/DOC/([A-Za-z0-9]+)`).FindStringSubmatch(magic)[1],
		strings.TrimPrefix(signLink.FindString(page), "/sign/"))
	p.signAll(1)
	p.send("GET", "/api/s3cret-path?access_token=s3cret", "")
	p.send("S3CRET", "/api/docs", "")
	p.end()

	log := p.log.String()
	for _, secret := range secrets {
		require.NotEmpty(t, secret)
		assert.NotContains(t, strings.ToLower(log), strings.ToLower(secret))
	}
	for _, line := range []string{
		" POST /api/v2/auth/initiate-auth 200 ", " GET /oauth/authorize 200 ", " POST /oauth/token 200 ", " GET /sign/{param} 200 ",
		" GET /perma/DOC/{param}/{title} 200 ", " GET /outbox 200 ", " GET (unknown path) 404 ", " (unknown method) /api/docs 405 ",
	} {
		assert.Contains(t, log, line)
	}
}
