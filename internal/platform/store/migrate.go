package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strings"
)

// Migrations are the schema of one domain: files named NNNN_what.sql, applied
// in the order of their names, each in a transaction of its own; where there is
// nothing yet, all in one.
//
// They are written for SQLite; on PostgreSQL the word BLOB reads BYTEA, INTEGER
// PRIMARY KEY (the row number itself) BIGINT PRIMARY KEY, and WITHOUT ROWID is
// left out. Statements end with a semicolon at a line's end.
type Migrations struct {
	Domain string
	Files  fs.FS
}

// Migrate brings the schema up to date. A file that changed after it was
// applied is an error: the database no longer is what the code thinks it is.
func (db *DB) Migrate(ctx context.Context, all ...Migrations) error {
	err := db.long(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, db.dialect(`CREATE TABLE IF NOT EXISTS store_migrations (
			name TEXT PRIMARY KEY, sha256 TEXT NOT NULL)`))
		return err
	})
	if err != nil {
		return fmt.Errorf("create migration table: %w", err)
	}
	done := map[string]string{}
	err = db.Query(ctx, "SELECT name, sha256 FROM store_migrations", nil, func(s Scanner) error {
		var name, sum string
		if err := s.Scan(&name, &sum); err != nil {
			return err
		}
		done[name] = sum
		return nil
	})
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if len(done) == 0 { // a database where setting up was cut short is as empty as before
		return db.long(ctx, func(ctx context.Context, tx *Tx) error {
			return eachMigration(all, func(x migration) error { return db.apply(ctx, tx, x) })
		})
	}
	return eachMigration(all, func(x migration) error {
		switch got, ok := done[x.name]; {
		case ok && got == x.sum:
			return nil
		case ok:
			return fmt.Errorf("migration %s was changed after it was applied to this database: use the version of Labwarden that belongs to it, or restore a backup", x.name)
		}
		return db.long(ctx, func(ctx context.Context, tx *Tx) error { return db.apply(ctx, tx, x) })
	})
}

// long is Do without the limit of a second.
func (db *DB) long(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.enqueue(&work{ctx: ctx, fn: fn, done: make(chan error, 1), long: true})
}

// migration is one file.
type migration struct{ name, sum, src string }

// eachMigration calls do for every file, in order.
func eachMigration(all []Migrations, do func(migration) error) error {
	for _, m := range all {
		names, err := fs.Glob(m.Files, "*.sql")
		if err != nil {
			return fmt.Errorf("list migrations of %s: %w", m.Domain, err)
		}
		sort.Strings(names)
		for _, file := range names {
			src, err := fs.ReadFile(m.Files, file)
			if err != nil {
				return fmt.Errorf("read migration %s/%s: %w", m.Domain, file, err)
			}
			h := sha256.Sum256(src)
			if err := do(migration{m.Domain + "/" + file, hex.EncodeToString(h[:]), string(src)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (db *DB) apply(ctx context.Context, tx *Tx, x migration) error {
	var there string
	switch err := tx.QueryRow(ctx, "SELECT sha256 FROM store_migrations WHERE name = $1", x.name).Scan(&there); {
	case err == nil && there == x.sum:
		return nil // another node, started at the same time, was faster
	case !errors.Is(err, ErrNoRows):
		return fmt.Errorf("apply migration %s: %w", x.name, errors.Join(errors.New("another node is bringing it to another version"), err))
	}
	for _, stmt := range statements(x.src) {
		if _, err := tx.Exec(ctx, db.dialect(stmt)); err != nil {
			return fmt.Errorf("apply migration %s: %w", x.name, err)
		}
	}
	if _, err := tx.Exec(ctx, "INSERT INTO store_migrations (name, sha256) VALUES ($1, $2)", x.name, x.sum); err != nil {
		return fmt.Errorf("apply migration %s: %w", x.name, err)
	}
	return nil
}

var (
	reBlob    = regexp.MustCompile(`\bBLOB\b`)
	reNoRowid = regexp.MustCompile(`\)\s*WITHOUT ROWID`)
	reRowid   = regexp.MustCompile(`\bINTEGER PRIMARY KEY\b`)
)

func (db *DB) dialect(stmt string) string {
	if db.engine == SQLite {
		return stmt
	}
	stmt = reBlob.ReplaceAllString(stmt, "BYTEA")
	stmt = reRowid.ReplaceAllString(stmt, "BIGINT PRIMARY KEY")
	return reNoRowid.ReplaceAllString(stmt, ")")
}

func statements(src string) []string {
	var out []string
	var cur strings.Builder
	for line := range strings.Lines(src) {
		if t := strings.TrimSpace(line); t == "" || strings.HasPrefix(t, "--") {
			continue
		}
		cur.WriteString(line)
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			out = append(out, strings.TrimSuffix(strings.TrimSpace(cur.String()), ";"))
			cur.Reset()
		}
	}
	if s := strings.TrimSpace(cur.String()); s != "" {
		out = append(out, s)
	}
	return out
}

// IsMissingTable reports whether err says that a table does not exist: the
// database was never set up.
func IsMissingTable(err error) bool {
	return err != nil && !errors.Is(err, ErrNoRows) &&
		(strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "SQLSTATE 42P01"))
}

// CheckMigrations compares the record of applied migrations with the files they
// were applied from, and names each that is missing, changed or unknown.
func (db *DB) CheckMigrations(ctx context.Context, found func(name, what string), all ...Migrations) error {
	want := map[string]string{}
	for _, m := range all {
		names, err := fs.Glob(m.Files, "*.sql")
		if err != nil {
			return fmt.Errorf("list migrations of %s: %w", m.Domain, err)
		}
		for _, file := range names {
			src, err := fs.ReadFile(m.Files, file)
			if err != nil {
				return fmt.Errorf("read migration %s/%s: %w", m.Domain, file, err)
			}
			h := sha256.Sum256(src)
			want[m.Domain+"/"+file] = hex.EncodeToString(h[:])
		}
	}
	err := db.Query(ctx, "SELECT name, sha256 FROM store_migrations ORDER BY name", nil, func(s Scanner) error {
		var name, sum string
		err := s.Scan(&name, &sum)
		switch have, ok := want[name]; {
		case err != nil:
		case !ok:
			found(name, "it is of no migration of this version")
		case have != sum:
			found(name, "its hash is not that of the migration")
		}
		delete(want, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	for name := range want {
		found(name, "it is missing: the migration was applied")
	}
	return nil
}
