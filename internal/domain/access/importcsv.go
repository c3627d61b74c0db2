package access

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindImported is the event of an applied list.
const KindImported = "people.imported"

// What a line of an imported list does.
const (
	ImportAdd   = "add"
	ImportKeep  = "change"
	ImportSame  = "same"
	ImportEnd   = "end"
	ImportWrong = "wrong"
)

// Step is what one person's line would do, or did.
type Step struct {
	Line    int
	Account string
	What    string
	// Text says it in words; of a wrong line, what to mend.
	Text []string
	// Link is the invitation of somebody added; only in the answer of Apply.
	Link Link

	person NewPerson
	have   Person
	give   []authz.Grant
	take   []Grant
}

// Plan is what a list would do.
type Plan struct {
	Steps []Step
	// Hash names the plan: Apply refuses another one.
	Hash                          string
	Add, Change, End, Same, Wrong int
}

const (
	maxImport = 2000
	// MaxImportBytes is the largest list.
	MaxImportBytes = 1 << 20
)

// ImportColumns are the columns of a list; account and name are needed. Dates are
// written 2026-05-04; ends is the last day. roles, partners and sites hold several separated by ;
var ImportColumns = []string{"account", "name", "mail", "starts", "ends", "roles", "partners", "sites"}

// PlanImport reads a list of people as CSV and says what it would do. It changes
// nothing. Only people and roles that came from a list before are changed or
// ended: complete says that whoever came from a list and is not in this one has
// left. Needs people.change.
func (s *Service) PlanImport(ctx context.Context, who *authz.Subject, text string, complete bool) (Plan, error) {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return Plan{}, err
	}
	lines, err := readList(text)
	if err != nil {
		return Plan{}, err
	}
	people, err := s.People(ctx)
	if err != nil {
		return Plan{}, err
	}
	have := map[string]Person{}
	for _, p := range people {
		have[p.Account] = p
	}
	var plan Plan
	seen := map[string]bool{}
	for _, l := range lines {
		st := s.stepOf(l, have, who)
		if seen[st.Account] && st.What != ImportWrong {
			st.What, st.Text = ImportWrong, []string{"This account stands in the list twice."}
		}
		seen[st.Account] = true
		plan.Steps = append(plan.Steps, st)
	}
	if complete {
		for _, p := range people {
			if p.Origin != OriginCSV || p.State == Ended || seen[p.Account] {
				continue
			}
			if p.ID == who.Person {
				plan.Steps = append(plan.Steps, Step{Account: p.Account, What: ImportWrong, Text: []string{"You are not in the list any more. " + ErrOwn.Text}, have: p})
				continue
			}
			plan.Steps = append(plan.Steps, Step{Account: p.Account, What: ImportEnd, Text: []string{p.Name + " is not in the list any more: ended, with their sessions and roles."}, have: p})
		}
	}
	h := sha256.New()
	for _, st := range plan.Steps {
		fmt.Fprintf(h, "%q %q %q %d\n", st.Account, st.What, st.Text, st.have.Revision)
		switch st.What {
		case ImportAdd:
			plan.Add++
		case ImportKeep:
			plan.Change++
		case ImportEnd:
			plan.End++
		case ImportSame:
			plan.Same++
		default:
			plan.Wrong++
		}
	}
	plan.Hash = hex.EncodeToString(h.Sum(nil))
	return plan, nil
}

type listLine struct {
	n    int
	cell map[string]string
}

func readList(text string) ([]listLine, error) {
	if len(text) > MaxImportBytes {
		return nil, invalid("list", "The list is larger than a megabyte.")
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF")))
	if first, _, _ := strings.Cut(text, "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		return nil, invalid("list", "Separate the columns by commas: the roles of one person are separated by semicolons.")
	}
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, invalid("list", "The list has no first line with the names of its columns: account,name,mail,starts,ends,roles,partners,sites")
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if !slices.Contains(ImportColumns, head[i]) {
			return nil, invalid("list", "There is no column %q. The columns are %s.", cut(head[i], 40), strings.Join(ImportColumns, ","))
		}
	}
	if !slices.Contains(head, "account") || !slices.Contains(head, "name") {
		return nil, invalid("list", "The list needs the columns account and name.")
	}
	var out []listLine
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalid("list", "The list cannot be read: %v", err)
		}
		l := listLine{cell: map[string]string{}}
		l.n, _ = r.FieldPos(0)
		for i, c := range row {
			l.cell[head[i]] = strings.TrimSpace(c)
		}
		if out = append(out, l); len(out) > maxImport {
			return nil, invalid("list", "A list has at most %d people.", maxImport)
		}
	}
	if len(out) == 0 {
		return nil, invalid("list", "The list names nobody.")
	}
	return out, nil
}

func several(cell string) (out []string) {
	for w := range strings.SplitSeq(cell, ";") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// stepOf says what a line would do.
func (s *Service) stepOf(l listLine, have map[string]Person, who *authz.Subject) Step {
	st := Step{Line: l.n, Account: strings.ToLower(cut(l.cell["account"], 64))}
	wrong := func(err error) Step {
		st.What, st.Text = ImportWrong, []string{err.Error()}
		return st
	}
	here := s.now().Location()
	n := NewPerson{Account: l.cell["account"], Name: l.cell["name"], Mail: l.cell["mail"], Origin: OriginCSV}
	var err error
	if n.Starts, err = ParseDay(l.cell["starts"], here); err != nil {
		return wrong(err)
	}
	if n.Ends, err = ParseDay(l.cell["ends"], here); err != nil {
		return wrong(err)
	}
	n.Ends = AfterDay(n.Ends)
	for _, w := range several(l.cell["roles"]) {
		g := authz.Grant{Role: authz.Role(strings.ToLower(w)), Partners: several(l.cell["partners"]), Sites: several(l.cell["sites"])}
		if info, _ := authz.RoleOf(g.Role); info.Boxed {
			g.Until = n.Ends
		}
		n.Grants = append(n.Grants, g)
	}
	if n, err = n.clean(s.now()); err != nil {
		return wrong(err)
	}
	st.Account, st.person = n.Account, n
	p, there := have[n.Account]
	st.have = p
	switch {
	case !there && reserved(n.Account):
		return wrong(errReserved)
	case !there:
		st.What, st.give = ImportAdd, n.Grants
		st.Text = append([]string{n.Name + " is added and gets an invitation."}, describe("gets", n.Grants, here)...)
		return st
	case p.ID == who.Person:
		return wrong(ErrOwn)
	case p.State == Ended:
		return wrong(&Refusal{Text: p.Name + " has been ended. To have them back, open their page."})
	case p.Origin != OriginCSV:
		return wrong(&Refusal{Text: p.Name + " was not added by a list: change them on their page."})
	}
	if p.Name != n.Name {
		st.Text = append(st.Text, "Name: "+p.Name+" becomes "+n.Name+".")
	}
	if p.Mail != n.Mail {
		st.Text = append(st.Text, "Mail: "+word(p.Mail)+" becomes "+word(n.Mail)+".")
	}
	if !p.Starts.Equal(n.Starts) {
		st.Text = append(st.Text, "Start: "+word(startDay(p.Starts, here))+" becomes "+word(FormatDay(n.Starts))+".")
	}
	if !p.Ends.Equal(n.Ends) {
		st.Text = append(st.Text, "Last day: "+word(FormatDay(LastDay(p.Ends, here)))+" becomes "+word(FormatDay(LastDay(n.Ends, here)))+".")
	}
	want := slices.Clone(n.Grants)
	for _, g := range p.Grants {
		if i := slices.IndexFunc(want, func(w authz.Grant) bool { return sameGrant(w, g.Grant) }); i >= 0 {
			want = slices.Delete(want, i, i+1)
		} else if g.Origin == OriginCSV {
			st.take = append(st.take, g)
		}
	}
	st.give = want
	st.Text = append(append(st.Text, describe("gets", st.give, here)...), describe("loses", plain(st.take), here)...)
	st.What = ImportKeep
	if len(st.Text) == 0 {
		st.What = ImportSame
	}
	return st
}

func word(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func startDay(t time.Time, here *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return FormatDay(t.In(here))
}

func describe(verb string, grants []authz.Grant, here *time.Location) (out []string) {
	for _, g := range grants {
		info, _ := authz.RoleOf(g.Role)
		text := "Role: " + verb + " " + info.Name
		if len(g.Partners) > 0 {
			text += ", partners " + strings.Join(g.Partners, ", ")
		}
		if len(g.Sites) > 0 {
			text += ", sites " + strings.Join(g.Sites, ", ")
		}
		if !g.Until.IsZero() {
			text += ", until " + FormatDay(LastDay(g.Until, here))
		}
		out = append(out, text+".")
	}
	return out
}

// importBatch is how many people one transaction takes over.
const importBatch = 20

// ApplyImport does what PlanImport said, and returns it with the invitations of
// those added. hash is the plan's: if the people have changed meanwhile, or the
// list has, nothing is done and ErrChanged returned. Wrong lines are left out.
// Done again, it does nothing. Needs people.change.
func (s *Service) ApplyImport(ctx context.Context, who *authz.Subject, text string, complete bool, hash string) (Plan, error) {
	plan, err := s.PlanImport(ctx, who, text, complete)
	if err != nil {
		return plan, err
	}
	if plan.Hash != hash {
		return plan, ErrChanged
	}
	for from := 0; from < len(plan.Steps); from += importBatch {
		batch := plan.Steps[from:min(from+importBatch, len(plan.Steps))]
		err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
			for i := range batch {
				if err := s.applyStep(ctx, tx, who.Account, &batch[i]); err != nil {
					return err
				}
			}
			if from+importBatch < len(plan.Steps) {
				return nil
			}
			_, err := s.fact(ctx, tx, KindImported, who.Account, nil, nil, ledger.Number{K: "added", N: int64(plan.Add)}, ledger.Number{K: "changed", N: int64(plan.Change)},
				ledger.Number{K: "ended", N: int64(plan.End)}, ledger.Number{K: "wrong", N: int64(plan.Wrong)})
			return err
		})
		if err != nil {
			return plan, wrap("apply list", err)
		}
	}
	return plan, nil
}

func (s *Service) applyStep(ctx context.Context, tx *store.Tx, by string, st *Step) (err error) {
	switch st.What {
	case ImportAdd:
		p, err := s.add(ctx, tx, by, st.person, Invited)
		if err != nil {
			return err
		}
		st.Link, err = s.makeLink(ctx, tx, by, LinkInvite, p.ID)
		return err
	case ImportKeep, ImportEnd:
	default:
		return nil
	}
	if err := s.claim(ctx, tx, st.have.ID, st.have.Revision); err != nil {
		return err
	}
	p, err := personBy(ctx, tx, "WHERE id = $1", st.have.ID[:])
	if err != nil {
		return err
	}
	return s.guarded(ctx, tx, func() error {
		if st.What == ImportEnd {
			return s.end(ctx, tx, by, p, "left the list")
		}
		n := st.person
		if p.Name != n.Name || p.Mail != n.Mail || !p.Starts.Equal(n.Starts) || !p.Ends.Equal(n.Ends) {
			if err := s.alter(ctx, tx, by, p, Change{Name: n.Name, Mail: n.Mail, Starts: n.Starts, Ends: n.Ends}); err != nil {
				return err
			}
		}
		for _, g := range st.give {
			// First: what is delegated to a role ends with its last grant.
			if slices.ContainsFunc(p.Grants, func(have Grant) bool { return sameGrant(have.Grant, g) }) {
				continue // somebody was faster
			}
			if _, err := s.give(ctx, tx, by, p.ID, g, OriginCSV); err != nil {
				return err
			}
		}
		for _, g := range st.take {
			if err := s.take(ctx, tx, by, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim raises the revision of a person that a plan was made from. Of two that
// apply the same plan at once one finds another revision: roles alone would not
// show that they were given meanwhile.
func (s *Service) claim(ctx context.Context, tx *store.Tx, person event.ID, revision int64) error {
	n, err := s.tags.Exec(ctx, tx, taggedPeople, person[:], "UPDATE access_people SET revision = revision + 1, changed_at = $1 WHERE id = $2 AND revision = $3", micro(s.now()), person[:], revision)
	if err == nil && n == 0 {
		err = ErrChanged
	}
	return err
}
