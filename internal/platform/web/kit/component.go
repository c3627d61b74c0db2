package kit

import "github.com/a-h/templ"

// SheetOpts are a white panel. What stands in it are the children, or Body.
type SheetOpts struct {
	Title, Sub string
	More       *Action // a quiet link at the right
	Body       templ.Component
	ID         string // for links to it; made from Title where empty
	// Pad gives the body the panel's own margin; lists and tables have theirs.
	Pad bool
}

// TodoItem is something that needs somebody.
type TodoItem struct {
	State       State
	Title, Text string
	Action      *Action
	// Since is a short time beside the text, "since 06:52"; may be empty.
	Since string
	Icon  string // instead of a state, where the item leads on and stands for none
}

// LedgerItem is a line of an overview: state, name, a value, a sentence.
type LedgerItem struct {
	State             State
	Word              string // of the state; empty is the usual word
	Name, Href, Value string // Value may hold Strong parts
	Chart             templ.Component
	Text              string
	Icon              string // instead of a state, where the line leads on and stands for none
}

// Sum is a number with its word.
type Sum struct {
	N    string // Count(n), or "unknown"
	Word string
	Bad  bool
}

// Check is one thing that was looked at, and how it stands.
type Check struct {
	State       State
	Word        string
	Title, Text string
}

// KV is a name and what it is. Body stands instead of Value where it is more
// than text.
type KV struct {
	Key, Value string
	Mono       bool
	Body       templ.Component
}

// Step is a line of a journey.
type Step struct {
	Time        string
	State       State
	Word        string
	Title, Text string
	Tries       []Try
	// Later has not happened yet.
	Later bool
}

// Try is one of several times something was tried.
type Try struct{ Time, Text string }

// Leg is a part of the bar over a journey, as long as it took.
type Leg struct {
	Seconds float64
	Text    string
	Kind    LegKind
}

// LegKind is how a part of the bar is drawn.
type LegKind int

// The kinds.
const (
	LegWork LegKind = iota // a machine's
	LegSend                // ours
	LegHuman
	LegWait // something was wrong
)

// Column of a table.
type Column struct {
	Name string
	// Sort is the name in the URL; empty: cannot be sorted by.
	Sort string
	Num  bool
	// Label is the word behind a number on a narrow screen; Name in lower case
	// where empty.
	Label string
	// Wide columns are left out on a narrow screen.
	Wide bool
}

// Cell of a table.
type Cell struct {
	Text, Sub string // Sub is a quieter second line
	Href      string
	State     *State // drawn in front
	Word      string // the state's word
	Mono      bool
	Zero      bool // quiet: nothing to see
	Bad       bool
	Body      templ.Component
}

// Row of a table; At is the one that needs somebody.
type Row struct {
	Cells []Cell
	At    bool
	// Key tells rows apart when the page is drawn again; where it is empty, the
	// first cell's address does.
	Key string
}

// Table is rows with everything around them.
type Table struct {
	// Caption says to those who hear the page what the table is.
	Caption string
	Columns []Column
	Rows    []Row
	View    View
	Total   int
	// Filters stand above it as one form.
	Filters []Field
	// CSV offers the same rows as a file.
	CSV bool
	// Empty is what stands there when there are no rows: a sentence.
	Empty string
	// Act is what to do then.
	Act *Action
	// Flow draws it like the list of partners on Today: state first, chart.
	Flow bool
}

// C is a cell of text.
func C(text string) Cell { return Cell{Text: text} }

// CNum is a cell with a number; nothing is drawn quietly.
func CNum(n int) Cell { return Cell{Text: Count(n), Zero: n == 0} }

// CLink is a cell that leads on.
func CLink(text, href string) Cell { return Cell{Text: text, Href: href} }

// CMono is a cell with an identifier or a time.
func CMono(text string) Cell { return Cell{Text: text, Mono: true} }

// CState is a cell with a state in front.
func CState(s State, word, text string) Cell { return Cell{State: &s, Word: word, Text: text} }

// CBody is a cell that draws itself.
func CBody(c templ.Component) Cell { return Cell{Body: c} }

// Tab is one of several views of a thing.
type Tab struct {
	Name, Href string
	Current    bool
	Count      int
}

// Part of a message: what is hidden is said to be.
type Part struct {
	Text   string
	Hidden bool
}

// DiffLine is a line of a comparison: Op is '+', '-' or ' '.
type DiffLine struct {
	Op   byte
	Text string
}

// Stage is a step of a wizard.
type Stage struct {
	Name, Href string // Href where one can go back to it
	Done       bool
	Current    bool
}

// MaskedOpts is an identity that is not shown.
type MaskedOpts struct {
	Masked string // "J. M., born 1961"
	// Reveal is where the form posts that shows it and records it; empty: this
	// person may not.
	Reveal string
	Hidden map[string]string
	// What is revealed: "name" where empty.
	What string
}

// ConfirmOpts ask once more before something that cannot be undone.
type ConfirmOpts struct {
	Title string // the question
	Text  string // what happens, and what does not
	Facts []KV   // what exactly
	// Action is where the form posts; its handler does it only with confirm=yes.
	Action, Button string
	Cancel         string // where "No, go back" leads
	Hidden         map[string]string
	// Reason asks for one and hands it on as "reason"; ReasonError stands beside
	// it, ReasonValue in it.
	Reason                   bool
	ReasonError, ReasonValue string
	// Type is a word to type, as "typed", for what hurts most; empty asks for none.
	Type, TypeError string
	Bad             bool // draws the button as a dangerous one
}

// Basis is what something rests on; the three are never mixed.
type Basis string

// The three.
const (
	Law      Basis = "Law"
	Proposal Basis = "Proposal"
	Policy   Basis = "Our policy"
)

// Ground is a rule with its basis. Source is where it stands, Read how well that text was
// checked: "read", "second-hand: where", or "check: why".
type Ground struct {
	Basis              Basis
	Text, Source, Read string
}
