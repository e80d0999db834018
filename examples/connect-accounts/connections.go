package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/revv-go/revv"
)

// A customer who connects again may choose another account of Revv. So each connection has
// an account name of its own in the store of tokens, and the table connections says which
// one is the customer's.
const connectionsSchema = `
CREATE TABLE IF NOT EXISTS connections (customer BLOB PRIMARY KEY, account BLOB NOT NULL);`

// connection returns the account of a customer, [revv.ErrNoToken] if there is none.
func (s *sqliteStore) connection(ctx context.Context, customer string) (account string, err error) {
	var stored []byte
	err = s.db.QueryRowContext(ctx, `SELECT account FROM connections WHERE customer = ?`, []byte(customer)).Scan(&stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", revv.ErrNoToken
	case err != nil:
		return "", fmt.Errorf("find the connection: %w", err)
	}
	return string(stored), nil
}

// connect gives a customer another account, none if it is "". The token of the one before is
// forgotten first: whatever happens then, no token is left that no row names. What is under way
// with it ends with [revv.ErrNoToken] when the next token is due.
func (s *sqliteStore) connect(ctx context.Context, customer, account string) error {
	for {
		before, err := s.connection(ctx, customer)
		if err != nil && !errors.Is(err, revv.ErrNoToken) {
			return err
		}
		if before != "" {
			if err := s.Forget(ctx, before); err != nil {
				return err
			}
		}
		if done, err := s.replace(ctx, customer, before, account); err != nil || done {
			return err
		}
	}
}

// replace reports whether before was still the account of the customer, and account is now.
func (s *sqliteStore) replace(ctx context.Context, customer, before, account string) (bool, error) {
	query, args := `UPDATE connections SET account = ?3 WHERE customer = ?1 AND account = ?2`, []any{[]byte(customer), []byte(before), []byte(account)}
	switch {
	case before == "" && account == "":
		return true, nil
	case before == "":
		query, args = `INSERT INTO connections (customer, account) VALUES (?, ?) ON CONFLICT DO NOTHING`, []any{[]byte(customer), []byte(account)}
	case account == "":
		query, args = `DELETE FROM connections WHERE customer = ? AND account = ?`, args[:2]
	}
	result, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("change the connection: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
