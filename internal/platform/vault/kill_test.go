package vault_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	cryptorand "crypto/rand"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

const rotateForever = "LABWARDEN_VAULT_TEST_ROTATE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(rotateForever); dir != "" {
		fmt.Fprintln(os.Stderr, rotateUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// rotateUntilKilled says after each change how many there were.
func rotateUntilKilled(dir string) error {
	ctx, one := context.Background(), vault.KeyFile(filepath.Join(dir, "one"))
	v, err := vault.Open(ctx, vault.NewFileBook(filepath.Join(dir, "book")), one)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n%3 == 0 {
			_, err = v.RotateRoot(ctx, vault.RotateRootOptions{Seals: []vault.Seal{one}, Now: day})
		} else if err = v.Rotate(ctx, vault.PurposeBodies, day); err == nil {
			s, _ := v.Status()
			for _, k := range s.Keys { // keep the book small, and the first key
				if k.Purpose == vault.PurposeBodies && !k.Current && k.Created.Equal(day) {
					err = v.Destroy(ctx, k.ID, day)
				}
			}
		}
		if err != nil {
			return err
		}
		s, _ := v.Status()
		fmt.Fprintln(os.Stdout, s.Revision)
	}
}

// A real process is killed at random moments of its rotations; each time the
// book it leaves opens, is no older than what it had reported, and still holds
// the key of the first record.
func TestKilledWhileRotating(t *testing.T) {
	dir := t.TempDir()
	one, path := filepath.Join(dir, "one"), filepath.Join(dir, "book")
	must(t, vault.CreateKeyFile(one, cryptorand.Reader))
	book := vault.NewFileBook(path)
	v, _, err := vault.Create(t.Context(), book, cryptorand.Reader, vault.CreateOptions{
		Lab: "lab.example", Seals: []vault.Seal{vault.KeyFile(one)}, Shares: 3, Threshold: 2, Now: day.Add(-time.Hour),
	})
	must(t, err)
	sealed := seal(t, v, "1", "text")
	moments := rand.New(rand.NewPCG(1, 2))
	for kill := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), rotateForever+"="+dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		var reported uint64
		if !lines.Scan() {
			t.Fatalf("the process said nothing: %v", cmd.Wait())
		}
		fmt.Sscan(lines.Text(), &reported)
		timer := time.AfterFunc(time.Duration(moments.IntN(20_000))*time.Microsecond, func() { cmd.Process.Kill() })
		for lines.Scan() {
			fmt.Sscan(lines.Text(), &reported)
		}
		timer.Stop()
		cmd.Process.Kill()
		cmd.Wait()
		v, err := vault.Open(t.Context(), book, vault.KeyFile(one))
		if err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
		if r := status(t, v).Revision; r < reported {
			t.Fatalf("kill %d: revision %d on disk, %d reported", kill, r, reported)
		}
		wantText(t, v, "1", "text", sealed)
	}
}
