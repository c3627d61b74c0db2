package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What SQLite says of a full disk TestBoxOnAFullDisk shows.
func TestIsFull(t *testing.T) {
	for _, err := range []error{&os.PathError{Err: syscall.ENOSPC}, fmt.Errorf("write: %w", syscall.EDQUOT), fmt.Errorf("commit: %w", &pgconn.PgError{Code: "53100"})} {
		if !IsFull(err) {
			t.Errorf("%v", err)
		}
	}
	for _, err := range []error{nil, errors.New("disk full"), syscall.EIO, &pgconn.PgError{Code: "53300"}} {
		if IsFull(err) {
			t.Errorf("%v", err)
		}
	}
}
