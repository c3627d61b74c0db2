package resultsfhir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// maxEntries bounds the resources of one message.
const maxEntries = 5000

// Place is where the deliveries of one partner go. It is a results.Sender: a
// delivery is placed when its resources can be pulled.
type Place struct {
	s       *Service
	partner string
}

// For returns the place of a partner.
func (s *Service) For(partner string) *Place { return &Place{s, partner} }

// Close implements channel.Sender.
func (p *Place) Close() error { return nil }

// Send puts the resources of a transaction bundle where the partner finds them.
// A repeat of the same delivery changes nothing.
func (p *Place) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	fail := func(c channel.Class, err error) (channel.Receipt, error) {
		return channel.Receipt{}, &channel.Error{Class: c, Err: err}
	}
	message, delivery, ok := parseDelivery(m.ID)
	if !ok || m.ContentType != fhir.ContentType {
		return fail(channel.Unfit, errors.New("only a result can be placed for a partner that pulls"))
	}
	entries, err := readEntries(m.Body)
	if err != nil {
		return fail(channel.Unfit, err)
	}
	err = p.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return p.s.place(ctx, tx, p.partner, message, delivery, entries)
	})
	if errors.Is(err, errNoMessage) {
		return fail(channel.Unfit, err)
	}
	if err != nil {
		return fail(channel.Busy, fmt.Errorf("place resources: %w", err))
	}
	p.s.wake()
	return channel.Receipt{Level: channel.Placed, Code: "placed", Peer: channel.Peer{Name: p.partner, Proof: "none"}, At: p.s.now()}, nil
}

// parseDelivery reads a delivery's identifier, MESSAGE-SEQ.
func parseDelivery(s string) (message event.ID, delivery int64, ok bool) {
	if len(s) < 38 || s[36] != '-' {
		return message, 0, false
	}
	message, err := event.ParseID(s[:36])
	if err != nil {
		return message, 0, false
	}
	delivery, err = strconv.ParseInt(s[37:], 10, 64)
	return message, delivery, err == nil && delivery >= 0
}

// entry is one resource on its way in.
type entry struct {
	kind     kind
	identity string // its urn:uuid in the bundle, derived from business identifiers
	resource []byte
}

var errBundle = errors.New("the bundle cannot be read")

func readEntries(body []byte) ([]entry, error) {
	var b struct {
		Entry []struct {
			FullURL  string          `json:"fullUrl"`
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if json.Unmarshal(body, &b) != nil { // its text may quote the body
		return nil, errBundle
	}
	if len(b.Entry) > maxEntries {
		return nil, fmt.Errorf("%w: it has %d resources", errBundle, len(b.Entry))
	}
	var out []entry
	for _, e := range b.Entry {
		var head struct {
			ResourceType string `json:"resourceType"`
		}
		if json.Unmarshal(e.Resource, &head) != nil {
			return nil, errBundle
		}
		k, ok := kindOf(head.ResourceType)
		if !ok {
			continue // Provenance: it is about the bundle, which is kept with the delivery
		}
		if !strings.HasPrefix(e.FullURL, "urn:uuid:") || !bytes.HasPrefix(e.Resource, prefixOf(k)) {
			return nil, errBundle
		}
		out = append(out, entry{k, e.FullURL, e.Resource})
	}
	return out, nil
}

// prefixOf is how the JSON of a resource begins, as our codec writes it.
func prefixOf(k kind) []byte { return []byte(`{"resourceType":"` + k.String() + `",`) }

var errNoMessage = errors.New("there is no such message")

func (s *Service) place(ctx context.Context, tx *store.Tx, partner string, message event.ID, delivery int64, entries []entry) error {
	var one, leaf int64
	err := tx.QueryRow(ctx, "SELECT 1 FROM results_fhir_placed WHERE delivery = $1", delivery).Scan(&one)
	if !errors.Is(err, store.ErrNoRows) {
		return err // nil: it was placed before, only the note of it was lost
	}
	err = tx.QueryRow(ctx, "SELECT leaf FROM results_messages WHERE id = $1", message[:]).Scan(&leaf)
	if errors.Is(err, store.ErrNoRows) {
		return errNoMessage
	}
	if err != nil {
		return err
	}
	last, at, err := s.snap(ctx, tx)
	if err != nil {
		return err
	}
	at = max(at, s.now().UnixMicro()) // times ascend with the rows, whatever the clock does
	rows := make([]*row, len(entries))
	before := make([]*row, len(entries))
	renames := make([]string, 0, 2*len(entries))
	for i, e := range entries {
		r := &row{partner: partner, kind: e.kind, identity: e.identity, at: at, until: standing, message: leaf, version: 1, messageID: message, delivery: delivery}
		if before[i], err = s.known(ctx, tx, r); err != nil {
			return err
		}
		if r.rid = event.NewID(); before[i] != nil {
			r.rid, r.version = before[i].rid, before[i].version+1
		}
		rows[i] = r
		renames = append(renames, `"`+e.identity+`"`, `"`+r.ref()+`"`)
	}
	rename := strings.NewReplacer(renames...)
	first := last + 1
	for i, r := range rows {
		r.resource = []byte(rename.Replace(string(entries[i].resource)))
		old := before[i]
		if old != nil && !r.kind.renewed() && bytes.Equal(old.resource, r.resource) {
			continue
		}
		last++
		r.seq = last
		m := membersOf(r.resource)
		if r.patient, err = patientOf(r, m); err != nil {
			return err
		}
		s.mark(r, m)
		if err := s.write(ctx, tx, r); err != nil {
			return err
		}
		if old == nil {
			continue
		}
		if err := tx.Queue(ctx, "UPDATE results_fhir_rows SET until = $1 WHERE seq = $2", r.seq, old.seq); err != nil {
			return err
		}
	}
	err = tx.Queue(ctx, `INSERT INTO results_fhir_placed (delivery, partner, message, message_id, first_seq, last_seq, placed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		delivery, partner, leaf, message[:], first, last, at)
	if err != nil {
		return err
	}
	return s.tags.PutNew(ctx, tx, taggedPlaced, delivery, partner, leaf, message[:], first, last, at, nil)
}

// known finds the current version of what the row is a version of.
func (s *Service) known(ctx context.Context, tx *store.Tx, r *row) (*row, error) {
	for _, t := range tokens(s.vault.IndexVersions(domainIdentity, identityParts(r.partner, r.kind, r.identity)...)) {
		found, err := s.rows(ctx, tx, "SELECT r."+strings.ReplaceAll(rowCols, ", ", ", r.")+` FROM results_fhir_tokens t
			JOIN results_fhir_rows r ON r.seq = t.seq WHERE t.token = $1 ORDER BY t.seq DESC LIMIT 3`, t)
		if err != nil {
			return nil, err
		}
		for _, x := range found {
			if x.identity == r.identity && x.kind == r.kind && x.partner == r.partner {
				return x, nil
			}
		}
	}
	return nil, nil
}

// patientOf is the patient a row is about.
func patientOf(r *row, m member) (event.ID, error) {
	if r.kind == kindPatient {
		return r.rid, nil
	}
	if !r.kind.clinical() {
		return event.ID{}, nil
	}
	for _, ref := range m.references("subject") {
		if id, ok := strings.CutPrefix(ref, "Patient/"); ok {
			return event.ParseID(id)
		}
	}
	return event.ID{}, nil
}

var taggedPlaced = &bus.Tagged{Table: "results_fhir_placed", Key: "delivery", Columns: []string{
	"partner", "message", "message_id", "first_seq", "last_seq", "placed_at", "picked_at",
}}
