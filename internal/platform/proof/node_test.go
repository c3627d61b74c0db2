package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// trial is one thing for both verifiers to judge.
type trial struct {
	Name    string `json:"-"`
	Proof   []byte `json:"proof"`
	Message []byte `json:"message"`
	Key     string `json:"key"`
}

func node(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("NOT TESTED: the second proof verifier (docs/comply/verify.mjs): no Node.js on this machine")
	}
	return path
}

const script = "../../../docs/comply/verify.mjs"

// Two verifiers, written apart, must give the same outcome to every check.
func TestNodeVerifierAgrees(t *testing.T) {
	bin := node(t)
	trials := trials(t)
	if len(trials) < 60 {
		t.Fatalf("only %d trials", len(trials))
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, x := range trials {
		if err := enc.Encode(x); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, script, "--batch")
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the second verifier: %v\n%s", err, stderr.Bytes())
	}
	type check struct{ ID, State string }
	type report struct {
		Holds  bool
		Checks []check
	}
	dec, holding := json.NewDecoder(bytes.NewReader(out)), 0
	for _, x := range trials {
		var theirs, ours report
		if err := dec.Decode(&theirs); err != nil {
			t.Fatalf("%s: %v", x.Name, err)
		}
		b, err := json.Marshal(Verify(x.Proof, x.Message, x.Key))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &ours); err != nil {
			t.Fatal(err)
		}
		if ours.Holds {
			holding++
		}
		if strings.HasPrefix(x.Name, "good") != ours.Holds {
			t.Errorf("%s: holds is %v", x.Name, ours.Holds)
		}
		same := ours.Holds == theirs.Holds && len(ours.Checks) == len(theirs.Checks)
		for i := 0; same && i < len(ours.Checks); i++ {
			same = ours.Checks[i] == theirs.Checks[i]
		}
		if !same {
			t.Errorf("%s:\n  Go   %v\n  Node %v", x.Name, ours, theirs)
		}
	}
	if holding < 5 {
		t.Errorf("only %d trials hold", holding)
	}
}

func trials(t *testing.T) []trial {
	f := newFixture(t)
	f.cosign = true
	good := f.build()
	both := f.key + f.witnessKey
	out := []trial{
		{"good, witness known", good, f.sent, both},
		{"good, witness unknown", good, f.sent, f.key},
		{"other message", good, f.sent[1:], f.key},
		{"no key", good, f.sent, ""},
		{"witness key alone", good, f.sent, f.witnessKey},
		{"good, key given twice", good, f.sent, f.key + "# again\r\n\t" + f.key},
		{"key cut", good, f.sent, f.key[:40]},
		{"empty proof", nil, f.sent, f.key},
		{"something after", append(bytes.Clone(good), '\n'), f.sent, f.key},
		{"byte order mark", append([]byte("\xef\xbb\xbf"), good...), f.sent, f.key},
		{"line ends CRLF", bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), f.sent, f.key},
		{"tabs", bytes.ReplaceAll(good, []byte("\n "), []byte("\n\t")), f.sent, f.key},
	}
	for name, change := range map[string]func(*fixture){
		"good, placed":            func(f *fixture) { f.receipt.Level, f.receipt.Body = channel.Placed, nil },
		"good, committed":         func(f *fixture) { f.receipt.Level = channel.Committed },
		"good, changed":           func(f *fixture) { f.sent = append([]byte("X"), f.sent...) },
		"good, unproved":          func(f *fixture) { f.receipt.Peer = channel.Peer{} },
		"good, clock back":        func(f *fixture) { f.in.At = f.in.At.Add(time.Hour) },
		"good, no config":         func(f *fixture) { f.out.Config = "" },
		"good, alone in ledger":   func(f *fixture) { f.before, f.between, f.after = 0, 0, 0 },
		"good, hostile code":      func(f *fixture) { f.receipt.Code = "\x00\"<" },
		"good, certificate alone": func(f *fixture) { f.receipt.Peer.Fingerprint = "" },
	} {
		x := newFixture(t)
		change(x)
		out = append(out, trial{name, x.build(), x.sent, x.key})
	}
	// Signed by the lab, yet wrong.
	in := f.input()
	for name, change := range map[string]func(*File){
		"other leaf":      func(p *File) { p.Delivered.Leaf++ },
		"leaf at the end": func(p *File) { p.Received.Leaf = 36 },
		"path cut":        func(p *File) { p.Received.Path = p.Received.Path[1:] },
		"path longer":     func(p *File) { p.Delivered.Path = append(p.Delivered.Path, p.Delivered.Path...) },
		"path null":       func(p *File) { p.Delivered.Path = nil },
		"salt":            func(p *File) { p.Received.Salt = ledger.Salt{}.String() },
		"salt long":       func(p *File) { p.Received.Salt += "A" },
		"reply":           func(p *File) { p.Delivered.Reply = "" },
		"reply received":  func(p *File) { p.Received.Reply = p.Delivered.Reply },
		"body upper":      func(p *File) { p.Received.Body = strings.ToUpper(p.Received.Body) },
		"message":         func(p *File) { p.Message = delID },
		"version":         func(p *File) { p.V = 2 },
		"made":            func(p *File) { p.Made = "2026-02-30T00:00:00Z" },
		"lab":             func(p *File) { p.Lab = "other.example" },
		"lab with space":  func(p *File) { p.Lab = "a b" },
		"size":            func(p *File) { p.Checkpoint[1] = "40" },
		"size zero":       func(p *File) { p.Checkpoint[1] = "0" },
		"size huge":       func(p *File) { p.Checkpoint[1] = "9007199254740991" },
		"size too huge":   func(p *File) { p.Checkpoint[1] = "9007199254740993" },
		"origin":          func(p *File) { p.Checkpoint[0] = "x" },
		"root":            func(p *File) { p.Checkpoint[2] = p.Received.Path[0] },
		"no signature":    func(p *File) { p.Checkpoint = p.Checkpoint[:4] },
		"witness only":    func(p *File) { p.Checkpoint = append(p.Checkpoint[:4:4], p.Checkpoint[5]) },
		"extension line": func(p *File) {
			p.Checkpoint = append(append(append([]string{}, p.Checkpoint[:3]...), "x"), p.Checkpoint[3:]...)
		},
		"good, signature twice": func(p *File) { p.Checkpoint = append(p.Checkpoint, p.Checkpoint[4]) },
		"wrong kind": func(p *File) {
			p.Received.Event = strings.Replace(p.Received.Event, "received", "deceived", 1)
		},
		"event space":   func(p *File) { p.Received.Event += " " },
		"event time":    func(p *File) { p.Received.Event = strings.Replace(p.Received.Event, `"at":1`, `"at":01`, 1) },
		"event no time": func(p *File) { p.Received.Event = `{"v":1,"kind":"result.received"}` },
		"event without commitment": func(p *File) {
			p.Received.Event = p.Received.Event[:strings.Index(p.Received.Event, `,"commit"`)] + "}"
		},
		"event list":    func(p *File) { p.Received.Event = "[]" },
		"event numbers": func(p *File) { p.Received.Event = `{"v":1,"kind":"a","at":1,"numbers":{"a":-0}}` },
		"event negative": func(p *File) {
			p.Received.Event = `{"v":1,"kind":"a","at":1,"numbers":{"a":-5}}`
		},
		"event twice":      func(p *File) { p.Received.Event = `{"v":1,"kind":"a","at":1,"ids":{"a":"1","a":"1"}}` },
		"event unsorted":   func(p *File) { p.Received.Event = `{"v":1,"kind":"a","at":1,"ids":{"b":"1","a":"1"}}` },
		"event prototype":  func(p *File) { p.Received.Event = `{"v":1,"kind":"a","at":1,"ids":{"__proto__":"1"}}` },
		"event other type": func(p *File) { p.Received.Event = `{"v":1,"kind":"a","at":1,"ids":{"a":1}}` },
		"event all signs": func(p *File) {
			p.Received.Event = `{"v":1,"kind":"a","at":1,"ids":{"a":"!#$%()*+,-./:;=?@[]_{|}~` + "`" + `"}}`
		},
		"event bad sign": func(p *File) { p.Received.Event = `{"v":1,"kind":"a","at":1,"ids":{"a":"'"}}` },
	} {
		out = append(out, trial{name, f.force(in, change), f.sent, both})
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		b := bytes.Clone(good)
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		out = append(out, trial{"flipped", b, f.sent, both})
	}
	// The last letter of the signature has two bits that carry nothing.
	b := bytes.Clone(good)
	b[len(b)-3] ^= 1
	out = append(out, trial{"loose base64", b, f.sent, both})
	return out
}

func TestNodeVerifierAsACommand(t *testing.T) {
	bin, dir := node(t), t.TempDir()
	f := newFixture(t)
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, msg, key := write("p", f.build()), write("m", f.sent), write("k", []byte(f.key))
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{msg, good, "--key", key}, 0, "The proof holds."},
		{[]string{key, good, "--key", key}, 1, "The proof does NOT hold."},
		{[]string{msg, good, "--key", key, "--json"}, 0, `"holds":true`},
		{[]string{msg, good}, 2, "usage"},
		{[]string{msg, filepath.Join(dir, "none"), "--key", key}, 2, "verify:"},
	} {
		cmd := exec.Command(bin, append([]string{script}, tt.args...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if cmd.ProcessState.ExitCode() != tt.code || !strings.Contains(string(out), tt.says) {
			t.Errorf("%v: exit %d\n%s", tt.args, cmd.ProcessState.ExitCode(), out)
		}
	}
}
