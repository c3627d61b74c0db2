package desk

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Desk is a laboratory as one person uses it.
type Desk interface {
	Revisions
	Secrets
	Dates
	// Replay runs the messages of a day through a draft; see ReplayRequest.
	Replay(ctx context.Context, r ReplayRequest, each func(results.Difference) error, progress func(done int64)) (ReplaySummary, error)
	// Keys tells what keys there are; it shows no secret.
	Keys(ctx context.Context) (vault.Status, error)
}

// Revisions is the applied configuration: its history and a change of it.
type Revisions interface {
	// History lists the applied revisions, newest first.
	History(ctx context.Context) ([]Revision, error)
	// Revision returns a revision with its text; 0 is the one in force.
	Revision(ctx context.Context, number int64) (Text, error)
	// Compare says what becomes different from revision from (0: the one in
	// force) to another. It changes nothing.
	Compare(ctx context.Context, from int64, to Target) (Comparison, error)
	// Apply puts a draft, or an earlier revision again, in force as a new one.
	Apply(ctx context.Context, to Target, why Why) (Outcome, error)
}

// Secrets are the values behind vault:NAME. No method gives one out.
type Secrets interface {
	Secrets(ctx context.Context) ([]Secret, error)
	SetSecret(ctx context.Context, name string, value []byte) error
	RemoveSecret(ctx context.Context, name string) error
}

// Dates are ends that never stop results by themselves.
type Dates interface {
	// Extend lets a partner's or source's channel keep its state for 72 h past an
	// end, by a person's decision; it goes into the ledger.
	Extend(ctx context.Context, channel string, reason string) (Extension, error)
}

// Revision is one applied configuration. Numbers count from 1 without gaps.
type Revision struct {
	Number    int64     `json:"number"`
	Hash      string    `json:"revision"` // config.Config.Revision: what deliveries and proofs name
	AppliedAt time.Time `json:"applied_at"`
	AppliedBy string    `json:"applied_by"`
	Reason    string    `json:"reason"`
	// ApprovedBy is who approved routes that begin to carry; empty where none did.
	ApprovedBy string `json:"approved_by,omitempty"`
	Leaf       int64  `json:"leaf"` // its event in the ledger
}

// Text is a revision with its text as it was written, comments included.
type Text struct {
	Revision
	Source string `json:"source"`
}

// Target is a configuration: the text of a draft, or a revision by its number.
type Target struct {
	Number int64  `json:"number,omitempty"` // of a revision; 0: Source
	Source []byte `json:"source,omitempty"` // base64 in JSON
	// Hash is the config.Config.Revision that the person saw; what the hub makes
	// of Source must be the same. Empty asks for nothing.
	Hash string `json:"hash,omitempty"`
}

// Why goes into the ledger. Neither names a patient.
type Why struct {
	Reason string `json:"reason"`
	// ApprovedBy is who approved what only the laboratory director decides.
	ApprovedBy string `json:"approved_by,omitempty"`
}

// Comparison is the step from one configuration to another.
type Comparison struct {
	// From is the revision compared from; number 0 when none was applied yet.
	From    Revision        `json:"from"`
	Changes []config.Change `json:"changes"`
	// NeedApproval names what of it only the laboratory director decides.
	NeedApproval []string `json:"need_approval,omitempty"`
	// Missing says what that decision lacks still; what is missing is refused.
	Missing []string `json:"missing,omitempty"`
	Hash    string   `json:"hash"` // of what was compared to
}

// Outcome is what came of Apply.
type Outcome struct {
	Revision
	// Running says that a hub runs and has taken it; else it runs when one starts.
	Running bool `json:"running"`
	Taken
	File File `json:"file"`
}

// Taken is what a running hub took over, and what it could not.
type Taken struct {
	Taken []string `json:"taken,omitempty"`
	// Restart is what differs and is only taken at a start.
	Restart []string `json:"needs_restart,omitempty"`
}

// File is what was done to labwarden.yaml. Where the hub could not write it, the
// command tries with the rights of who runs it.
type File struct {
	Path    string `json:"path,omitempty"` // empty: no file is known
	Written bool   `json:"written"`        // false: it had that text already, or Problem says why not
	// Kept is where the text went that stood there and was never applied.
	Kept    string `json:"kept,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Secret is one stored secret without its value.
type Secret struct {
	Name  string    `json:"name"`
	SetAt time.Time `json:"set_at"`
	SetBy string    `json:"set_by"`
	// Used says that the applied revision names it.
	Used bool `json:"used"`
}

// ReplayRequest asks how the messages of a day (UTC) would fare under a draft
// instead of the applied revision. Nothing is sent and nothing changes.
type ReplayRequest struct {
	Day    time.Time `json:"day"`
	Draft  Target    `json:"draft"`
	Source string    `json:"source,omitempty"` // empty: every source
	// Reveal shows the values that would change: patient data. That somebody
	// looks is recorded before the first is given out.
	Reveal bool `json:"reveal,omitempty"`
}

// ReplaySummary ends a replay.
type ReplaySummary struct {
	results.ReplaySummary
	// NotShown counts differences beyond what one answer gives out.
	NotShown int64 `json:"not_shown,omitempty"`
}

// Extension lets a channel keep its state past an end.
type Extension struct {
	Channel string    `json:"channel"` // "partner riverside", "source lis"
	Until   time.Time `json:"until"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
	Leaf    int64     `json:"leaf"`
}

// Reloaded is what a running hub took over from outside.
type Reloaded struct {
	Taken
	// Pending is what the file says differently from the applied revision; it is
	// reported, never taken.
	Pending []string `json:"pending,omitempty"`
}
