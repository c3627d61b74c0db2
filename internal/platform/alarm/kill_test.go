package alarm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// victim is the environment variable by which the test binary becomes a hub
// that is killed; it says where the database is.
const victim = "ALARM_TEST_VICTIM"

func TestMain(m *testing.M) {
	if where := os.Getenv(victim); where != "" {
		if err := beKilled(where); err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// beKilled raises two alarms whose notices fail, says so, and waits.
func beKilled(where string) error {
	ctx := context.Background()
	db, err := openAt(ctx, where)
	if err != nil {
		return err
	}
	log, err := bus.New("victim")
	if err != nil {
		return err
	}
	log.Attach(db)
	d, err := alarm.New(ctx, db, keys{}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	b := &inbox{fail: errors.New("away")}
	d.SetPlan(alarm.Plan{Lab: "Millbrook", People: []alarm.Person{{Name: "Okafor", Ways: []alarm.Way{{Name: "mail", Sender: b}}}}})
	other := silent
	other.About = "hillside"
	d.Raise(ctx, silent)
	d.Raise(ctx, other)
	d.Tick(ctx)
	fmt.Fprintln(os.Stdout, "raised")
	select {}
}

func openAt(ctx context.Context, where string) (*store.DB, error) {
	var db *store.DB
	var err error
	if strings.HasPrefix(where, "postgres") {
		db, err = store.OpenPostgres(ctx, where, store.Options{})
	} else {
		db, err = store.OpenSQLite(ctx, where, store.Options{})
	}
	if err != nil {
		return nil, err
	}
	return db, db.Migrate(ctx, bus.Migrations(), alarm.Migrations())
}

// A process that is killed with alarms it could tell nobody of: the next one
// tells them, once each.
func TestKilledBeforeAnybodyWasTold(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			where := filepath.Join(t.TempDir(), "a.db")
			if engine == "postgres" {
				where = storetest.PostgresDSN(t)
			}
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), victim+"="+where)
			out, err := c.StdoutPipe()
			check(t, err)
			check(t, c.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil || line != "raised\n" {
				t.Fatalf("the victim said %q, %v", line, err)
			}
			check(t, c.Process.Kill()) // SIGKILL
			_ = c.Wait()               // "signal: killed"

			db, err := openAt(t.Context(), where)
			check(t, err)
			defer db.Close()
			log, err := bus.New("next")
			check(t, err)
			log.Attach(db)
			clock := &clock{t: time.Now().Add(6 * time.Second)} // the pause after the failed try is over
			d, err := alarm.New(t.Context(), db, keys{}, clock.now, slog.New(slog.DiscardHandler))
			check(t, err)
			b := &inbox{}
			d.SetPlan(alarm.Plan{Lab: "Millbrook", People: []alarm.Person{{Name: "Okafor", Ways: []alarm.Way{{Name: "mail", Sender: b}}}}})
			d.Tick(t.Context())
			d.Tick(t.Context())
			if len(b.got) != 2 || b.got[0].About == b.got[1].About || b.words() != "raised raised" {
				t.Errorf("told %+v", b.got)
			}
			if _, damage, err := log.Audit(t.Context(), 0); err != nil || damage != nil {
				t.Errorf("audit: %v %v", damage, err)
			}
		})
	}
}
