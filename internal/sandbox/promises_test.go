package sandbox_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// An application decides by the code of the error what it does, and not by its text.
func TestOAuth_badAuthorizationRequests_haveTheCodeOfTheMistake(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		changes []string
		code    string
	}{
		{[]string{"response_type", ""}, "invalid_request"},
		{[]string{"response_type", "token"}, "unsupported_response_type"},
		{[]string{"code_challenge", ""}, "invalid_request"},
		{[]string{"code_challenge_method", "plain"}, "invalid_request"},
		{[]string{"code_challenge", "short"}, "invalid_request"},
		{[]string{"scope", "all"}, "invalid_request"},
	} {
		location, err := a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request(c.changes...).Encode(), true)
		require.NoError(t, err)
		u, err := url.Parse(location)
		require.NoError(t, err)
		assert.Equal(t, c.code, u.Query().Get("error"), "%q", c.changes)
		assert.False(t, u.Query().Has("code"), "%q", c.changes)
	}
}

func TestOAuth_badForms_haveTheCodeOfTheMistake(t *testing.T) {
	a := newAPI(t)
	status, members := a.token(a.trade(a.code("code_challenge", "", "code_challenge_method", "")))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_request", members["error"], "a verifier without a challenge")

	status, members = a.token(refresh(a.tokens.RefreshToken, "code_verifier", verifier))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_request", members["error"], "a verifier with a refresh")

	w := a.do("POST", "/oauth/token", refresh(a.tokens.RefreshToken).Encode()+"&x=%zz", "AccessToken", "", "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusBadRequest, w.Code, "what is malformed may be what matters")
	assert.Equal(t, "invalid_request", field(t, w.Body.String(), "error"))

	status, _ = a.token(refresh(a.tokens.RefreshToken))
	assert.Equal(t, http.StatusOK, status, "none of them has spent anything")
}

// A program tells from the code that it has to log in once more.
func TestTokens_thatAreNotValid_haveTheCodeOfIt(t *testing.T) {
	a := newAPI(t)
	for _, headers := range [][]string{
		{"AccessToken", ""},
		{"AccessToken", "x"},
		{"AccessToken", "Bearer " + a.tokens.AccessToken},
		{"AccessToken", "", "Authorization", "Bearer"},
		{"AccessToken", "", "Authorization", "Basic " + a.tokens.AccessToken},
	} {
		w := a.do("GET", "/api/webhooks", "", headers...)
		assert.Equal(t, http.StatusUnauthorized, w.Code, "%q", headers)
		assert.Equal(t, "UNAUTHORIZED", field(t, w.Body.String(), "error"), "%q", headers)
	}
	w := a.do("POST", "/api/v2/auth/initiate-auth", "", "GrantType", "refreshToken", "RefreshToken", "x", "AccessToken", "")
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Equal(t, "UNAUTHORIZED", field(t, w.Body.String(), "error"))
}

// What a code or a refresh token that came twice has revoked must not be valid again after
// a restart.
func TestRevision_growsWithWhatARepetitionRevokes(t *testing.T) {
	a := newAPI(t)
	a.token(refresh(a.tokens.RefreshToken))
	spent := a.Revision()
	a.token(refresh(a.tokens.RefreshToken))
	assert.Greater(t, a.Revision(), spent)

	form := a.trade(a.code())
	status, _ := a.token(form)
	require.Equal(t, http.StatusOK, status)
	before := a.Revision()
	a.token(form)
	assert.Greater(t, a.Revision(), before)
}

// A delivery that has arrived must not be made again after a restart: that it is on its
// list, that it was attempted and how it ended are three things to save.
func TestRevision_growsWithEachStepOfADelivery(t *testing.T) {
	a := newAPI(t)
	r := newReceiver(t, always(http.StatusOK))
	a.subscribe(r.URL, "DOCUMENT_STAGE_CHANGED")
	a.sendDraft()
	a.wait()
	before := a.Revision()
	require.NoError(t, a.Resend(a.Deliveries()[0].ID))
	a.wait()
	assert.Equal(t, before+3, a.Revision())
}

// What is sent once more is the same in everything but its own id.
func TestResend_isTheSameEvent(t *testing.T) {
	a := newAPI(t)
	r := newReceiver(t, always(http.StatusOK))
	a.subscribe(r.URL, "DOCUMENT_STAGE_CHANGED")
	a.sendDraft()
	a.wait()
	require.NoError(t, a.Resend(a.Deliveries()[0].ID))
	a.wait()
	first, second := a.Deliveries()[0], a.Deliveries()[1]
	assert.NotEqual(t, first.ID, second.ID)
	second.ID = first.ID
	assert.Equal(t, first, second)
	assert.Equal(t, noon, first.Attempts[0].At)
}

// The end of the sandbox is no answer of the receiver: even the only attempt that a
// delivery has does not count, and is made after a restart.
func TestDelivery_cutByTheEndInItsLastAttempt_staysPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, backoff(), answering(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		a.subscribe("http://slow", "DOCUMENT_STAGE_CHANGED")
		a.sendDraft()
		synctest.Wait()
		a.Close()
		delivery := a.Deliveries()[0]
		assert.Equal(t, sandbox.DeliveryPending, delivery.State)
		assert.Empty(t, delivery.Attempts)
	})
}

// A body may say that it is in UTF-8, in any spelling.
func TestBodies_inUTF8_mayBeCalledSo(t *testing.T) {
	a := newAPI(t)
	for _, contentType := range []string{"application/json; charset=utf-8", "application/json;charset=UTF-8"} {
		w := a.do("POST", "/api/docs", `{"template_id":21}`, "Content-Type", contentType)
		assert.Equal(t, http.StatusOK, w.Code, "%s: %s", contentType, w.Body)
	}
}

// A contact is a person or a company.
func TestContacts_ofBothTypes(t *testing.T) {
	a := newAPI(t)
	for _, kind := range []string{"individual", "corporate"} {
		answer := a.ok("POST", "/api/contacts", `{"name":"A","email":"`+kind+`@example.com","type":"`+kind+`"}`)
		assert.Equal(t, kind, field(t, answer, "Contact", "type"))
	}
	a.refused(http.StatusUnprocessableEntity, "POST", "/api/contacts", `{"name":"A","email":"x@example.com","type":"other"}`)
}

// A fault adds what it says and nothing else.
func TestFault_withoutRetryAfter_sendsNone(t *testing.T) {
	a := newAPI(t)
	a.fail(sandbox.Fault{Status: http.StatusServiceUnavailable})
	assert.NotContains(t, a.do("GET", "/api/webhooks", "").Header(), "Retry-After")
}

// Used up or not, faults are kept to be looked at, but not all for ever.
func TestFaultUses_ofTooMany_theOldestAreForgotten(t *testing.T) {
	a := newAPI(t)
	a.fail(sandbox.Fault{Status: http.StatusServiceUnavailable, Times: 1})
	a.do("GET", "/api/webhooks", "")
	require.Len(t, a.FaultUses(), 1)
	faults := make([]sandbox.Fault, 10_000)
	for i := range faults {
		faults[i] = sandbox.Fault{Status: http.StatusServiceUnavailable, After: i + 1}
	}
	a.fail(faults...)
	uses := a.FaultUses()
	require.Len(t, uses, 10_000)
	assert.Equal(t, 1, uses[0].After)
	assert.Equal(t, 10_000, uses[9_999].After)
}

// A fault says what it is and how often it was met.
func TestFaultUses_countWhoMetThem(t *testing.T) {
	a := newAPI(t)
	fault := sandbox.Fault{Operation: "Webhooks.List", Status: http.StatusServiceUnavailable, Times: 2}
	a.fail(fault)
	for range 3 {
		a.do("GET", "/api/webhooks", "")
	}
	assert.Equal(t, []sandbox.FaultUse{{Fault: fault, Met: 2}}, a.FaultUses())
	require.ErrorContains(t, a.Fail(sandbox.Fault{Operation: "Webhooks.Lost", Status: http.StatusServiceUnavailable}), "no operation is called")
}

// With TLS, a browser trusts every address, and says of a form that it comes from here even
// without a referrer.
func TestReferrerPolicy_withTLS_isTheStrictest(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.Hosts = []string{"sandbox"} })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.Host = "sandbox:8787"
	assert.Equal(t, "same-origin", a.ReferrerPolicy(r))
	r.TLS = &tls.ConnectionState{}
	assert.Equal(t, "no-referrer", a.ReferrerPolicy(r))
}

// Who follows changes, as a page does, learns of every fault that is added or removed.
func TestWatch_tellsOfFaults(t *testing.T) {
	a := newAPI(t)
	changes, end := a.Watch()
	defer end()
	told := func() string {
		select {
		case change := <-changes:
			return change.Kind
		default:
			return ""
		}
	}
	a.fail(sandbox.Fault{Operation: "Webhooks.List", Status: http.StatusServiceUnavailable, Times: 1})
	assert.Equal(t, "fault", told(), "added")
	a.ClearFaults()
	assert.Equal(t, "fault", told(), "removed")
	assert.Empty(t, told())
}

func TestRevision_growsWithTheDeletionOfAnEmptyFolder(t *testing.T) {
	a := newAPI(t)
	_, err := a.AddFolder(sandbox.Folder{Name: "Empty"})
	require.NoError(t, err)
	before := a.Revision()
	a.ok("DELETE", "/api/folders/100001", "")
	assert.Greater(t, a.Revision(), before)
}

// A damaged file gives an error and not a panic, wherever the damage is.
func TestImport_nullInAList_isRefused(t *testing.T) {
	a := newAPI(t)
	data, err := a.Export()
	require.NoError(t, err)
	for _, list := range []string{"templates", "folders", "documents", "contacts", "webhooks", "deliveries", "grants", "tokens"} {
		var shot map[string]any
		require.NoError(t, json.Unmarshal(data, &shot))
		account, _ := shot["account"].(map[string]any)
		require.Contains(t, account, list)
		entries, _ := account[list].([]any)
		account[list] = append(entries, nil)
		damaged, err := json.Marshal(shot)
		require.NoError(t, err)
		require.ErrorContains(t, a.Import(damaged), "a list has null in it", list)
	}
}

// The port is free in a plain address of this machine alone, as RFC 8252 has it.
func TestOAuth_redirectURLWithTLS_isComparedWithItsPort(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.RedirectURLs = []string{"https://127.0.0.1/callback"} })
	_, _, err := a.BeginConsent(a.request("redirect_uri", "https://127.0.0.1:8765/callback").Encode())
	require.ErrorContains(t, err, "is not registered")
	_, _, err = a.BeginConsent(a.request("redirect_uri", "https://127.0.0.1/callback").Encode())
	require.NoError(t, err)
}

// Only an object that is alone in the answer is meant by the names of members.
func TestFault_membersOfOneAmongOthers_areOfTheWhole(t *testing.T) {
	a := newAPI(t)
	a.fail(sandbox.Fault{Body: `{"A":{"x":1},"B":{"x":1}}`, Members: map[string]string{"x": "2"}})
	assert.JSONEq(t, `{"A":{"x":1},"B":{"x":1},"x":2}`, a.do("GET", "/api/webhooks", "").Body.String())
}

func TestFault_statusWithoutABody_hasNone(t *testing.T) {
	for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
		a := newAPI(t)
		a.fail(sandbox.Fault{Status: status})
		w := a.do("GET", "/api/webhooks", "")
		assert.Equal(t, status, w.Code)
		assert.Zero(t, w.Body.Len())
	}
}

// What lies in other folders stays there when one is deleted.
func TestFolders_deletion_movesNothingElse(t *testing.T) {
	a := newAPI(t)
	for _, name := range []string{"Customers", "Suppliers"} {
		_, err := a.AddFolder(sandbox.Folder{Name: name})
		require.NoError(t, err)
	}
	_, err := a.AddFolder(sandbox.Folder{Name: "Old", ParentID: 100_002})
	require.NoError(t, err)
	id, err := a.CreateDocument(templateNDA, "", 100_002)
	require.NoError(t, err)
	before, _ := a.Document(id)
	a.ok("DELETE", "/api/folders/100001", "")
	now, _ := a.Document(id)
	assert.Equal(t, before, now)
	assert.Equal(t, sandbox.Folder{ID: 100_003, Name: "Old", ParentID: 100_002}, a.Folders()[2])
}

// Which of two tokens counts is not for the sandbox to guess.
func TestTokens_twiceInOneHeader_areRefused(t *testing.T) {
	a := newAPI(t)
	for header, value := range map[string]string{"AccessToken": a.tokens.AccessToken, "Authorization": "Bearer " + a.tokens.AccessToken} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/webhooks", http.NoBody)
		r.Header.Add(header, value)
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, header)
		r.Header.Add(header, value)
		w = httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusBadRequest, w.Code, header)
		assert.Contains(t, w.Body.String(), "there twice", header)
	}
}
