package revv

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// A crash can come when the new pair is on the disk and has not got its place. The pair
// in the file is spent then, and only the draft is good.
func TestFileStore_draftOfACrash_isPutInItsPlaceIfItIsWhole(t *testing.T) {
	t.Parallel()
	const account = "acme"
	spent := &oauth2.Token{AccessToken: "access-1", RefreshToken: "refresh-1"}
	fresh := &oauth2.Token{AccessToken: "access-2", RefreshToken: "refresh-2"}
	room := make([]byte, maxStoredToken)
	for name, c := range map[string]struct {
		first bool // there is no pair yet
		draft func(sum string) []byte
		found *oauth2.Token
	}{
		"whole":              {draft: func(sum string) []byte { return encodedFor(t, account, sum, fresh) }, found: fresh},
		"whole, with room":   {draft: func(sum string) []byte { return over(room, encodedFor(t, account, sum, fresh)) }, found: fresh},
		"the first":          {first: true, draft: func(sum string) []byte { return encodedFor(t, account, sum, fresh) }, found: fresh},
		"of another pair":    {draft: func(string) []byte { return encodedFor(t, account, hexSHA256([]byte("other")), fresh) }, found: spent},
		"of no pair":         {draft: func(string) []byte { return encodedFor(t, account, hexSHA256(nil), fresh) }, found: spent},
		"of nothing known":   {draft: func(string) []byte { return encodedFor(t, account, "", fresh) }, found: spent},
		"of another account": {draft: func(sum string) []byte { return encodedFor(t, "other", sum, fresh) }, found: spent},
		"cut":                {draft: func(sum string) []byte { data := encodedFor(t, account, sum, fresh); return data[:len(data)-1] }, found: spent},
		"cut, with room": {draft: func(sum string) []byte {
			data := encodedFor(t, account, sum, fresh)
			return over(room, data[:len(data)-1])
		}, found: spent},
		"room alone": {draft: func(string) []byte { return room }, found: spent},
		"empty":      {draft: func(string) []byte { return nil }, found: spent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, err := NewFileStore(dir)
			require.NoError(t, err)
			files, sum := store.files(account), hexSHA256(nil)
			if !c.first {
				require.NoError(t, SaveToken(t.Context(), store, account, spent))
				data, err := os.ReadFile(files.token)
				require.NoError(t, err)
				sum = hexSHA256(data)
			}
			require.NoError(t, os.WriteFile(files.temp, c.draft(sum), 0o600))
			stop := errors.New("seen enough")
			_, err = store.Update(t.Context(), account, func(current *oauth2.Token) (*oauth2.Token, error) {
				if assert.NotNil(t, current) {
					assert.Equal(t, c.found.RefreshToken, current.RefreshToken)
				}
				return nil, stop
			})
			require.ErrorIs(t, err, stop)
			assert.NoFileExists(t, files.temp)
			kept, err := store.Load(t.Context(), account)
			require.NoError(t, err)
			assert.Equal(t, c.found.AccessToken, kept.AccessToken, "it stays, although the function has failed")
			data, err := os.ReadFile(files.token)
			require.NoError(t, err)
			assert.Equal(t, -1, bytes.IndexByte(data, 0))
		})
	}
}

func encodedFor(t *testing.T, account, replaces string, token *oauth2.Token) []byte {
	t.Helper()
	data, err := encodeToken("test", account, replaces, token)
	require.NoError(t, err)
	return data
}

// over writes data over the beginning of room, as into a file.
func over(room, data []byte) []byte { return append(bytes.Clone(data), room[len(data):]...) }

// Who has no pair calls no Update: the draft of the very first one is found by Load.
func TestFileStore_draftOfTheFirstSave_isLoaded(t *testing.T) {
	t.Parallel()
	store, err := NewFileStore(t.TempDir())
	require.NoError(t, err)
	files := store.files("acme")
	first := &oauth2.Token{AccessToken: "access-1", RefreshToken: "refresh-1"}
	require.NoError(t, os.WriteFile(files.temp, make([]byte, maxStoredToken), 0o600))
	_, err = store.Load(t.Context(), "acme")
	require.ErrorIs(t, err, ErrNoToken, "nothing was saved")
	require.NoError(t, os.WriteFile(files.temp, encodedFor(t, "acme", hexSHA256(nil), first), 0o600))
	auth, err := OAuthConfig{Endpoint: Endpoint("https://acme.example.com")}.Authenticator(store, "acme")
	require.NoError(t, err)
	token, err := auth.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-1", token.AccessToken)
	assert.NoFileExists(t, files.temp)
	assert.FileExists(t, files.token)
	assert.Empty(t, store.locks.inUse, "the account is free for its next renewal")
}

// A scanner of viruses can keep a file from being renamed. The pair is on the disk by
// then, and stays there.
func TestTokenDraft_notRenamed_staysForTheNextUpdate(t *testing.T) {
	t.Parallel()
	store, err := NewFileStore(t.TempDir())
	require.NoError(t, err)
	files := store.files("acme")
	files.token = filepath.Join(files.dir, "missing", "token.json")
	draft, err := newTokenDraft(files, nil)
	require.NoError(t, err)
	fresh := &oauth2.Token{AccessToken: "access-2", RefreshToken: "refresh-2"}
	require.ErrorIs(t, draft.save(encodedFor(t, "acme", hexSHA256(nil), fresh)), os.ErrNotExist)
	draft.discard()
	require.NoError(t, os.Mkdir(filepath.Dir(files.token), 0o700))
	stored, err := files.current()
	require.NoError(t, err)
	if assert.NotNil(t, stored.token) {
		assert.Equal(t, "refresh-2", stored.token.RefreshToken)
	}
	assert.NoFileExists(t, files.temp)
}
