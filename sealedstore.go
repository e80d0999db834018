package revv

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/oauth2"
)

// EncryptedStore encrypts tokens before another store keeps them, so that whoever reads
// that store's files, rows or backups has no access to any account. It uses AES-256-GCM
// and binds each token to its account: a token that was tampered with, or copied from
// another account, is noticed. [NewEncryptedStore] makes one.
//
// The inner store keeps a token of type "sealed", with the cipher text as its access
// token, and without a refresh token or an expiry. Somebody who can write to the inner
// store can still put an earlier token of the same account back.
type EncryptedStore struct {
	inner TokenStore
	keys  func() []cipher.AEAD // the first one seals, all of them open; a function shows nothing when it is printed
}

const (
	// sealedPrefix names the format, so that there can be a next one.
	sealedPrefix = "revv-sealed-v1."
	sealedType   = "sealed"
)

// NewEncryptedStore returns a store that encrypts with key, and lets inner store the
// result. key is 32 random bytes; keep it elsewhere than the tokens.
//
// To change the key, pass the new one as key and the former ones as oldKeys, which are
// used for reading only. An old key can be dropped once each account has been saved
// again: by a refresh, or by an Update whose function returns a copy of the token. If
// several programs share inner, first add the new key to the oldKeys of all of them, and
// only then make it their key: a program without it gets [ErrTokenStoreCorrupt] for what
// another one has saved.
//
// The error is ErrInvalidArgument if inner is nil, or a key is not 32 bytes long or all
// zeros.
func NewEncryptedStore(inner TokenStore, key []byte, oldKeys ...[]byte) (*EncryptedStore, error) {
	const op = "NewEncryptedStore"
	if isNil(inner) {
		return nil, invalidArgument(op, "inner", "must not be nil")
	}
	first, err := newSealer(op, "key", key)
	if err != nil {
		return nil, err
	}
	keys := []cipher.AEAD{first}
	for i, old := range oldKeys {
		next, err := newSealer(op, fmt.Sprintf("oldKeys[%d]", i), old)
		if err != nil {
			return nil, err
		}
		keys = append(keys, next)
	}
	return &EncryptedStore{inner: inner, keys: func() []cipher.AEAD { return keys }}, nil
}

func newSealer(op, name string, key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, invalidArgument(op, name, "must be 32 bytes long")
	}
	if [32]byte(key) == [32]byte{} {
		return nil, invalidArgument(op, name, "must be random, not all zeros")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, opError(op, err)
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, opError(op, err)
	}
	return sealer, nil
}

// Load returns the token of the account. The error is ErrNoToken if there is none, and
// ErrTokenStoreCorrupt if no key opens it. See [TokenStore].
func (s *EncryptedStore) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	const op = "EncryptedStore.Load"
	if err := s.check(ctx, op, account); err != nil {
		return nil, err
	}
	sealed, err := s.inner.Load(ctx, account)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		return nil, noToken(op)
	}
	token, err := s.open(account, sealed)
	if err != nil {
		return nil, opError(op, err)
	}
	return token, nil
}

// Update saves what fn returns, under the lock of the inner store. The error is
// ErrTokenStoreCorrupt if no key opens the stored token, which is then left as it is. See
// [TokenStore].
func (s *EncryptedStore) Update(ctx context.Context, account string, fn func(current *oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	const op = "EncryptedStore.Update"
	if err := s.check(ctx, op, account); err != nil {
		return nil, err
	}
	var next, wanted *oauth2.Token // in the clear, and sealed
	kept, err := s.inner.Update(ctx, account, func(sealed *oauth2.Token) (*oauth2.Token, error) {
		var stored *oauth2.Token
		if sealed != nil {
			var err error
			if stored, err = s.open(account, sealed); err != nil {
				return nil, opError(op, err)
			}
		}
		returned, changed, err := callUpdate(ctx, op, stored, fn)
		if err != nil {
			return nil, err
		}
		next, wanted = returned, sealed
		if changed {
			wanted, err = s.seal(op, account, returned)
		}
		return wanted, err
	})
	if err != nil {
		return nil, err
	}
	if !samePair(kept, wanted) { // wanted is nil if the function was not called, or its error ignored
		return nil, invalidArgument(op, "inner", "reports a success without keeping what it was given")
	}
	return next, nil
}

// Forget removes the token of the account from the inner store. The error is
// [errors.ErrUnsupported] if the inner store has no such method.
func (s *EncryptedStore) Forget(ctx context.Context, account string) error {
	const op = "EncryptedStore.Forget"
	if err := s.check(ctx, op, account); err != nil {
		return err
	}
	inner, ok := s.inner.(interface {
		Forget(ctx context.Context, account string) error
	})
	if !ok {
		return opError(op, fmt.Errorf("the inner store cannot forget: %w", errors.ErrUnsupported))
	}
	return inner.Forget(ctx, account)
}

func (s *EncryptedStore) check(ctx context.Context, op, account string) error {
	return checkStoreCall(ctx, op, account, "NewEncryptedStore", s != nil && s.inner != nil)
}

func (s *EncryptedStore) seal(op, account string, token *oauth2.Token) (*oauth2.Token, error) {
	plain, err := encodeToken(op, account, "", token)
	if err != nil {
		return nil, err
	}
	sealer := s.keys()[0]
	sealed := sealer.Seal(nil, nil, plain, sealedFor(account)) //nolint:gosec // it draws the nonce itself
	return &oauth2.Token{
		AccessToken: sealedPrefix + base64.RawURLEncoding.EncodeToString(sealed),
		TokenType:   sealedType,
	}, nil
}

// open undoes seal. A token that is not sealed is refused: accepting it would let
// whoever can write to the inner store choose the token.
func (s *EncryptedStore) open(account string, token *oauth2.Token) (*oauth2.Token, error) {
	text, ok := strings.CutPrefix(token.AccessToken, sealedPrefix)
	if !ok {
		return nil, corrupt("is not sealed")
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, corrupt("is not sealed as it should be")
	}
	for _, key := range s.keys() {
		if plain, err := key.Open(nil, nil, sealed, sealedFor(account)); err == nil {
			token, _, err := decodeToken(account, plain)
			return token, err
		}
	}
	return nil, corrupt("was sealed with another key or for another account, or was changed")
}

// sealedFor is the additional data that binds a sealed token to its use and its account.
func sealedFor(account string) []byte {
	sum := sha256.Sum256([]byte(account))
	return append([]byte(sealedPrefix), sum[:]...)
}
