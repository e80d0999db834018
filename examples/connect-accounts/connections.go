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

// rows is a database, or a transaction in it.
type rows interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// connection returns the account of a customer, [revv.ErrNoToken] if there is none.
func (s *sqliteStore) connection(ctx context.Context, customer string) (account string, err error) {
	return connectionIn(ctx, s.db, customer)
}

func connectionIn(ctx context.Context, in rows, customer string) (account string, err error) {
	var stored []byte
	err = in.QueryRowContext(ctx, `SELECT account FROM connections WHERE customer = ?`, []byte(customer)).Scan(&stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", revv.ErrNoToken
	case err != nil:
		return "", fmt.Errorf("find the connection: %w", err)
	}
	return string(stored), nil
}

// connect gives a customer another account, none if it is "". The token of the one before
// is forgotten: what is under way with it ends with [revv.ErrNoToken] when that is due.
func (s *sqliteStore) connect(ctx context.Context, customer, account string) error {
	tx, err := s.db.BeginTx(ctx, nil) // or of two at once, one could leave its token behind
	if err != nil {
		return fmt.Errorf("change the connection: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing left to undo
	before, err := connectionIn(ctx, tx, customer)
	if err != nil && !errors.Is(err, revv.ErrNoToken) {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM connections WHERE customer = ?`, []byte(customer))
	if err == nil && account != "" {
		_, err = tx.ExecContext(ctx, `INSERT INTO connections (customer, account) VALUES (?, ?)`, []byte(customer), []byte(account))
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("change the connection: %w", err)
	}
	if before == "" {
		return nil
	}
	return s.Forget(ctx, before)
}
