package counts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"

	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/world"
)

// TokenCallers is how many callers need a token at once.
const TokenCallers = 1000

// TokenSeries is how many requests one renewal may cost while the endpoint fails.
const TokenSeries = 3

// Tokens is what callers with an expired token cause.
type Tokens struct {
	Requests int // to the token endpoint
	Failed   int // calls
	Took     time.Duration
}

// expired is a pair whose access token is of no use any more.
func expired() *oauth2.Token {
	return &oauth2.Token{AccessToken: "old-access", RefreshToken: "old-refresh", TokenType: "Bearer", Expiry: time.Now().Add(-time.Hour)}
}

// tokenWorld is a token endpoint beside an API.
type tokenWorld struct {
	server *world.Server
	asked  atomic.Int64
}

func newTokenWorld(ctx context.Context, answer world.Answer, broken bool) (*tokenWorld, error) {
	w := new(tokenWorld)
	var err error
	w.server, err = world.Serve(ctx, func(r *http.Request) world.Reply {
		if r.URL.Path != "/oauth/token" {
			return answer(r)
		}
		w.asked.Add(1)
		if broken {
			reply := world.JSON([]byte(`{"error":"server_error"}`))
			reply.Status = http.StatusInternalServerError
			return reply
		}
		return world.JSON([]byte(`{"access_token":"new-access","refresh_token":"new-refresh","token_type":"Bearer","expires_in":3600}`))
	}, 0)
	return w, err
}

// crowd lets all callers in at once and counts those that fail.
func (w *tokenWorld) crowd(call func() error) Tokens {
	var (
		callers sync.WaitGroup
		failed  atomic.Int64
	)
	gate := make(chan struct{})
	for range TokenCallers {
		callers.Go(func() {
			<-gate
			if call() != nil {
				failed.Add(1)
			}
		})
	}
	start := time.Now()
	close(gate)
	callers.Wait()
	return Tokens{Requests: int(w.asked.Load()), Failed: int(failed.Load()), Took: time.Since(start)}
}

// TokenRequests returns what 1,000 callers of this project's client cause.
func TokenRequests(ctx context.Context, broken bool) (result Tokens, err error) {
	rival, err := sides.Revv()
	if err != nil {
		return result, err
	}
	w, err := newTokenWorld(ctx, rival.Answer, broken)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, w.server.Close()) }()
	const account = "account"
	store := revv.NewMemoryStore()
	if err := revv.SaveToken(ctx, store, account, expired()); err != nil {
		return result, err
	}
	auth, err := revv.OAuthConfig{ClientID: "id", ClientSecret: "client-secret", Endpoint: revv.Endpoint(w.server.URL)}.Authenticator(store, account)
	if err != nil {
		return result, err
	}
	client, err := revv.NewClient(auth, revv.WithBaseURL(w.server.URL))
	if err != nil {
		return result, err
	}
	return w.crowd(func() error {
		_, err := client.Documents.Get(ctx, sides.DocumentID)
		return err
	}), nil
}

// FloorTokenRequests returns what the same callers cause through x/oauth2.
func FloorTokenRequests(ctx context.Context, broken bool, style oauth2.AuthStyle) (result Tokens, err error) {
	rival, err := sides.Revv()
	if err != nil {
		return result, err
	}
	w, err := newTokenWorld(ctx, rival.Answer, broken)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, w.server.Close()) }()
	config := oauth2.Config{ClientID: "id", ClientSecret: "client-secret", Endpoint: oauth2.Endpoint{TokenURL: w.server.URL + "/oauth/token", AuthStyle: style}}
	transport := world.Transport()
	defer transport.CloseIdleConnections()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport})
	client := config.Client(ctx, expired())
	return w.crowd(func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"/api/docs/14", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		var out struct{ Document revv.Document }
		if err := errors.Join(json.NewDecoder(resp.Body).Decode(&out), resp.Body.Close()); err != nil {
			return err
		}
		if out.Document.ID != sides.DocumentID {
			return fmt.Errorf("document %d", out.Document.ID)
		}
		return nil
	}), nil
}
