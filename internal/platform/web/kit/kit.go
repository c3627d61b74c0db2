package kit

import "github.com/a-h/templ"

// Shell is the frame of every page.
type Shell struct {
	Lab string // the laboratory's name
	Nav []NavItem
	Me  *Me // nil before the sign-in
	// Banner stands above everything: break-glass is open, maintenance, views closed.
	Banners []Banner
	Nonce   string // of the content security policy
	Path    string // of this request
	Clock   string // when this page was drawn, "07:40"
	// Report is where a problem is reported; empty where it cannot be. Here is the
	// shape of this page's address, "/results/{id}", and goes along.
	Report, Here string
}

// NavItem is an entry of the menu. What is switched off has none.
type NavItem struct {
	Name, Href, Icon string
	// Count stands behind it where something waits; Bad is red; CountWord is what
	// it counts, for those who hear the page.
	Count     int
	Bad       bool
	CountWord string
}

// Me is who is signed in.
type Me struct{ Name, Role string }

// Banner is a sentence over the whole width.
type Banner struct {
	State  State
	Text   string
	Action *Action
}

// Page is one page within the shell.
type Page struct {
	// Title stands in the window; Lead is the sentence that answers (h1), Rest its
	// quieter end.
	Title, Lead, Rest string
	// Eyebrow is the line above, Crumbs the way here; one of them.
	Eyebrow string
	Crumbs  []Crumb
	// Nav is the menu entry it belongs to, by its Href.
	Nav string
	// Tools stand beside the heading; nil for none.
	Tools templ.Component
	Body  templ.Component
	// Live are the topics whose change draws the page again, by a GET of the same
	// address; none: a still page. An answer to a POST must be still.
	Live []string
	// Status is the answer's; 0 is 200.
	Status int
	// Notice says once what was just done; NoticeState is its state, Fine where
	// nothing is said.
	Notice      string
	NoticeState State
	// Bare is a page without menu: sign-in, the first administrator, a printed sheet.
	Bare bool
}

// Crumb is a step of the way to a page.
type Crumb struct{ Name, Href string }

// Action is the one thing to do: a link, or with Post a form.
type Action struct {
	Text, Href string
	Post       bool
	Primary    bool
	Icon       string
}

// State is how something is: shape, word and colour.
type State int

// The states.
const (
	Unknown State = iota // dashed ring: not known, not yet, planned
	Fine                 // disc with tick
	Warn                 // triangle: needs somebody
	Stopped              // octagon with cross
)
