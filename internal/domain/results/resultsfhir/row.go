package resultsfhir

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// standing is the until of a version that nothing has replaced.
const standing = math.MaxInt64

const sealedWith vault.Purpose = vault.PurposeBodies

// row is one version of a resource.
type row struct {
	seq     int64
	rid     event.ID
	version int64
	partner string
	kind    kind
	patient event.ID // zero: about no patient
	at      int64    // microseconds
	until   int64
	message int64

	// identity is what makes the next delivery of the same thing a version of it;
	// tokens is by what it is found; resource is FHIR JSON without id and meta.
	identity string
	tokens   []int64
	resource []byte
	// messageID and delivery are what it came with, for the record of looks.
	messageID event.ID
	delivery  int64
}

func (r *row) current() bool { return r.until == standing }

func (r *row) ref() string { return r.kind.String() + "/" + r.rid.String() }

func (r *row) updated() time.Time { return time.UnixMicro(r.at).UTC() }

func rowWhere(seq int64) vault.Where {
	return vault.Where{Table: "results_fhir_rows", Column: "body", Row: strconv.AppendInt(nil, seq, 10)}
}

const headVersion = 1

// head spells everything of the row that its seal binds.
func (r *row) head() []byte {
	b := []byte{headVersion}
	text := func(s []byte) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(r.rid[:])
	text([]byte(r.partner))
	text(r.patient[:])
	text([]byte(r.identity))
	text(r.messageID[:])
	for _, n := range []int64{r.version, int64(r.kind), r.at, r.message, r.delivery, int64(len(r.tokens))} {
		b = binary.AppendVarint(b, n)
	}
	for _, t := range r.tokens {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	return b
}

var errHead = errors.New("what is sealed has not the form of a row")

// open reads the sealed body into the row. What it says of the columns must be
// what they say: so a row that was changed or moved does not open.
func (r *row) open(v *vault.Vault, sealed []byte) error {
	plain, err := v.Unseal(sealedWith, rowWhere(r.seq), nil, sealed)
	if err != nil {
		return fmt.Errorf("open resource %d: %w", r.seq, err)
	}
	said := row{seq: r.seq, until: r.until}
	rest, ok := said.readHead(plain)
	if !ok {
		return fmt.Errorf("open resource %d: %w", r.seq, errHead)
	}
	if said.rid != r.rid || said.version != r.version || said.partner != r.partner || said.kind != r.kind || said.patient != r.patient ||
		said.at != r.at || said.message != r.message {
		return fmt.Errorf("open resource %d: %w: its columns were changed", r.seq, vault.ErrTampered)
	}
	said.resource = rest
	*r = said
	return nil
}

func (r *row) readHead(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != headVersion {
		return nil, false
	}
	b = b[1:]
	text := func() []byte {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			b = nil
			return nil
		}
		out := b[k : k+int(n)]
		b = b[k+int(n):]
		return out
	}
	number := func() int64 {
		n, k := binary.Varint(b)
		if k <= 0 {
			b = nil
			return 0
		}
		b = b[k:]
		return n
	}
	var err, err2, err3 error
	r.rid, err = event.IDFromBytes(text())
	r.partner = string(text())
	r.patient, err2 = event.IDFromBytes(text())
	r.identity = string(text())
	r.messageID, err3 = event.IDFromBytes(text())
	r.version, r.kind, r.at, r.message, r.delivery = number(), kind(number()), number(), number(), number()
	n := number()
	if errors.Join(err, err2, err3) != nil || b == nil || n < 0 || n > int64(len(b))/8 {
		return nil, false
	}
	for range n {
		r.tokens = append(r.tokens, int64(binary.BigEndian.Uint64(b)))
		b = b[8:]
	}
	return b, true
}

const rowCols = "seq, rid, version, partner, kind, patient, at, until, message, body"

// read makes a row of a result with rowCols, opened.
func (s *Service) read(sc store.Scanner) (*row, error) {
	var r row
	var rid, patient, body []byte
	var k int64
	if err := sc.Scan(&r.seq, &rid, &r.version, &r.partner, &k, &patient, &r.at, &r.until, &r.message, &body); err != nil {
		return nil, err
	}
	r.kind = kind(k)
	var err error
	if r.rid, err = event.IDFromBytes(rid); err != nil {
		return nil, err
	}
	if patient != nil {
		if r.patient, err = event.IDFromBytes(patient); err != nil {
			return nil, err
		}
	}
	if err := r.open(s.vault, body); err != nil {
		return nil, err
	}
	return &r, nil
}

// rows runs a query for rowCols.
func (s *Service) rows(ctx context.Context, q store.Queryer, query string, args ...any) ([]*row, error) {
	var out []*row
	err := q.Query(ctx, query, args, func(sc store.Scanner) error {
		r, err := s.read(sc)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read resources: %w", err)
	}
	return out, nil
}

// newest is the current version of a resource; nil where there is none.
func (s *Service) newest(ctx context.Context, q store.Queryer, rid event.ID) (*row, error) {
	found, err := s.rows(ctx, q, "SELECT "+rowCols+" FROM results_fhir_rows WHERE rid = $1 ORDER BY seq DESC LIMIT 1", rid[:])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// write queues the row and by what it is found.
func (s *Service) write(ctx context.Context, tx *store.Tx, r *row) error {
	body, err := s.vault.Seal(sealedWith, rowWhere(r.seq), nil, append(r.head(), r.resource...))
	if err != nil {
		return fmt.Errorf("seal resource: %w", err)
	}
	var patient any
	if r.patient != (event.ID{}) {
		patient = r.patient[:]
	}
	err = tx.Queue(ctx, "INSERT INTO results_fhir_rows ("+rowCols+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		r.seq, r.rid[:], r.version, r.partner, int64(r.kind), patient, r.at, r.until, r.message, body)
	if err != nil {
		return err
	}
	for _, t := range r.tokens {
		if err := tx.Queue(ctx, "INSERT INTO results_fhir_tokens (token, seq) VALUES ($1, $2)", t, r.seq); err != nil {
			return err
		}
	}
	return nil
}
