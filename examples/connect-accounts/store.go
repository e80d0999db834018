package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"
	_ "modernc.org/sqlite" //nolint:depguard // the driver is what this module is for

	"github.com/revv-go/revv"
)

// sqliteStore is a [revv.TokenStore] in a SQLite database, which any number of replicas
// on one machine can share. It uses ordinary SQL, so it is a model for a store in another
// database.
//
// A row of the table locks says who may replace the token of an account. Nothing waits
// inside a transaction, so accounts do not wait for one another, and reading waits for
// nobody. The row of a holder that has died expires.
type sqliteStore struct{ db *sql.DB }

const (
	// lockLease is longer than a renewal can take, which is 30 s.
	lockLease = time.Minute
	// lockPoll is how often a taken lock is tried.
	lockPoll = 20 * time.Millisecond
	// saveLimit is how long saving and unlocking may take after the context of the caller
	// has ended.
	saveLimit = 15 * time.Second
)

const schema = `
CREATE TABLE IF NOT EXISTS tokens (account BLOB PRIMARY KEY, token BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS locks  (account BLOB PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL);`

// openStore opens the database, and makes it, for the owner alone, if there is
// none. The caller closes the store.
func openStore(ctx context.Context, path string) (*sqliteStore, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the file that the user has named
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	name := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema+connectionsSchema); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", path, err), db.Close())
	}
	return &sqliteStore{db}, nil
}

// Close closes the database.
func (s *sqliteStore) Close() error { return s.db.Close() }

// Load implements [revv.TokenStore].
func (s *sqliteStore) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	if account == "" {
		return nil, errNoAccount()
	}
	var stored []byte
	err := s.db.QueryRowContext(ctx, `SELECT token FROM tokens WHERE account = ?`, []byte(account)).Scan(&stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, revv.ErrNoToken
	case err != nil:
		return nil, fmt.Errorf("load the token: %w", err)
	}
	token := new(oauth2.Token)
	if json.Unmarshal(stored, token) != nil || token.AccessToken == "" {
		return nil, revv.ErrTokenStoreCorrupt // without the content, which may be half a token
	}
	return token, nil
}

// Update implements [revv.TokenStore].
func (s *sqliteStore) Update(
	ctx context.Context, account string, fn func(current *oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	holder, err := s.lock(ctx, account)
	if err != nil {
		return nil, err
	}
	defer s.unlock(ctx, account, holder) // also when fn panics
	current, err := s.Load(ctx, account)
	if err != nil && !errors.Is(err, revv.ErrNoToken) {
		return nil, err
	}
	next, err := fn(current)
	switch {
	case err != nil:
		return nil, err
	case next == nil:
		return nil, errors.New("update of a token: neither a token nor an error")
	}
	saved := &oauth2.Token{
		AccessToken: next.AccessToken, TokenType: next.TokenType, RefreshToken: next.RefreshToken, Expiry: next.Expiry, ExpiresIn: next.ExpiresIn,
	}
	if err := s.save(ctx, account, holder, saved); err != nil {
		return nil, err
	}
	return saved, nil
}

// Forget removes the token of an account: its owner has disconnected it.
func (s *sqliteStore) Forget(ctx context.Context, account string) error {
	holder, err := s.lock(ctx, account)
	if err != nil {
		return err
	}
	defer s.unlock(ctx, account, holder)
	_, err = s.db.ExecContext(ctx, `DELETE FROM tokens WHERE account = ?`, []byte(account))
	return err
}

// lock waits until the account is free or its lock has expired. It writes to the
// database, so that a database which cannot be written to is noticed before a refresh
// token is spent. It uses the clock of the database, which is the same for all replicas.
func (s *sqliteStore) lock(ctx context.Context, account string) (holder string, err error) {
	if account == "" {
		return "", errNoAccount()
	}
	holder = rand.Text()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		result, err := s.db.ExecContext(ctx, `
			INSERT INTO locks (account, holder, until) VALUES (?, ?, unixepoch('subsec') + ?)
			ON CONFLICT (account) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE locks.until < unixepoch('subsec')`, []byte(account), holder, lockLease.Seconds())
		if err != nil {
			s.unlock(ctx, account, holder) // perhaps only the answer was too late
			return "", fmt.Errorf("lock the token: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			return holder, err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return "", fmt.Errorf("lock the token: %w", ctx.Err())
		}
	}
}

// unlock releases the account if holder still holds it. If that fails, the lock expires.
func (s *sqliteStore) unlock(ctx context.Context, account, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	_, _ = s.db.ExecContext(ctx, `DELETE FROM locks WHERE account = ? AND holder = ?`, []byte(account), holder)
}

// save writes the token if the lock is still held: a holder that was stopped for
// so long that another has taken over must not overwrite what that one has saved.
func (s *sqliteStore) save(ctx context.Context, account, holder string, token *oauth2.Token) error {
	content, err := json.Marshal(token) //nolint:gosec // keeping it is what a store is for; the application seals it first
	if err != nil {
		return errors.New("save the token: it cannot be encoded") // the cause may quote it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	result, err := s.db.ExecContext(ctx, `
		INSERT INTO tokens (account, token) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM locks WHERE account = ?1 AND holder = ?3)
		ON CONFLICT (account) DO UPDATE SET token = excluded.token`, []byte(account), content, holder)
	if err != nil {
		return fmt.Errorf("save the token: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("save the token: another holds the lock by now: %w", revv.ErrConflict), err)
	}
	return nil
}

func errNoAccount() error {
	return fmt.Errorf("%w: account: must not be empty", revv.ErrInvalidArgument)
}
