package results

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Facts about what travelled in bypass. A message that only the bypass had is a
// result.received and result.delivered with the code via=bypass.
const (
	// KindBypassedToo: the hub had the message as well.
	KindBypassedToo = "result.bypassed_too"
	// KindBypassRead: a session's log was read in, whole.
	KindBypassRead = "bypass.reconciled"
)

// Bypassed is one message that the bypass relayed.
type Bypassed struct {
	ID       event.ID // given by the bypass
	Source   string
	Peer     channel.Peer
	At       time.Time // when it came
	Body     []byte
	Revision string        // in force in the bypass
	Window   time.Duration // how long the source's control ids are remembered
	Ways     []BypassedWay
}

// BypassedWay is one partner it was due to.
type BypassedWay struct {
	Partner, Route string
	Shadow         bool
	Receipt        *channel.Receipt // nil: it was not delivered in bypass
}

// BypassOutcome says what became of a bypassed message here.
type BypassOutcome int64

// The outcomes.
const (
	BypassTaken    BypassOutcome = iota + 1 // new here, with the bypass's receipts
	BypassToo                               // the hub had it as well
	BypassConflict                          // taken; the hub knows another body under its control id
	bypassSession
)

// BypassIntake reads what was relayed in bypass into the store. It is for one
// session's log; reading it again changes nothing.
type BypassIntake struct {
	s *Service
	// over is, by partner and lane, when the latest message went in bypass.
	over map[string]map[uint64]int64
	done BypassRead
}

// BypassRead counts what a session brought.
type BypassRead struct {
	Taken     int64 `json:"taken"`
	Too       int64 `json:"also_in_hub"`
	Twice     int64 `json:"partner_has_it_twice"`
	Conflicts int64 `json:"other_body_under_same_control_id"`
	Before    int64 `json:"read_before"`
	// Held are older results that were waiting in the hub and have been overtaken.
	Held int64 `json:"held_as_overtaken"`
}

// BypassIntake begins the reading of one session's log.
func (s *Service) BypassIntake() *BypassIntake {
	return &BypassIntake{s: s, over: map[string]map[uint64]int64{}}
}

// Take enters one message: with its deliveries done by the bypass's receipts,
// and waiting where there is none. A message that the hub has too (same source,
// control id and body) is not entered twice: its open deliveries to partners
// that accepted it in bypass are completed, so that they are not sent again.
// Every message of the log is given to Pass before the first is taken.
func (b *BypassIntake) Take(ctx context.Context, m Bypassed) (BypassOutcome, event.ID, error) {
	s := b.s
	fail := func(err error) (BypassOutcome, event.ID, error) {
		return 0, m.ID, fmt.Errorf("take bypassed message %s: %w", m.ID, err)
	}
	j := judged{keys: keysPool.Get().(*hl7.Keys)}
	defer keysPool.Put(j.keys)
	if err := s.readBypassed(m, &j); err != nil {
		return fail(err)
	}
	for _, w := range m.Ways {
		j.plans = append(j.plans, plan{partner: w.Partner, route: w.Route})
	}
	lanes, _ := s.marks(m.Source, j.keys, j.msg)
	held := b.begin(m, lanes, j.plans)
	fresh, err := s.prepare(ctx, &Settings{Revision: m.Revision}, &j, m.Peer, m.ID, m.Body, m.At)
	if err != nil {
		return fail(err)
	}
	key := fresh.control
	cutoff := m.At.Add(-m.Window).UnixMicro()

	var outcome BypassOutcome
	var id event.ID
	var before bool
	var twice int64
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		outcome, id, before, twice = BypassTaken, m.ID, false, 0
		b.begin(m, lanes, fresh.plans) // this may run twice
		var raw []byte
		var had int64
		err := tx.QueryRow(ctx, "SELECT message, outcome FROM results_bypassed WHERE id = $1", m.ID[:]).Scan(&raw, &had)
		if err == nil {
			before, outcome = true, BypassOutcome(had)
			id, err = event.IDFromBytes(raw)
			return err
		}
		if !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("look for a bypassed message: %w", err)
		}
		here, err := s.earlier(ctx, tx, key, cutoff, m.Body)
		if err != nil {
			return err
		}
		what := "same-message"
		switch fresh.control = key; {
		case here == nil:
			err = s.takeBypassed(ctx, tx, fresh, m)
		case here.same:
			outcome, id = BypassToo, here.id
			twice, err = s.alsoBypassed(ctx, tx, here.id, m)
		default:
			outcome, what = BypassConflict, "other-body-under-this-control-id"
			fresh.control = 0 // the hub's keeps the control id
			err = s.takeBypassed(ctx, tx, fresh, m)
		}
		if err != nil {
			return err
		}
		if here != nil {
			_, err = bus.Publish(ctx, tx, ledger.Event{
				Kind: KindBypassedToo, At: s.now().UnixMicro(), IDs: ledger.Pairs{{K: "bypassed", V: m.ID.String()}, {K: "message", V: here.id.String()}},
				Codes: ledger.Pairs{{K: "what", V: what}}, Numbers: []ledger.Number{{K: "twice", N: twice}},
			})
			if err != nil {
				return err
			}
		}
		_, err = s.tags.Exec(ctx, tx, taggedBypassed, m.ID[:], "INSERT INTO results_bypassed (id, message, outcome, taken_at) VALUES ($1, $2, $3, $4)", m.ID[:], id[:], int64(outcome), s.now().UnixMicro())
		return err
	})
	if err != nil {
		return fail(err)
	}
	b.count(outcome, before, twice)
	if !before && outcome != BypassToo {
		b.done.Held += held
	}
	for _, w := range m.Ways {
		s.reload(w.Partner)
	}
	return outcome, id, nil
}

// readBypassed reads what is needed of a message that the bypass has read too.
func (s *Service) readBypassed(m Bypassed, j *judged) error {
	var err error
	j.src = Source{Name: m.Source, AccessionFields: s.settings.Load().Sources[m.Source].AccessionFields}
	if j.head, err = hl7.ReadHeader(m.Body); err == nil {
		j.msg, err = hl7.Parse(m.Body)
	}
	if err != nil {
		return errors.New("it is not readable") // the codec's words may quote it
	}
	j.flags = flagsOf(j.msg) | FlagBypass
	j.keys.AccessionFields = j.src.AccessionFields
	if hl7.ReadKeys(m.Body, &j.head, j.keys) != nil {
		return errors.New("it names too many identifiers")
	}
	return nil
}

// begin puts the plans into the state they begin in. What a partner did not
// accept in bypass, while it did accept something newer of the same order, is
// held; how many these are is returned.
func (b *BypassIntake) begin(m Bypassed, lanes []byte, plans []plan) (held int64) {
	for n, w := range m.Ways {
		p := &plans[n]
		p.state, p.reason = Waiting, ""
		switch {
		case w.Shadow:
			p.state = Shadowed
		case w.Receipt == nil && overtaken(lanes, m.At.UnixMicro(), b.over[w.Partner]):
			p.state, p.reason = Held, "overtaken-in-bypass"
			held++
		}
	}
	return held
}

func (b *BypassIntake) count(o BypassOutcome, before bool, twice int64) {
	switch {
	case before:
		b.done.Before++
	case o == BypassToo:
		b.done.Too++
	case o == BypassConflict:
		b.done.Conflicts++
		b.s.counts.received.Add(1)
	default:
		b.done.Taken++
		b.s.counts.received.Add(1)
	}
	b.done.Twice += twice
}

// takeBypassed writes message and deliveries as the intake does, and completes
// those that have a receipt.
func (s *Service) takeBypassed(ctx context.Context, tx *store.Tx, fresh *newMessage, m Bypassed) error {
	if err := s.insert(ctx, tx, fresh); err != nil {
		return err
	}
	var leaf int64
	if err := tx.QueryRow(ctx, "SELECT leaf FROM results_messages WHERE id = $1", m.ID[:]).Scan(&leaf); err != nil {
		return fmt.Errorf("read bypassed message: %w", err)
	}
	for n, w := range m.Ways {
		if w.Receipt == nil || w.Shadow {
			continue
		}
		d := &delivery{seq: leaf*maxPlans + int64(n), id: m.ID, partner: w.Partner}
		if err := s.completeBypassed(ctx, tx, d, w.Receipt, m); err != nil {
			return err
		}
		fresh.plans[n].state = Done // so that its courier is not handed it
	}
	return nil
}

// alsoBypassed completes what the hub had still open to partners that accepted
// the message in bypass, and counts those to whom the hub had sent it too.
func (s *Service) alsoBypassed(ctx context.Context, tx *store.Tx, id event.ID, m Bypassed) (twice int64, err error) {
	open := map[string]int64{}
	done := map[string]bool{}
	err = tx.Query(ctx, `SELECT d.seq, d.partner, d.state FROM results_deliveries d JOIN results_messages x ON x.leaf = d.message
		WHERE x.id = $1`, []any{id[:]}, func(row store.Scanner) error {
		var seq, state int64
		var partner string
		if err := row.Scan(&seq, &partner, &state); err != nil {
			return err
		}
		if State(state) < Done {
			open[partner] = seq
		} else if State(state) == Done {
			done[partner] = true
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read deliveries: %w", err)
	}
	for _, w := range m.Ways {
		if w.Receipt == nil || w.Shadow {
			continue
		}
		if done[w.Partner] {
			twice++
		}
		if seq, ok := open[w.Partner]; ok {
			if err := s.completeBypassed(ctx, tx, &delivery{seq: seq, id: id, partner: w.Partner}, w.Receipt, m); err != nil {
				return 0, err
			}
		}
	}
	return twice, nil
}

// completeBypassed marks an open delivery done by the bypass's receipt.
func (s *Service) completeBypassed(ctx context.Context, tx *store.Tx, d *delivery, r *channel.Receipt, m Bypassed) error {
	salt, err := s.seal.newSalt()
	if err != nil {
		return err
	}
	ev, err := proof.Delivered{
		Message: d.id.String(), Delivery: fmt.Sprint(d.seq), Partner: d.partner, Receipt: *r, Config: m.Revision,
		Body: [32]byte(hash(m.Body)), Bytes: int64(len(m.Body)), Via: proof.ViaBypass,
	}.Event(salt)
	if err != nil {
		return fmt.Errorf("write down bypassed delivery: %w", err)
	}
	plain, err := json.Marshal(Evidence{Salt: salt[:], Reply: r.Body, Peer: r.Peer, At: r.At.UnixMicro(), Revision: m.Revision})
	if err != nil {
		return fmt.Errorf("write down receipt: %w", err)
	}
	sealed, err := s.vault.Seal(receipts, receiptWhere(d.seq), nil, pack([]byte{packedRaw}, plain))
	if err != nil {
		return fmt.Errorf("seal receipt: %w", err)
	}
	leaf, err := bus.Publish(ctx, tx, ev)
	if err != nil {
		return err
	}
	if err := noteChange(ctx, tx, d.partner); err != nil {
		return err
	}
	return s.tags.Change(ctx, tx, taggedTries, d.seq, func() error {
		n, err := tx.Exec(ctx, `UPDATE results_deliveries SET state = 3, changed_at = $1, level = $2, code = $3, done_leaf = $4, receipt = $5,
			attempts = attempts + 1, reason = $6 WHERE seq = $7 AND state < 3`,
			r.At.UnixMicro(), int64(r.Level), r.Code, leaf, sealed, SentInBypass, d.seq)
		if err == nil && n != 1 {
			err = errGone
		}
		return err
	})
}

// SentInBypass is the word that stands with a delivery made in bypass.
const SentInBypass = "sent in bypass"

// Pass notes in which lanes a message went ahead of what waits in the hub. A
// correction counts in all its lanes, another result in those of its order,
// specimen and accession: two orders of one patient do not change each other.
func (b *BypassIntake) Pass(m Bypassed) error {
	j := judged{keys: keysPool.Get().(*hl7.Keys)}
	defer keysPool.Put(j.keys)
	if err := b.s.readBypassed(m, &j); err != nil {
		return fmt.Errorf("take bypassed message %s: %w", m.ID, err)
	}
	k := j.keys
	if j.flags&FlagCorrection == 0 && len(k.Placers)+len(k.Fillers)+len(k.Specimens)+len(k.Accessions) > 0 {
		k = &hl7.Keys{Placers: k.Placers, Fillers: k.Fillers, Specimens: k.Specimens, Accessions: k.Accessions}
	}
	lanes, _ := b.s.marks(m.Source, k, j.msg)
	for _, w := range m.Ways {
		if w.Receipt == nil {
			continue
		}
		at := b.over[w.Partner]
		if at == nil {
			at = map[uint64]int64{}
			b.over[w.Partner] = at
		}
		for i := 0; i+8 <= len(lanes); i += 8 {
			lane := binary.BigEndian.Uint64(lanes[i:])
			at[lane] = max(at[lane], m.At.UnixMicro())
		}
	}
	return nil
}
