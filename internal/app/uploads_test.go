package app

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// boxed is a hub with a front of its own process and partner p, to which results
// go by MLLP and which has a box; q is a partner without one.
type boxed struct {
	*site
	h     *Hub
	clock *late
	lis   *lis
	host  string
	port  string
	pages http.Handler
}

func newBoxed(t *testing.T, s *site) *boxed {
	t.Helper()
	for _, tool := range []string{"sftp"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed: tools/setup.sh test installs it", tool)
			}
			t.Skipf("SKIPPED: %s is not installed: tools/setup.sh test installs it", tool)
		}
	}
	b := &boxed{site: s, clock: &late{}}
	b.clock.by.Store(int64(-25 * time.Hour)) // yesterday: only what is older than a day is counted
	_, key, err := ed25519.GenerateKey(rand.Reader)
	b.must(err)
	pub, err := ssh.NewPublicKey(key.Public())
	b.must(err)
	block, err := ssh.MarshalPrivateKey(key, "")
	b.must(err)
	writeFile(t, filepath.Join(s.dir, "id"), string(pem.EncodeToMemory(block)))
	at := portalPort(t)
	sock := filepath.Join(s.dir, "f", "s")
	partners := fmt.Sprintf("  p: {name: Riverside, contact: {name: Front desk, phone: \"+1 555 0100\"}, count: {}, box: {keys: [%q]}, destination: {mllp: {address: %q}}}\n",
		strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))), newPractice(t).addr) + partnerAt("q", newPractice(t).addr)
	src := strings.Replace(s.source(partners, "p, q", "carry"), "sources:\n", fmt.Sprintf("  front: {socket: %s, sftp: {listen: %q}}\nsources:\n", sock, at), 1)
	c := s.parse(src)
	b.h = s.openLate(b.clock)
	b.must(stated(t.Context(), b.h, c))
	_, err = b.h.Begin(t.Context(), c.Node, c, []byte(src), "tester")
	b.must(err)
	addrs, _ := s.serve(b.h, c)
	b.lis = dial(t, addrs["lis"])
	frontProcess(t, sock)
	b.host, b.port, _ = net.SplitHostPort(at)
	eventually(t, "the front's SFTP door", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	web := b.h.newWeb(s.parse(strings.Replace(src, "  seals:", "  web: {listen: \"127.0.0.1:0\"}\n  seals:", 1)))
	who := event.NewID()
	web.Identify = func(*http.Request) (*authz.Subject, error) {
		now := b.clock.now()
		return &authz.Subject{Person: who, Account: "dana", Name: "Dana Reyes", Level: authz.LevelPasskey, FreshAt: now, Grants: []authz.Grant{{Role: authz.Technologist}}}, nil
	}
	b.pages = web.Handler()
	return b
}

func (b *boxed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// put puts a file into the inbox with OpenSSH's sftp, and returns what it said.
func (b *boxed) put(name, content string) (string, error) {
	b.t.Helper()
	writeFile(b.t, filepath.Join(b.dir, "up"), content)
	keys, err := b.h.hostKeys(b.t.Context())
	b.must(err)
	known := ""
	for _, k := range keys {
		known += fmt.Sprintf("[%s]:%s %s", b.host, b.port, ssh.MarshalAuthorizedKey(k.PublicKey()))
	}
	writeFile(b.t, filepath.Join(b.dir, "known"), known)
	c := exec.CommandContext(b.t.Context(), "sftp", "-F", "none", "-i", filepath.Join(b.dir, "id"), "-o", "UserKnownHostsFile="+filepath.Join(b.dir, "known"),
		"-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-P", b.port, "-b", "-", "p@"+b.host)
	c.Stdin = strings.NewReader("put " + filepath.Join(b.dir, "up") + " inbox/" + name + "\n")
	out, err := c.CombinedOutput()
	return string(out), err
}

// get asks for a page or an operation as a technologist.
func (b *boxed) get(path string) string {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.pages.ServeHTTP(w, httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, "https://lab.example"+path, http.NoBody))
	if w.Code != http.StatusOK {
		b.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// TestStoppedUploadsAndListsOfAPartner: a partner's program is OpenSSH's sftp. A
// file that may be critical and does not come through has somebody telephone; its
// list of what it has is counted, and what is not on it stands on Today.
func TestStoppedUploadsAndListsOfAPartner(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		b := newBoxed(t, s)
		ctx := t.Context()
		for _, id := range []string{"R1", "R2", "R3"} {
			if code, err := b.lis.send(result(id)); err != nil || code != "AA" {
				t.Fatal(code, err)
			}
		}
		eventually(t, "the deliveries", func() bool {
			var n int64
			return b.h.DB.QueryRow(ctx, "SELECT count(*) FROM results_deliveries WHERE state = 3").Scan(&n) == nil && n == 6
		})
		b.clock.by.Store(0)
		by := results.Named{By: results.By{Who: "tester", Reason: "a-test"}, Person: "Anna Example"}

		// No list has come: nothing is counted, and that is said of q for good.
		if _, err := b.h.countNow(ctx, "p", by); err == nil {
			t.Error("counted without a list")
		}
		if page := b.get("/"); !strings.Contains(page, "not countable") {
			t.Error("Today does not say that they are not countable")
		}
		if out, err := b.put("count-1.csv", "control id,arrived\nR1,today\nR3,today\nNEVER,today\n"); err != nil {
			t.Fatal(out, err)
		}
		b.h.countDue(ctx, map[string]time.Time{}) // as each night
		all, err := b.h.Results.PartnerCounts(ctx, "p", 10)
		b.must(err)
		if len(all) != 1 || !all[0].Machine() || all[0].Way != results.ByList || all[0].Listed != 3 || all[0].Matched != 2 || all[0].Missing != 1 || all[0].Extra != 1 {
			t.Fatalf("%+v", all)
		}
		if page := b.get("/"); !strings.Contains(page, "2 of 3 results") || !strings.Contains(page, "Practice q") || !strings.Contains(page, "/partners/p/count") {
			t.Errorf("Today: %s", page)
		}
		var count resultsui.CountAnswer
		b.must(json.Unmarshal([]byte(b.get("/api/v1/partners/p/count")), &count))
		if count.By != "list" || count.Missing != 1 || len(count.Lacking) != 1 {
			t.Errorf("%+v", count)
		}
		if page := b.get("/partners/q/count"); !strings.Contains(page, "not countable") {
			t.Error("q is not said to be not countable")
		}
		b.h.countDue(ctx, map[string]time.Time{}) // the same list is not counted twice
		// The next list names all: the difference is over.
		if out, err := b.put("count-2.csv", "R1\nR2\nR3\n"); err != nil {
			t.Fatal(out, err)
		}
		if c, err := b.h.countNow(ctx, "p", by); err != nil || c.Missing != 0 || c.Matched != 3 {
			t.Errorf("%+v, %v", c, err)
		}

		// A damaged file with a critical value is refused, and somebody is to telephone.
		bad := strings.Replace(critical("U1"), "|ORU^R01^ORU_R01|U1|", "|||", 1)
		out, err := b.put("DOE-JANE.hl7", bad)
		if err == nil {
			t.Fatalf("it was taken: %s", out)
		}
		want(t, b.h, kindBoxCritical, "p", alarm.Urgent, "critical result")
		if _, err = b.put("DOE-JANE.hl7", bad); err == nil {
			t.Error("taken when sent again")
		}
		calls, err := b.h.Results.Calls(ctx, false, 10)
		b.must(err)
		if len(calls) != 1 || calls[0].Why != results.CallUpload || calls[0].Partner != "p" || calls[0].Now != "nothing of it was kept" || !strings.HasPrefix(calls[0].Stopped, "refused by the content gate: ") {
			t.Fatalf("%+v", calls)
		}
		page := b.get("/calls/" + calls[0].ID.String())
		if !strings.Contains(page, "Front desk, +1 555 0100") || strings.Contains(page, "DOE") || strings.Contains(page, "FIU1") {
			t.Errorf("%s", page)
		}
		v, err := b.h.Results.ViewCall(ctx, calls[0].ID, by.By)
		if err != nil || v.File != "DOE-JANE.hl7" || len(v.Orders) == 0 {
			t.Errorf("%+v, %v", v, err)
		}
		// A good one passes, and opens none.
		if out, err := b.put("good.hl7", critical("U2")); err != nil {
			t.Error(out, err)
		}
		if calls, err = b.h.Results.Calls(ctx, false, 10); err != nil || len(calls) != 1 {
			t.Errorf("%+v, %v", calls, err)
		}
	})
}
