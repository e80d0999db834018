package revv_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// tokenServer is a token endpoint on a real socket, for faults below HTTP. The
// answer is given the number of the request, from 1.
type tokenServer struct {
	*httptest.Server

	mu     sync.Mutex
	bodies []string
	opened atomic.Int64 // connections
}

func newTokenServer(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *tokenServer {
	t.Helper()
	s := &tokenServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.mu.Lock()
		s.bodies = append(s.bodies, string(body))
		n := len(s.bodies)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func (s *tokenServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.bodies...)
}

const (
	socketSecret = "client-SENTINEL-of-the-socket"
	socketCode   = "code-SENTINEL-of-the-socket"
	goodPair     = `{"access_token":"access-of-the-socket","refresh_token":"refresh-of-the-socket"}`
)

// config is an application of the server, with a transport of its own.
func (s *tokenServer) config(t *testing.T) (revv.OAuthConfig, *http.Transport) {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return revv.OAuthConfig{
		ClientID: "an-application", ClientSecret: socketSecret, RedirectURL: "http://127.0.0.1:8765/callback",
		Endpoint: revv.Endpoint(s.URL), HTTPClient: &http.Client{Transport: transport},
	}, transport
}

// renewer asks for a new token when its Token is called.
func renewer(t *testing.T, config revv.OAuthConfig) revv.Authenticator {
	t.Helper()
	store := revv.NewMemoryStore()
	saveToken(t, store, tokenAccount, &oauth2.Token{RefreshToken: "refresh-SENTINEL-of-the-socket"})
	auth, err := config.Authenticator(store, tokenAccount)
	require.NoError(t, err)
	return auth
}

// hangUp closes the connection in the place of an answer.
func hangUp(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if assert.NoError(t, err) {
		assert.NoError(t, conn.Close())
	}
}

func givePair(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, goodPair)
}

// T36: net/http must not repeat the form either. Connections are not kept: what a server
// sends behind an answer, net/http would write to the log of the program.
func TestExchange_connectionCutAfterTheCode_isNotRepeated(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 2 {
			hangUp(t, w)
			return
		}
		givePair(w)
	})
	server.Start()
	t.Cleanup(server.Close)
	config, _ := server.config(t)
	_, err := config.Exchange(t.Context(), socketCode, oauth2.GenerateVerifier())
	require.NoError(t, err)
	_, err = config.Exchange(t.Context(), socketCode, oauth2.GenerateVerifier())
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.ErrorContains(t, err, "start the authorization again")
	assertKeepsSecrets(t, []string{socketSecret, socketCode}, err)
	assert.Len(t, server.requests(), 2)
	assert.EqualValues(t, 2, server.opened.Load())
}

// T11 on a real connection: net/http does not add repetitions of its own.
func TestRefresh_connectionCutAfterTheForm_isSentOnceMore(t *testing.T) {
	t.Parallel()
	for name, cuts := range map[string]int{"once": 1, "for ever": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newTokenServer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n <= cuts {
					hangUp(t, w)
					return
				}
				givePair(w)
			})
			server.Start()
			t.Cleanup(server.Close)
			config, _ := server.config(t)
			token, err := renewer(t, config).Token(t.Context())
			if cuts == 1 {
				require.NoError(t, err)
				assert.Equal(t, "access-of-the-socket", token.AccessToken)
			} else {
				require.ErrorIs(t, err, io.EOF)
				assertKeepsSecrets(t, []string{socketSecret, "refresh-SENTINEL-of-the-socket"}, err)
			}
			requests := server.requests()
			require.Len(t, requests, 2)
			assert.Equal(t, "grant_type=refresh_token&refresh_token=refresh-SENTINEL-of-the-socket", requests[0])
			assert.Equal(t, requests[0], requests[1])
		})
	}
}

// T34: whoever the endpoint points to gets not even a connection.
func TestTokenEndpoint_redirect_isNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			other := newTokenServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { givePair(w) })
			other.Start()
			t.Cleanup(other.Close)
			server := newTokenServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL+"/oauth/token", status)
			})
			server.Start()
			t.Cleanup(server.Close)
			config, _ := server.config(t)
			config.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } // follow
			_, err := config.Exchange(t.Context(), socketCode, oauth2.GenerateVerifier())
			require.ErrorIs(t, err, revv.ErrRedirected)
			_, err = renewer(t, config).Token(t.Context())
			require.ErrorIs(t, err, revv.ErrRedirected)
			assert.Len(t, server.requests(), 2)
			assert.Zero(t, other.opened.Load())
		})
	}
}

// T32: what the transport decompresses is bounded as well.
func TestTokenEndpoint_gzipBomb_isTooLarge(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "gzip", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		bomb := gzip.NewWriter(w)
		_, _ = io.WriteString(bomb, `{"access_token":"`+strings.Repeat("x", 2<<20)+`"}`)
		_ = bomb.Close()
	})
	server.Start()
	t.Cleanup(server.Close)
	config, _ := server.config(t)
	_, err := renewer(t, config).Token(t.Context())
	require.ErrorIs(t, err, revv.ErrResponseTooLarge)
	_, err = config.Exchange(t.Context(), socketCode, oauth2.GenerateVerifier())
	require.ErrorIs(t, err, revv.ErrResponseTooLarge)
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Len(t, server.requests(), 2)
}

// Behind a 101 stands a connection without an end, which no context ends.
func TestTokenEndpoint_switchesProtocols_isAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	server := newTokenServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n")
		assert.NoError(t, err)
		<-released
	})
	server.Start()
	t.Cleanup(server.Close)
	config, _ := server.config(t)
	auth, ended := renewer(t, config), make(chan error, 2)
	go func() {
		_, err := config.Exchange(t.Context(), "a-code", "")
		ended <- err
	}()
	go func() {
		_, err := auth.Token(t.Context())
		ended <- err
	}()
	for range 2 {
		select {
		case err := <-ended:
			e, ok := errors.AsType[*revv.Error](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, http.StatusSwitchingProtocols, e.StatusCode)
		case <-time.After(10 * time.Second):
			t.Error("it waits for an end")
		}
	}
	close(released)
}

// A certificate that does not fit ends it: nothing was sent, and nothing will be.
func TestTokenEndpoint_unknownCertificate_isNotTriedAgain(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { givePair(w) })
	server.StartTLS()
	t.Cleanup(server.Close)
	config, _ := server.config(t)
	_, err := config.Exchange(t.Context(), socketCode, oauth2.GenerateVerifier())
	require.ErrorAs(t, err, &x509.UnknownAuthorityError{})
	require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
	_, err = renewer(t, config).Token(t.Context())
	require.ErrorAs(t, err, &x509.UnknownAuthorityError{})
	assert.Empty(t, server.requests())
	assert.EqualValues(t, 2, server.opened.Load())
}

// T37: a connection that is refused is tried again, for nothing was sent.
func TestExchange_dialRefusedOnce_succeeds(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { givePair(w) })
	server.Start()
	t.Cleanup(server.Close)
	nobody, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	config, transport := server.config(t)
	var dials atomic.Int64
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) == 1 {
			address = nobody.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	token, err := config.Exchange(t.Context(), socketCode, oauth2.GenerateVerifier())
	require.NoError(t, err)
	assert.Equal(t, "access-of-the-socket", token.AccessToken)
	assert.EqualValues(t, 2, dials.Load())
	assert.Len(t, server.requests(), 1)
}

// T08: what the HTTP client of the program keeps is not for the token endpoint.
func TestRefresh_cookieJarOfTheHTTPClient_isNotUsed(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Cookies())
		assert.NotContains(t, r.Header, "Authorization")
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "/oauth/token", r.URL.RequestURI())
		givePair(w)
	})
	server.Start()
	t.Cleanup(server.Close)
	config, _ := server.config(t)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	jar.SetCookies(at, []*http.Cookie{{Name: "session", Value: "of-a-person"}})
	config.HTTPClient.Jar = jar
	_, err = renewer(t, config).Token(t.Context())
	require.NoError(t, err)
	assert.Len(t, server.requests(), 1)
}

// A transport keeps what it has sent and read in the buffers of its connections:
// no dump must get there from an authenticator.
func TestAuthenticator_afterRealTraffic_showsNoSecret(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { givePair(w) })
	server.Start()
	t.Cleanup(server.Close)
	secrets := []string{socketSecret, "refresh-SENTINEL-of-the-socket", "access-of-the-socket", "refresh-of-the-socket"}
	config, _ := server.config(t)
	auth := renewer(t, config)
	_, err := auth.Token(t.Context())
	require.NoError(t, err)
	assertKeepsSecrets(t, secrets, auth)

	config.HTTPClient = nil // with a transport of the package
	auth = renewer(t, config)
	_, err = auth.Token(t.Context())
	require.NoError(t, err)
	assertKeepsSecrets(t, secrets, auth)
	server.Close()
}

// What a server sends behind an answer, net/http writes to the log of the program if the
// connection is kept.
func TestTokenEndpoint_moreThanTheAnswer_isInNoLog(t *testing.T) {
	var logged buffer
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	const pair = `{"access_token":"SENTINEL-access","refresh_token":"SENTINEL-refresh"}`
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(pair)) + "\r\n\r\n" + pair + pair
	config := revv.OAuthConfig{
		ClientID: "an-application", ClientSecret: socketSecret, Endpoint: revv.Endpoint(speaker(t, func(string) string { return answer })),
	}
	_, err := config.Exchange(t.Context(), socketCode, "")
	require.NoError(t, err)
	_, err = renewer(t, config).Token(t.Context())
	require.NoError(t, err)
	assert.Empty(t, logged.String())
}

// Another host of the domain, or of the same machine, can set a cookie of the same name.
func TestHandlers_twoCookies_areNoneOfOurs(t *testing.T) {
	t.Parallel()
	r := newWebReplica(t, newAuthority(t, &eventLog{}).config())
	mine, asked := r.begin(t)
	theirs, _ := r.begin(t)
	for _, cookies := range [][]*http.Cookie{{mine, theirs}, {theirs, mine}, {mine, mine}} {
		assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookies...), "two cookies")
	}
	assert.Empty(t, r.outcomes())
}

// T31: only the end of the connection ends such an answer, so that one without a body is as
// good as cut.
func TestRefresh_answerCutRightAfterItsHead_isSentOnceMore(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n > 1 {
			givePair(w)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
			assert.NoError(t, err)
			assert.NoError(t, conn.Close())
		}
	})
	server.Start()
	t.Cleanup(server.Close)
	config, _ := server.config(t)
	token, err := renewer(t, config).Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-of-the-socket", token.AccessToken)
	assert.Len(t, server.requests(), 2)
}

// An answer without a body whose end was seen is whole.
func TestRefresh_emptyAnswerWithItsEnd_isNotSentOnceMore(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"in chunks": false, "HTTP/2": true} {
		server := newTokenServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusOK)
			assert.NoError(t, http.NewResponseController(w).Flush())
		})
		if server.EnableHTTP2 = http2; http2 {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		config, _ := server.config(t)
		config.HTTPClient = server.Client()
		_, err := renewer(t, config).Token(t.Context())
		require.ErrorIs(t, err, revv.ErrEmptyResponse, name)
		assert.Len(t, server.requests(), 1, name)
	}
}
