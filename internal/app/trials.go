package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/fronthub"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindTrialMade is the fact that somebody opened a box for trying a client.
const KindTrialMade = "posture.trial_made"

const (
	trialLife    = time.Hour
	trialLongest = 24 * time.Hour
	maxTrials    = 50 // at a time
	maxTried     = 50 // connections and acts that are remembered of one
	trialPrefix  = "try."
	trialPath    = "/try/"
)

// isTrial: no partner's name has a dot in it.
func isTrial(user string) bool { return strings.HasPrefix(user, trialPrefix) }

// trials are the boxes without results in which partners' clients try themselves.
// They live in this node's memory: a trial ends with its hour or with the process.
type trials struct {
	h *Hub

	mu  sync.Mutex
	all map[string]*trial
}

type trial struct {
	posture.Trial
	hash [sha256.Size]byte // of the code, which is 130 random bits
	key  ssh.PublicKey     // nil: the code alone
	box  *fronthub.Trial
}

// Make opens one.
func (s *trials) Make(ctx context.Context, q posture.NewTrial, who string) (posture.MadeTrial, error) {
	var none posture.MadeTrial
	life := time.Duration(q.Minutes) * time.Minute
	if q.Minutes == 0 {
		life = trialLife
	}
	if life < time.Minute || life > trialLongest {
		return none, invalidTrial("a trial lasts from 1 to 1440 minutes")
	}
	c := s.h.inForce()
	if c == nil {
		return none, invalidTrial("nothing runs yet")
	}
	if _, known := c.Partners[q.Partner]; q.Partner != "" && !known {
		return none, invalidTrial("the configuration in force has no such partner")
	}
	name := trialPrefix + strings.ToLower(rand.Text()[:10])
	code := strings.ToLower(rand.Text())
	now := s.h.now()
	t := &trial{Trial: posture.Trial{Name: name, Partner: q.Partner, Made: now, By: who, Ends: now.Add(life), Tried: []posture.Tried{}, Did: []string{}}, hash: sha256.Sum256([]byte(code))}
	if line := strings.TrimSpace(q.Key); line != "" {
		k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || !strongKey(k) {
			return none, invalidTrial("this is no SSH public key that may sign in here: give the whole line of the .pub file")
		}
		t.key = k
	}
	t.box = &fronthub.Trial{
		Folder: filepath.Join(s.h.data, "trials"),
		Report: func() string { x := s.copy(name); return s.Report(&x) },
		Did:    func(what string) { s.change(name, func(t *trial) { t.Did = remember(t.Did, what) }) },
	}
	ways := s.ways(c, t, code)
	if len(ways) == 0 {
		return none, invalidTrial("there is no door for partners to try: see node.front, node.portal and node.fhir")
	}
	err := s.h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		ids := ledger.Pairs{{K: "trial", V: ledger.Code(name)}, {K: "by", V: ledger.Code(who)}}
		if q.Partner != "" {
			ids = append(ids, ledger.Pairs{{K: "partner", V: ledger.Code(q.Partner)}}...)
		}
		_, err := bus.Publish(ctx, tx, ledger.Event{Kind: KindTrialMade, At: now.UnixMicro(), IDs: ids})
		return err
	})
	if err != nil {
		return none, fmt.Errorf("make a trial: %w", err)
	}
	s.mu.Lock()
	s.sweep(now)
	full := len(s.all) >= maxTrials
	if !full {
		if s.all == nil {
			s.all = map[string]*trial{}
		}
		s.all[name] = t
	}
	s.mu.Unlock()
	if full {
		return none, invalidTrial("there are 50 trials already: wait until some have ended")
	}
	time.AfterFunc(life, func() { s.h.tellFront(context.Background()) }) // who is there has to go
	return posture.MadeTrial{Trial: s.copy(name), Code: code, Ways: ways}, nil
}

// ways are what can be tried here.
func (s *trials) ways(c *config.Config, t *trial, code string) []posture.TrialWay {
	var out []posture.TrialWay
	at := func(l config.Listen) (host, port string) {
		host, port, _ = net.SplitHostPort(string(l))
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = "HOST"
		}
		return host, port
	}
	if f := c.Node.Front; f != nil {
		if f.SFTP != nil {
			host, port := at(f.SFTP.Listen)
			out = append(out, posture.TrialWay{What: "SFTP", Line: fmt.Sprintf("sftp -P %s %s@%s", port, t.Name, host)})
		}
		if f.FTPS != nil {
			host, port := at(f.FTPS.Listen)
			out = append(out, posture.TrialWay{What: "FTPS", Line: fmt.Sprintf("curl --ssl-reqd -u %s:%s ftp://%s:%s/results/%s", t.Name, code, host, port, fronthub.ReportName)})
		}
	}
	site := func(what string, u config.URL) {
		if x, err := url.Parse(string(u)); err == nil && x.Host != "" {
			out = append(out, posture.TrialWay{What: what, Line: "https://" + x.Host + trialPath + t.Name})
		}
	}
	if w := c.Node.Portal; w != nil {
		site("the portal", w.PublicURL)
	}
	if w := c.Node.FHIR; w != nil {
		site("the FHIR server", w.PublicURL)
	}
	return out
}

func remember[T any](all []T, x T) []T {
	if len(all) >= maxTried {
		return all
	}
	return append(all, x)
}

// sweep forgets what has ended a day ago; until then its report can be read.
func (s *trials) sweep(now time.Time) {
	for name, t := range s.all {
		if now.After(t.Ends.Add(24 * time.Hour)) {
			delete(s.all, name)
		}
	}
}

// live is a trial that has not ended; nil for none. s.mu is held.
func (s *trials) live(name string) *trial {
	if t := s.all[name]; t != nil && s.h.now().Before(t.Ends) {
		return t
	}
	return nil
}

func (s *trials) change(name string, do func(*trial)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.live(name)
	if t != nil {
		do(t)
	}
	return t != nil
}

// copy is a trial as it is now.
func (s *trials) copy(name string) posture.Trial {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[name]
	if t == nil {
		return posture.Trial{}
	}
	x := t.Trial
	x.Tried, x.Did = slices.Clone(x.Tried), slices.Clone(x.Did)
	return x
}

// List is all of the last day, the newest first.
func (s *trials) List(context.Context) ([]posture.Trial, error) {
	s.mu.Lock()
	s.sweep(s.h.now())
	names := sorted(s.all)
	s.mu.Unlock()
	out := []posture.Trial{}
	for _, name := range names {
		out = append(out, s.copy(name))
	}
	slices.SortStableFunc(out, func(a, b posture.Trial) int { return b.Made.Compare(a.Made) })
	return out, nil
}

// Report tells how the client did.
func (s *trials) Report(t *posture.Trial) string {
	lab := "this laboratory"
	if c := s.h.inForce(); c != nil {
		lab = c.Lab.Name
	}
	return t.Report(lab, fipsOnly())
}

// box is the box of a trial, nil when it has ended; is: it is no partner's.
func (s *trials) box(name string) (x *fronthub.Trial, is bool) {
	if !isTrial(name) {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.live(name); t != nil {
		return t.box, true
	}
	return nil, true
}

func (s *trials) still(name string) bool { return s.change(name, func(*trial) {}) }

func (s *trials) code(name, code string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, got := s.live(name), sha256.Sum256([]byte(code))
	if t == nil || subtle.ConstantTimeCompare(got[:], t.hash[:]) != 1 {
		return "", channel.ErrSignIn
	}
	return name, nil
}

func (s *trials) key(name string, key ssh.PublicKey) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.live(name); t != nil && t.key != nil && string(t.key.Marshal()) == string(key.Marshal()) {
		return name, nil
	}
	return "", channel.ErrSignIn
}

// entered notes that somebody came into a trial; false for a partner.
func (s *trials) entered(w fronthub.How) bool {
	if !isTrial(w.User) {
		return false
	}
	x := posture.Tried{At: s.h.now(), Protocol: strings.ToUpper(w.Protocol), Secured: w.Secured, Client: w.Client, Proof: "password"}
	if w.Key != nil {
		x.Proof = "key, " + w.Key.Type()
	}
	s.change(w.User, func(t *trial) { t.Tried = remember(t.Tried, x) })
	return true
}

// over lets a browser or program try a site's TLS: whoever asks for the trial by
// its name is told what was negotiated, and nothing else is there.
func (s *trials) over(site string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, is := strings.CutPrefix(r.URL.Path, trialPath)
		if !is || r.Method != http.MethodGet || r.TLS == nil {
			next.ServeHTTP(w, r)
			return
		}
		x := posture.Tried{At: s.h.now(), Protocol: site, Secured: channel.Secured(*r.TLS), Client: printable(r.UserAgent())}
		if !s.change(name, func(t *trial) { t.Tried = remember(t.Tried, x) }) {
			http.NotFound(w, r)
			return
		}
		t := s.copy(name)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = io.WriteString(w, s.Report(&t)) // the client may be gone
	})
}

// printable is what a program calls itself, cut as that of an SSH client is.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s[:min(len(s), 64)])
}

// partnerNames are the partners of the configuration in force, by their keys.
func (h *Hub) partnerNames() map[string]string {
	out := map[string]string{}
	if c := h.inForce(); c != nil {
		for key, p := range c.Partners {
			out[key] = p.Name
		}
	}
	return out
}

func invalidTrial(text string) error { return &control.Error{Kind: control.Invalid, Message: text} }
