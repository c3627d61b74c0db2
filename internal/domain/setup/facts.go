package setup

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Facts is what a laboratory has so far, as it was looked at just now. Nothing of
// it is remembered from a form: a step of the set-up is done when this says so.
type Facts struct {
	At  time.Time
	Lab string
	// Revision in force; 0 when none was applied.
	Revision int64
	// Seals open the vault; Unattended: one of them needs no person.
	Seals      int
	Unattended bool
	// Shares of Threshold recover everything; 0 when none were handed out.
	Shares, Threshold int
	SharesAt          time.Time
	SharesSet         string // names the shares that belong together
	// Administrators hold the role, Appliers may apply what another wrote,
	// Directing decide what is the director's.
	Administrators, Appliers, Directing int
	// OneHand: all appliers were brought in by one person and nobody else has confirmed
	// any of them; then none of them is another's second person.
	OneHand           bool
	Sources, Partners []Heard
	// Carrying routes are the path; the others compare or run beside it.
	Routes, Carrying int
	Witnesses        int
	OnCall           int // people
	Heartbeat        bool
	PublicURL        string
}

// Heard is a channel and when it was heard of last; zero where it never was, or
// not lately.
type Heard struct {
	Key, Name, Kind string
	// Last is a source's last message, or a partner's last acceptance. Tested is
	// when the last test message to it was accepted.
	Last, Tested time.Time
}

// answers says whether something of the partner's takes what is sent; a folder, a
// box and the portal are ours.
func (h Heard) answers() bool {
	return h.Kind != "folder" && h.Kind != "box" && h.Kind != "portal"
}

// Stand is how a step of the set-up stands.
type Stand int

// The stands.
const (
	StandMissing Stand = iota
	StandAdvised       // works without, and should not stay so
	StandDone
)

// SetupStep is one step of a first set-up.
type SetupStep struct {
	Stand       Stand
	Name        string // of the stage: "Keys"
	Title, Text string
	Action      string // what to do next; empty for nothing
	Href        string
}

// Steps of the set-up, in their order. confirmed is the set of shares of which a
// person has shown a paper; empty for none.
func Steps(f Facts, confirmed string) []SetupStep {
	return []SetupStep{labStep(f), keysStep(f), sharesStep(f, confirmed), peopleStep(f), lisStep(f), partnerStep(f), callStep(f), witnessStep(f)}
}

// Ready says whether every step is done that nothing works without.
func Ready(steps []SetupStep) bool {
	for _, s := range steps {
		if s.Stand == StandMissing {
			return false
		}
	}
	return true
}

func labStep(f Facts) SetupStep {
	s := SetupStep{Name: "Laboratory", Href: "/config"}
	if f.Revision == 0 {
		s.Title, s.Text, s.Action = "No configuration is in force", "Start the hub with its configuration file once.", ""
		return s
	}
	s.Stand, s.Title, s.Text = StandDone, f.Lab+" has a configuration", fmt.Sprintf("Revision %d is in force.", f.Revision)
	return s
}

func keysStep(f Facts) SetupStep {
	s := SetupStep{Name: "Keys", Href: "/keys", Action: "Look at keys"}
	switch {
	case f.Seals == 0:
		s.Title, s.Text = "Nothing opens the vault", "This cannot be on a running hub: look at the keys."
	case !f.Unattended:
		s.Stand, s.Title = StandAdvised, "Every seal needs a person"
		s.Text = "After a power cut no result flows until somebody has come. Add a seal that needs nobody: a key file, a TPM or a credential of the service manager."
	case f.Seals == 1:
		s.Stand, s.Title, s.Text = StandAdvised, "One seal opens the vault", "If it is lost, only the recovery shares open it. Add a second one."
	default:
		s.Stand, s.Title, s.Text, s.Action = StandDone, fmt.Sprintf("%d seals open the vault", f.Seals), "One of them needs no person: results flow again after a power cut.", ""
	}
	return s
}

func sharesStep(f Facts, confirmed string) SetupStep {
	s := SetupStep{Name: "Recovery", Href: "/setup/shares", Action: "Show one"}
	switch {
	case f.Shares == 0:
		s.Stand, s.Title, s.Text, s.Href, s.Action = StandAdvised, "There are no recovery shares", "If every seal is lost, everything is.", "/keys", "Look at keys"
	case confirmed != f.SharesSet || confirmed == "":
		s.Stand, s.Title = StandAdvised, "Nobody has shown yet that the recovery shares are kept"
		s.Text = fmt.Sprintf("%d were handed out, any %d of them open everything. They are stored nowhere here: Labwarden cannot look.", f.Shares, f.Threshold)
	default:
		s.Stand, s.Title, s.Action = StandDone, "A recovery share was shown", ""
		s.Text = fmt.Sprintf("%d were handed out, any %d of them open everything.", f.Shares, f.Threshold)
	}
	return s
}

func peopleStep(f Facts) SetupStep {
	s := SetupStep{Name: "People", Href: "/people", Action: "Open people"}
	switch {
	case f.Administrators == 0:
		s.Title, s.Text = "There is no administrator who can sign in", "The console prints a one-time link: labwarden access first."
	case f.Appliers < 2:
		s.Stand, s.Title = StandAdvised, "Only one person may apply a change"
		s.Text = "What one person writes another applies. Until there is a second one, each change is applied alone, with a statement that another role reviews."
	case f.OneHand:
		s.Stand, s.Title = StandAdvised, "Nobody counts as a second person yet"
		s.Text = "One person let everybody in, and nobody else has confirmed that these are the people they are said to be. When you know that the security officer came in themselves, confirm them once at the console of the machine: labwarden access confirm ACCOUNT. They confirm the others on their pages."
	case f.Directing == 0:
		s.Stand, s.Title = StandAdvised, "Nobody holds the laboratory director's role"
		s.Text = "No route may begin to carry, and no clinical act is allowed, until there is a director or a delegate."
	default:
		s.Stand, s.Action = StandDone, ""
		s.Title, s.Text = fmt.Sprintf("%d people may apply what somebody else wrote", f.Appliers), fmt.Sprintf("%d may decide what is the director's.", f.Directing)
	}
	return s
}

func lisStep(f Facts) SetupStep {
	s := SetupStep{Name: "LIS", Href: "/setup/source", Action: "Add a source"}
	var last time.Time
	for _, x := range f.Sources {
		if x.Last.After(last) {
			last = x.Last
		}
	}
	switch {
	case len(f.Sources) == 0:
		s.Title, s.Text = "Nothing sends to Labwarden", "Add the laboratory's system as a source: where it connects and whom we let in."
	case last.IsZero():
		s.Stand, s.Title, s.Text, s.Action = StandMissing, "No message has come in lately", "The listener is open. Let the laboratory's system send one: it is kept and goes nowhere while every route is in shadow.", "Add another"
	default:
		s.Stand, s.Title, s.Text, s.Action = StandDone, "The laboratory's system sends", fmt.Sprintf("The last message came at %s.", atMoment(last)), ""
	}
	return s
}

// atMoment is a time as a sentence has it, in the time of this machine.
func atMoment(t time.Time) string { return t.Local().Format("15:04 on 2 January 2006") }

func partnerStep(f Facts) SetupStep {
	s := SetupStep{Name: "Partner", Href: "/setup/partner", Action: "Add a partner"}
	if len(f.Partners) == 0 {
		s.Title, s.Text = "Nobody receives results", "Add the first partner: a form writes the draft, and it ends in a test message."
		return s
	}
	answering := slices.Clone(f.Partners)
	slices.SortStableFunc(answering, func(a, b Heard) int { // who answers proves more
		switch {
		case a.answers() == b.answers():
			return 0
		case !a.answers():
			return 1
		}
		return -1
	})
	for _, p := range answering {
		if !p.Tested.IsZero() || !p.Last.IsZero() {
			s.Stand, s.Title, s.Action = StandDone, p.Name+"'s system has accepted something of ours", ""
			if !p.answers() { // nobody answers there: a file placed is nothing accepted
				s.Title, s.Text = "Results are placed for "+p.Name, "Nobody answers there: whether they are collected is not seen from here."
			} else if !p.Tested.IsZero() {
				s.Text = fmt.Sprintf("A test message was accepted at %s.", atMoment(p.Tested))
			}
			return s
		}
	}
	p := f.Partners[0]
	s.Title, s.Text = "No partner's system has accepted anything lately", "A test message says whether the line works. It is plainly a test and belongs to no patient."
	s.Href, s.Action = "/partners/"+p.Key+"/test", "Send a test"
	return s
}

func callStep(f Facts) SetupStep {
	s := SetupStep{Name: "Alarms", Href: "/config", Action: "Configuration"}
	switch {
	case f.OnCall == 0:
		s.Stand, s.Title, s.Text = StandAdvised, "Alarms reach nobody", "Write who is on call (alarms.on_call): until then alarms stand on Today only."
	case !f.Heartbeat:
		s.Stand, s.Title, s.Text = StandAdvised, "A dead hub would not be noticed from outside", "Let a second machine watch it (alarms.heartbeat)."
	default:
		s.Stand, s.Title, s.Text, s.Action = StandDone, fmt.Sprintf("%d people are on call, and a second machine watches", f.OnCall), "", ""
	}
	return s
}

func witnessStep(f Facts) SetupStep {
	s := SetupStep{Name: "Witness", Href: "/config", Action: "Configuration"}
	if f.Witnesses == 0 {
		s.Stand, s.Title, s.Text = StandAdvised, "Nobody outside keeps our checkpoints", "A database rolled back to yesterday would not be noticed. Two kinds of witness are advised."
		return s
	}
	s.Stand, s.Action = StandDone, ""
	s.Title = "1 witness keeps our checkpoints"
	if f.Witnesses > 1 {
		s.Title = fmt.Sprintf("%d witnesses keep our checkpoints", f.Witnesses)
	}
	return s
}

// Lately remembers what was looked at for a while: for Today, which is drawn
// often. The answer says when it was looked at.
func Lately(look func(context.Context) (Facts, error), keep time.Duration, now func() time.Time) func(context.Context) (Facts, error) {
	var mu sync.Mutex
	var last Facts
	return func(ctx context.Context) (Facts, error) {
		mu.Lock()
		defer mu.Unlock()
		if age := now().Sub(last.At); !last.At.IsZero() && age >= 0 && age < keep {
			return last, nil
		}
		f, err := look(ctx)
		if err == nil {
			last = f
		}
		return f, err
	}
}
