package signin

import (
	"context"
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// Costs of a password hash. Argon2id with 19 MiB, two passes and one lane is what
// OWASP's password storage guide gives as its first choice (RFC 9106 section 4
// suggests more, for machines that do nothing else); 600,000 rounds of
// PBKDF2-HMAC-SHA-256 is its figure for FIPS 140.
type Costs struct {
	Memory uint32 // KiB, argon2id
	Time   uint32 // passes, argon2id
	Rounds int    // PBKDF2
}

var usual = Costs{Memory: 19 * 1024, Time: 2, Rounds: 600_000}

const (
	saltSize = 16
	hashSize = 32
	// What a stored hash may ask for at most: it is sealed, so this guards against
	// our own mistakes only.
	maxMemory, maxTime, maxRounds = 1 << 20, 16, 10_000_000
)

// Hasher hashes passwords, few at a time: each hash takes its memory whole.
type Hasher struct {
	costs   Costs
	fips    bool
	slots   chan struct{}
	queue   int64
	patient time.Duration
	waiting atomic.Int64
	done    atomic.Int64
}

// HasherOptions are the limits of a Hasher; zero values are right for production.
type HasherOptions struct {
	Costs Costs
	// Slots is how many hashes run at a time (the number of processors, at most
	// 8: 152 MiB), Queue how many wait for one (1,024), Patient how long (20 s,
	// less than a page's time limit).
	Slots, Queue int
	Patient      time.Duration
	// FIPS takes PBKDF2; it is always taken when the FIPS module is on.
	FIPS bool
}

// NewHasher returns one.
func NewHasher(o HasherOptions) *Hasher {
	if o.Costs == (Costs{}) {
		o.Costs = usual
	}
	if o.Slots <= 0 {
		o.Slots = min(runtime.GOMAXPROCS(0), 8)
	}
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	if o.Patient <= 0 {
		o.Patient = 20 * time.Second
	}
	return &Hasher{costs: o.Costs, fips: o.FIPS || fips140.Enabled(), slots: make(chan struct{}, o.Slots), queue: int64(o.Queue), patient: o.Patient}
}

// Done is how many hashes were computed.
func (h *Hasher) Done() int64 { return h.done.Load() }

// slot waits for the right to hash. The error is Refused with Busy.
func (h *Hasher) slot(ctx context.Context) (release func(), err error) {
	release = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return release, nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return nil, &Refused{Reason: Busy, After: 5 * time.Second}
	}
	defer h.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, h.patient)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, &Refused{Reason: Busy, After: 5 * time.Second}
	}
}

// Hash hashes a password that was prepared already, as a PHC string
// ("$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH").
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	release, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return h.hash(password, nil)
}

// Nobody is a stored hash that no password has: checking against it takes as long as
// against a real one. Its bytes are drawn, since computing one would cost 19 MiB of
// every idle hub.
func (h *Hasher) Nobody() string {
	p := h.blank(make([]byte, saltSize))
	p.hash = make([]byte, hashSize)
	_, _ = rand.Read(p.salt) // never fails
	_, _ = rand.Read(p.hash)
	return p.String()
}

// blank is a hash of today's costs yet to be filled.
func (h *Hasher) blank(salt []byte) phc {
	if h.fips {
		return phc{salt: salt, rounds: h.costs.Rounds}
	}
	return phc{salt: salt, memory: h.costs.Memory, time: h.costs.Time, lanes: 1}
}

// hash needs a slot. A nil salt is drawn.
func (h *Hasher) hash(password string, salt []byte) (string, error) {
	if salt == nil {
		salt = make([]byte, saltSize)
		_, _ = rand.Read(salt) // never fails
	}
	p := h.blank(salt)
	if err := h.fill(&p, password); err != nil {
		return "", err
	}
	return p.String(), nil
}

func (h *Hasher) fill(p *phc, password string) error {
	h.done.Add(1)
	if p.rounds == 0 {
		p.hash = argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.lanes, hashSize)
		return nil
	}
	out, err := pbkdf2.Key(sha256.New, password, p.salt, p.rounds, hashSize)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	p.hash = out
	return nil
}

// fits needs a slot. It says whether the password is that of the PHC string, and
// whether that should be made anew with today's costs.
func (h *Hasher) fits(stored, password string) (ok, old bool, err error) {
	want, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	got := want
	if err := h.fill(&got, password); err != nil {
		return false, false, err
	}
	now := h.blank(nil)
	old = want.memory != now.memory || want.time != now.time || want.lanes != now.lanes || want.rounds != now.rounds
	return subtle.ConstantTimeCompare(want.hash, got.hash) == 1, old, nil
}

// phc is a hash with what it was made with; rounds 0 is argon2id.
type phc struct {
	memory, time uint32
	lanes        uint8
	rounds       int
	salt, hash   []byte
}

var b64 = base64.RawStdEncoding.Strict()

func (p phc) String() string {
	end := "$" + b64.EncodeToString(p.salt) + "$" + b64.EncodeToString(p.hash)
	if p.rounds > 0 {
		return fmt.Sprintf("$pbkdf2-sha256$i=%d", p.rounds) + end
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d", argon2.Version, p.memory, p.time, p.lanes) + end
}

var errPHC = errors.New("stored hash is not a PHC string of this program")

func parsePHC(s string) (p phc, err error) {
	parts := strings.Split(s, "$")
	if len(parts) < 5 || parts[0] != "" {
		return p, errPHC
	}
	switch {
	case parts[1] == "argon2id" && len(parts) == 6 && parts[2] == "v="+strconv.Itoa(argon2.Version):
		if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil || n != 3 {
			return p, errPHC
		}
		if p.memory < 8 || p.memory > maxMemory || p.time < 1 || p.time > maxTime || p.lanes < 1 {
			return p, errPHC
		}
	case parts[1] == "pbkdf2-sha256" && len(parts) == 5:
		if n, err := fmt.Sscanf(parts[2], "i=%d", &p.rounds); err != nil || n != 1 || p.rounds < 1 || p.rounds > maxRounds {
			return p, errPHC
		}
	default:
		return p, errPHC
	}
	if p.salt, err = b64.DecodeString(parts[len(parts)-2]); err != nil || len(p.salt) < 8 {
		return p, errPHC
	}
	if p.hash, err = b64.DecodeString(parts[len(parts)-1]); err != nil || len(p.hash) != hashSize {
		return p, errPHC
	}
	return p, nil
}
