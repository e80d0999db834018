package revv_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// firstSigner is one of the two contacts that a sandbox begins with.
func firstSigner() revv.Contact {
	return revv.Contact{
		ID: 5001, Name: "First Signer", Title: "Director", Email: "first.signer@example.com", Type: revv.ContactIndividual,
		Raw: json.RawMessage(`{"id":5001,"name":"First Signer","title":"Director","description":"","email":"first.signer@example.com",` +
			`"phone":"","type":"individual","linkedin":"","instagram":"","twitter":"","notes":""}`),
	}
}

func TestUpsert_sendsEveryMemberThatIsGiven(t *testing.T) {
	t.Parallel()
	p := insert(t, "UpsertContact", nil)
	contact, err := p.Contacts.Upsert(t.Context(), revv.UpsertContactParams{
		Name: "Ann Lee", Email: "ann@example.com", Title: new("Buyer"), Description: new("Head of buying"), Phone: new("+1 555 0100"),
		Type: revv.ContactCorporate, LinkedIn: new("ann-lee"), Instagram: new("ann.lee"), Twitter: new("@annlee"), Notes: new("Prefers mail"),
	})
	require.NoError(t, err)
	const members = `"name":"Ann Lee","title":"Buyer","description":"Head of buying","email":"ann@example.com","phone":"+1 555 0100","type":"corporate",` +
		`"linkedin":"ann-lee","instagram":"ann.lee","twitter":"@annlee","notes":"Prefers mail"}`
	p.sent(`POST /api/contacts {"name":"Ann Lee","email":"ann@example.com","title":"Buyer","description":"Head of buying","phone":"+1 555 0100","type":"corporate",` +
		`"linkedin":"ann-lee","instagram":"ann.lee","twitter":"@annlee","notes":"Prefers mail"}`)
	assert.Equal(t, &revv.Contact{
		ID: 5003, Name: "Ann Lee", Title: "Buyer", Description: "Head of buying", Email: "ann@example.com", Phone: "+1 555 0100",
		Type: revv.ContactCorporate, LinkedIn: "ann-lee", Instagram: "ann.lee", Twitter: "@annlee", Notes: "Prefers mail",
		Raw: json.RawMessage(`{"id":5003,` + members),
	}, contact)
}

func TestUpsert_ofAKnownAddress_keepsWhatIsNotSentAndClearsWhatIsBlank(t *testing.T) {
	t.Parallel()
	p := insert(t, "UpsertContact_again", nil)
	contact, err := p.Contacts.Upsert(t.Context(), revv.UpsertContactParams{
		Name: "First M. Signer", Email: "first.signer@example.com", Title: new(""), Phone: new("+1 555 0101"),
	})
	require.NoError(t, err)
	p.sent(`POST /api/contacts {"name":"First M. Signer","email":"first.signer@example.com","title":"","phone":"+1 555 0101"}`)
	want := firstSigner()
	want.Name, want.Title, want.Phone, want.Raw = "First M. Signer", "", "+1 555 0101", contact.Raw
	assert.Equal(t, &want, contact)
}

func TestListContacts_readsEveryMember(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListContacts", nil)
	page, err := p.Contacts.List(t.Context(), revv.ListContactsParams{})
	require.NoError(t, err)
	p.sent("GET /api/contacts/all?page_num=1")
	assert.Equal(t, []revv.Contact{firstSigner(), {
		ID: 5002, Name: "Second Signer", Email: "second.signer@example.com", Type: revv.ContactIndividual,
		Raw: json.RawMessage(`{"id":5002,"name":"Second Signer","title":"","description":"","email":"second.signer@example.com",` +
			`"phone":"","type":"individual","linkedin":"","instagram":"","twitter":"","notes":""}`),
	}}, page.Items)
	assert.Equal(t, 1, page.Number)
	assert.Equal(t, 2, page.Entries)
	assert.False(t, page.Last())
}

func TestListContacts_behindTheEnd_isTheLastPage(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListContacts_end", nil)
	page, err := p.Contacts.List(t.Context(), revv.ListContactsParams{Page: 2})
	require.NoError(t, err)
	p.sent("GET /api/contacts/all?page_num=2")
	assert.Empty(t, page.Items)
	assert.True(t, page.Last())
}

func TestGetContact_readsEveryMember(t *testing.T) {
	t.Parallel()
	p := insert(t, "GetContact", nil)
	contact, err := p.Contacts.Get(t.Context(), 5001)
	require.NoError(t, err)
	p.sent("GET /api/contacts/5001")
	want := firstSigner()
	assert.Equal(t, &want, contact)
}

func TestGetByEmail_sendsTheAddressInTheQuery(t *testing.T) {
	t.Parallel()
	p := insert(t, "GetContactByEmail", func(_ *testing.T, s *revvtest.Server) {
		s.AddContact(revvtest.Contact{Name: "Ann", Email: "ann+offers@example.com"})
	})
	contact, err := p.Contacts.GetByEmail(t.Context(), "ANN+offers@example.com")
	require.NoError(t, err)
	p.sent("GET /api/contacts?email=ANN%2Boffers%40example.com")
	assert.Equal(t, revv.ContactID(5003), contact.ID)
	assert.Equal(t, "ann+offers@example.com", contact.Email)
}

func TestGetByEmail_ofNobody_isNotFound(t *testing.T) {
	t.Parallel()
	p := insert(t, "GetContactByEmail_none", nil)
	contact, err := p.Contacts.GetByEmail(t.Context(), "nobody@example.com")
	require.ErrorIs(t, err, revv.ErrNotFound)
	assert.Nil(t, contact)
	assert.Equal(t, "Contacts.GetByEmail", failure(t, err).Op)
	p.sent("GET /api/contacts?email=nobody%40example.com")
}

// The repair that docs/live-account.md has for a service without a call for an address.
func TestGetByEmail_onTheRouteOfTheList_readsAllPages(t *testing.T) {
	t.Parallel()
	repaired := revv.Routes{GetContactByEmail: "GET /api/contacts/all"}
	server := revvtest.NewServer(t, revvtest.WithLenientBodies()) // which ignores the address in the query
	for i := range 250 {
		server.AddContact(revvtest.Contact{Name: "Somebody", Email: strconv.Itoa(i) + "@example.com"})
	}
	client := server.Client(revv.WithRoutes(repaired))
	contact, err := client.Contacts.GetByEmail(t.Context(), "249@example.com")
	require.NoError(t, err)
	assert.Equal(t, "249@example.com", contact.Email)
	_, err = client.Contacts.GetByEmail(t.Context(), "nobody@example.com")
	require.ErrorIs(t, err, revv.ErrNotFound)
}

func TestGetByEmail_ofTwoContacts_isAConflict(t *testing.T) {
	t.Parallel()
	p := insert(t, "GetContactByEmail_twice", func(_ *testing.T, s *revvtest.Server) {
		s.AddContact(revvtest.Contact{Name: "Ann", Email: "ann@example.com"})
		s.AddContact(revvtest.Contact{Name: "Ann Lee", Email: "Ann@Example.com"})
	})
	contact, err := p.Contacts.GetByEmail(t.Context(), "ann@example.com")
	require.ErrorIs(t, err, revv.ErrConflict)
	require.NotErrorIs(t, err, revv.ErrNotFound)
	assert.Nil(t, contact)
	assert.Equal(t, "2 contacts have this address", failure(t, err).Message)
}

// A service that does not know the filter answers with everybody.
func TestGetByEmail_filterThatIsIgnored_picksTheAddress(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{"Contacts":[{"id":1,"email":"bob@example.com"},{"id":2,"email":"Ann@example.com"},{"id":3,"email":""}]}`)
	contact, err := s.client(t).Contacts.GetByEmail(t.Context(), "ann@example.com")
	require.NoError(t, err)
	assert.Equal(t, revv.ContactID(2), contact.ID)
	_, err = s.client(t).Contacts.GetByEmail(t.Context(), "carol@example.com")
	require.ErrorIs(t, err, revv.ErrPageLoop, "whether the list has this one page, or every page is this one, nobody knows")
}

// Then the first answer is the first page of everybody at best, and says nothing of the
// others.
func TestGetByEmail_filterThatIsIgnored_readsAllPages(t *testing.T) {
	t.Parallel()
	pages := []string{`{"id":1,"email":"bob@example.com"}`, `{"id":2,"email":"ann@example.com"}`, `{"id":3,"email":"carol@example.com"},{"id":4,"email":"ann@example.com"}`}
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		page := 1
		if text := r.URL.Query().Get("page_num"); text != "" {
			page, _ = strconv.Atoi(text)
		}
		if page > len(pages) {
			return reply(http.StatusOK, `{"Contacts":[]}`), nil
		}
		return reply(http.StatusOK, `{"Contacts":[`+pages[page-1]+`]}`), nil
	}}
	contact, err := s.client(t).Contacts.GetByEmail(t.Context(), "carol@example.com")
	require.NoError(t, err)
	assert.Equal(t, revv.ContactID(3), contact.ID)
	_, err = s.client(t).Contacts.GetByEmail(t.Context(), "ann@example.com")
	require.ErrorIs(t, err, revv.ErrConflict)
	pages[0], pages[1] = pages[1]+","+pages[0], `{"id":5,"email":"dan@example.com"}`
	_, err = s.client(t).Contacts.GetByEmail(t.Context(), "ann@example.com")
	require.ErrorIs(t, err, revv.ErrConflict, "one is in the first answer, the other on the last page")
	pages[2] = pages[1] + "," + pages[0] // an entry in front went away, and some come again
	_, err = s.client(t).Contacts.GetByEmail(t.Context(), "dan@example.com")
	require.NoError(t, err)
	_, err = s.client(t).Contacts.GetByEmail(t.Context(), "dora@example.com")
	require.ErrorIs(t, err, revv.ErrNotFound)
}

// A filter that gives similar addresses as well has found what it was asked for, whatever the
// list shows.
func TestGetByEmail_listThatShowsLess_losesNothing(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{http.StatusOK: `{"Contacts":[]}`, http.StatusForbidden: `{}`} {
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Has("email") {
				return reply(http.StatusOK, `{"Contacts":[{"id":1,"email":"ann@example.com"},{"id":2,"email":"ann@example.com.au"}]}`), nil
			}
			return reply(status, body), nil
		}}
		contact, err := s.client(t).Contacts.GetByEmail(t.Context(), "ann@example.com")
		require.NoError(t, err)
		assert.Equal(t, revv.ContactID(1), contact.ID)
		_, err = s.client(t).Contacts.GetByEmail(t.Context(), "bob@example.com")
		require.Error(t, err)
		assert.Equal(t, status == http.StatusOK, errors.Is(err, revv.ErrNotFound))
	}
}

func TestDeleteContact_sendsNoBody(t *testing.T) {
	t.Parallel()
	p := insert(t, "DeleteContact", nil)
	require.NoError(t, p.Contacts.Delete(t.Context(), 5001))
	p.sent("DELETE /api/contacts/5001")
}

func TestContactsAll_rangesUntilTheEmptyPage(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListContacts_all", nil)
	var ids []revv.ContactID
	for contact, err := range p.Contacts.All(t.Context(), revv.ListContactsParams{Prefetch: -1}) {
		require.NoError(t, err)
		ids = append(ids, contact.ID)
	}
	p.sent("GET /api/contacts/all?page_num=1", "GET /api/contacts/all?page_num=2")
	assert.Equal(t, []revv.ContactID{5001, 5002}, ids)
}
