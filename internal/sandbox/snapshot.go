package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// snapshotVersion is raised when an old snapshot could not be read any more.
const snapshotVersion = 1

type snapshot struct {
	Version int    `json:"version"`
	Random  []byte `json:"random,omitempty"` // where a seeded source stands
	Account book   `json:"account"`
}

// Export writes the whole account as JSON. Tokens are in it as hashes; the
// secret of the application and those of links are in it as they are.
func (s *Sandbox) Export() ([]byte, error) {
	compact, err := s.export()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer // indented without the lock: that takes as long again
	if err := json.Indent(&b, compact, "", "\t"); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (s *Sandbox) export() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shot := snapshot{Version: snapshotVersion, Random: s.account.source.kept, Account: s.account.book}
	if chacha := s.account.source.chacha; chacha != nil {
		random, err := chacha.MarshalBinary()
		if err != nil {
			return nil, err
		}
		shot.Random = random
	}
	return json.Marshal(shot)
}

// Import replaces the account by an exported one. Deliveries that were on their way when
// it was exported start again. The request log and the faults stay, and so do the base
// URL and the redirect URLs of the application, because the sandbox may now run in
// another place and for another program.
func (s *Sandbox) Import(data []byte) error {
	var shot snapshot
	if err := json.Unmarshal(data, &shot); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if shot.Version != snapshotVersion {
		return fmt.Errorf("snapshot: version %d is not known", shot.Version)
	}
	if len(shot.Account.Folders) == 0 || shot.Account.Folders[0] == nil || shot.Account.Folders[0].ID != mainFolderID {
		return errors.New("snapshot: the main folder is missing")
	}
	if err := shot.Account.check(); err != nil {
		return err
	}
	shot.Account.relativeLinks()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &account{book: shot.Account, sandbox: s, source: s.account.source}
	a.BaseURL = s.account.BaseURL
	a.App.RedirectURLs = s.account.App.RedirectURLs
	switch {
	case a.source.chacha == nil:
		a.source.kept = shot.Random
	case len(shot.Random) > 0:
		if err := a.source.chacha.UnmarshalBinary(shot.Random); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	a.index()
	for _, d := range a.Deliveries {
		switch {
		case d.State != DeliveryPending:
		case slices.ContainsFunc(a.Webhooks, func(hook *Webhook) bool { return hook.Event == d.Event && hook.URL == d.URL }):
			a.postings = append(a.postings, d)
		default: // it was under way when its webhook was removed
			d.State = DeliveryFailed
		}
	}
	s.account = a
	for _, kind := range []string{"document", "folder", "template", "contact", "webhook", "mail", "delivery"} {
		a.changes = append(a.changes, Change{Kind: kind})
	}
	s.settleEffects()
	return nil
}

// check finds what no export contains, so that a damaged file gives an error and not a
// panic.
func (b *book) check() error {
	hole := slices.Contains(b.Templates, nil) || slices.Contains(b.Folders, nil) || slices.Contains(b.Documents, nil) ||
		slices.Contains(b.Contacts, nil) || slices.Contains(b.Webhooks, nil) || slices.Contains(b.Deliveries, nil) ||
		slices.Contains(b.Grants, nil) || slices.Contains(b.Tokens, nil)
	if hole {
		return errors.New("snapshot: a list has null in it")
	}
	if b.App.ClientID == "" || b.App.ClientSecret == "" || b.Owner.Email == "" {
		return errors.New("snapshot: the application or the owner is missing")
	}
	n := b.Next
	if min(n.Document, n.Number, n.Entry, n.Template, n.Contact, n.Webhook, n.Mail, n.Delivery, n.Grant) < 1 {
		return errors.New("snapshot: a number that is next is missing")
	}
	return nil
}
