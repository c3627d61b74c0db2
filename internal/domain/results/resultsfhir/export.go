package resultsfhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// The facts about exports.
const (
	KindExportAsked   = "fhir.export_started"
	KindExportDropped = "fhir.export_ended"
)

const (
	exportLife  = 24 * time.Hour
	exportsOpen = 5    // of one partner at a time
	partRows    = 1000 // resources of one file
	exportParts = 5000 // five million resources; more is asked for with _since
)

const (
	exportListing = iota
	exportComplete
	exportFailed
)

// An export is a list of parts: which rows each file holds. The files themselves
// are made when they are fetched, from the sealed rows: nothing lies about.
type export struct {
	id          event.ID
	partner     string
	client      string
	made, ends  int64
	snap        int64
	state       int64
	exportAsked // sealed, with parts
}

type exportAsked struct {
	Request string `json:"request"`
	Kinds   []kind `json:"kinds"`
	Since   int64  `json:"since"` // the first row that may be in it
	Parts   []part `json:"parts,omitempty"`
}

// part is one file: the rows of a kind from first to last.
type part struct {
	Kind  kind  `json:"k"`
	First int64 `json:"f"`
	Last  int64 `json:"l"`
	Count int   `json:"n"`
}

var taggedExports = &bus.Tagged{Table: "results_fhir_exports", Key: "id", Columns: []string{"partner", "client", "made_at", "ends_at", "snap", "state", bodyThere}}

// bodyThere: the seal binds what a body says, its tag only that there is one, so
// that it may be sealed anew under another key.
const bodyThere = "CAST(CASE WHEN body IS NULL THEN 0 ELSE 1 END AS BIGINT)"

func exportWhere(id event.ID) vault.Where {
	return vault.Where{Table: "results_fhir_exports", Column: "body", Row: id[:]}
}

func (s *Service) exportRoutes(closed func(string, func(http.ResponseWriter, *asked) error)) {
	closed("GET /fhir/$export", s.exportStart)
	closed("POST /fhir/$export", s.exportStart)
	closed("GET /fhir/$export-status/{id}", s.exportStatus)
	closed("DELETE /fhir/$export-status/{id}", s.exportDelete)
	closed("GET /fhir/$export-file/{id}/part/{part}", s.exportFile)
}

// exportStart takes a request (Bulk Data Access 2.0, "Bulk Data Kick-off Request").
func (s *Service) exportStart(w http.ResponseWriter, a *asked) error { return s.exportOf(w, a, "") }

// exportOf takes one for all, or for a group.
func (s *Service) exportOf(w http.ResponseWriter, a *asked, group string) error {
	if a.Method == http.MethodPost && a.ContentLength != 0 {
		return invalid("not-supported", "write the parameters of an export in its address")
	}
	if p := strings.Join(a.Header.Values("Prefer"), ","); !strings.Contains(p, "respond-async") {
		return invalid("invalid", "an export needs Prefer: respond-async")
	}
	values, err := url.ParseQuery(a.URL.RawQuery)
	if err != nil {
		return invalid("invalid", "the query string cannot be read")
	}
	x := export{
		id: event.NewID(), partner: a.client.Partner, client: a.client.ID, made: s.now().UnixMicro(), ends: s.now().Add(exportLife).UnixMicro(),
		exportAsked: exportAsked{Request: a.base + group + "/$export"},
	}
	if a.URL.RawQuery != "" {
		x.Request += "?" + values.Encode()
	}
	if err := s.exportParams(a, values, &x); err != nil {
		return err
	}
	if x.snap, _, err = s.snap(a.Context(), s.db); err != nil {
		return err
	}
	full := false
	err = s.db.Do(a.Context(), func(ctx context.Context, tx *store.Tx) error {
		var n int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM results_fhir_exports WHERE partner = $1", x.partner).Scan(&n); err != nil {
			return err
		}
		if full = n >= exportsOpen; full {
			return nil
		}
		return s.keepExport(ctx, tx, &x, true)
	})
	if err != nil {
		return fmt.Errorf("keep export: %w", err)
	}
	if full {
		return &refusal{status: http.StatusTooManyRequests, code: "throttled", text: "there are as many exports as a client may have; delete one first", retry: 60}
	}
	s.list(x)
	w.Header().Set("Content-Location", a.base+"/$export-status/"+x.id.String())
	s.answer(w, http.StatusAccepted, newOutcome("information", "informational", "the export is being made; ask at the Content-Location"))
	return nil
}

func (s *Service) exportParams(a *asked, values url.Values, x *export) error {
	for name, v := range values {
		if len(v) != 1 {
			return invalid("invalid", "%s is taken once", printable(name))
		}
		switch name {
		case "_outputFormat":
			if !slices.Contains([]string{"application/fhir+ndjson", "application/ndjson", "ndjson"}, v[0]) {
				return invalid("not-supported", "_outputFormat is application/fhir+ndjson")
			}
		case "_since":
			at, ok := parseTime(v[0])
			if !ok {
				return invalid("value", "_since is an instant")
			}
			first, err := s.firstSince(a.Context(), at.from.UnixMicro())
			if err != nil {
				return err
			}
			x.Since = first
		case "_type":
			for t := range strings.SplitSeq(v[0], ",") {
				k, ok := kindOf(t)
				if !ok {
					return invalid("not-supported", "_type names a type that is not served here")
				}
				if !a.may(t, 'r') {
					return forbidden()
				}
				if !slices.Contains(x.Kinds, k) {
					x.Kinds = append(x.Kinds, k)
				}
			}
		default:
			if !a.lenient() {
				return invalid("not-supported", "the parameter %s is not taken", printable(name))
			}
		}
	}
	if x.Kinds == nil {
		for k := kind(1); k < kinds; k++ {
			if a.may(k.String(), 'r') {
				x.Kinds = append(x.Kinds, k)
			}
		}
	}
	if len(x.Kinds) == 0 {
		return forbidden()
	}
	return nil
}

// keepExport writes it down; fresh: it is not there yet.
func (s *Service) keepExport(ctx context.Context, tx *store.Tx, x *export, fresh bool) error {
	plain, err := json.Marshal(x.exportAsked)
	if err != nil {
		return err
	}
	body, err := s.vault.Seal(sealedWith, exportWhere(x.id), nil, plain)
	if err != nil {
		return err
	}
	if !fresh {
		_, err := s.tags.Exec(ctx, tx, taggedExports, x.id[:], "UPDATE results_fhir_exports SET state = $1, body = $2 WHERE id = $3", x.state, body, x.id[:])
		return err
	}
	err = tx.Queue(ctx, "INSERT INTO results_fhir_exports (id, partner, client, made_at, ends_at, snap, state, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		x.id[:], x.partner, x.client, x.made, x.ends, x.snap, x.state, body)
	if err != nil {
		return err
	}
	if err := s.tags.PutNew(ctx, tx, taggedExports, x.id[:], x.partner, x.client, x.made, x.ends, x.snap, x.state, int64(1)); err != nil {
		return err
	}
	_, err = bus.Publish(ctx, tx, ledger.Event{
		Kind: KindExportAsked, At: x.made,
		IDs: ledger.Pairs{{K: "partner", V: ledger.Code(x.partner)}, {K: "export", V: x.id.String()}, {K: "by", V: ledger.Code(Account(x.client))}},
	})
	return err
}

func (s *Service) loadExport(ctx context.Context, a *asked) (*export, error) {
	id, err := event.ParseID(a.PathValue("id"))
	if err != nil {
		return nil, notFound()
	}
	x := export{id: id}
	var body []byte
	err = s.db.QueryRow(ctx, "SELECT partner, client, made_at, ends_at, snap, state, body FROM results_fhir_exports WHERE id = $1", id[:]).
		Scan(&x.partner, &x.client, &x.made, &x.ends, &x.snap, &x.state, &body)
	if errors.Is(err, store.ErrNoRows) || err == nil && (x.partner != a.client.Partner || x.client != a.client.ID) {
		return nil, notFound()
	}
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	if s.now().UnixMicro() > x.ends {
		return nil, &refusal{status: http.StatusNotFound, code: "expired", text: "this export is over; ask for another"}
	}
	plain, err := s.vault.Unseal(sealedWith, exportWhere(id), nil, body)
	if err != nil {
		return nil, fmt.Errorf("open export: %w", err)
	}
	if err := json.Unmarshal(plain, &x.exportAsked); err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	return &x, nil
}

// exportStatus: Bulk Data Access 2.0, "Bulk Data Status Request".
func (s *Service) exportStatus(w http.ResponseWriter, a *asked) error {
	x, err := s.loadExport(a.Context(), a)
	if err != nil {
		return err
	}
	switch x.state {
	case exportListing:
		s.list(*x) // where the process that did so ended
		w.Header().Set("Retry-After", "1")
		w.Header().Set("X-Progress", "being listed")
		w.WriteHeader(http.StatusAccepted)
		return nil
	case exportFailed:
		return &refusal{status: http.StatusInternalServerError, code: "too-costly", text: "the export is too large or failed; narrow it with _since or _type"}
	}
	files := []object{}
	for i, p := range x.Parts {
		files = append(files, object{"type": p.Kind.String(), "url": a.base + "/$export-file/" + x.id.String() + "/part/" + strconv.Itoa(i), "count": p.Count})
	}
	b, err := json.Marshal(object{
		"transactionTime": time.UnixMicro(x.made).UTC().Format(instant), "request": x.Request, "requiresAccessToken": true, "output": files, "error": []object{},
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Expires", time.UnixMicro(x.ends).UTC().Format(http.TimeFormat))
	_, _ = w.Write(b)
	return nil
}

func (s *Service) exportDelete(w http.ResponseWriter, a *asked) error {
	x, err := s.loadExport(a.Context(), a)
	if err != nil {
		return err
	}
	if err := s.dropExport(a.Context(), x.id, x.partner); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (s *Service) dropExport(ctx context.Context, id event.ID, partner string) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedExports, id[:], "DELETE FROM results_fhir_exports WHERE id = $1", id[:])
		if err != nil || n == 0 {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: KindExportDropped, At: s.now().UnixMicro(), IDs: ledger.Pairs{{K: "partner", V: ledger.Code(partner)}, {K: "export", V: id.String()}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("drop export: %w", err)
	}
	return nil
}
