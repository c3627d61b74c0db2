package store

import (
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// IsFull says whether an error of the store, or of a file beside it, is that the
// disk has no room. Nothing was written then, and it may be tried again.
func IsFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return true
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_FULL
	}
	const diskFull = "53100" // https://www.postgresql.org/docs/15/errcodes-appendix.html
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == diskFull
}
