package setup

import (
	"context"
	"errors"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// Configuration is the applied configuration, its history and a change of it.
type Configuration interface {
	// History lists the applied revisions, newest first.
	History(ctx context.Context) ([]Revision, error)
	// Revision returns a revision with its text; 0 is the one in force.
	Revision(ctx context.Context, number int64) (Text, error)
	// Compare says what becomes different from revision from (0: the one in force).
	Compare(ctx context.Context, from int64, to Target) (Comparison, error)
	// Apply puts a target in force as a new revision, by an account.
	Apply(ctx context.Context, to Target, why Why) (Outcome, error)
}

// Reader reads a text as the hub would take it. The configuration is nil when
// there is an error among the problems.
type Reader func(source []byte) (*config.Config, config.Problems)

// Directing is what only the laboratory director decides.
type Directing interface {
	// Steps are the routes of a target that the director must let carry.
	Steps(ctx context.Context, to Target) ([]Step, error)
	// Approve records the decision about one of them, by an account of a person
	// whom the director delegated it to, or the director.
	Approve(ctx context.Context, to Target, s Step, noOldPath bool, by, reason string) error
}

// People says who holds a permission now.
type People interface {
	Holders(ctx context.Context, p authz.Permission) ([]approval.Person, error)
}

// Revision is one applied configuration. Numbers count from 1 without gaps.
type Revision struct {
	Number     int64     `json:"number"`
	Hash       string    `json:"revision" doc:"what deliveries and proofs name"`
	AppliedAt  time.Time `json:"applied_at"`
	AppliedBy  string    `json:"applied_by"`
	Reason     string    `json:"reason"`
	ApprovedBy string    `json:"approved_by,omitempty" doc:"who approved what only the laboratory director decides"`
	Leaf       int64     `json:"leaf" doc:"its event in the ledger"`
}

// Text is a revision with its text as it was written, comments included.
type Text struct {
	Revision
	Source string `json:"source"`
}

// Target is a configuration: a text, or an earlier revision by its number.
type Target struct {
	Number int64
	Source []byte
	// Hash is what the text was read to mean; what the hub makes of it must be the
	// same. Empty asks for nothing.
	Hash string
}

// Why goes into the ledger. Nothing of it names a patient.
type Why struct{ By, Reason, ApprovedBy string }

// Comparison is the step from one configuration to another.
type Comparison struct {
	From    Revision        `json:"from"`
	Changes []config.Change `json:"changes"`
	// NeedApproval names what of it only the laboratory director decides, Missing
	// what that decision lacks.
	NeedApproval []string `json:"need_approval,omitempty"`
	Missing      []string `json:"missing,omitempty"`
}

// Outcome is what came of Apply.
type Outcome struct {
	Revision
	Running bool     `json:"running"`
	Taken   []string `json:"taken,omitempty"`
	Restart []string `json:"needs_restart,omitempty"`
	// FileProblem says why labwarden.yaml does not say the same; empty: it does.
	FileProblem string `json:"file_problem,omitempty"`
}

// Step is a route that begins to carry, or carries and would be changed.
type Step struct {
	Route string `json:"route"`
	// Words say what of it is the director's.
	Words string `json:"words"`
	// OldPath: there is an old path that it was compared with. Without one the
	// director has to state that there is none.
	OldPath bool `json:"old_path"`
	// Missing is what the comparison lacks; empty when it is enough.
	Missing []string `json:"missing,omitempty"`
	// Approved is who let it carry as it is; empty when nobody has.
	Approved string `json:"approved,omitempty"`
}

// Errors a caller can act on.
var (
	ErrNoDraft   = errors.New("there is no such draft")
	ErrEnded     = errors.New("this draft was applied or discarded already")
	ErrEdited    = errors.New("somebody else has changed this draft meanwhile; your text was not stored: look at theirs first")
	ErrMoved     = errors.New("another configuration was applied since this draft was begun; bring it up to date first, then look at what it changes")
	ErrUnchanged = errors.New("this draft changes nothing")
	ErrProblems  = errors.New("this draft has errors; mend them first")
	ErrDirector  = errors.New("the laboratory director has not decided about this yet")
	ErrNotAlone  = errors.New("somebody else in this laboratory may apply this: ask them")
	ErrNever     = errors.New("this laboratory's configuration says that nobody applies alone (changes.alone: never); give a second person the right to apply")
	ErrStatement = errors.New("write why you apply this without a second person; somebody of another role reads it")
	ErrTooLong   = errors.New("a configuration may have at most 256 KiB")
	ErrTitle     = errors.New("say in a few words what this draft is for")
	ErrDirecting = errors.New("say of each route without an old path that there is none to compare with")
)
