package app

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

var (
	writer  = approval.Person{ID: event.ID{1}, Account: "writer"}
	applier = approval.Person{ID: event.ID{2}, Account: "applier"}
	leader  = approval.Person{ID: event.ID{3}, Account: "dr-lee"}
)

// TestADraftBecomesARevisionOfTheHub: with the hub's own checks, its director's
// approvals and its text.
func TestADraftBecomesARevisionOfTheHub(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		defer s.close(h)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		p := setupPort{h}
		svc := h.rooms.setup
		if f, err := p.Facts(ctx); err != nil || f.Revision != 0 {
			t.Fatal(f, err)
		}
		one := "# a comment that is kept\n" + s.source(onePartner, "p", "shadow")
		_, err := propose(ctx, h, s.parse(one), one)
		must(err)
		if f, err := p.Facts(ctx); err != nil || f.Revision != 1 || f.Lab != "Test" || len(f.Sources) != 1 || f.Partners[0].Name != "Practice One" || f.Partners[0].Kind != "mllp" || f.Seals != 1 {
			t.Fatalf("%+v %v", f, err)
		}
		d, err := svc.Begin(ctx, "carry", writer)
		must(err)
		d, err = svc.Save(ctx, d.Number, d.Version, d.Title, []byte(strings.Replace(string(d.Source), "stage: shadow", "stage: carry", 1)), writer)
		must(err)
		l, err := svc.Ask(ctx, d.Number, writer, "verified")
		must(err)
		if !l.NeedsDirector() || len(l.Steps) != 1 || l.Steps[0].OldPath || l.Steps[0].Approved != "" {
			t.Fatalf("%+v", l)
		}
		if _, err := svc.Apply(ctx, d.Number, applier, l.Seen); !errors.Is(err, setup.ErrDirector) {
			t.Fatal(err)
		}
		_, err = svc.Decide(ctx, d.Number, leader, l.Seen, []string{"all"}, "verified with the practice")
		must(err)
		out, err := svc.Apply(ctx, d.Number, applier, l.Seen)
		must(err)
		if out.Number != 2 || out.AppliedBy != "applier" || out.ApprovedBy != "dr-lee" {
			t.Fatalf("%+v", out)
		}
		cur, err := h.Current(ctx)
		must(err)
		if !strings.HasPrefix(string(cur.Source), "# a comment") || cur.Config.Routes[0].Stage != "carry" {
			t.Fatal(string(cur.Source))
		}
		// And back again, which needs nobody of the director's.
		d, err = svc.BeginBack(ctx, 1, applier)
		must(err)
		l, err = svc.Ask(ctx, d.Number, applier, "back")
		must(err)
		if l.NeedsDirector() {
			t.Fatalf("%+v", l.NeedApproval)
		}
		out, err = svc.Apply(ctx, d.Number, writer, l.Seen)
		must(err)
		if out.Number != 3 {
			t.Fatal(out)
		}
		a, err := h.Audit(ctx, nil)
		must(err)
		if len(a.Findings) > 0 {
			t.Fatal(a.Findings)
		}
	})
}

// TestADraftReadsNoFileOfThisMachine: only programs, by their name's end.
func TestADraftReadsNoFileOfThisMachine(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	p := setupPort{h}
	secret := filepath.Join(s.dir, "root.key")
	program := filepath.Join(s.dir, "rule.star")
	if err := os.WriteFile(program, []byte("def transform(m):\n    return m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(file string) string {
		return strings.Replace(s.source(onePartner, "p", "shadow"), "check: none", "transform: [{starlark: {file: "+file+"}}], check: none", 1)
	}
	if c, ps := p.readDraft([]byte(with(secret))); c != nil || !strings.Contains(ps.Err().Error(), ".star") {
		t.Error(ps)
	}
	if c, ps := p.readDraft([]byte(with(program))); c == nil {
		t.Error(ps)
	}
	key, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, ps := p.readDraft([]byte(with(secret))); strings.Contains(ps.Err().Error(), string(key)) {
		t.Error("the key stands in a message")
	}
}

// TestWhoHoldsADelegatedAct: the director and delegates, not everybody.
func TestWhoHoldsADelegatedAct(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	for _, perm := range []authz.Permission{authz.RoutesApprove, authz.ConfigApply} {
		who, err := holders{h}.Holders(t.Context(), perm)
		if err != nil || len(who) != 0 {
			t.Fatal(perm, who, err)
		}
	}
}

// TestKeysAreMadeNewFromAPage: recorded before, never the index key.
func TestKeysAreMadeNewFromAPage(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	p := setupPort{h}
	for _, bad := range [][]string{nil, {"index"}, {"nothing"}} {
		if err := p.Rotate(t.Context(), bad, "anna", "a test"); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	before, err := p.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Rotate(t.Context(), []string{"bodies", "receipts"}, "anna", "a test"); err != nil {
		t.Fatal(err)
	}
	after, err := p.Keys(t.Context())
	if err != nil || len(after.Keys) != len(before.Keys)+2 {
		t.Fatal(len(after.Keys), err)
	}
}

// TestABundleOfAHubNamesNobody: with messages in the store, on both engines; and
// there is none where a name of a patient stands in it.
func TestABundleOfAHubNamesNobody(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open() // serve closes it
		src := s.source(strings.Replace(onePartner, "Practice One", "Northgate Clinic", 1), "p", "shadow")
		addrs, _ := s.serve(h, s.parse(src))
		if _, err := propose(ctx, h, s.parse(src), src); err != nil {
			t.Fatal(err)
		}
		l := dial(t, addrs["lis"])
		for _, id := range []string{"B1", "B2", "B3"} {
			if code, err := l.send(result(id)); err != nil || code != "AA" {
				t.Fatal(code, err)
			}
		}
		zipped, m, err := setupPort{h}.Bundle(ctx, "anna")
		if err != nil {
			t.Fatal(err, m.Proof)
		}
		if m.Proof.Messages != 3 || m.Proof.Values < 9 || m.Proof.Found != 0 || len(m.Parts) != 7 {
			t.Fatalf("%+v", m)
		}
		z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"Northgate", "127.0.0.1", s.dir, "root.key", "DOE", "Test\""} {
				if strings.Contains(string(b), name) {
					t.Errorf("%s names %q: %s", f.Name, name, b)
				}
			}
		}
	})
}
