package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// pipes is a listener without a network, so that the time of a test is fake.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects as a browser does.
func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	browser, accepted := net.Pipe()
	p.conns <- accepted
	return browser, nil
}

// running is the application while it serves, with a customer at a browser.
type running struct {
	sandbox  *revvtest.Server
	customer *browser
	stop     func() error // returns the error that it ends with
	open     func() *app  // the application as it is started again
}

func start(t *testing.T, database string) *running {
	t.Helper()
	const url = "http://127.0.0.1:8080"
	r := &running{sandbox: revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithRedirectURLs(url+"/callback"))}
	key := newKey()
	r.open = func() *app {
		a, err := newApp(t.Context(), r.sandbox.OAuthConfig(), r.sandbox.URL(), database, key, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		a.options = []revv.Option{revv.WithHTTPClient(r.sandbox.HTTPClient())}
		return a
	}
	a := r.open()
	ctx, stop := context.WithCancel(t.Context())
	listener, ended := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, make(chan error, 1)
	go func() { ended <- serveOn(ctx, listener, a) }()
	r.stop = func() error {
		stop()
		return <-ended
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	r.customer = &browser{shop: &shop{url: url, sandbox: r.sandbox}, client: &http.Client{
		Jar: jar, Transport: &http.Transport{DialContext: listener.dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	require.NoError(t, r.customer.expect(t.Context(), http.MethodPost, "/sign-in?customer=acme", http.StatusSeeOther, ""))
	return r
}

// consent clicks Connect and agrees. It returns where the browser goes then.
func (r *running) consent(t *testing.T) (back string) {
	t.Helper()
	page, err := r.customer.do(t.Context(), http.MethodPost, r.customer.shop.url+"/connect")
	require.NoError(t, err)
	back, err = r.sandbox.Authorize(page.location)
	require.NoError(t, err)
	return back
}

// stored is the refresh token of the customer, as another start of the application finds it.
func (r *running) stored(t *testing.T) string {
	t.Helper()
	a := r.open()
	account, err := a.database.connection(t.Context(), "acme")
	require.NoError(t, err)
	token, err := a.store.Load(t.Context(), account)
	require.NoError(t, err)
	require.NoError(t, a.close())
	return token.RefreshToken
}

// slow makes the token endpoint take half a minute for its next answer.
func (r *running) slow() {
	r.sandbox.Fail(revvtest.Fault{Operation: "OAuth.Token", Drip: 150 * time.Millisecond, Times: 1})
}

func TestServe_stoppedWhileARequestRenews_savesThePair(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leaves  bool          // the browser, after a second
		delayed time.Duration // before the service finds that the token has expired
		want    error
		longest time.Duration
	}{
		"the browser waits":      {longest: 30 * time.Second},
		"the browser has left":   {leaves: true, longest: 30 * time.Second},
		"the request takes long": {delayed: 20 * time.Second, want: context.DeadlineExceeded, longest: 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := filepath.Join(t.TempDir(), "tokens.db")
			synctest.Test(t, func(t *testing.T) {
				r := start(t, database)
				_, err := r.customer.do(t.Context(), http.MethodGet, r.consent(t))
				require.NoError(t, err)
				r.sandbox.ExpireTokens()
				r.slow()
				if test.delayed > 0 {
					r.sandbox.Fail(revvtest.Fault{Operation: "Templates.List", Delay: test.delayed, Times: 1})
				}
				before := r.stored(t)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				answered := make(chan error, 1)
				go func() {
					answered <- r.customer.expect(ctx, http.MethodGet, "/templates", http.StatusOK, "Your templates: ")
				}()
				<-time.After(time.Second)
				if test.leaves {
					leave()
				}
				start := time.Now()
				require.ErrorIs(t, r.stop(), test.want)
				assert.NotEqual(t, before, r.stored(t), "the process ends here")
				assert.Greater(t, time.Since(start), 20*time.Second, "the renewal was slow")
				assert.Less(t, time.Since(start), test.longest)
				if err := <-answered; test.leaves || test.want != nil {
					require.Error(t, err)
				} else {
					require.NoError(t, err)
				}
			})
		})
	}
}

func TestServe_stoppedWhileACodeIsExchanged_savesThePair(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]bool{"the browser waits": false, "the browser has left": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := filepath.Join(t.TempDir(), "tokens.db")
			synctest.Test(t, func(t *testing.T) {
				r := start(t, database)
				back := r.consent(t)
				r.slow()
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				answered := make(chan error, 1)
				go func() {
					_, err := r.customer.do(ctx, http.MethodGet, back)
					answered <- err
				}()
				<-time.After(time.Second)
				if leaves {
					leave()
				}
				start := time.Now()
				require.NoError(t, r.stop())
				assert.NotEmpty(t, r.stored(t), "the code is spent")
				assert.Greater(t, time.Since(start), 20*time.Second, "the exchange was slow")
				assert.Equal(t, leaves, <-answered != nil)
			})
		})
	}
}
