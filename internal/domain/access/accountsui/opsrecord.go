package accountsui

import (
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const recordTag = "Record"

// Entry is a line of the record.
type Entry struct {
	Leaf    int64             `json:"leaf" doc:"its line in the ledger"`
	Time    time.Time         `json:"time" doc:"when it happened"`
	Class   string            `json:"class" doc:"sign-in, refusal, view, export or change"`
	Kind    string            `json:"kind" doc:"the kind of event"`
	Who     string            `json:"who,omitempty" doc:"the account, or person:ID; left out where nobody is known"`
	Message string            `json:"message,omitempty" doc:"the message it is about"`
	Object  string            `json:"object,omitempty" doc:"what it is about"`
	Details map[string]string `json:"details,omitempty" doc:"what else the ledger says"`
	Damaged bool              `json:"damaged,omitempty" doc:"true: the ledger does not confirm this entry"`
}

// Entries is a page of the record.
type Entries struct {
	Entries []Entry `json:"entries" doc:"newest first"`
	Next    string  `json:"next,omitempty" doc:"hand it on as before for older entries; left out at the end"`
	Read    int64   `json:"read" doc:"how many lines of the ledger the list reaches"`
	All     int64   `json:"all" doc:"how many there are"`
}

type recordIn struct {
	Who     string `query:"who" doc:"an account"`
	Class   string `query:"class" doc:"sign-in, refusal, view, export or change"`
	Kind    string `query:"kind" doc:"a kind of event, such as result.viewed"`
	Message string `query:"message" doc:"a message's id"`
	From    string `query:"from" doc:"the first day"`
	To      string `query:"to" doc:"the last day"`
	Before  string `query:"before" doc:"next of the page before"`
	Limit   int    `query:"limit" doc:"at most 200, 50 where it is left out"`
}

type exportIn struct {
	Who     string `json:"who,omitempty" doc:"an account"`
	Class   string `json:"class,omitempty" doc:"sign-in, refusal, view, export or change"`
	Kind    string `json:"kind,omitempty" doc:"a kind of event, such as result.viewed"`
	Message string `json:"message,omitempty" doc:"a message's id"`
	From    string `json:"from,omitempty" doc:"the first day"`
	To      string `json:"to,omitempty" doc:"the last day"`
}

type patientIn struct {
	ID        string `json:"id" doc:"the patient's whole identifier"`
	Authority string `json:"authority,omitempty" doc:"who assigned it"`
	From      string `json:"from,omitempty" doc:"the first day"`
	To        string `json:"to,omitempty" doc:"the last day"`
}

// PatientReport is who looked at one patient's results and to whom they went.
type PatientReport struct {
	ID          string       `json:"id" doc:"the report's number, which stands in the record"`
	Messages    int          `json:"messages" doc:"how many messages carry the identifier"`
	Access      []Entry      `json:"access" doc:"who looked and acted"`
	Disclosures []Disclosure `json:"disclosures" doc:"to whom results went: deliveries that their systems accepted"`
	Missing     []string     `json:"missing,omitempty" doc:"why the report may not be whole"`
}

// Disclosure is a delivery that a partner's system accepted.
type Disclosure struct {
	Accepted time.Time `json:"accepted" doc:"when their system accepted it"`
	Partner  string    `json:"partner" doc:"the partner's key"`
	Message  string    `json:"message" doc:"the message"`
	Source   string    `json:"source" doc:"where it came from"`
}

func entriesOf(lines []record.Line) []Entry {
	out := make([]Entry, len(lines))
	for i := range lines {
		l := &lines[i]
		e := Entry{Leaf: l.Leaf, Time: l.Time(), Class: l.Class.String(), Kind: l.Kind, Who: l.Who, Message: l.Message, Object: l.Object(), Damaged: l.Damaged}
		if d := l.Details(); len(d) > 0 && !l.Damaged {
			e.Details = detailMap(d)
		}
		out[i] = e
	}
	return out
}

func detailMap(d ledger.Pairs) map[string]string {
	out := make(map[string]string, len(d))
	for _, p := range d {
		out[p.K] = p.V
	}
	return out
}

func (d Deps) page(r *http.Request, lines []record.Line, next record.Cursor) (Entries, error) {
	read, all, err := d.Record.Reach(r.Context())
	return Entries{entriesOf(lines), next.String(), read, all}, err
}

func size(limit int) int {
	if limit <= 0 {
		return pageSize
	}
	return min(limit, record.MaxPage)
}

func recordOps(d Deps) []web.Route {
	me := func(r *http.Request) record.By { return record.By{Account: web.Who(r).Account} }
	return []web.Route{
		web.Op[recordIn, Entries]{Pattern: "GET /api/v1/record", Needs: authz.RecordSee, Tag: recordTag, Summary: "Read the record of acts and views", Detail: "That it is read, and what was asked, is recorded first.", Do: func(r *http.Request, in recordIn) (Entries, error) {
			q, err := d.query(r, asked{in.Who, in.Class, in.Kind, in.Message, in.From, in.To})
			if err != nil {
				return Entries{}, err
			}
			at, err := record.ParseCursor(in.Before)
			if err != nil {
				return Entries{}, err
			}
			lines, next, err := d.Record.List(r.Context(), me(r), q, at, size(in.Limit))
			if err != nil {
				return Entries{}, err
			}
			return d.page(r, lines, next)
		}}.Route(),
		web.Op[ownIn, Entries]{Pattern: "GET /api/v1/record/mine", Needs: authz.OwnSecurity, Tag: recordTag, Summary: "Read one's own trail", Do: func(r *http.Request, in ownIn) (Entries, error) {
			at, err := record.ParseCursor(in.Before)
			if err != nil {
				return Entries{}, err
			}
			lines, next, err := d.Record.Own(r.Context(), me(r), web.Who(r).Person.String(), at, size(in.Limit))
			if err != nil {
				return Entries{}, err
			}
			return d.page(r, lines, next)
		}}.Route(),
		d.exportOp(),
		web.Op[patientIn, PatientReport]{Pattern: "POST /api/v1/record/patient", Needs: authz.RecordPatient, Tag: recordTag, Summary: "A patient's report of access and disclosures", Detail: "By the exact identifier. That it was made is recorded with each message.", Do: func(r *http.Request, in patientIn) (PatientReport, error) {
			q, err := d.query(r, asked{from: in.From, to: in.To})
			if err != nil {
				return PatientReport{}, err
			}
			rep, err := d.Record.Patient(r.Context(), me(r), record.Ask{ID: in.ID, Authority: in.Authority, From: q.From, To: q.To})
			if err != nil {
				return PatientReport{}, err
			}
			out := PatientReport{ID: rep.ID.String(), Messages: len(rep.Messages), Access: entriesOf(rep.Access), Disclosures: []Disclosure{}, Missing: rep.Missing}
			for i := range rep.Disclosures {
				x := &rep.Disclosures[i]
				out.Disclosures = append(out.Disclosures, Disclosure{x.Accepted, x.Partner, x.Message.ID, x.Message.Source})
			}
			return out, nil
		}}.Route(),
	}
}

type ownIn struct {
	Before string `query:"before" doc:"next of the page before"`
	Limit  int    `query:"limit" doc:"at most 200, 50 where it is left out"`
}

// exportOp answers with FHIR AuditEvents, one a line.
func (d Deps) exportOp() web.Route {
	op := web.Op[exportIn, struct{}]{Pattern: "POST /api/v1/record/audit-events", Needs: authz.RecordExport, Do: func(*http.Request, exportIn) (struct{}, error) { return struct{}{}, nil }}.Route()
	op.Stream = true
	op.Doc = &web.Doc{
		Tag: recordTag, Summary: "Take the record out as FHIR R4 AuditEvents", Description: "One a line, newest first, with the patterns of IHE BALP 1.1 where they fit.", In: reflect.TypeFor[exportIn](), Out: reflect.TypeFor[[]byte](),
		Produces: "application/fhir+ndjson",
	}
	op.Handle = func(w http.ResponseWriter, r *http.Request) error {
		var in exportIn
		if err := web.Bind(r, &in); err != nil {
			return err
		}
		q, err := d.query(r, asked{in.Who, in.Class, in.Kind, in.Message, in.From, in.To})
		if err != nil {
			return err
		}
		return stream(w, "record", record.NDJSON, func(out *counted) error {
			sink, err := record.NewSink(record.NDJSON, out, d.Hub())
			return errors.Join(err, d.Record.ExportTo(r.Context(), record.By{Account: web.Who(r).Account}, q, record.NDJSON, sink))
		})
	}
	return op
}
