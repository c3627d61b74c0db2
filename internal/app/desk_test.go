package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// filed is a site whose hub has a configuration file and a control socket.
type filed struct {
	*site
	file, socket string
	clock        func() time.Time
	log          *slog.Logger
}

func newFiled(t *testing.T) *filed {
	t.Helper()
	s := newSite(t, "")
	f := &filed{site: s, file: filepath.Join(s.dir, "labwarden.yaml"), socket: filepath.Join(s.dir, "s"), clock: time.Now, log: slog.New(slog.DiscardHandler)}
	if err := os.Chmod(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return f
}

// source is a configuration of this site with its socket and comments.
func (f *filed) source(partners, to, stage string) string {
	return "# written by a person\n" + strings.Replace(f.site.source(partners, to, stage), "node:\n", "node: # this machine\n  control: {socket: "+f.socket+"}\n  metrics: {listen: \"127.0.0.1:0\"}\n", 1)
}

func (f *filed) open(t *testing.T) *Hub {
	t.Helper()
	d := f.deps()
	d.File, d.Now, d.Log = f.file, f.clock, f.log
	h, err := Open(t.Context(), f.parse(f.source(onePartner, "p", "shadow")), f.seals, d)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// client talks to a hub that serves.
func (f *filed) client(t *testing.T) *control.Client {
	t.Helper()
	eventually(t, "the control socket", func() bool { return control.Running(context.Background(), f.socket) })
	c := control.NewClient(f.socket)
	t.Cleanup(c.Close)
	return c
}

// eachDesk runs the test at the hub itself and at the client of a running one.
func eachDesk(t *testing.T, run func(t *testing.T, f *filed, h *Hub, d desk.Desk)) {
	t.Run("opened", func(t *testing.T) {
		f := newFiled(t)
		writeFile(t, f.file, f.source(onePartner, "p", "shadow"))
		h := f.open(t)
		defer f.close(h)
		run(t, f, h, h.Desk(me(t)))
	})
	t.Run("socket", func(t *testing.T) {
		f := newFiled(t)
		writeFile(t, f.file, f.source(onePartner, "p", "shadow"))
		h := f.open(t)
		f.serve(h, f.parse(f.source(onePartner, "p", "shadow")))
		run(t, f, h, f.client(t))
	})
}

func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// kindIs accepts the refusal itself, or what becomes of it on the wire.
func kindIs(err error, local error, wire control.Kind) bool {
	var e *control.Error
	if errors.As(err, &e) {
		return e.Kind == wire && e.Message != ""
	}
	if local == nil {
		var i *desk.Invalid
		return errors.As(err, &i)
	}
	return errors.Is(err, local)
}

func TestTheDeskIsTheSameAtTheHubAndOverItsSocket(t *testing.T) {
	eachDesk(t, func(t *testing.T, f *filed, h *Hub, d desk.Desk) {
		ctx := t.Context()
		why := desk.Why{Reason: "a-test", ApprovedBy: "Dr-Director"}
		if _, err := d.Revision(ctx, 0); !kindIs(err, desk.ErrNoRevision, control.NotFound) {
			t.Errorf("a revision before the first: %v", err)
		}
		one := f.source(onePartner, "p", "shadow")
		if step, err := d.Compare(ctx, 0, desk.Target{Source: []byte(one)}); err != nil || step.From.Number != 0 || step.Hash != f.parse(one).Revision() {
			t.Errorf("compare before the first: %+v %v", step, err)
		}
		out, err := d.Apply(ctx, desk.Target{Source: []byte(one)}, why)
		if err != nil || out.Number != 1 || out.AppliedBy != me(t) {
			t.Fatal(out, err)
		}
		if out.File.Written || out.File.Problem != "" {
			t.Errorf("a file that says so already: %+v", out.File)
		}
		if _, err := d.Apply(ctx, desk.Target{Source: []byte(one)}, why); !kindIs(err, desk.ErrUnchanged, control.Conflict) {
			t.Errorf("the same again: %v", err)
		}
		two := f.source(twoPartner, "p, q", "carry")
		step, err := d.Compare(ctx, 0, desk.Target{Source: []byte(two)})
		if err != nil || len(step.Changes) == 0 || len(step.NeedApproval) != 1 || step.From.Number != 1 {
			t.Errorf("compare: %+v %v", step, err)
		}
		if _, err := d.Apply(ctx, desk.Target{Source: []byte(two)}, desk.Why{Reason: "x"}); !kindIs(err, desk.ErrNeedsApproval, control.Conflict) {
			t.Errorf("without approval: %v", err)
		}
		if _, err := d.Apply(ctx, desk.Target{Source: []byte(two)}, desk.Why{ApprovedBy: "Dr-Director"}); !kindIs(err, nil, control.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if _, err := d.Apply(ctx, desk.Target{Source: []byte(two), Hash: strings.Repeat("0", 64)}, why); !kindIs(err, nil, control.Invalid) {
			t.Errorf("not what the person saw: %v", err)
		}
		if _, err := d.Apply(ctx, desk.Target{Source: []byte("lab: {")}, why); !kindIs(err, nil, control.Invalid) {
			t.Errorf("no configuration: %v", err)
		}
		bad := f.source(onePartner+`  q: {name: Q, destination: {mllp: {address: "127.0.0.1:2", tls: {ca: /nowhere/ca.pem}}}}`+"\n", "p", "shadow")
		if _, err := d.Apply(ctx, desk.Target{Source: []byte(bad)}, why); !kindIs(err, nil, control.Invalid) || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
			t.Errorf("a file that is missing: %v", err)
		}
		if step.Missing == nil || strings.Contains(strings.Join(step.Missing, " "), "Dr-Director") {
			t.Errorf("what the director has not stated: %q", step.Missing)
		}
		if err := stated(ctx, h, f.parse(two)); err != nil {
			t.Fatal(err)
		}
		// A draft from elsewhere: the file gets its text, comments included.
		if out, err = d.Apply(ctx, desk.Target{Source: []byte(two), Hash: step.Hash}, why); err != nil || out.Number != 2 || !out.File.Written || out.File.Kept != "" {
			t.Fatal(out, err)
		}
		if text := readFile(t, f.file); text != two {
			t.Errorf("the file says\n%s", text)
		}
		// Rolled back: what nobody applied is kept, this machine's section stays.
		moved := strings.Replace(two, "this machine\n", "this machine, moved\n  # a new line\n", 1)
		moved = strings.Replace(moved, "  metrics: {listen: \"127.0.0.1:0\"}\n", "  metrics: {listen: \"127.0.0.1:1\"}\n", 1)
		moved = strings.Replace(moved, "written by a person", "work in progress", 1)
		writeFile(t, f.file, moved)
		if out, err = d.Apply(ctx, desk.Target{Number: 1}, why); err != nil || out.Number != 3 || !out.File.Written || out.File.Kept == "" {
			t.Fatal(out, err)
		}
		if got := readFile(t, out.File.Kept); got != moved {
			t.Errorf("kept is\n%s", got)
		}
		want := strings.Replace(one, "this machine\n", "this machine, moved\n  # a new line\n", 1)
		want = strings.Replace(want, "127.0.0.1:0\"}\n  data", "127.0.0.1:1\"}\n  data", 1)
		if text := readFile(t, f.file); text != want {
			t.Errorf("the file says\n%s\nwant\n%s", text, want)
		}
		if out.Running && (len(out.Restart) != 1 || !strings.Contains(out.Restart[0], "metrics")) {
			t.Errorf("needs a restart: %q", out.Restart)
		}
		if out.Running && strings.Join(out.Taken.Taken, " ") != "partner q routes" {
			t.Errorf("taken: %q", out.Taken.Taken)
		}
		list, err := d.History(ctx)
		if err != nil || len(list) != 3 || list[0].Number != 3 || list[0].ApprovedBy != "Dr-Director" {
			t.Errorf("history: %+v %v", list, err)
		}
		if r, err := d.Revision(ctx, 2); err != nil || r.Source != two {
			t.Errorf("revision 2: %+v %v", r, err)
		}
		if _, err := d.Revision(ctx, 77); !kindIs(err, desk.ErrNoRevision, control.NotFound) {
			t.Errorf("revision 77: %v", err)
		}
		deskSecrets(t, h, d)
		if st, err := d.Keys(ctx); err != nil || st.Lab != "test" {
			t.Errorf("keys: %+v %v", st, err)
		}
		if _, err := d.Extend(ctx, "partner nobody", "why"); !kindIs(err, nil, control.Invalid) {
			t.Errorf("extend nobody: %v", err)
		}
	})
}

func deskSecrets(t *testing.T, h *Hub, d desk.Desk) {
	t.Helper()
	ctx := t.Context()
	long := []byte(strings.Repeat("x", maxSecret)) // the longest there may be
	if err := d.SetSecret(ctx, "token", long); err != nil {
		t.Fatal(err)
	}
	head, err := h.Log.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := h.Log.Event(ctx, head.Size-1)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ledger.ParseEvent(raw); err != nil || e.Kind != "secret.set" || e.IDs.Get("by") != ledger.Code(me(t)) {
		t.Errorf("recorded %+v %v", e, err)
	}
	if got, err := h.secret(ctx, "vault:token"); err != nil || string(got) != string(long) {
		t.Errorf("stored %d bytes, %v", len(got), err)
	}
	if err := d.SetSecret(ctx, "no/such name", []byte("x")); !kindIs(err, nil, control.Invalid) {
		t.Errorf("a bad name: %v", err)
	}
	if err := d.SetSecret(ctx, "longer", append(long, 'x')); !kindIs(err, nil, control.Invalid) {
		t.Errorf("too long: %v", err)
	}
	if list, err := d.Secrets(ctx); err != nil || len(list) != 1 || list[0].Name != "token" || list[0].SetBy != me(t) {
		t.Errorf("secrets: %+v %v", list, err)
	}
	if err := d.RemoveSecret(ctx, "token"); err != nil {
		t.Error(err)
	}
	if err := d.RemoveSecret(ctx, "token"); !kindIs(err, desk.ErrNoSecret, control.NotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestReplayOverTheSocketOfARunningHub(t *testing.T) {
	f := newFiled(t)
	p := newPractice(t)
	base := f.source(partnerAt("p", p.addr), "p", "carry")
	writeFile(t, f.file, base)
	h := f.open(t)
	addrs, _ := f.serve(h, f.parse(base))
	if _, err := propose(t.Context(), h, f.parse(base), base); err != nil {
		t.Fatal(err)
	}
	l, c := dial(t, addrs["lis"]), f.client(t)
	const n = 230 // more than a page
	for i := range n {
		if code, err := l.send(result("R" + string(rune('a'+i/26)) + string(rune('a'+i%26)))); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
	}
	draft := strings.Replace(base, "check: none", "transform: [{set: {path: PID-5.1, value: SMITH}}], check: none", 1)
	ask := desk.ReplayRequest{Day: time.Now(), Draft: desk.Target{Source: []byte(draft)}}
	var seen []results.Difference
	told := int64(0)
	sum, err := c.Replay(t.Context(), ask, func(d results.Difference) error { seen = append(seen, d); return nil }, func(n int64) { told = n })
	if err != nil || sum.Messages != n || len(seen) != n || sum.Kinds[results.DiffBytes] != n || told == 0 {
		t.Fatalf("%+v, %d differences, told %d: %v", sum, len(seen), told, err)
	}
	if seen[0].Paths[0].From != "" {
		t.Errorf("values without being asked for: %+v", seen[0])
	}
	eventually(t, "everything is delivered", func() bool { // and writes no more facts
		ps, err := h.Results.Partners(t.Context())
		return err == nil && len(ps) == 1 && ps[0].Waiting == 0
	})
	head, err := h.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Values are shown on the record, under the name the kernel gives.
	ask.Reveal = true
	stop := errors.New("seen enough")
	if _, err := c.Replay(t.Context(), ask, func(d results.Difference) error {
		if d.Paths[0].To != "SMITH^JANE" {
			t.Errorf("revealed: %+v", d.Paths)
		}
		return stop
	}, nil); !errors.Is(err, stop) {
		t.Errorf("ended with %v", err)
	}
	raw, err := h.Log.Event(t.Context(), head.Size+1) // behind config.replayed
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ledger.ParseEvent(raw); err != nil || e.Kind != "result.replay_revealed" || e.IDs.Get("by") != ledger.Code(me(t)) {
		t.Errorf("recorded %+v %v", e, err)
	}
	// The one that was left in the middle ends; then another may begin.
	ask.Reveal, ask.Draft.Source = false, []byte(strings.Replace(base, "stage: carry", "stage: nonsense", 1))
	eventually(t, "the abandoned replay has ended", func() bool {
		_, err = c.Replay(t.Context(), ask, nil, nil)
		var e *control.Error
		return errors.As(err, &e) && e.Kind == control.Invalid
	})
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
