package revv_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"

	"github.com/revv-go/revv"
)

// observation is a shape that programs of 2020 sent to the live service and read
// from it. The files are written from the contract, not from any server of ours.
type observation struct {
	Provenance string `json:"provenance"`
	Source     string `json:"source"`
	Request    struct {
		Method, Path, Query string
		Body                json.RawMessage
		Form                string
	} `json:"request"`
	Status   int             `json:"status"`
	Response json.RawMessage `json:"response"`
}

// playObservation plays an observation.
func playObservation(t *testing.T, name string) (*observation, *service) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "observed", name+".json"))
	require.NoError(t, err)
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	o := new(observation)
	require.NoError(t, decoder.Decode(o))
	require.True(t, strings.HasPrefix(o.Provenance, "observed"), "%s: %q", name, o.Provenance)
	requireSource(t, o.Source)
	return o, always(o.Status, string(o.Response))
}

// requireSource asserts that docs/wire.md has what a file gives for its source: a
// heading and, after another comma, a call in the table below it.
func requireSource(t *testing.T, source string) {
	t.Helper()
	const page = "docs/wire.md"
	contract, err := os.ReadFile(page)
	require.NoError(t, err)
	place, ok := strings.CutPrefix(source, page+", ")
	require.True(t, ok, "%q", source)
	heading, call, _ := strings.Cut(place, ", ")
	_, section, ok := strings.Cut(string(contract), "\n## "+heading+"\n")
	require.True(t, ok, "%s has no heading %q", page, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	if call != "" {
		require.Contains(t, section, "\n| `"+call+"` |", "%s, %s", page, heading)
	}
}

// check asserts that exactly the observed request went out.
func (o *observation) check(t *testing.T, s *service) {
	t.Helper()
	sent := s.Sent()
	require.Len(t, sent, 1)
	target := o.Request.Path
	if o.Request.Query != "" {
		target += "?" + o.Request.Query
	}
	assert.Equal(t, o.Request.Method+" "+target, sent[0].Method+" "+sent[0].URL)
	header := sent[0].Header
	if o.Request.Form != "" {
		assert.Equal(t, o.Request.Form, sent[0].Body)
		assert.Equal(t, []string{"application/x-www-form-urlencoded"}, header["Content-Type"])
		assert.NotContains(t, header, "AccessToken")
		return
	}
	assert.Equal(t, []string{anyToken}, header["AccessToken"], "as the clients wrote it, and not Authorization: Bearer")
	assert.NotContains(t, header, "Authorization")
	if o.Request.Body == nil {
		assert.Empty(t, sent[0].Body)
		assert.NotContains(t, header, "Content-Type")
		return
	}
	assert.JSONEq(t, string(o.Request.Body), sent[0].Body)
	assert.Equal(t, []string{"application/json"}, header["Content-Type"])
}

// withoutRaw is a document whose Raw has been looked at.
func withoutRaw(t *testing.T, document *revv.Document, err error) revv.Document {
	t.Helper()
	require.NoError(t, err)
	assert.Contains(t, string(document.Raw), `"doc_no"`)
	out := *document
	out.Raw = nil
	return out
}

type observedTest func(t *testing.T, ctx context.Context, c *revv.Client)

func observedTests() map[string]observedTest {
	recipients := []revv.Person{{Email: "bob@example.com", FirstName: "Bob", LastName: "Ray"}, {Email: "cy@example.com"}}
	return map[string]observedTest{
		"create_document": func(t *testing.T, ctx context.Context, c *revv.Client) {
			document, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21})
			assert.Equal(t, revv.Document{ID: 14, Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9"}, withoutRaw(t, document, err))
		},
		"create_document_in_folder": func(t *testing.T, ctx context.Context, c *revv.Client) {
			document, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21, Title: "Offer for Acme", FolderID: 1})
			assert.Equal(t, revv.Document{ID: 15, Number: "DOC-000041", ObjectID: "DOC-0123456789Ab"}, withoutRaw(t, document, err))
		},
		"get_document": func(t *testing.T, ctx context.Context, c *revv.Client) {
			document, err := c.Documents.Get(ctx, 14)
			assert.Equal(t, revv.Document{ID: 14, Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9"}, withoutRaw(t, document, err))
		},
		"get_document_by_number": func(t *testing.T, ctx context.Context, c *revv.Client) {
			document, err := c.Documents.GetByNumber(ctx, "DOC-000040")
			assert.Equal(t, revv.Document{Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9"}, withoutRaw(t, document, err))
		},
		"list_documents": func(t *testing.T, ctx context.Context, c *revv.Client) {
			page, err := c.Documents.List(ctx, revv.ListDocumentsParams{})
			require.NoError(t, err)
			for i := range page.Items {
				page.Items[i].Raw = nil
			}
			assert.Equal(t, []revv.DocumentEntry{
				{EntryID: 15, Name: "Offer for Acme", Type: "f", Number: "DOC-000040", Stage: revv.StageDraft, Tag: "offers"},
				{EntryID: 16, Name: "Untitled", Type: "f", Number: "DOC-000041"},
			}, page.Items)
			assert.Equal(t, 3, page.Entries)
			assert.Equal(t, 1, page.Count)
		},
		"list_documents_sorted": func(t *testing.T, ctx context.Context, c *revv.Client) {
			page, err := c.Documents.List(ctx, revv.ListDocumentsParams{Page: 2, SortByNumber: true})
			require.NoError(t, err)
			assert.Empty(t, page.Items)
			assert.True(t, page.Last())
			assert.Equal(t, 1, page.Count, "whatever it counts, the page is the last one")
		},
		"activities": func(t *testing.T, ctx context.Context, c *revv.Client) {
			activities, err := c.Documents.Activities(ctx, "DOC-aB3dE5gH7jK9", revv.ListActivitiesParams{})
			require.NoError(t, err)
			for i := range activities {
				activities[i].Raw = nil
			}
			ann := revv.Actor{Name: "Ann Lee", ImageURL: "https://example.com/ann.png", Email: "ann@example.com"}
			bob := revv.Actor{Name: "Bob Ray", Email: "bob@example.com"}
			assert.Equal(t, []revv.Activity{
				{Event: "DOCUMENT_CREATED", Timestamp: at(t, "2020-09-17T14:48:00.000000Z"), Actor: ann, Subjects: []revv.Subject{}},
				{Event: "DOCUMENT_SENT_FOR_ACCEPT", Timestamp: at(t, "2020-09-17T14:50:01.123456Z"), Actor: ann, Subjects: []revv.Subject{{Name: "Bob Ray"}, {Name: "Cy Fox"}}},
				{Event: "ACCEPTANCE_EMAIL_DELIVERED", Timestamp: at(t, "2020-09-17T14:50:02.000000Z"), Actor: bob, Subjects: []revv.Subject{}},
				{Event: "DOCUMENT_OPENED", Timestamp: at(t, "2020-09-17T14:51:00.000000Z"), Actor: bob, Subjects: []revv.Subject{}},
			}, activities)
		},
		"share_document": func(t *testing.T, ctx context.Context, c *revv.Client) {
			require.NoError(t, c.Documents.Share(ctx, 14, revv.ShareParams{Recipients: recipients, Message: "For your files"}))
		},
		"send_for_acceptance": func(t *testing.T, ctx context.Context, c *revv.Client) {
			require.NoError(t, c.Documents.SendForAcceptance(ctx, 14, revv.SendParams{Recipients: recipients, Message: "Please accept"}))
		},
		"magic_link": func(t *testing.T, ctx context.Context, c *revv.Client) {
			link, err := c.Documents.MagicLink(ctx, "DOC-aB3dE5gH7jK9")
			require.NoError(t, err)
			assert.Equal(t, "https://acme.example.com/perma/DOC/00000000000000/Offer-for-Acme", link.URL())
		},
		"active_templates": func(t *testing.T, ctx context.Context, c *revv.Client) {
			page, err := c.Templates.List(ctx, revv.ListTemplatesParams{Status: revv.ActiveTemplates})
			require.NoError(t, err)
			for i := range page.Items {
				page.Items[i].Raw = nil
			}
			assert.Equal(t, []revv.Template{{ID: 1, Title: "Offer", Thumbnail: "https://example.com/1.png"}, {ID: 21}}, page.Items)
		},
		"upsert_contact": func(t *testing.T, ctx context.Context, c *revv.Client) {
			contact, err := c.Contacts.Upsert(ctx, revv.UpsertContactParams{
				Name: "Bob Ray", Email: "bob@example.com", Type: revv.ContactIndividual,
				Title: new(""), Description: new(""), Phone: new(""), LinkedIn: new(""), Instagram: new(""), Twitter: new(""), Notes: new(""),
			})
			require.NoError(t, err)
			contact.Raw = nil
			assert.Equal(t, &revv.Contact{ID: 9, Name: "Bob Ray", Email: "bob@example.com", Type: revv.ContactIndividual}, contact)
		},
		"list_contacts": func(t *testing.T, ctx context.Context, c *revv.Client) {
			page, err := c.Contacts.List(ctx, revv.ListContactsParams{})
			require.NoError(t, err)
			for i := range page.Items {
				page.Items[i].Raw = nil
			}
			assert.Equal(t, []revv.Contact{
				{ID: 9, Name: "Bob Ray", Email: "bob@example.com", Title: "Buyer", Phone: "+1 555 0100"},
				{ID: 10, Name: "Bob Ray", Email: "bob@example.com"},
				{ID: 11},
			}, page.Items, "duplicates and blank contacts are kept as they come")
		},
		"expired_token": func(t *testing.T, ctx context.Context, c *revv.Client) {
			_, err := c.Documents.Get(ctx, 14)
			require.ErrorIs(t, err, revv.ErrUnauthorized)
			assert.Equal(t, "TOKEN_EXPIRED", failure(t, err).Code)
			assert.Equal(t, 1, failure(t, err).Attempts, "a token that cannot be renewed is not sent again")
		},
	}
}

func TestObserved_requestAndAnswer_areThoseOfTheContract(t *testing.T) {
	t.Parallel()
	for name, test := range observedTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, s := playObservation(t, name)
			test(t, t.Context(), s.client(t))
			o.check(t, s)
		})
	}
}

func TestObserved_tokenForms_areThoseOfTheArticle(t *testing.T) {
	t.Parallel()
	config := func(s *service) revv.OAuthConfig {
		return revv.OAuthConfig{
			ClientID: "an-application", ClientSecret: "not-a-secret", RedirectURL: "https://example.com/callback",
			Endpoint: revv.Endpoint(apiBase), HTTPClient: &http.Client{Transport: s},
		}
	}
	exchange, s := playObservation(t, "oauth_token")
	pair, err := config(s).Exchange(t.Context(), "a-code", "")
	require.NoError(t, err)
	exchange.check(t, s)
	assert.Equal(t, "access-1", pair.AccessToken)
	assert.Equal(t, "refresh-1", pair.RefreshToken)
	assert.True(t, pair.Expiry.IsZero(), "no expires_in is no expiry")

	refresh, s := playObservation(t, "oauth_refresh")
	store := revv.NewMemoryStore()
	require.NoError(t, revv.SaveToken(t.Context(), store, "acme", pair))
	auth, err := config(s).Authenticator(store, "acme")
	require.NoError(t, err)
	auth.Reject(t.Context(), &oauth2.Token{AccessToken: "access-1"})
	fresh, err := auth.Token(t.Context())
	require.NoError(t, err)
	refresh.check(t, s)
	assert.Equal(t, "access-2", fresh.AccessToken)
	kept, err := store.Load(t.Context(), "acme")
	require.NoError(t, err)
	assert.Equal(t, "refresh-1", kept.RefreshToken, "an answer without a refresh token leaves the old one in force")
}

func TestObserved_everyFileHasATest(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/observed/*")
	require.NoError(t, err)
	names := []string{"oauth_token", "oauth_refresh"}
	for name := range observedTests() {
		names = append(names, name)
	}
	found := make([]string, 0, len(files))
	for _, file := range files {
		found = append(found, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	assert.ElementsMatch(t, names, found)
}

var (
	longText    = regexp.MustCompile(`[A-Za-z0-9_+=-]{24,}`)
	secretPlace = regexp.MustCompile(`(?i)(?:accesstoken|authorization|refreshtoken|cookie)["']?:\s*(?:-\s*)?(\S+)`)
	mixture     = []*regexp.Regexp{regexp.MustCompile(`[A-Z]`), regexp.MustCompile(`[a-z]`), regexp.MustCompile(`[0-9]`)}
)

// secretsIn lists what looks like a secret, a private address or a host that is
// not an example.
func secretsIn(text string) []string {
	found := tokenForm.FindAllString(text, -1)
	for _, header := range secretPlace.FindAllStringSubmatch(text, -1) {
		if header[1] != scrubbed {
			found = append(found, header[0])
		}
	}
	for _, long := range longText.FindAllString(text, -1) {
		if !slices.ContainsFunc(mixture, func(kind *regexp.Regexp) bool { return !kind.MatchString(long) }) {
			found = append(found, long)
		}
	}
	for _, link := range linkPlace.FindAllString(text, -1) {
		if strings.Trim(strings.TrimPrefix(link, "/perma/DOC/"), "0/") != "" {
			found = append(found, link)
		}
	}
	for _, address := range webAddress.FindAllStringSubmatch(text, -1) {
		if host := address[1]; !example.MatchString(host) && host != "127.0.0.1" && host != "localhost" {
			found = append(found, address[0])
		}
	}
	for _, address := range mailbox.FindAllString(text, -1) {
		if !example.MatchString(address) {
			found = append(found, address)
		}
	}
	return found
}

var binaryBlock = regexp.MustCompile(`(?m)body: !!binary \|\n(?: {12}\S+\n)+`)

func TestFixtures_holdNoSecrets(t *testing.T) {
	t.Parallel()
	notWhileRecording(t)
	files := 0
	err := filepath.WalkDir("testdata", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		texts := []string{string(data)}
		if name, ok := strings.CutSuffix(path, ".yaml"); ok {
			texts[0] = binaryBlock.ReplaceAllString(texts[0], "") // looked at below, decoded
			tape, err := cassette.Load(name)
			if err != nil {
				return err
			}
			for _, i := range tape.Interactions {
				texts = append(texts, i.Request.Body, i.Response.Body)
				assert.Equal(t, []string{scrubbed}, i.Request.Headers["AccessToken"], path)
				assert.True(t, strings.HasPrefix(i.Request.URL, apiBase+"/"), "%s: %s", path, i.Request.URL)
				assert.Zero(t, i.Response.Duration, path)
				for name := range i.Response.Headers {
					assert.Contains(t, keptHeaders, name, path)
				}
			}
		}
		assert.Empty(t, secretsIn(strings.Join(texts, "\n")), path)
		return nil
	})
	require.NoError(t, err)
	assert.Greater(t, files, 27)
}

func TestScrubText_leavesNothingThatIsFoundAsASecret(t *testing.T) {
	t.Parallel()
	// Put together here, so that no scanner takes this file for a leak.
	jwt := "eyJhbGciOiJSUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0In0" + "." + "c2lnbmF0dXJlLW9mLWl0"
	leaks := map[string]string{
		"JWT":             `{"Document":{"note":"` + jwt + `"}}`,
		"token member":    `{"access_token": "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA"}`,
		"magic link":      `{"url":"https://acme.test/perma/DOC/aB3dE5gH7jK9mN1/Offer"}`,
		"host":            `{"thumbnail":"https://acme.test/thumb.png?x=1"}`,
		"link by example": `{"url":"https://acme.example.com/perma/DOC/aB3dE5gH7jK9mN1/Offer"}`,
		"mailbox":         `{"email":"ann.lee+x@acme.test"}`,
	}
	for name, leak := range leaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, secretsIn(leak))
			clean := scrubText(leak, "https://acme.test")
			assert.Empty(t, secretsIn(clean), clean)
			assert.True(t, json.Valid([]byte(clean)), clean)
			assert.Equal(t, clean, scrubText(clean, "https://acme.test"), "scrubbing twice changes nothing")
		})
	}
	u, err := url.Parse(apiBase)
	require.NoError(t, err)
	assert.Regexp(t, example, u.Host)
	const plain = `{"id":14,"doc_no":"DOC-000040","email":"ann@example.com","url":"https://sandbox.example.com/perma/DOC/000000000000000/Offer"}`
	assert.Equal(t, plain, scrubText(plain, "http://localhost"))
	assert.Empty(t, secretsIn(plain))
}
