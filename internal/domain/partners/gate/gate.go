package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// The kinds of files that are known.
const (
	KindHL7  = "hl7"
	KindFHIR = "fhir"
	KindPDF  = "pdf"
	KindCSV  = "csv"
	KindZIP  = "zip"

	KindAge     = "age"
	KindOpenPGP = "openpgp"
	KindCMS     = "cms"
)

// unseen is put behind the kind of a file that nobody but its receiver can open.
const unseen = ", cannot be looked into"

// File is what was uploaded, whole.
type File struct {
	Partner, Folder, Name string
	Size                  int64
	Body                  io.ReaderAt
}

// Verdict is what becomes of a file. The zero Verdict refuses.
type Verdict struct {
	// Pass: it may be seen.
	Pass bool `json:"pass"`
	// Held: it is kept for a person to decide about, and the uploader is told so.
	Held bool `json:"held"`
	// Critical: the sender flags a result in it as critical, or it may hold results
	// and could not be read. Independent of Pass and Held.
	Critical bool `json:"critical"`
	// Kind is what it is: "hl7", "pdf", "age, cannot be looked into"; "" for what
	// is not known.
	Kind string `json:"kind"`
	// Cause is a stable code of why it did not pass, for events and metrics.
	Cause string `json:"cause,omitempty"`
	// Reason is for the uploader: why it did not pass and what to do, or a remark
	// about a file that passed. It holds nothing of the file's content.
	Reason string `json:"reason,omitempty"`
}

// Causes of a Verdict.
const (
	CauseName      = "name"      // its name or extension
	CauseSize      = "size"      // too large, or empty
	CauseKind      = "kind"      // a kind that is not taken, or not known
	CauseForm      = "form"      // not of its kind's form, cut off, unreadable
	CauseActive    = "active"    // holds something that acts
	CauseEncrypted = "encrypted" // encrypted, and the rules do not allow that
	CauseArchive   = "archive"   // a limit of archives
	CauseOther     = "addressee" // not this partner's
	CauseVirus     = "virus"     // the scanner found something
	CauseScanner   = "scanner"   // the scanner did not answer
	CauseTime      = "time"      // looking took too long
)

// What Told is called with.
const (
	ToldScanner = "scanner.down"  // the scanner did not answer for a file
	ToldVirus   = "file.virus"    // the scanner found something
	ToldBroken  = "gate.unread"   // a reader of ours panicked: a fault of this program
	ToldLarge   = "scanner.limit" // the scanner takes no file of this size
)

// Config is what a Gate needs.
type Config struct {
	// Scanner looks for viruses; nil for none.
	Scanner Scanner
	// WhenDown is what happens while it does not answer; Hold when empty.
	WhenDown WhenDown
	// ScanLimit bounds one scan; two minutes when zero.
	ScanLimit time.Duration
	// Limit bounds the look at one file besides the scan; five minutes when zero.
	Limit time.Duration
	// Parallel is how many files are looked at at one time, besides those that are
	// with the scanner; two when zero.
	Parallel int
	// Told is called with what a person should know: one of the Told constants, the
	// partner, and a detail without patient data. May be nil; it must not block.
	Told func(kind, partner, detail string)
}

// Gate judges files. Safe for concurrent use.
type Gate struct {
	conf  Config
	slots chan struct{}

	passed, held, refused, panics atomic.Int64
}

// New makes a gate.
func New(c Config) *Gate {
	if c.ScanLimit <= 0 {
		c.ScanLimit = 2 * time.Minute
	}
	if c.Limit <= 0 {
		c.Limit = 5 * time.Minute
	}
	if c.Parallel <= 0 {
		c.Parallel = 2
	}
	if c.WhenDown == "" {
		c.WhenDown = Hold
	}
	if c.Told == nil {
		c.Told = func(string, string, string) {}
	}
	return &Gate{conf: c, slots: make(chan struct{}, c.Parallel)}
}

// Counts is what the gate has done since it was made.
type Counts struct{ Passed, Held, Refused, Panics int64 }

// Counts tells.
func (g *Gate) Counts() Counts {
	return Counts{g.passed.Load(), g.held.Load(), g.refused.Load(), g.panics.Load()}
}

var errTooLong = errors.New("looking at the file took too long")

// Check judges a file. It waits while Config.Parallel others are looked at.
func (g *Gate) Check(ctx context.Context, f File, r Rules) (Verdict, error) {
	v, err := g.content(ctx, f, r)
	if err == nil && v.Pass && g.conf.Scanner != nil {
		v, err = g.scan(ctx, f, v)
	}
	switch {
	case err != nil:
		return Verdict{}, err
	case v.Pass:
		g.passed.Add(1)
	case v.Held:
		g.held.Add(1)
	default:
		g.refused.Add(1)
	}
	return v, nil
}

// content looks at what a file holds, when it is its turn.
func (g *Gate) content(ctx context.Context, f File, r Rules) (Verdict, error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return Verdict{}, fmt.Errorf("look at a file: %w", context.Cause(ctx))
	}
	limited, cancel := context.WithTimeoutCause(ctx, g.conf.Limit, errTooLong)
	defer cancel()
	b := &body{ctx: limited, at: f.Body, size: f.Size}
	v := g.look(b, f, r.orDefault())
	switch {
	case ctx.Err() != nil:
		return Verdict{}, fmt.Errorf("look at a file: %w", context.Cause(ctx))
	case limited.Err() != nil:
		v = Verdict{Kind: v.Kind, Cause: CauseTime, Reason: "Looking at the file took too long. Send it in several smaller files.", Critical: v.Critical || mayHoldResults(f.Name, v.Kind)}
	case b.failed() != nil:
		return Verdict{}, fmt.Errorf("look at a file: %w", b.failed())
	}
	return v, nil
}

// look judges by the content alone.
func (g *Gate) look(b *body, f File, r *Rules) (v Verdict) {
	var seen look
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		g.panics.Add(1)
		g.conf.Told(ToldBroken, f.Partner, whereOf(debug.Stack()))
		v = Verdict{Kind: seen.kind, Cause: CauseForm, Reason: "The file cannot be read. Make it anew and send it again; if that does not help, call the laboratory.", Critical: true}
	}()
	err := g.judge(b, f, r, &seen)
	v = Verdict{Kind: seen.kind, Critical: seen.critical, Reason: seen.remark}
	if err == nil {
		v.Pass = true
		return v
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = refuse(CauseForm, "The file cannot be read to its end. Make it anew and send it again.")
		no.unread = true
	}
	v.Cause, v.Reason = no.cause, no.reason
	v.Critical = v.Critical || no.unread && mayHoldResults(f.Name, seen.kind)
	return v
}

func (g *Gate) judge(b *body, f File, r *Rules, seen *look) error {
	if err := channel.CheckBoxName(f.Name); err != nil {
		no := refuse(CauseName, sentence(err.Error())+" Rename it and send it again.")
		no.unread = true
		return no
	}
	switch {
	case f.Size <= 0:
		no := refuse(CauseSize, "The file is empty. Send it again.")
		no.unread = true
		return no
	case f.Size > r.MaxFile:
		no := refuse(CauseSize, fmt.Sprintf("The file is larger than the %s that are taken. Send it in several files.", bytesText(r.MaxFile)))
		no.unread = true
		return no
	}
	c := &content{name: f.Name, size: f.Size, at: b, open: func() io.Reader { return io.NewSectionReader(b, 0, f.Size) }}
	l := &looker{rules: r, seen: seen, unpacked: r.zip().Unpacked}
	return l.file(c)
}
