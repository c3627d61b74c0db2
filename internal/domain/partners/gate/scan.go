package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Scanner looks for viruses: *Clamd.
type Scanner interface {
	// Scan says what was found in what open gives from its beginning; "" for
	// nothing.
	Scan(ctx context.Context, open func() io.Reader) (found string, err error)
	// Ping says whether it answers.
	Ping(ctx context.Context) error
}

// WhenDown is what happens to a file while the scanner does not answer.
type WhenDown string

// The policies.
const (
	Refuse      WhenDown = "refuse"
	Hold        WhenDown = "hold"
	PassAndTell WhenDown = "pass_and_tell"
)

// Ready asks the scanner whether it answers; nil without one.
func (g *Gate) Ready(ctx context.Context) error {
	if g.conf.Scanner == nil {
		return nil
	}
	return g.conf.Scanner.Ping(ctx)
}

// scan has the scanner look at a file that would pass.
func (g *Gate) scan(ctx context.Context, f File, v Verdict) (Verdict, error) {
	limited, cancel := context.WithTimeout(ctx, g.conf.ScanLimit)
	defer cancel()
	b := &body{ctx: limited, at: f.Body, size: f.Size}
	found, err := g.conf.Scanner.Scan(limited, func() io.Reader { return io.NewSectionReader(b, 0, f.Size) })
	switch {
	case ctx.Err() != nil:
		return Verdict{}, fmt.Errorf("scan a file: %w", context.Cause(ctx))
	case b.failed() != nil:
		return Verdict{}, fmt.Errorf("scan a file: %w", b.failed())
	case err == nil && found == "":
		return v, nil
	}
	return g.stopped(f, v, found, err), nil
}

// stopped is the verdict when the scanner found something or gave no answer.
func (g *Gate) stopped(f File, v Verdict, found string, err error) Verdict {
	v.Pass = false
	v.Critical = v.Critical || strings.HasSuffix(v.Kind, unseen) && mayHoldResults(f.Name, v.Kind)
	if err == nil {
		g.conf.Told(ToldVirus, f.Partner, found)
		v.Cause = CauseVirus
		v.Reason = fmt.Sprintf("The laboratory's virus scanner found something in the file (%s). Look for it on your side before you send anything again.", found)
		return v
	}
	v.Cause = CauseScanner
	told, why := ToldScanner, "The laboratory's virus scanner does not answer"
	if errors.Is(err, ErrScanLimit) {
		told, why = ToldLarge, "The laboratory's virus scanner does not look at files of this size"
	}
	g.conf.Told(told, f.Partner, err.Error())
	switch g.conf.WhenDown {
	case PassAndTell:
		v.Pass = true
		v.Reason = why + ". The file was taken without it, and the laboratory was told."
	case Refuse:
		v.Reason = why + ". Send the file again later, or call the laboratory."
		if told == ToldLarge {
			v.Reason = why + ". Send it in several smaller files, or call the laboratory."
		}
	default:
		v.Held = true
		v.Reason = why + ". The file is kept, and nobody sees it before a person of the laboratory has decided about it. You need not send it again."
	}
	return v
}
