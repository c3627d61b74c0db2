package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// ProblemState is what became of a reported problem.
type ProblemState int64

// The states of a problem.
const (
	ProblemOpen ProblemState = iota
	ProblemTaken
	ProblemAnswered
)

func (s ProblemState) String() string {
	switch s {
	case ProblemOpen:
		return "open"
	case ProblemTaken:
		return "taken"
	case ProblemAnswered:
		return "answered"
	}
	return "unknown"
}

// Problem is something that somebody reported about Labwarden itself. Words and
// Answer are asked to name no patient; they are stored sealed all the same.
type Problem struct {
	Number int64
	By     approval.Person
	MadeAt time.Time
	// Page is the shape of an address, "/results/{id}", never one with an id in it.
	Page string
	// Reference is the mark of an error page, as the log has it.
	Reference     string
	Words, Answer string
	State         ProblemState
	TakenBy       string
	TakenAt       time.Time
	AnsweredBy    string
	AnsweredAt    time.Time
}

const (
	// MaxProblem bounds words and answers, in characters.
	MaxProblem = 2000
	// maxProblems is how many one person may have open.
	maxProblems = 20
)

// Errors of problems.
var (
	ErrNoProblem       = errors.New("there is no such problem report")
	ErrProblemWords    = errors.New("say what happened, in at most 2,000 characters")
	ErrProblemAnswer   = errors.New("write an answer, in at most 2,000 characters")
	ErrProblemPage     = errors.New("a page is given by its shape, like /results/{id}, and a reference by its letters")
	ErrProblemMany     = errors.New("twenty of your reports are open already: wait for an answer, or ask an administrator")
	ErrProblemAnswered = errors.New("somebody has answered this already")
	ErrProblemTaken    = errors.New("somebody has taken this already")
)

// Only words of the program's own addresses and names of their parts: a number, a
// key or an accession number is none.
var (
	pageShape  = regexp.MustCompile(`^(/([a-z][a-z.-]{0,30}|\{[a-z]{1,20}(\.\.\.)?\}|\{\$\})?){1,8}$`)
	errorShape = regexp.MustCompile(`^[A-Z2-7]{8}$`)
)

// PageShape is page where it is one, else empty.
func PageShape(page string) string {
	if len(page) > 100 || !pageShape.MatchString(page) {
		return ""
	}
	return strings.TrimSuffix(page, "{$}")
}

// ErrorReference is ref where it is the mark of an error page, else empty.
func ErrorReference(ref string) string {
	if !errorShape.MatchString(ref) {
		return ""
	}
	return ref
}

// ReportProblem stores what somebody reports. Anybody who is signed in may.
func (s *Service) ReportProblem(ctx context.Context, p Problem, by approval.Person) (Problem, error) {
	p.Words = strings.TrimSpace(p.Words)
	switch {
	case by.Account == "":
		return p, approval.ErrNobody
	case p.Words == "" || utf8.RuneCountInString(p.Words) > MaxProblem:
		return p, ErrProblemWords
	case p.Page != "" && PageShape(p.Page) == "", p.Reference != "" && ErrorReference(p.Reference) == "":
		return p, ErrProblemPage
	}
	p.Page, p.By, p.MadeAt, p.State = PageShape(p.Page), by, s.clock(), ProblemOpen
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var open int64
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM setup_problems WHERE made_id = $1 AND state < 2", by.ID[:]).Scan(&open); err != nil {
			return err
		}
		if open >= maxProblems {
			return ErrProblemMany
		}
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) + 1 FROM setup_problems").Scan(&p.Number); err != nil {
			return err
		}
		body, leaf, err := s.problemFact(ctx, tx, "problem.reported", p, by.Account)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO setup_problems (number, made_by, made_id, made_at, page, reference, state, taken_by, taken_at,
			answered_by, answered_at, leaf, body) VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, '', 0, $7, $8)`,
			p.Number, by.Account, by.ID[:], micro(p.MadeAt), p.Page, p.Reference, leaf, body)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedProblems, p.Number)
	})
	if err != nil {
		return p, fmt.Errorf("store problem report: %w", err)
	}
	return p, nil
}

// TakeProblem says that somebody sees to it: the caller has checked
// authz.ProblemsAnswer.
func (s *Service) TakeProblem(ctx context.Context, number int64, by approval.Person) error {
	return s.changeProblem(ctx, number, "problem.taken", by, func(p *Problem) error {
		if p.State == ProblemTaken {
			return ErrProblemTaken
		}
		p.State, p.TakenBy, p.TakenAt = ProblemTaken, by.Account, s.clock()
		return nil
	})
}

// AnswerProblem ends it with an answer, which who reported it reads.
func (s *Service) AnswerProblem(ctx context.Context, number int64, answer string, by approval.Person) error {
	answer = strings.TrimSpace(answer)
	if answer == "" || utf8.RuneCountInString(answer) > MaxProblem {
		return ErrProblemAnswer
	}
	return s.changeProblem(ctx, number, "problem.answered", by, func(p *Problem) error {
		p.State, p.Answer, p.AnsweredBy, p.AnsweredAt = ProblemAnswered, answer, by.Account, s.clock()
		return nil
	})
}

func (s *Service) changeProblem(ctx context.Context, number int64, kind string, by approval.Person, change func(*Problem) error) error {
	if by.Account == "" {
		return approval.ErrNobody
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := s.scanProblem(tx.QueryRow(ctx, problemColumns+"WHERE number = $1", number))
		switch {
		case err != nil:
			return err
		case p.State == ProblemAnswered:
			return ErrProblemAnswered
		}
		if err := change(&p); err != nil {
			return err
		}
		body, leaf, err := s.problemFact(ctx, tx, kind, p, by.Account)
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedProblems, number, `UPDATE setup_problems SET state = $2, taken_by = $3, taken_at = $4, answered_by = $5,
			answered_at = $6, leaf = $7, body = $8 WHERE number = $1`,
			number, int64(p.State), p.TakenBy, micro(p.TakenAt), p.AnsweredBy, micro(p.AnsweredAt), leaf, body)
		return err
	})
}

// problemFact records what is done and seals what is said.
func (s *Service) problemFact(ctx context.Context, tx *store.Tx, kind string, p Problem, by string) (body []byte, leaf int64, err error) {
	plain, err := json.Marshal(said{p.State, p.Words, p.Answer})
	if err != nil {
		return nil, 0, err
	}
	if body, err = s.vault.Seal(vault.PurposeConfig, problemWhere(p.Number), nil, plain); err != nil {
		return nil, 0, fmt.Errorf("seal a problem report: %w", err)
	}
	leaf, err = bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: max(s.now().UnixMicro(), 0), IDs: ledger.Pairs{{K: "by", V: ledger.Code(by)}, {K: "of", V: ledger.Code(p.By.Account)}},
		Codes:   ledger.Pairs{{K: "page", V: ledger.Code(p.Page)}, {K: "reference", V: ledger.Code(p.Reference)}},
		Numbers: []ledger.Number{{K: "problem", N: p.Number}},
	})
	if err != nil {
		return nil, 0, fmt.Errorf("record %s: %w", kind, err)
	}
	return body, leaf, nil
}

// said is what is sealed: with the state, so that what was sealed before an answer
// is not taken for what is there after it.
type said struct {
	State  ProblemState `json:"state"`
	Words  string       `json:"words"`
	Answer string       `json:"answer"`
}

func problemWhere(number int64) vault.Where {
	return vault.Where{Table: "setup_problems", Column: "body", Row: strconv.AppendInt(nil, number, 10)}
}

var taggedProblems = &bus.Tagged{Table: "setup_problems", Key: "number", Columns: []string{
	"made_by", "made_id", "made_at", "page", "reference", "state", "taken_by", "taken_at", "answered_by", "answered_at", "leaf",
}}

const problemColumns = `SELECT number, made_by, made_id, made_at, page, reference, state, taken_by, taken_at, answered_by, answered_at, body FROM setup_problems `

func (s *Service) scanProblem(row store.Scanner) (p Problem, err error) {
	var id, sealed []byte
	var made, state, taken, answered int64
	err = row.Scan(&p.Number, &p.By.Account, &id, &made, &p.Page, &p.Reference, &state, &p.TakenBy, &taken, &p.AnsweredBy, &answered, &sealed)
	if errors.Is(err, store.ErrNoRows) {
		return p, ErrNoProblem
	}
	if err != nil {
		return p, fmt.Errorf("read problem report: %w", err)
	}
	p.State, p.MadeAt, p.TakenAt, p.AnsweredAt = ProblemState(state), moment(made), moment(taken), moment(answered)
	if p.By.ID, err = event.IDFromBytes(id); err != nil {
		return p, fmt.Errorf("read problem report %d: %w", p.Number, err)
	}
	plain, err := s.vault.Unseal(vault.PurposeConfig, problemWhere(p.Number), nil, sealed)
	if err != nil {
		return p, fmt.Errorf("read problem report %d: %w", p.Number, err)
	}
	var x said
	if err := json.Unmarshal(plain, &x); err != nil || x.State != p.State {
		return p, fmt.Errorf("read problem report %d: what it says is not what was stored last", p.Number)
	}
	p.Words, p.Answer = x.Words, x.Answer
	return p, nil
}

// Problem returns one; ErrNoProblem where there is none.
func (s *Service) Problem(ctx context.Context, number int64) (Problem, error) {
	return s.scanProblem(s.db.QueryRow(ctx, problemColumns+"WHERE number = $1", number))
}

// OpenProblems are those without an answer, the oldest first, at most a hundred.
func (s *Service) OpenProblems(ctx context.Context) ([]Problem, error) {
	return s.problems(ctx, "WHERE state < 2 ORDER BY number LIMIT 100")
}

// Problems are the newest hundred, of one person or of all (the zero id).
func (s *Service) Problems(ctx context.Context, of event.ID) ([]Problem, error) {
	if of == (event.ID{}) {
		return s.problems(ctx, "ORDER BY number DESC LIMIT 100")
	}
	return s.problems(ctx, "WHERE made_id = $1 ORDER BY number DESC LIMIT 100", of[:])
}

func (s *Service) problems(ctx context.Context, where string, args ...any) ([]Problem, error) {
	out := []Problem{}
	err := s.db.Query(ctx, problemColumns+where, args, func(row store.Scanner) error {
		p, err := s.scanProblem(row)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list problem reports: %w", err)
	}
	return out, nil
}
