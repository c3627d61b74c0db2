package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// routeState is what `labwarden route show --json` says, as far as it is needed.
type routeState struct {
	Stage    string   `json:"stage"`
	Missing  []string `json:"missing"`
	Progress struct {
		Equal, Differing, Waiting, Unexplained int64
		OnlyOurs                               int64     `json:"only_ours"`
		OnlyTheirs                             int64     `json:"only_theirs"`
		Since                                  time.Time `json:"since"`
	} `json:"progress"`
}

func (l *lab) route(args ...string) ([]byte, error) {
	cmd := exec.Command(built.binary, append([]string{"route"}, append(args, "--config", l.config(), "--json")...)...)
	cmd.Dir = l.dir
	return cmd.Output()
}

func (l *lab) routeState(name string) (st routeState, ok bool) {
	b, err := l.route("show", name)
	return st, err == nil && json.Unmarshal(b, &st) == nil
}

const trial = "MSH|^~\\&|LIS|LAB|TRIAL|C|20260102030405||ORU^R01^ORU_R01|%[1]s|P|2.5.1\r" +
	"PID|1||P%[1]s^^^LAB^MR||SAMPLE^PATIENT\rOBR|1|PL%[1]s|FI%[1]s|2345-7^Glucose^LN\r" +
	"OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|70-99|N|||F\r"

// TestShadowBesideARealOldPath runs a route in shadow beside an old path in a
// process of its own that alters a field of every fifth result. The laboratory
// sends to the old path, and its second outbound or its file export to the hub,
// which is killed three times meanwhile. Every message is compared once, only the
// altered ones differ, and only in that field; nothing is sent by the hub.
func TestShadowBesideARealOldPath(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dsn := ""
			if engine == "postgres" {
				dsn = storetest.PostgresDSN(t)
			}
			shadowBesideOldPath(t, dsn)
		})
	}
}

func shadowBesideOldPath(t *testing.T, dsn string) {
	const messages = 60
	second, copies, export := port(t), port(t), t.TempDir()
	l := newLab(t, layout{
		dsn: dsn,
		extra: fmt.Sprintf("  second: {mllp: {listen: %q}}\n  engine: {mllp: {listen: %q}}\n  export: {folder: {path: %q, ready: renamed, every: 100ms}}\n",
			second, copies, export),
		route: "  - {name: trial, from: [second, export], to: riverside, stage: shadow, old_path: engine, check: none, check_reason: a test}\n",
	})
	l.beginClinics()
	l.begin()
	until(t, 20*time.Second, "the comparison begins", func() bool { st, ok := l.routeState("trial"); return ok && !st.Progress.Since.IsZero() })
	list := filepath.Join(l.dir, "old-path.list")
	old, err := dial(startRelay(t, l.dir, copies, list), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	sent := make(chan error, 1)
	go func() {
		for n := 1; n <= messages; n++ {
			if code, text, err := old.send(fmt.Appendf(nil, trial, fmt.Sprintf("T%03d", n)), 70*time.Second); err != nil || code != "AA" {
				sent <- fmt.Errorf("the old path answered %s %s: %w", code, text, err)
				return
			}
		}
		sent <- nil
	}()
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for range 3 {
			pause(400 * time.Millisecond)
			l.hub.kill()
			l.launch()
			_, _ = l.hub.says("listening lis", 60*time.Second) // if not, what follows says so
		}
	}()
	// Odd messages go over the second outbound, even ones as batch files of six.
	var batch []string
	files := 0
	for n := 1; n <= messages; n++ {
		pause(25 * time.Millisecond) // the kills come meanwhile
		body := fmt.Sprintf(trial, fmt.Sprintf("T%03d", n))
		if n%2 == 1 {
			if err := insist(second, []byte(body)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if batch = append(batch, body); len(batch) < 6 {
			continue
		}
		files++
		text := "FHS|^~\\&|LIS\rBHS|^~\\&|LIS\r" + strings.Join(batch, "") + fmt.Sprintf("BTS|%d\rFTS|1\r", len(batch))
		tmp, name := filepath.Join(export, ".writing"), filepath.Join(export, fmt.Sprintf("batch-%d.hl7", files))
		if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, name); err != nil {
			t.Fatal(err)
		}
		batch = nil
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	<-killed
	var st routeState
	until(t, 60*time.Second, "every message is compared", func() bool {
		st, _ = l.routeState("trial")
		return st.Progress.Equal+st.Progress.Differing == messages
	})
	if p := st.Progress; p.Differing != messages/5 || p.Unexplained != messages/5 || p.OnlyOurs+p.OnlyTheirs+p.Waiting != 0 || st.Stage != "shadow" {
		t.Errorf("compared: %+v", st)
	}
	b, err := l.route("compare", "trial", "--limit", "500")
	var compared struct {
		Kinds []struct {
			Class, Kind string
			Messages    int
		} `json:"unexplained_kinds"`
	}
	if err != nil || json.Unmarshal(b, &compared) != nil || len(compared.Kinds) != 1 || compared.Kinds[0].Kind != "OBX-6" || compared.Kinds[0].Messages != messages/5 {
		t.Errorf("kinds %+v, %v", compared.Kinds, err)
	}
	if strings.Contains(string(b), "mmol") {
		t.Error("the list of differences holds values")
	}
	until(t, 20*time.Second, "every file lies in done with its answer", func() bool {
		got, err := filepath.Glob(filepath.Join(export, "done", "*.ack"))
		return err == nil && len(got) == files
	})
	if b, err := os.ReadFile(list); err != nil || strings.Count(string(b), "\n") != messages {
		t.Errorf("the old path's own list has %d entries, %v", strings.Count(string(b), "\n"), err)
	}
	if b, _ := os.ReadFile(l.list("riverside")); strings.Contains(string(b), "T0") {
		t.Error("the practice got a message from a route in shadow")
	}
	l.hub.stop(t)
}
