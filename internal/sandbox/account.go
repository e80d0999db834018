package sandbox

import (
	"fmt"
	"time"

	"github.com/revv-go/revv"
)

// book is everything that a snapshot of the account contains.
type book struct {
	Organisation string      `json:"organisation"`
	BaseURL      string      `json:"base_url"`
	Next         sequences   `json:"next"`
	Stamp        time.Time   `json:"stamp"` // the last time given to an activity or event
	Owner        User        `json:"owner"`
	App          App         `json:"app"`
	Templates    []*Template `json:"templates"`
	Folders      []*Folder   `json:"folders"` // the main folder first
	Documents    []*Document `json:"documents"`
	Contacts     []*Contact  `json:"contacts"`
	Webhooks     []*Webhook  `json:"webhooks"`
	Mails        []Mail      `json:"mails"`
	Deliveries   []*Delivery `json:"deliveries"`
	Grants       []*grant    `json:"grants"`
	Tokens       []*token    `json:"tokens"`
}

// sequences holds the next number of each kind of id. Each kind has its own, as on the
// live service, and they start at different numbers, so that an id of the wrong kind is
// never found by chance.
type sequences struct {
	Document int64 `json:"document"`
	Number   int64 `json:"number"`
	Entry    int64 `json:"entry"`
	Template int64 `json:"template"`
	Contact  int64 `json:"contact"`
	Webhook  int64 `json:"webhook"`
	Mail     int64 `json:"mail"`
	Delivery int64 `json:"delivery"`
	Grant    int64 `json:"grant"`
}

// mainFolderID is the folder that every organisation has. One client sent
// folder_id 1 without ever having asked for it.
const mainFolderID revv.FolderID = 1

// account is the organisation. Its methods assume the lock of the sandbox.
type account struct {
	book

	sandbox *Sandbox // for options and the clock, never for its lock
	source  source

	documents map[revv.DocumentID]*Document
	numbers   map[revv.DocumentNumber]*Document
	objects   map[revv.ObjectID]*Document
	folders   map[revv.FolderID]*Folder
	entries   []entry // folders and documents in the order of their entry ids
	links     map[string]link
	magic     map[string]*Document
	tokens    map[string]*token
	grants    map[string]*grant
	codes     map[string]*authCode
	consents  map[string]*Consent

	nextConsent int64 // the number of the next consent page

	postings []*Delivery // to be handed to couriers
	ended    []*Webhook  // whose deliveries are to be dropped
	changes  []Change    // to be told to watchers
}

// entry is one line of the folder listing: a folder or a document.
type entry struct {
	folder   *Folder
	document *Document
}

func (e entry) parent() revv.FolderID {
	if e.folder != nil {
		return e.folder.ParentID
	}
	return e.document.FolderID
}

// link is what the secret in a mailed URL stands for.
type link struct {
	document *Document
	role     role
	email    string
}

func newAccount(s *Sandbox, src source) *account {
	a := &account{sandbox: s, source: src}
	a.Next = sequences{Document: 14, Number: 40, Entry: 100_001, Template: 21, Contact: 5_001, Webhook: 1, Mail: 1, Delivery: 1, Grant: 1}
	a.index()
	return a
}

// index rebuilds everything that is derived from the book.
func (a *account) index() {
	a.documents = make(map[revv.DocumentID]*Document, len(a.Documents))
	a.numbers = make(map[revv.DocumentNumber]*Document, len(a.Documents))
	a.objects = make(map[revv.ObjectID]*Document, len(a.Documents))
	a.folders = make(map[revv.FolderID]*Folder, len(a.Folders))
	a.links = map[string]link{}
	a.magic = map[string]*Document{}
	a.tokens = make(map[string]*token, len(a.Tokens))
	a.grants = make(map[string]*grant, len(a.Grants))
	a.codes = map[string]*authCode{}
	a.consents = map[string]*Consent{}
	a.entries = nil
	for _, d := range a.Documents {
		a.indexDocument(d)
		for _, r := range everyRole() {
			for _, p := range *d.parties(r) {
				a.links[p.Token] = link{d, r, p.Email}
			}
		}
		if d.MagicToken != "" {
			a.magic[d.MagicToken] = d
		}
	}
	a.indexEntries()
	for _, t := range a.Tokens {
		a.tokens[t.Hash] = t
	}
	for _, g := range a.Grants {
		a.grants[g.ID] = g
	}
}

// indexEntries merges folders and documents, each in the order of its entry ids.
func (a *account) indexEntries() {
	a.entries = make([]entry, 0, len(a.Documents)+len(a.Folders))
	documents := a.Documents
	for _, f := range a.Folders {
		a.folders[f.ID] = f
		if f.ID == mainFolderID {
			continue // it holds the list, it is not in it
		}
		for len(documents) > 0 && int64(documents[0].EntryID) < int64(f.ID) {
			a.entries = append(a.entries, entry{document: documents[0]})
			documents = documents[1:]
		}
		a.entries = append(a.entries, entry{folder: f})
	}
	for _, d := range documents {
		a.entries = append(a.entries, entry{document: d})
	}
}

func (a *account) indexDocument(d *Document) {
	a.documents[d.ID] = d
	a.numbers[d.Number] = d
	a.objects[d.ObjectID] = d
}

// take returns the next number of a sequence.
func take(next *int64) int64 {
	n := *next
	*next++
	return n
}

// stamp returns the time for the next activity or event. No two are the same, because a
// client that asks for what came after a time would miss the second.
func (a *account) stamp() time.Time {
	now := a.sandbox.clock.now().Truncate(time.Microsecond)
	if !now.After(a.Stamp) {
		now = a.Stamp.Add(time.Microsecond)
	}
	a.Stamp = now
	return now
}

// changed records that something of the kind has changed.
func (a *account) changed(kind string, id any) {
	a.changes = append(a.changes, Change{Kind: kind, ID: fmt.Sprint(id)})
}

// boundedAppend appends to a list that must not grow for ever. When it is full, it drops
// the oldest tenth, so that copying is rarely needed.
func boundedAppend[T any](entries []T, e T, limit int) []T {
	if len(entries) >= limit {
		kept := append(make([]T, 0, limit), entries[limit/10+1:]...)
		entries = kept
	}
	return append(entries, e)
}
