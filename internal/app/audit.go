package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// When the hub audits itself. The first audit waits until a hub that was down
// has caught up; results come first, so the audit rests after each batch four
// times as long as the batch took, at most auditRest.
const (
	auditFirst = 20 * time.Minute
	auditEvery = 24 * time.Hour
	auditRest  = 2 * time.Second
)

var (
	taggedRevisions = &bus.Tagged{Table: "hub_revisions", Key: "number", Columns: []string{"revision", "applied_at", "applied_by", "reason", "approved_by", "leaf"}}
	taggedSecrets   = &bus.Tagged{Table: "hub_secrets", Key: "name", Columns: []string{"set_at", "set_by"}}
	taggedExtended  = &bus.Tagged{Table: "hub_extensions", Key: "channel", Columns: []string{"until", "made_at", "made_by", "reason", "leaf"}}
)

// Audit holds everything that is stored against the ledger, the keys and
// itself, and names each row that does not fit. It writes nothing and may run
// while the hub works.
func (h *Hub) Audit(ctx context.Context, progress func(done, total int64) error) (*results.Audited, error) {
	a, err := h.Results.Audit(ctx, progress)
	if err != nil {
		return nil, err
	}
	found := func(table, row, what string) {
		a.Found++
		a.Findings = append(a.Findings, results.Finding{Table: table, Row: row, What: what})
	}
	if err := h.auditOwn(ctx, found); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	// Last, since it may take long: a piece, then a rest, as the rows before.
	if err := h.rooms.boxes.AuditContents(ctx, found, func(int64, int64) error {
		if progress == nil {
			return ctx.Err()
		}
		return progress(a.Leaves, a.Leaves)
	}); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return a, nil
}

// auditAndMend is Audit, and makes a search index that is wrong anew.
func (h *Hub) auditAndMend(ctx context.Context, progress func(done, total int64) error) (*results.Audited, error) {
	a, err := h.Audit(ctx, progress)
	if err != nil || a.Index == 0 {
		return a, err
	}
	h.slog.Warn("the search index does not fit the messages; it is made anew", "entries", a.Index)
	return a, h.Results.Rebuild(ctx)
}

// auditOwn looks at the hub's own tables.
func (h *Hub) auditOwn(ctx context.Context, found func(table, row, what string)) error {
	in := func(table string) func(row, what string) { return func(row, what string) { found(table, row, what) } }
	if err := h.Vault.CheckBook(ctx); errors.Is(err, vault.ErrBook) || errors.Is(err, vault.ErrEmpty) {
		found("hub_book", "1", "the key book is missing, was changed, or put back to an earlier day; the hub still has the right one in memory: do not stop it")
	} else if err != nil {
		return err
	}
	if err := h.DB.CheckMigrations(ctx, in("store_migrations"), migrations()...); err != nil {
		return err
	}
	tags := bus.NewTags(h.Vault)
	for _, d := range []*bus.Tagged{taggedRevisions, taggedSecrets, taggedExtended, taggedPages, taggedSightings} {
		if err := tags.Audit(ctx, h.DB, d, in(d.Table)); err != nil {
			return err
		}
	}
	for _, room := range []func(context.Context, func(table, row, what string)) error{
		h.Alarms.Audit, h.Access.Audit, h.rooms.signin.Audit, h.rooms.accounts.Audit, h.rooms.record.Audit, h.rooms.approvals.Audit, h.rooms.setup.Audit,
		h.rooms.boxes.Audit, h.rooms.entry.Audit,
		h.rooms.keys.Audit, h.rooms.certificates.Audit, h.rooms.fhir.Audit,
		h.rooms.tunnels.book.Audit,
		h.rooms.portal.Audit, h.rooms.publicStore.Audit,
	} {
		if err := room(ctx, found); err != nil {
			return err
		}
	}
	tables := slices.Concat([]string{taggedRevisions.Table, taggedSecrets.Table, taggedExtended.Table, taggedPages.Table, taggedSightings.Table},
		bus.TaggedTables(), results.TaggedTables(), alarm.TaggedTables(), access.TaggedTables(),
		signin.TaggedTables(), accounts.TaggedTables(), record.TaggedTables(), approval.TaggedTables(), setup.TaggedTables(),
		boxes.TaggedTables(), entry.TaggedTables(), keys.TaggedTables(), certificates.TaggedTables(), resultsfhir.TaggedTables(),
		tunnels.TaggedTables(), portal.TaggedTables(), publiccert.TaggedTables())
	if err := tags.AuditStrays(ctx, h.DB, tables, in("row_tags")); err != nil {
		return err
	}
	if err := h.auditRevisions(ctx, found); err != nil {
		return err
	}
	if err := h.auditPages(ctx, found); err != nil {
		return err
	}
	return h.auditSecrets(ctx, found)
}

// auditPages opens the authority of the pages.
func (h *Hub) auditPages(ctx context.Context, found func(table, row, what string)) error {
	var sealed []byte
	err := h.DB.QueryRow(ctx, "SELECT authority FROM hub_pages WHERE id = 1").Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the pages' authority: %w", err)
	}
	if _, err := h.Vault.Unseal(vault.PurposeSecrets, pagesWhere(), nil, sealed); err != nil {
		found("hub_pages", "1", "the authority of the pages does not open")
	}
	return nil
}

// auditRevisions opens every revision and looks for those the ledger knows.
func (h *Hub) auditRevisions(ctx context.Context, found func(table, row, what string)) error {
	all, err := h.History(ctx)
	if err != nil {
		return err
	}
	numbers := map[int64]bool{}
	for _, r := range all {
		numbers[r.Number] = true
		bad := func(what string) { found("hub_revisions", fmt.Sprint(r.Number), what) }
		if _, err := h.contents(ctx, r); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			bad("its contents do not open, or are not what its hash says")
		}
		raw, err := h.Log.Event(ctx, r.Leaf)
		if err != nil {
			bad("the ledger has no readable entry of it")
			continue
		}
		e, err := ledger.ParseEvent(raw)
		if err != nil || e.Kind != KindConfigApplied || e.Codes.Get("revision") != r.Hash || e.At != r.AppliedAt.UnixMicro() || number(e, "number") != r.Number {
			bad("the ledger's entry it names says otherwise")
		}
	}
	head, _, err := h.Log.AuditHead(ctx)
	if err != nil {
		return err
	}
	return h.Log.Walk(ctx, 0, head.Size, func(_ int64, events [][]byte) error {
		for _, raw := range events {
			if ledger.KindOf(raw) != KindConfigApplied {
				continue
			}
			if e, err := ledger.ParseEvent(raw); err == nil && !numbers[number(e, "number")] && number(e, "number") <= int64(len(all)+1) {
				found("hub_revisions", fmt.Sprint(number(e, "number")), "it is missing: the ledger says that it was applied")
			}
		}
		return nil
	})
}

func number(e ledger.Event, key string) int64 {
	for _, n := range e.Numbers {
		if n.K == key {
			return n.N
		}
	}
	return -1
}

// auditSecrets opens every secret.
func (h *Hub) auditSecrets(ctx context.Context, found func(table, row, what string)) error {
	return h.DB.Query(ctx, "SELECT name, value FROM hub_secrets ORDER BY name", nil, func(row store.Scanner) error {
		var name string
		var sealed []byte
		if err := row.Scan(&name, &sealed); err != nil {
			return err
		}
		plain, err := h.Vault.Unseal(vault.PurposeSecrets, secretWhere(name), nil, sealed)
		clear(plain)
		if err != nil {
			found("hub_secrets", name, "its value does not open: it was changed, or it belongs to another name")
		}
		return nil
	})
}

// auditLast is what the last audit found, for status.
type auditLast struct {
	at      time.Time
	found   int64
	index   int64
	example string
	failed  bool
}

// audits audits in the background until ctx ends.
func (h *Hub) audits(ctx context.Context) error {
	timer := time.NewTimer(auditFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		h.auditOnce(ctx, restful(ctx))
		timer.Reset(auditEvery)
	}
}

// auditOnce audits, says aloud what it finds, and writes down that it did.
func (h *Hub) auditOnce(ctx context.Context, progress func(done, total int64) error) {
	a, err := h.auditAndMend(ctx, progress)
	if err != nil {
		if ctx.Err() == nil {
			h.lastAudit.Store(&auditLast{at: h.now(), failed: true})
			h.slog.Error("ALARM: the stored rows could not be audited; it is tried again tomorrow", "error", err)
		}
		return
	}
	h.heardAudit(ctx, a)
	if err := h.recordAudit(ctx, ledger.Program, a); err != nil && ctx.Err() == nil {
		h.slog.Error("that the stored rows were audited could not be written down", "error", err)
	}
}

// heardAudit keeps an outcome for status and raises the alarm.
func (h *Hub) heardAudit(ctx context.Context, a *results.Audited) {
	last := &auditLast{at: h.now(), found: a.Found, index: a.Index}
	for i, f := range a.Findings {
		if i == 0 {
			last.example = f.String()
		}
		if i < 20 {
			h.slog.Error("ALARM: a stored row was changed, moved or removed", "table", f.Table, "row", f.Row, "what", f.What)
		}
	}
	h.lastAudit.Store(last)
	h.audited(ctx, a.Found == 0)
	if a.Found == 0 {
		h.slog.Info("every stored row fits the ledger", "entries", a.Leaves, "messages", a.Messages, "deliveries", a.Deliveries)
	}
}

func (h *Hub) recordAudit(ctx context.Context, by string, a *results.Audited) error {
	outcome := "sound"
	if a.Found > 0 {
		outcome = "damaged"
	}
	return h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: control.KindAudited, At: h.now().UnixMicro(),
			IDs:     ledger.Pairs{{K: "by", V: ledger.Code(by)}},
			Codes:   ledger.Pairs{{K: "outcome", V: outcome}},
			Numbers: []ledger.Number{{K: "findings", N: a.Found}, {K: "leaves", N: a.Leaves}},
		})
		return err
	})
}

// restful lets the audit rest between batches: intake and delivery come first.
func restful(ctx context.Context) func(done, total int64) error {
	began := time.Now()
	return func(int64, int64) error {
		timer := time.NewTimer(min(4*time.Since(began), auditRest))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		began = time.Now()
		return nil
	}
}

// auditAlarms are the sentences of `labwarden status` about the last audit.
func (h *Hub) auditAlarms() []string {
	last := h.lastAudit.Load()
	switch {
	case last == nil:
		return nil
	case last.failed:
		return []string{"The last audit of what is stored could not be finished; the log says why."}
	case last.found > last.index:
		return []string{fmt.Sprintf("The audit of %s found %d stored rows that were changed, moved or removed, the first: %s. Results flow. Keep the database as it is; `labwarden ledger verify` names them all.",
			last.at.UTC().Format("2006-01-02 15:04"), last.found, last.example)}
	case last.found > 0:
		return []string{fmt.Sprintf("The audit of %s found a search index that was changed; it was made anew. Somebody or something writes to the database besides Labwarden: %s.",
			last.at.UTC().Format("2006-01-02 15:04"), last.example)}
	}
	return nil
}
