package pages

import (
	"crypto/x509"
	"testing"
)

// Plan is what a browser is to look at. It goes to e2e/npm/pages.js as JSON.
type Plan struct {
	Base string `json:"base"` // "https://127.0.0.1:8443"
	// Serve starts what is looked at and returns Base, for a plan that can be begun
	// anew.
	Serve func(*testing.T) string `json:"-"`
	// SignIn are the steps after which the browser is signed in; its cookies are
	// used for every page and job that is not SignedOut.
	SignIn  []Step   `json:"signIn,omitempty"`
	Cookies []Cookie `json:"cookies,omitempty"`
	Pages   []Page   `json:"pages,omitempty"`
	Jobs    []Job    `json:"jobs,omitempty"`
	// People sign in each for themselves, in this order; what one keeps the next may
	// use. Pages and jobs name them by As.
	People []Person `json:"people,omitempty"`
	// Crawl looks at every further page that the looked-at ones lead to.
	Crawl *Crawl `json:"crawl,omitempty"`
	// JobsFirst carries out the jobs before the pages are looked at.
	JobsFirst bool `json:"jobsFirst,omitempty"`
	// Sparse looks at each page wide and light, narrow and dark only.
	Sparse bool `json:"sparse,omitempty"`
	// Bounds in bytes over the wire; 0 is LOOK.md's (120 KB, 15 KB, 25 KB).
	First  int `json:"first,omitempty"`
	Later  int `json:"later,omitempty"`
	Script int `json:"script,omitempty"`
	// Patience is how long a step may take, in milliseconds, before the browser counts
	// as hung; 0 is 90,000. A page has twice as long and a job four times.
	Patience int `json:"patience,omitempty"`

	// Trust are the server's certificates, which then count as good ones. Passkeys
	// need that, and a Base with a name: "https://localhost:8443".
	Trust []*x509.Certificate `json:"-"`
	SPKI  []string            `json:"spki,omitempty"`

	// Console does what somebody at the machine's console would, for steps "console".
	Console func(line string) error `json:"-"`
	Machine string                  `json:"machine,omitempty"`

	Browser string `json:"browser"`
	Shots   string `json:"shots,omitempty"`
}

// Person is somebody with a browser, and an authenticator of their own where the
// steps give one.
type Person struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

// Crawl says which links are followed: one of each shape. Keys are the parts of
// addresses that name one thing among many, beside numbers and ids; Skip are
// regular expressions of addresses that are no pages.
type Crawl struct {
	As   string   `json:"as,omitempty"`
	Keys []string `json:"keys"`
	Skip []string `json:"skip"`
}

// Cookie is one the browser has from the start.
type Cookie struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secure bool   `json:"secure"`
}

// Page is one to look at.
type Page struct {
	Name string `json:"name"` // of its pictures
	Path string `json:"path"`
	// Status is the answer's; 0 is 200.
	Status int `json:"status,omitempty"`
	// Leads: the address leads on to another.
	Leads bool `json:"leads,omitempty"`
	// Expect is a text that must stand there.
	Expect string `json:"expect,omitempty"`
	// Steps lead to what is to be looked at: a form with errors, a second step.
	Steps     []Step `json:"steps,omitempty"`
	SignedOut bool   `json:"signedOut,omitempty"`
	As        string `json:"as,omitempty"` // one of People
	// Script: the page is of no use without JavaScript (passkeys).
	Script bool `json:"script,omitempty"`
	// Later is this page's own bound where it may weigh more.
	Later int `json:"later,omitempty"`
	// Allow names axe rules that do not count, with the reason beside it in Go.
	Allow []string `json:"allow,omitempty"`
	// Further pictures: 320 wide, printed, forced colours.
	Narrow bool `json:"narrow,omitempty"`
	Print  bool `json:"print,omitempty"`
	Forced bool `json:"forced,omitempty"`
}

// Job is something a person does.
type Job struct {
	Name      string `json:"name"`
	Steps     []Step `json:"steps"`
	SignedOut bool   `json:"signedOut,omitempty"`
	As        string `json:"as,omitempty"`   // one of People
	Most      int    `json:"most,omitempty"` // clicks, or Enter and Space; 0 is any
	// Noisy: what the browser's console says does not count, for jobs that break
	// something.
	Noisy bool `json:"noisy,omitempty"`
	// Still: without JavaScript.
	Still bool `json:"still,omitempty"`
	Width int  `json:"width,omitempty"` // 1440 where 0
}

// Step is one thing to do or see, by Do:
//
//	goto Path · fill At Value · type At Value · totp At Secret · select At Value ·
//	check At · file At Value · click At · press Key · tab At (Most, Back) · focus At ·
//	size Width · poke Path (Method) · url Is or Starts · see Text (At, Within) ·
//	not Text (At) · text At Is · value At Is · focused At · visible At · gone At ·
//	keep At Name (Key: an attribute, Code: a pattern) for {{Name}} in later steps and
//	paths · as Name (another of People, in a job) · download At (or Key, where the focus is) Value (a file) ·
//	console Value ·
//	wait At · eval Code · passkey · shot Name · clock · forward Within · without Path
//
// At is a CSS selector of Playwright's. Within is in milliseconds.
type Step struct {
	Do     string `json:"do"`
	At     string `json:"at,omitempty"`
	Path   string `json:"path,omitempty"`
	Method string `json:"method,omitempty"`
	Value  string `json:"value,omitempty"`
	Secret string `json:"secret,omitempty"`
	Key    string `json:"key,omitempty"`
	Text   string `json:"text,omitempty"`
	Is     string `json:"is,omitempty"`
	Starts string `json:"starts,omitempty"`
	Code   string `json:"code,omitempty"`
	Name   string `json:"name,omitempty"`
	Most   int    `json:"most,omitempty"`
	Back   bool   `json:"back,omitempty"`
	Width  int    `json:"width,omitempty"`
	Within int    `json:"within,omitempty"`
}

// Finding is something that is not as it must be.
type Finding struct {
	Page  string `json:"page"`
	Where string `json:"where"`
	Kind  string `json:"kind"`
	Text  string `json:"text"`
}

// Measured is what a page weighs, in bytes over the wire, and what axe could not
// judge.
type Measured struct {
	Page   string   `json:"page"`
	First  int      `json:"first"`
	Later  int      `json:"later"`
	Script int      `json:"script"`
	Unsure []string `json:"unsure"`
}

// Report is what came of a plan.
type Report struct {
	Findings []Finding
	Measured []Measured
	Done     []Done
	Kept     map[string]string
	// Hung says what the browser no longer answered to; the rest is then not whole.
	Hung string
}

// Done is a job that was carried out.
type Done struct {
	Name   string `json:"name"`
	Chosen int    `json:"chosen"` // clicks, Enter and Space
	MS     int    `json:"ms"`
}
