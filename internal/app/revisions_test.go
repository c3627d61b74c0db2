package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	onePartner = "  p: {name: Practice One, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n"
	twoPartner = onePartner + "  q: {name: Practice Two, destination: {mllp: {address: \"127.0.0.1:2\"}}}\n"
)

func TestRevisionsAreRecordedComparedAndTakenBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		defer s.close(h)
		if _, err := h.Current(ctx); !errors.Is(err, ErrNoRevision) {
			t.Fatalf("a fresh laboratory has a revision: %v", err)
		}
		one := "# a comment that is kept\n" + s.source(onePartner, "p", "shadow")
		r1, err := propose(ctx, h, s.parse(one), one)
		if err != nil || r1.Number != 1 {
			t.Fatal(r1, err)
		}
		two := s.source(twoPartner, "p, q", "shadow")
		r2, err := propose(ctx, h, s.parse(two), two)
		if err != nil || r2.Number != 2 {
			t.Fatal(r2, err)
		}
		if _, err := propose(ctx, h, s.parse("# other words\n"+two), two); !errors.Is(err, ErrUnchanged) {
			t.Errorf("the same meaning was applied again: %v", err)
		}
		changes, err := h.Diff(ctx, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		words := ""
		for _, c := range changes {
			words += c.Words + "\n"
		}
		if !strings.Contains(words, "partner q is added") || !strings.Contains(words, "route all: to also has q") {
			t.Errorf("diff says %q", words)
		}
		r3, err := h.Rollback(ctx, 1, "tester", "back", "Dr-Director")
		if err != nil || r3.Number != 3 || r3.Hash != r1.Hash {
			t.Fatal(r3, err)
		}
		cur, err := h.Current(ctx)
		if err != nil || string(cur.Source) != one || cur.Number != 3 {
			t.Fatalf("current is %+v, %v", cur, err)
		}
		list, err := h.History(ctx)
		if err != nil || len(list) != 3 || list[0].Number != 3 || list[2].Hash != r1.Hash || list[0].ApprovedBy != "Dr-Director" {
			t.Fatalf("history is %+v, %v", list, err)
		}
		raw, err := h.Log.Event(ctx, r3.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := ledger.ParseEvent(raw)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind != KindConfigApplied || ev.Codes.Get("revision") != r1.Hash || ev.IDs.Get("by") != "tester" ||
			ev.IDs.Get("approved_by") != "Dr-Director" || len(ev.Numbers) != 1 || ev.Numbers[0].N != 3 {
			t.Errorf("the ledger says %+v", ev)
		}
		if _, err := h.Show(ctx, 9); !errors.Is(err, ErrNoRevision) {
			t.Errorf("show 9: %v", err)
		}
	})
}

func TestRevisionTextIsSealedAndBoundToItsRow(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	h := s.open()
	defer s.close(h)
	for _, to := range []string{"p", "q", "p, q"} {
		src := s.source(twoPartner, to, "shadow")
		if _, err := propose(ctx, h, s.parse(src), src); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"labwarden.db", "labwarden.db-wal"} {
		b, err := os.ReadFile(filepath.Join(s.dir, "data", name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("Practice One")) {
			t.Errorf("%s holds the configuration in the clear", name)
		}
	}
	err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE hub_revisions SET source = (SELECT source FROM hub_revisions WHERE number = 1) WHERE number = 3")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Current(ctx); err == nil {
		t.Error("a moved revision was taken")
	}
}

func TestCarryNeedsTheDirector(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		defer s.close(h)
		apply := func(src string) error {
			_, err := h.Apply(ctx, Proposal{Config: s.parse(src), Source: []byte(src), Who: "tester", Reason: "a-test"})
			return err
		}
		shadow, carry := s.source(twoPartner, "p", "shadow"), s.source(twoPartner, "p", "carry")
		// Not as the first revision either, and a name alone is no approval.
		c := s.parse(carry)
		if _, err := h.Begin(ctx, c.Node, c, []byte(carry), "serve"); !errors.Is(err, ErrNeedsApproval) || !strings.Contains(err.Error(), "route all is new and would carry") {
			t.Errorf("a first start at carry: %v", err)
		}
		if err := apply(shadow); err != nil {
			t.Fatal(err)
		}
		_, err := h.Apply(ctx, Proposal{Config: s.parse(carry), Who: "tester", Reason: "a-test", ApprovedBy: "Dr-Director"})
		if !errors.Is(err, ErrNeedsApproval) || !strings.Contains(err.Error(), "route all goes from shadow to carry, but it names no old_path") {
			t.Errorf("carry without approval: %v", err)
		}
		if err := stated(ctx, h, s.parse(carry)); err != nil {
			t.Fatal(err)
		}
		if err := apply(carry); err != nil {
			t.Fatal(err)
		}
		cur, err := h.Current(ctx)
		if err != nil || cur.ApprovedBy != "Dr-Director" {
			t.Fatalf("approved by %q, %v", cur.ApprovedBy, err)
		}
		for what, src := range map[string]string{
			"another partner": s.source(twoPartner, "p, q", "carry"),
			"a new transform": strings.Replace(carry, "check: none", "transform: [{set: {path: MSH-5, value: X}}], check: none", 1),
			"a new condition": strings.Replace(carry, "check: none", "when: 'msh.type == \"ORU\"', check: none", 1),
			"another reason":  strings.Replace(carry, "a test}", "another}", 1),
			"a new route":     strings.Replace(carry, "routes:\n", "routes:\n  - {name: more, from: lis, to: [q], stage: carry, check: none, check_reason: a test}\n", 1),
			"an old path":     strings.Replace(strings.Replace(carry, "check: none", "old_path: engine, check: none", 1), "partners:", "  engine: {mllp: {listen: \"127.0.0.1:0\"}}\npartners:", 1),
		} {
			if err := apply(src); !errors.Is(err, ErrNeedsApproval) {
				t.Errorf("%s without approval: %v", what, err)
			}
		}
		// What is no edit of the route needs nobody.
		if err := apply(strings.Replace(carry, "Practice Two", "Practice Three", 1)); err != nil {
			t.Errorf("a partner's name: %v", err)
		}
		if err := apply(shadow); err != nil { // one step back needs nobody
			t.Errorf("back to shadow: %v", err)
		}
		if _, err := h.Rollback(ctx, 2, "tester", "again", ""); !errors.Is(err, ErrNeedsApproval) || !strings.Contains(err.Error(), "an earlier approval ended") {
			t.Errorf("rollback to carry without a new approval: %v", err)
		}
	})
}

func TestStartTakesTheAppliedRevisionAndNotTheFile(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	h := s.open()
	defer s.close(h)
	one := s.source(onePartner, "p", "carry")
	c := s.parse(one)
	if err := stated(ctx, h, c); err != nil {
		t.Fatal(err)
	}
	st, err := h.Begin(ctx, c.Node, c, []byte(one), "serve")
	if err != nil || !st.First || st.Revision.Number != 1 || len(st.Differs) != 0 {
		t.Fatalf("first start: %+v, %v", st, err)
	}
	two := s.parse(s.source(twoPartner, "p, q", "carry"))
	two.Node.Metrics.Listen = "127.0.0.1:9999"
	st, err = h.Begin(ctx, two.Node, two, nil, "serve")
	if err != nil || st.First || st.Revision.Number != 1 {
		t.Fatalf("second start: %+v, %v", st, err)
	}
	if len(st.Config.Partners) != 1 || st.Config.Node.Metrics.Listen != "127.0.0.1:9999" {
		t.Errorf("runs %d partners, metrics on %s", len(st.Config.Partners), st.Config.Node.Metrics.Listen)
	}
	if len(st.Differs) == 0 || !strings.Contains(st.Differs[0].Words, "partner q is added") {
		t.Errorf("differences: %v", st.Differs)
	}
	// A file with mistakes does not keep what was applied from running.
	if st, err = h.Begin(ctx, two.Node, nil, nil, "serve"); err != nil || st.Revision.Number != 1 {
		t.Errorf("start with a wrong file: %+v, %v", st, err)
	}
}

func TestRevisionKeepsTheProgramItWasAppliedWith(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	src := strings.Replace(s.source(onePartner, "p", "shadow"), "check: none", "transform: [{starlark: {file: x.star}}], check: none", 1)
	c := s.parse(src)
	c.Routes[0].Transform[0].Starlark.File = ""
	c.Routes[0].Transform[0].Starlark.Source = "def transform(m):\n    m.set(\"MSH-5\", \"A\")\n" // as Parse does with ReadFile
	if _, err := propose(t.Context(), h, c, src); err != nil {
		t.Fatal(err)
	}
	cur, err := h.Current(t.Context())
	if err != nil || !strings.Contains(cur.Config.Routes[0].Transform[0].Starlark.Source, "MSH-5") || string(cur.Source) != src {
		t.Fatalf("the program is gone: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		defer s.close(h)
		for _, v := range []string{"first", "second-value-of-the-secret"} {
			if err := h.SetSecret(ctx, "riverside", []byte(v), "tester"); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.SetSecret(ctx, "../x", []byte("v"), "tester"); err == nil {
			t.Error("a bad name was taken")
		}
		if err := h.SetSecret(ctx, "empty", nil, "tester"); err == nil {
			t.Error("an empty secret was taken")
		}
		b, err := h.secret(ctx, "vault:riverside")
		if err != nil || string(b) != "second-value-of-the-secret" {
			t.Fatalf("resolved to %d bytes, %v", len(b), err)
		}
		if _, err := h.secret(ctx, "vault:other"); !errors.Is(err, ErrNoSecret) {
			t.Errorf("an unknown secret: %v", err)
		}
		file := filepath.Join(s.dir, "token")
		if err := os.WriteFile(file, []byte("from-a-file"), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := h.secret(ctx, config.Secret("file:"+file)); err != nil || string(b) != "from-a-file" {
			t.Errorf("a file: %q, %v", b, err)
		}
		src := s.source(onePartner, "p", "shadow") + "witnesses:\n  - {kind: http, name: w, url: \"https://w.example/\", key: \"w+00000000+AAAA\", token: \"vault:riverside\"}\n"
		if _, err := propose(ctx, h, s.parse(src), src); err != nil {
			t.Fatal(err)
		}
		list, err := h.Secrets(ctx)
		if err != nil || len(list) != 1 || !list[0].Used || list[0].SetBy != "tester" {
			t.Fatalf("list: %+v, %v", list, err)
		}
		if err := h.RemoveSecret(ctx, "riverside", "tester"); !errors.Is(err, ErrSecretUsed) {
			t.Errorf("a used secret was removed: %v", err)
		}
		src = s.source(onePartner, "p", "shadow")
		if _, err := propose(ctx, h, s.parse(src), src); err != nil {
			t.Fatal(err)
		}
		if err := h.RemoveSecret(ctx, "riverside", "tester"); err != nil {
			t.Errorf("remove: %v", err)
		}
		if err := h.RemoveSecret(ctx, "riverside", "tester"); !errors.Is(err, ErrNoSecret) {
			t.Errorf("remove again: %v", err)
		}
	})
}
