package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const proofData = "../platform/proof/testdata/"

func TestVerifyOffline(t *testing.T) {
	message, err := os.ReadFile(proofData + "message.hl7")
	check(t, err)
	proof, err := os.ReadFile(proofData + "good.proof")
	check(t, err)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, b, 0o600))
		return path
	}
	flipped := bytes.Clone(proof)
	flipped[len(flipped)/2] ^= 1
	ok, key := []string{proofData + "message.hl7", proofData + "good.proof"}, []string{"--key", proofData + "lab.pub"}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"holds", append(ok, key...), 0, "The proof holds."},
		{"another message", append([]string{write("other", append(message, 'x')), ok[1]}, key...), 1, "The proof does NOT hold."},
		{"changed proof", append([]string{ok[0], write("flipped", flipped)}, key...), 1, "The proof does NOT hold."},
		{"line ends", append([]string{write("lf", bytes.ReplaceAll(message, []byte("\r"), []byte("\n"))), ok[1]}, key...), 1, "changed by an editor"},
		{"bad key", append(ok, "--key", ok[1]), 1, "The public key cannot be used."},
		{"no key", ok, 2, "--key lab.pub"},
		{"one file", ok[:1], 2, "name the file and its proof"},
		{"missing file", append([]string{filepath.Join(dir, "none"), ok[1]}, key...), 2, "no such file"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := Main(append([]string{"verify"}, c.args...), nil, &out, &errs); code != c.code || !strings.Contains(out.String()+errs.String(), c.says) {
				t.Errorf("exit %d, want %d with %q\n%s%s", code, c.code, c.says, out.String(), errs.String())
			}
		})
	}
	var out, errs bytes.Buffer
	if code := Main(append(append([]string{"verify", "--json"}, ok...), key...), nil, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	var r struct {
		Holds  bool
		Checks []struct{ ID, State, Sentence string }
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || !r.Holds || len(r.Checks) < 10 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestVerifyReceipt(t *testing.T) {
	skey, vkey, err := note.GenerateKey(nil, "lab.example/ledger")
	check(t, err)
	signer, err := note.NewSigner(skey)
	check(t, err)
	body := bytes.Repeat([]byte("a result\r"), 1000)
	r, err := receipt.Make(receipt.Statement{
		ID: "1", Partner: "riverside", Event: receipt.Placed, Protocol: "folder", At: time.Unix(1_772_000_000, 0), File: receipt.FileOf("a.hl7", "", body),
	}, time.Unix(1_772_000_000, 0), signer)
	check(t, err)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, b, 0o600))
		return path
	}
	file, about, key := write("a.hl7", body), write("a.hl7.receipt.json", r), write("lab.pub", []byte(vkey+"\n"))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"holds":   {[]string{file, about}, 0, "The laboratory placed it for riverside."},
		"json":    {[]string{file, about, "--json"}, 0, `"holds": true`},
		"changed": {[]string{file, write("changed", bytes.Replace(r, []byte("riverside"), []byte("riversidf"), 1))}, 1, "The receipt does NOT hold."},
		"another": {[]string{write("b", body[1:]), about}, 1, "The receipt does NOT hold."},
		"missing": {[]string{filepath.Join(dir, "none"), about}, 2, "no such file"},
	} {
		var out, errs bytes.Buffer
		if code := Main(append([]string{"verify", "--key", key}, c.args...), nil, &out, &errs); code != c.code || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", name, code, c.code, c.says, out.String(), errs.String())
		}
	}
}

// A stopped laboratory is gone through row by row; a changed row is named.
func TestVerifyLedgerOffline(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	run := func(args ...string) int {
		out.Reset()
		errs.Reset()
		return Main(args, nil, &out, &errs)
	}
	if code := run("init", ".", "--name", "Millbrook", "--id", "millbrook"); code != 0 {
		t.Fatal(errs.String())
	}
	if code := run("keys", "public"); code != 0 || !strings.HasPrefix(out.String(), "millbrook+") {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	if code := run("verify", "--ledger"); code != 0 || !strings.Contains(out.String(), "Every row fits") {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	w := &watched{t: t}
	conf, err := loadConfig("labwarden.yaml", time.Now(), &errs)
	check(t, err)
	w.conf = conf
	w.seals, err = app.Seals(&conf.Node, nil)
	check(t, err)
	w.open()
	set, err := w.hub.Offline(conf)
	check(t, err)
	w.hub.Results.Apply(set)
	w.take(3)
	check(t, w.hub.DB.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE results_messages SET size = size + 1 WHERE leaf = 1")
		return err
	}))
	check(t, w.hub.Close())
	if code := run("verify", "--ledger"); code != 1 || !strings.Contains(out.String(), "results_messages, row 1:") {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	if code := run("verify", "--ledger", "--json"); code != 1 || !strings.Contains(out.String(), `"table": "results_messages"`) {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
}
