package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// bundler gathers what a support bundle holds. Whatever names the laboratory, a
// partner, a source, a host or a person is left out here, before anything is
// looked through.
type bundler struct {
	h     *Hub
	parts []setup.Part
}

// Bundle makes a support bundle; see setup.Service.Bundle.
func (p setupPort) Bundle(ctx context.Context, by string) ([]byte, setup.Manifest, error) {
	return p.bundle(ctx, by, func() {})
}

func (p setupPort) bundle(ctx context.Context, by string, told func()) ([]byte, setup.Manifest, error) {
	b := &bundler{h: p.h}
	for _, f := range []func(context.Context) error{b.versions, b.configuration, b.state, b.keys, b.counts, b.migrations, b.metrics} {
		if err := f(ctx); err != nil {
			return nil, setup.Manifest{}, fmt.Errorf("gather a support bundle: %w", err)
		}
	}
	return p.h.rooms.setup.Bundle(ctx, p.h.version, b.parts, storedPatients{p.h, told}, by)
}

// storedPatients are the patients' values of the stored messages.
type storedPatients struct {
	h    *Hub
	told func()
}

var identityWords = map[results.IdentityKind]string{
	results.IdentityNumber: "number", results.IdentityName: "name", results.IdentityBirth: "birth", results.IdentityAddress: "address", results.IdentityPhone: "phone",
}

// Each implements setup.Patients.
func (p storedPatients) Each(ctx context.Context, each func(kind, value string) error) (messages, unreadable int64, err error) {
	sum, err := p.h.Results.EachIdentity(ctx, func(k results.IdentityKind, v string) error {
		p.told()
		return each(identityWords[k], v)
	})
	return sum.Messages, sum.Unreadable, err
}

// add writes a part. Its keys are the program's words, and so are those of own.
func (b *bundler) add(name string, v any, own ...string) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(body, &plain); err != nil {
		return err
	}
	b.parts = append(b.parts, setup.Part{Name: name, Body: body, Words: append(jsonKeys(plain, nil), append(own, name)...)})
	return nil
}

func jsonKeys(v any, out []string) []string {
	switch x := v.(type) {
	case map[string]any:
		for k, below := range x {
			out = jsonKeys(below, append(out, k))
		}
	case []any:
		for _, below := range x {
			out = jsonKeys(below, out)
		}
	}
	return out
}

func (b *bundler) versions(context.Context) error {
	engine := "sqlite"
	if b.h.DB.Engine() != store.SQLite {
		engine = "postgres"
	}
	return b.add("versions.json", map[string]any{
		"labwarden": b.h.version, "go": runtime.Version(), "system": runtime.GOOS, "machine": runtime.GOARCH, "processors": runtime.NumCPU(),
		"engine": engine, "fips": FIPS(),
	}, engine, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// kept are values of a configuration that name nobody: sizes, times, choices.
var kept = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w|y|KiB|MiB|GiB|TiB)?|on|off|shadow|parallel|carry|none|account|ordering_provider|mutual|oauth2|keyfile|passphrase|systemd|sqlite|postgres|http|folder|mail|webhook|starttls|implicit|plaintext|tls12|settled|renamed|debug|info|warn|error|text|json|keep|hold|ASCII|8859/[0-9]+|UNICODE UTF-8|nobody-else|never)$`)

// chosen are sections whose keys people chose.
var chosen = []string{"sources", "partners", "tables", "listen"}

// configuration is its shape: what is set, with sizes, times and choices, and
// every name, address, path and text replaced by how long it is.
func (b *bundler) configuration(ctx context.Context) error {
	cur, err := b.h.Current(ctx)
	if err != nil {
		return b.add("configuration.json", map[string]any{"applied": false})
	}
	var v map[string]any
	if err := json.Unmarshal(cur.Config.Canonical(), &v); err != nil {
		return err
	}
	delete(v, "lab")
	return b.add("configuration.json", map[string]any{"number": cur.Number, "settings": shape(v)}, "characters", "shadow", "parallel", "carry", "none", "account",
		"ordering", "provider", "mutual", "keyfile", "passphrase", "folder", "mail", "webhook", "implicit", "settled", "renamed", "info", "text", "never", "nobody", "else", "hold", "keep")
}

func shape(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, below := range x {
			if slices.Contains(chosen, k) {
				if m, ok := below.(map[string]any); ok {
					below = numbered(k, m)
				}
			}
			if k == "table" || k == "tables" {
				out[k] = fmt.Sprintf("%d entries", sizeOf(below))
				continue
			}
			out[k] = shape(below)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = shape(x[i])
		}
		return out
	case string:
		if kept.MatchString(x) {
			return x
		}
		return fmt.Sprintf("(%d characters)", len([]rune(x)))
	}
	return v
}

// numbered are entries by a number instead of the name somebody chose.
func numbered(section string, m map[string]any) map[string]any {
	out := map[string]any{}
	for i, k := range slices.Sorted(maps.Keys(m)) {
		out[fmt.Sprintf("%s %d", section, i+1)] = m[k]
	}
	return out
}

func sizeOf(v any) int {
	switch x := v.(type) {
	case map[string]any:
		return len(x)
	case []any:
		return len(x)
	}
	return 1
}

// state is how the hub is, by kinds and counts.
func (b *bundler) state(ctx context.Context) error {
	alarms, own := map[string]int{}, []string{}
	for _, r := range b.h.Alarms.Live() {
		alarms[r.Kind+" "+r.Severity.String()+" "+r.State.String()]++
	}
	dates := []map[string]any{}
	if c := b.h.inForce(); c != nil {
		for _, d := range b.h.endings(c, b.h.now()) {
			of, _, _ := strings.Cut(d.Of, " ")
			dates = append(dates, map[string]any{"of": of, "kind": d.Kind, "days_left": int(d.Ends.Sub(b.h.now()) / (24 * time.Hour)), "extended": d.Extended != nil})
			own = append(own, of, d.Kind)
		}
	}
	nodes := map[string]any{}
	if s, err := b.h.lease.State(ctx); err == nil {
		nodes = map[string]any{"live": s.Live, "epoch": s.Epoch}
	}
	return b.add("state.json", map[string]any{
		"alarms": alarms, "dates": dates, "lease": nodes, "views_closed": b.h.Results.ViewsClosed() != "", "doors": len(b.h.Addresses()), "trouble": b.h.Trouble() != "",
	}, own...)
}

func (b *bundler) keys(context.Context) error {
	st, err := b.h.keyStatus()
	if err != nil {
		return err
	}
	now := b.h.now()
	purposes, seals := map[string][]int{}, []string{}
	for _, k := range st.Keys {
		purposes[string(k.Purpose)] = append(purposes[string(k.Purpose)], int(now.Sub(k.Created)/(24*time.Hour)))
	}
	for _, s := range st.Seals {
		seals = append(seals, s.Kind)
	}
	out := map[string]any{"age_in_days_by_purpose": purposes, "seals": seals, "signers": len(st.Signers), "needs_person": st.NeedsPerson, "warnings": len(st.Warnings), "rewrap": st.Rewrap}
	if r := st.Recovery; r != nil {
		out["shares"], out["threshold"] = r.Shares, r.Threshold
	}
	return b.add("keys.json", out, append(seals, slices.Collect(maps.Keys(purposes))...)...)
}

// counts are rows by table.
func (b *bundler) counts(ctx context.Context) error {
	query := "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
	if b.h.DB.Engine() != store.SQLite {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name"
	}
	var names []string
	err := b.h.DB.Query(ctx, query, nil, func(row store.Scanner) error {
		var n string
		err := row.Scan(&n)
		if tableName.MatchString(n) {
			names = append(names, n)
		}
		return err
	})
	if err != nil {
		return err
	}
	out := map[string]int64{}
	for _, n := range names {
		var rows int64
		if err := b.h.DB.QueryRow(ctx, "SELECT count(*) FROM "+n).Scan(&rows); err != nil {
			return err
		}
		out[n] = rows
	}
	return b.add("rows.json", out)
}

var tableName = regexp.MustCompile(`^[a-z_0-9]+$`)

func (b *bundler) migrations(ctx context.Context) error {
	out := map[string]string{}
	err := b.h.DB.Query(ctx, "SELECT name, sha256 FROM store_migrations ORDER BY name", nil, func(row store.Scanner) error {
		var name, sum string
		err := row.Scan(&name, &sum)
		out[name] = sum
		return err
	})
	if err != nil {
		return err
	}
	return b.add("migrations.json", out)
}

// metrics are those of /metrics, added up over partners, nodes and channels: the
// labels are names.
func (b *bundler) metrics(context.Context) error {
	r, err := watch.Registry(b.h.watchHub())
	if err != nil {
		return err
	}
	families, err := r.Gather()
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, f := range families {
		sum := 0.0
		for _, m := range f.GetMetric() {
			switch {
			case m.GetGauge() != nil:
				sum += m.GetGauge().GetValue()
			case m.GetCounter() != nil:
				sum += m.GetCounter().GetValue()
			case m.GetSummary() != nil:
				sum += m.GetSummary().GetSampleSum()
			case m.GetHistogram() != nil:
				sum += m.GetHistogram().GetSampleSum()
			case m.GetUntyped() != nil:
				sum += m.GetUntyped().GetValue()
			}
		}
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			out[f.GetName()] = fmt.Sprint(sum)
			continue
		}
		out[f.GetName()] = sum
	}
	return b.add("metrics.json", out)
}
