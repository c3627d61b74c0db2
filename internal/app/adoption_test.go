package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
)

func (s *site) folderSource(src, name, dir string) string {
	return strings.Replace(src, "sources:\n", fmt.Sprintf("sources:\n  %s: {folder: {path: %q, ready: renamed, every: 100ms}}\n", name, dir), 1)
}

// place puts a whole file into a watched folder, as a careful writer does.
func place(t *testing.T, dir, name, text string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, "."+name), text)
	if err := os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func there(path ...string) bool { _, err := os.Stat(filepath.Join(path...)); return err == nil }

func TestFilesOfAFolderTravelLikeMessages(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		p, dir := newPractice(t), t.TempDir()
		src := strings.Replace(s.folderSource(s.source(partnerAt("p", p.addr), "p", "carry"), "export", dir), "from: lis", "from: [lis, export]", 1)
		h := s.open()
		c := s.parse(src)
		if _, err := propose(t.Context(), h, c, src); err != nil {
			t.Fatal(err)
		}
		addrs, stop := s.serve(h, c)
		if addrs["export"] != dir {
			t.Errorf("the folder's address is %q", addrs["export"])
		}
		place(t, dir, "batch.hl7", "FHS|^~\\&|LIS\rBHS|^~\\&|LIS\r"+result("F1")+result("F2")+"BTS|2\rFTS|1\r")
		eventually(t, "both arrive", func() bool { got, _ := p.list(); return len(got) == 2 })
		eventually(t, "the answer lies in done", func() bool { return there(dir, "done", "batch.hl7.ack") })
		// Taken again, as after a crash in its middle: known by the control ids.
		place(t, dir, "again.hl7", result("F2")+result("F3"))
		eventually(t, "the new one arrives", func() bool { got, _ := p.list(); return slices.Contains(got, "F3") })
		// Without MSH-10 nothing could tell a repeat: it waits for a person.
		place(t, dir, "none.hl7", strings.Replace(result("F4"), "|F4|P|", "||P|", 1))
		eventually(t, "it lies in failed", func() bool { return there(dir, "failed", "none.hl7.ack") })
		q, err := h.Results.Quarantine(t.Context(), false, 10)
		if err != nil || len(q) != 1 || q[0].Cause != results.CauseNoControlID || q[0].Source != "export" {
			t.Errorf("quarantine holds %+v, %v", q, err)
		}
		got, _ := p.list()
		slices.Sort(got)
		if !slices.Equal(got, []string{"F1", "F2", "F3"}) {
			t.Errorf("the practice got %q", got)
		}
		stop()
	})
}

// TestAFolderGoesToAnotherRevision: the watcher is replaced without two of them
// in one folder, and a source may become a folder and a port again.
func TestAFolderGoesToAnotherRevision(t *testing.T) {
	s := newSite(t, "")
	p, dir := newPractice(t), t.TempDir()
	base := strings.Replace(s.folderSource(s.source(partnerAt("p", p.addr), "p", "carry"), "export", dir), "from: lis", "from: [lis, export]", 1)
	h := s.open()
	c := s.parse(base)
	if _, err := propose(t.Context(), h, c, base); err != nil {
		t.Fatal(err)
	}
	_, stop := s.serve(h, c)
	place(t, dir, "a.hl7", result("G1"))
	eventually(t, "the first arrives", func() bool { got, _ := p.list(); return len(got) == 1 })
	next := strings.Replace(base, "every: 100ms", "every: 200ms", 1)
	if _, err := propose(t.Context(), h, s.parse(next), next); err != nil {
		t.Fatal(err)
	}
	place(t, dir, "b.hl7", result("G2"))
	eventually(t, "the second arrives", func() bool { got, _ := p.list(); return len(got) == 2 })
	last := strings.Replace(next, fmt.Sprintf("folder: {path: %q, ready: renamed, every: 200ms}", dir), `mllp: {listen: "127.0.0.1:0"}`, 1)
	if _, err := propose(t.Context(), h, s.parse(last), last); err != nil {
		t.Fatal(err)
	}
	if code, err := dial(t, h.Addresses()["export"]).send(result("G3")); err != nil || code != "AA" {
		t.Errorf("over the port: %s, %v", code, err)
	}
	stop()
}

// TestAStepBackIsAtOnce measures it in a live hub: SAFETY.md 1 allows 60 s.
func TestAStepBackIsAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx, p := t.Context(), newPractice(t)
		src := "# the laboratory's own words\n" + s.source(partnerAt("p", p.addr), "p", "carry")
		h := s.open()
		c := s.parse(src)
		if _, err := propose(ctx, h, c, src); err != nil {
			t.Fatal(err)
		}
		addrs, stop := s.serve(h, c)
		l := dial(t, addrs["lis"])
		if code, err := l.send(result("S1")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		eventually(t, "S1 arrives", func() bool { got, _ := p.list(); return len(got) == 1 })
		began := time.Now()
		m, err := h.MoveRoute(ctx, "all", false, "", "anna", "wrong-units")
		if err != nil || m.From != "carry" || m.To != "parallel" {
			t.Fatalf("%+v, %v", m, err)
		}
		if m, err = h.MoveRoute(ctx, "all", false, "", "anna", "wrong-units"); err != nil || m.To != "shadow" {
			t.Fatalf("%+v, %v", m, err)
		}
		if code, err := l.send(result("S2")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		took := time.Since(began)
		if took > 60*time.Second {
			t.Errorf("two steps back took %v", took)
		}
		t.Logf("two steps back and a message in shadow: %v", took)
		if _, err := h.MoveRoute(ctx, "all", false, "", "anna", "x"); !errors.Is(err, results.ErrConflict) {
			t.Errorf("further back than shadow: %v", err)
		}
		// The text keeps its comments, and the same connection goes on.
		cur, err := h.Current(ctx)
		if err != nil || !strings.Contains(string(cur.Source), "the laboratory's own words") || !strings.Contains(string(cur.Source), "stage: shadow") {
			t.Errorf("the text is %q, %v", cur.Source, err)
		}
		// Forward names the director; carry needs the approval anew.
		if _, err := h.MoveRoute(ctx, "all", true, " ", "anna", "mended"); !errors.Is(err, results.ErrInvalid) {
			t.Errorf("forward by nobody: %v", err)
		}
		if m, err = h.MoveRoute(ctx, "all", true, "Dr. Okafor", "anna", "mended"); err != nil || m.To != "parallel" || m.Revision.ApprovedBy != "Dr. Okafor" {
			t.Fatalf("%+v, %v", m, err)
		}
		if _, err := h.MoveRoute(ctx, "all", true, "Dr. Okafor", "anna", "mended"); !errors.Is(err, ErrNeedsApproval) || !strings.Contains(err.Error(), "has not stated that there is none") {
			t.Errorf("to carry without approval: %v", err)
		}
		if _, err := h.ApproveRoute(ctx, "all", nil, "Dr. Okafor", true, results.By{Who: "anna", Reason: "mended"}); err != nil {
			t.Fatal(err)
		}
		if m, err = h.MoveRoute(ctx, "all", true, "Dr. Okafor", "anna", "mended"); err != nil || m.To != "carry" {
			t.Fatalf("%+v, %v", m, err)
		}
		if _, err := h.MoveRoute(ctx, "nowhere", false, "", "anna", "x"); !errors.Is(err, results.ErrNotFound) {
			t.Errorf("a route that is not there: %v", err)
		}
		if code, err := l.send(result("S3")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		eventually(t, "S3 arrives", func() bool { got, _ := p.list(); return slices.Contains(got, "S3") })
		if got, _ := p.list(); slices.Contains(got, "S2") {
			t.Error("shadow sent S2")
		}
		stop()
	})
}

// TestAnOldPathIsComparedInALiveHub: its copy comes over MLLP, nothing of it is
// sent on, and an altered field is found.
func TestAnOldPathIsComparedInALiveHub(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx, p := t.Context(), newPractice(t)
		src := s.source(partnerAt("p", p.addr), "p", "shadow")
		src = strings.Replace(src, "sources:\n", "sources:\n  engine: {mllp: {listen: \"127.0.0.1:0\"}}\n", 1)
		src = strings.Replace(src, "stage: shadow", "stage: shadow, old_path: engine", 1)
		h := s.open()
		c := s.parse(src)
		if _, err := propose(ctx, h, c, src); err != nil {
			t.Fatal(err)
		}
		addrs, stop := s.serve(h, c)
		lis, engine := dial(t, addrs["lis"]), dial(t, addrs["engine"])
		eventually(t, "the comparison has begun", func() bool {
			var n int64
			return h.DB.QueryRow(ctx, "SELECT count(*) FROM results_feeds").Scan(&n) == nil && n == 1
		})
		for id, alter := range map[string]string{"E1": "", "E2": "mg/dL", "E3": ""} {
			if code, err := lis.send(result(id)); err != nil || code != "AA" {
				t.Fatal(code, err)
			}
			copied := result(id)
			if alter != "" {
				copied = strings.Replace(copied, alter, "mmol/L", 1)
			}
			if code, err := engine.send(copied); err != nil || code != "AA" {
				t.Fatal(code, err)
			}
		}
		var st results.RouteState
		eventually(t, "all are compared", func() bool {
			var err error
			st, err = h.Results.RouteState(ctx, "all")
			return err == nil && st.Progress.Equal+st.Progress.Differing == 3
		})
		if st.Progress.Unexplained != 1 || st.Stage != "shadow" || len(st.Missing) != 3 {
			t.Errorf("state %+v, progress %+v", st, st.Progress)
		}
		kinds, err := h.Results.GapKinds(ctx, "all")
		if err != nil || len(kinds) != 1 || kinds[0].Kind != "OBX-6" || kinds[0].Class != "differs" {
			t.Errorf("kinds %+v, %v", kinds, err)
		}
		if got, _ := p.list(); len(got) != 0 {
			t.Errorf("shadow sent %q", got)
		}
		stop()
	})
}
