package revv_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// planted are secrets of one test, new in each run. The first word says what a
// secret is, so that a failure can be told without it.
type planted struct {
	token, header, query, link, location, cookie, base, document string
}

func plant() planted {
	grow := func(kind string) string { return kind + "-SENTINEL" + rand.Text() }
	return planted{
		token: grow("token"), header: grow("header"), query: grow("query"), link: grow("link"), location: grow("location"), cookie: grow("cookie"),
		base: grow("base"), document: grow("document"),
	}
}

// all lists the secrets, without the words that only tell them apart.
func (p planted) all() []string {
	return []string{p.token, p.header, p.query, p.link, p.location, p.cookie, p.base, p.document}
}

// everywhere is a text that repeats all secrets that an answer can know of, as
// careless services do.
func (p planted) everywhere() string {
	return fmt.Sprintf("Bearer %s; X-Api-Key %s; ?key=%s&token=%s", p.token, p.header, p.query, p.token)
}

// mishap is a way to fail, or to succeed, that secrets may come out of.
type mishap func(p planted) func(*http.Request) (*http.Response, error)

func mishaps() map[string]mishap {
	answer := func(status int, body func(p planted) string, headers ...func(p planted) string) mishap {
		return func(p planted) func(*http.Request) (*http.Response, error) {
			return func(*http.Request) (*http.Response, error) {
				resp := reply(status, body(p), "Set-Cookie", p.cookie, "X-Request-Id", "id of "+p.token, "X-Echo", p.everywhere())
				for i := 0; i+1 < len(headers); i += 2 {
					resp.Header.Set(headers[i](p), headers[i+1](p))
				}
				return resp, nil
			}
		}
	}
	say := func(text string) func(planted) string { return func(planted) string { return text } }
	asJSON := func(p planted) string {
		return fmt.Sprintf(`{"error":%q,"message":%q,"detail":%q}`, "E_"+p.token, p.everywhere(), p.everywhere())
	}
	nested := func(p planted) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, p.query, p.everywhere())
	}
	located := func(p planted) string { return "https://other.example.com/?signature=" + p.location }
	fail := func(err func(p planted, r *http.Request) error) mishap {
		return func(p planted) func(*http.Request) (*http.Response, error) {
			return func(r *http.Request) (*http.Response, error) { return nil, err(p, r) }
		}
	}
	all := map[string]mishap{
		"success":             answer(200, say(documentAnswer)),
		"success with a link": answer(200, func(p planted) string { return `{"url":"https://acme.example.com/l/` + p.link + `"}` }),
		"a link of no web":    answer(200, func(p planted) string { return `{"url":"javascript:` + p.link + `"}` }),
		"a page":              answer(200, func(p planted) string { return htmlPage + p.document + p.everywhere() }),
		"a plain text":        answer(200, func(p planted) string { return p.document + p.everywhere() }, say("Content-Type"), func(p planted) string { return "text/" + p.token }),
		"broken JSON":         answer(200, func(p planted) string { return `{"Document":{"` + p.document + `":` + p.document + `}}` }),
		"JSON of a text":      answer(200, func(p planted) string { return `"` + p.document + `"` }),
		"a wrong member":      answer(200, func(p planted) string { return `{"Document":"` + p.document + `","` + p.document + `":1}` }),
		"a wrong id":          answer(200, func(p planted) string { return `{"Document":{"id":"` + p.document + `"},"url":["` + p.link + `"]}` }),
		"another object":      answer(200, func(p planted) string { return `{"` + p.document + `":{}}` }),
		"nothing":             answer(200, say("")),
		"a PDF with a name": answer(200, func(p planted) string { return pdf(500) + p.document }, say("Content-Type"), say("application/pdf"),
			say("Content-Disposition"), func(p planted) string { return `attachment; filename="nda.pdf"` }),
		"a redirect": answer(302, say(""), say("Location"), located),
		"307":        answer(307, say(""), say("Location"), located),
		"the transport's own error": fail(func(p planted, r *http.Request) error {
			return fmt.Errorf("cannot reach %s with %v: %s", r.URL, r.Header, p.everywhere())
		}),
		"an error of a client": fail(func(_ planted, r *http.Request) error {
			return &url.Error{Op: "Post", URL: r.URL.String(), Err: errRefused()}
		}),
		"an error within an error": fail(func(_ planted, r *http.Request) error {
			return fmt.Errorf("pool: %w", &url.Error{Op: "Get", URL: r.URL.String(), Err: errors.New("dial " + r.URL.RawQuery)})
		}),
		"a dial error": fail(func(planted, *http.Request) error { return errRefused() }),
		"a timeout":    fail(func(planted, *http.Request) error { return context.DeadlineExceeded }),
		"a body that breaks": func(p planted) func(*http.Request) (*http.Response, error) {
			return func(*http.Request) (*http.Response, error) {
				resp := reply(200, "")
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"`+p.document), failingReader{errors.New("read: " + p.everywhere())}))
				return resp, nil
			}
		},
	}
	for _, status := range []int{400, 401, 403, 404, 409, 418, 422, 429, 500, 503} {
		all[fmt.Sprintf("%d that repeats it all", status)] = answer(status, asJSON)
		all[fmt.Sprintf("%d that repeats it deep down", status)] = answer(status, nested)
	}
	all["429 for an hour"] = answer(429, asJSON, say("Retry-After"), say("3600"))
	all["500 with a page"] = answer(500, func(p planted) string { return htmlPage + p.everywhere() })
	return all
}

// TestSecrets_appearNowhere is S01: secrets are planted wherever there is room
// for one, and every way to fail is tried with every operation. None of them
// shows in an error, a response, the client or its log, in whatever way these
// are printed, encoded or dumped.
func TestSecrets_appearNowhere(t *testing.T) {
	t.Parallel()
	var count tally
	count.report(t, "secrets")
	ops := aFew(everyOperation(anyArguments(t.TempDir())))
	ops = append(ops, everyOperation(anyArguments(t.TempDir()))[15]) // the magic link
	require.Equal(t, "Documents.MagicLink", ops[len(ops)-1].name)
	for name, mishap := range mishaps() {
		for where, bearer := range map[string][]revv.Option{"AccessToken": nil, "Bearer": {revv.WithBearerHeader()}} {
			t.Run(name+"/"+where, func(t *testing.T) {
				t.Parallel()
				for _, op := range ops {
					count.cases.Add(1)
					keepSecrets(t, op, mishap, bearer)
					if !t.Failed() {
						count.passed.Add(1)
					}
				}
			})
		}
	}
}

func keepSecrets(t *testing.T, op operationCase, mishap mishap, opts []revv.Option) {
	t.Helper()
	p := plant()
	var log buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	network := newSwitchboard(mishap(p))
	client, err := revv.NewClient(&passes{left: []string{p.token, p.token + "2"}}, append([]revv.Option{
		revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}), revv.WithLogger(logger), hurried(),
		revv.WithHeader("X-Api-Key", p.header), revv.WithQuery("key", p.query),
	}, opts...)...)
	require.NoError(t, err)
	var captured revv.Response
	err = op.call(t.Context(), client, revv.CaptureResponse(&captured))
	assertKeepsSecrets(t, p.all(), err)
	assertKeepsSecrets(t, p.all(), captured)
	assertKeepsSecrets(t, p.all(), &captured)
	assertNoSecretIn(t, p.all(), printed(client), "the client, printed")
	assertNoSecretIn(t, p.all(), contents(client), "the client, looked into")
	assertNoSecretIn(t, p.all(), log.String(), "the log")
	assertNoSecretIn(t, p.all(), panicText(err), "a panic")
	for joined := err; joined != nil; joined = errors.Unwrap(joined) {
		assertNoSecretIn(t, p.all(), printed(joined), "an error in the chain")
	}
}

// panicText is what a program shows that panics with a value.
func panicText(value any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	if value == nil {
		return ""
	}
	panic(value)
}

// What the caller gets wrong is named, not repeated.
func TestSecrets_inArguments_areNotRepeated(t *testing.T) {
	t.Parallel()
	p := plant()
	network := newSwitchboard(answering(200, documentAnswer))
	client := network.client(t)
	construct := func(auth revv.Authenticator, opts ...revv.Option) error {
		return errorOf(revv.NewClient(auth, append(opts, revv.WithHTTPClient(&http.Client{Transport: network}))...))
	}
	call := func(opts ...revv.CallOption) error { return readOne(t.Context(), client, opts...) }
	static := revv.StaticToken(anyToken)
	for name, err := range map[string]error{
		"a token with a space":          construct(revv.StaticToken(p.token+" x"), revv.WithBaseURL(apiBase)),
		"a token with a line break":     construct(revv.StaticToken(p.token+"\r\n"), revv.WithBaseURL(apiBase)),
		"user information":              construct(static, revv.WithBaseURL("https://user:"+p.base+"@api.example.com")),
		"a user":                        construct(static, revv.WithBaseURL("https://"+p.base+"@api.example.com")),
		"a query":                       construct(static, revv.WithBaseURL("https://api.example.com?token="+p.base)),
		"a fragment":                    construct(static, revv.WithBaseURL("https://api.example.com#"+p.base)),
		"an address that is none":       construct(static, revv.WithBaseURL("https://[::1/"+p.base)),
		"a plain address":               construct(static, revv.WithBaseURL("http://api.example.com/"+p.base)),
		"a subdomain":                   construct(static, revv.WithSubdomain(p.base+"!")),
		"a user agent":                  construct(static, revv.WithBaseURL(apiBase), revv.WithUserAgent(p.base+"\n")),
		"a header with a line break":    call(revv.WithHeader("X-Api-Key", p.header+"\r\nX: y")),
		"a header of the client":        call(revv.WithHeader("Authorization", "Bearer "+p.token)),
		"a cookie":                      call(revv.WithHeader("Cookie", p.cookie)),
		"a header name":                 call(revv.WithHeader(p.header+":", "x")),
		"a parameter without a name":    call(revv.WithQuery("", p.query)),
		"a token from an authenticator": errorOf(mustClient(t, &passes{left: []string{p.token + "\n"}}, network).Documents.Get(t.Context(), 14)),
		"an authenticator that fails":   errorOf(mustClient(t, &fleeting{token: "x", then: errors.New("the store is down")}, network).Documents.Get(t.Context(), 14)),
		"a body":                        client.Do(t.Context(), "POST", "/x", map[string]any{"secret": p.document, "f": func() {}}, nil),
		"a body that is no JSON":        client.Do(t.Context(), "POST", "/x", json.RawMessage(`{"secret":"`+p.document), nil),
		"a webhook's address":           errorOf(client.Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: "E", URL: "http://user:" + p.base + "@example.com"})),
		"a number":                      errorOf(client.Documents.GetByNumber(t.Context(), revv.DocumentNumber(p.document+"\n"))),
		"an address":                    errorOf(client.Contacts.GetByEmail(t.Context(), p.document)),
		"a file":                        errorOf(client.Documents.DownloadFile(t.Context(), 14, filepath.Join(t.TempDir(), "\x00"+p.document))),
	} {
		if name != "an authenticator that fails" {
			require.Error(t, err, name)
		}
		assertKeepsSecrets(t, p.all(), err)
	}
}

func mustClient(t *testing.T, auth revv.Authenticator, network http.RoundTripper) *revv.Client {
	t.Helper()
	client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}))
	require.NoError(t, err)
	return client
}

// A client made with everything that is secret shows nothing of it.
func TestSecrets_inAClient_areNotShown(t *testing.T) {
	t.Parallel()
	p := plant()
	client, err := revv.NewClient(revv.StaticToken(p.token), revv.WithBaseURL(apiBase), revv.WithHeader("X-Api-Key", p.header), revv.WithQuery("key", p.query))
	require.NoError(t, err)
	for _, value := range []any{
		client, *client,
		[]*revv.Client{client},
		map[string]any{"client": client},
		struct{ Client *revv.Client }{client},
		client.Documents, *client.Documents, client.HTTPClient(),
		revv.StaticToken(p.token), revv.WithHeader("X-Api-Key", p.header), revv.WithQuery("key", p.query),
	} {
		assertKeepsSecrets(t, p.all(), value)
	}
}

// A link is given away by its method alone.
func TestSecrets_aLink_isNotShown(t *testing.T) {
	t.Parallel()
	p := plant()
	address := "https://acme.example.com/l/" + p.link
	client := newSwitchboard(answering(200, `{"url":"`+address+`"}`)).client(t)
	link, err := client.Documents.MagicLink(t.Context(), "DOC-aB3dE5gH7jK9")
	require.NoError(t, err)
	assert.Equal(t, address, link.URL())
	for _, value := range []any{link, &link, []revv.Link{link}, map[string]revv.Link{"a": link}, struct{ Link revv.Link }{link}} {
		assertKeepsSecrets(t, p.all(), value)
	}
	encoded, err := json.Marshal(struct{ Link revv.Link }{link})
	require.NoError(t, err)
	assert.NotContains(t, string(encoded), "acme")
}

// Short values are no secrets, and concealing them would spoil every text.
func TestSecrets_shortValues_stayReadable(t *testing.T) {
	t.Parallel()
	client := newSwitchboard(answering(422, `{"error":"E","message":"page_size 1 is not allowed for acme"}`)).client(t, revv.WithHeader("X-Tenant", "acme"), revv.WithQuery("page_size", "1"))
	err := readOne(t.Context(), client)
	assert.Equal(t, "page_size 1 is not allowed for acme", failure(t, err).Message)
}

// What is no secret stays readable: the id that a caller has given to a request, to
// find it again, a token as short as a word, and the type of the answer.
func TestSecrets_whatIsNone_staysReadable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id", "X-Amzn-Requestid"} {
		client := newSwitchboard(func(r *http.Request) (*http.Response, error) {
			return reply(404, `{"error":"token-missing","message":"no such template for order-4711-abc"}`, "X-Request-Id", r.Header.Get(name)), nil
		}).client(t, revv.WithHeader(name, "order-4711-abc"), revv.WithHeader("X-Format", "application"))
		var captured revv.Response
		got := failure(t, readOne(t.Context(), client, revv.CaptureResponse(&captured)))
		assert.Equal(t, "order-4711-abc", got.RequestID)
		assert.Equal(t, "no such template for order-4711-abc", got.Message)
		assert.Equal(t, "order-4711-abc", captured.RequestID)
		assert.Equal(t, "order-4711-abc", captured.Header.Get("X-Request-Id"))
		assert.Equal(t, "application/json", captured.Header.Get("Content-Type"))
	}
	client := mustClient(t, revv.StaticToken("e"), newSwitchboard(answering(404, `{"error":"not_found","message":"there is none"}`)))
	assert.Equal(t, "there is none", failure(t, readOne(t.Context(), client)).Message)
}

// An error keeps its kind when its text is replaced.
func TestSecrets_concealedErrors_keepTheirKind(t *testing.T) {
	t.Parallel()
	p := plant()
	inner := fmt.Errorf("dial with %s: %w", p.token, errRefused())
	client := mustClient(t, revv.StaticToken(p.token), newSwitchboard(func(*http.Request) (*http.Response, error) { return nil, inner }))
	err := errorOf(client.Documents.Get(t.Context(), 14, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1, BaseDelay: time.Nanosecond})))
	require.ErrorIs(t, err, inner)
	dial, ok := errors.AsType[*net.OpError](err)
	require.True(t, ok)
	assert.Equal(t, "dial", dial.Op)
	assert.Contains(t, err.Error(), "dial with [redacted]")
	assertNoSecretIn(t, p.all(), printed(err)+contents(err), "the error")
}

// A request shows no token to middleware, also to one that dumps its context.
func TestSecrets_inARequestForMiddleware_areNotThere(t *testing.T) {
	t.Parallel()
	p := plant()
	dumps := 0
	client, err := revv.NewClient(revv.StaticToken(p.token), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: newSwitchboard(answering(200, documentAnswer))}),
		revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				dumps++
				assertNoSecretIn(t, p.all(), fmt.Sprintf("%+v %#v", r, r)+contents(r)+contents(r.Context()), "the request")
				resp, err := next.RoundTrip(r)
				assertNoSecretIn(t, p.all(), contents(resp), "the answer")
				return resp, err
			})
		}))
	require.NoError(t, err)
	require.NoError(t, readOne(t.Context(), client))
	require.NoError(t, writeOne(t.Context(), client))
	assert.Equal(t, 2, dumps)
}

// The buffers of idle connections hold what was sent over them.
func TestSecrets_clientWithAnIdleConnection_showsNothing(t *testing.T) {
	t.Parallel()
	service, base := onSockets(t, func(int) act { return replying(http.StatusOK, documentAnswer) })
	p := plant()
	client, err := revv.NewClient(revv.StaticToken(p.token), revv.WithBaseURL(base), revv.WithHeader("X-Api-Key", p.header))
	require.NoError(t, err)
	defer client.HTTPClient().CloseIdleConnections()
	require.NoError(t, errorOf(client.Documents.Get(t.Context(), 14)))
	require.NoError(t, errorOf(client.Documents.Get(t.Context(), 14)))
	assert.Len(t, service.requests(), 2)
	assertNoSecretIn(t, p.all(), printed(client)+contents(client), "the client")
}

// A query has no place in a path, and is the place of many a key.
func TestDo_pathWithAQuery_isNotRepeated(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/docs?api_key=SENTINEL", "/docs#SENTINEL", "https://SENTINEL@example.com/docs", "docs SENTINEL"} {
		err := silent(t).client(t).Do(t.Context(), http.MethodGet, path, nil, nil)
		assertArgument(t, err, "path")
		assert.NotContains(t, printed(err)+contents(err), "SENTINEL", path)
	}
}

// Not everybody escapes as Go does, and of a header a service may repeat a part.
func TestSecrets_writtenInAnotherWay_areHidden(t *testing.T) {
	t.Parallel()
	const key = "s3cr3t/gateway+key=="
	for name, text := range map[string]string{
		"as it is":        key,
		"capital escapes": "s3cr3t%2Fgateway%2Bkey%3D%3D",
		"small escapes":   "s3cr3t%2fgateway%2bkey%3d%3d",
		"of a path":       "s3cr3t%2Fgateway+key==",
		"in JSON":         `s3cr3t\/gateway+key==`,
	} {
		body, err := json.Marshal(map[string]string{"error": "DENIED", "message": "who is " + text + "?"})
		require.NoError(t, err)
		for place, option := range map[string]revv.CallOption{
			"query":              revv.WithQuery("key", key),
			"header":             revv.WithHeader("X-Gateway", key),
			"part of a header":   revv.WithHeader("X-Gateway", "Bearer "+key),
			"named in a header":  revv.WithHeader("X-Gateway", "a=b; key="+key),
			"quoted in a header": revv.WithHeader("X-Gateway", `Digest key="`+key+`", a="b"`),
		} {
			got := failure(t, readOne(t.Context(), newSwitchboard(answering(403, string(body))).client(t), option))
			assert.NotContains(t, got.Message, "gateway", "%s, %s", name, place)
			assert.Contains(t, got.Message, "who is ", "%s, %s", name, place)
		}
	}
	// A space is a plus in a query, and no plus in a script.
	got := failure(t, readOne(t.Context(), newSwitchboard(answering(403, `{"message":"a%20b+c%20d"}`)).client(t), revv.WithQuery("key", "a b+c d e")))
	assert.Equal(t, "a%20b+c%20d", got.Message)
	got = failure(t, readOne(t.Context(), newSwitchboard(answering(403, `{"message":"a%20b%2bc%20d%20e"}`)).client(t), revv.WithQuery("key", "a b+c d e")))
	assert.Equal(t, "[redacted]", got.Message)
}

// The query of a call is the client's own, and may be the address of a person.
func TestSecrets_theQueryOfACall_isInNoError(t *testing.T) {
	t.Parallel()
	network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
		return nil, errors.New("cannot reach " + r.URL.String())
	})
	_, err := network.client(t, unrepeated()).Contacts.GetByEmail(t.Context(), "ada@example.com")
	require.ErrorContains(t, err, "cannot reach ")
	assert.NotContains(t, err.Error(), "ada")
}
