package setupui

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Keys are the laboratory's keys. Neither method gives one out.
type Keys interface {
	Keys(ctx context.Context) (vault.Status, error)
	// Rotate makes new keys for these purposes ("signer" is the signing key), in
	// this order, and records each before it is made.
	Rotate(ctx context.Context, what []string, by, reason string) error
}

// Secrets are the values behind vault:NAME. No method gives one out.
type Secrets interface {
	Secrets(ctx context.Context) ([]Secret, error)
	SetSecret(ctx context.Context, name string, value []byte, by string) error
	RemoveSecret(ctx context.Context, name, by string) error
}

// Secret is one stored secret without its value.
type Secret struct {
	Name  string    `json:"name"`
	SetAt time.Time `json:"set_at"`
	SetBy string    `json:"set_by"`
	Used  bool      `json:"used" doc:"the configuration in force names it"`
}

// Dates are ends that never stop results by themselves.
type Dates interface {
	Dates(ctx context.Context) ([]Date, error)
	// Extend lets a channel ("partner riverside") keep its state for 72 h.
	Extend(ctx context.Context, channel, by, reason string) (until time.Time, err error)
}

// Date is an end that somebody must see to.
type Date struct {
	Channel string    `json:"channel"`
	Kind    string    `json:"kind"`
	Ends    time.Time `json:"ends"`
	Words   string    `json:"words"`
	Advice  string    `json:"advice"`
	Owner   string    `json:"owner,omitempty"`
	Due     bool      `json:"due" doc:"within 30 days, or past"`
	Past    bool      `json:"past"`
	// Extended until, zero where nobody did.
	Extended time.Time `json:"extended_until,omitzero"`
	// MayExtend: it ends within seven days and a person may move it.
	MayExtend bool `json:"may_extend"`
}

// Witnessing is how the ledger stands with its witnesses.
type Witnessing interface {
	Witnesses(ctx context.Context) (Witnessed, error)
	// Decide records that a person has looked at all alarms of the ledger and takes
	// it as it is.
	Decide(ctx context.Context, by, reason string) error
}

// Witnessed is what is known of the witnesses.
type Witnessed struct {
	// Elsewhere names the node that asks them; empty where it is this one.
	Elsewhere string `json:"elsewhere,omitempty"`
	// Closed is why views of patient data are closed; empty: they are open.
	Closed    string    `json:"closed,omitempty"`
	Alarms    []string  `json:"alarms"`
	Signed    int64     `json:"signed"`
	Witnesses []Witness `json:"witnesses"`
}

// Witness is one of them.
type Witness struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	Confirmed int64     `json:"confirmed" doc:"size of the ledger it has confirmed last"`
	At        time.Time `json:"at,omitzero"`
	Late      bool      `json:"late"`
	Problem   string    `json:"problem,omitempty"`
}

// more are the other pages of this domain, as the list of settings shows them.
func (d Deps) more() []setting {
	var out []setting
	add := func(there bool, needs authz.Permission, icon, name, href, text string) {
		if there {
			out = append(out, setting{needs, kit.LedgerItem{Icon: icon, Name: name, Href: href, Text: text}})
		}
	}
	add(true, authz.RoutesSee, "next", "Routes", "/routes", "Which results go where, and how far each route is on its way to carrying.")
	add(d.Keys != nil, authz.KeysSee, "key", "Keys", "/keys", "What opens the vault, recovery shares, which keys are how old.")
	add(d.Secrets != nil, authz.SecretsSet, "hide", "Secrets", "/secrets", "Passwords, tokens and keys the configuration names. No page shows a value.")
	add(d.Dates != nil, authz.ConfigSee, "calendar", "Dates", "/dates", "Certificates and exceptions that end, and who sees to them.")
	add(d.Witnessing != nil, authz.KeysSee, "show", "Witnesses", "/witnesses", "Who outside keeps our checkpoints, and what stands undecided.")
	add(true, authz.AlarmsSee, "maintenance", "Maintenance", "/maintenance", "Windows in which nobody is called about what is being worked on.")
	add(d.Bundles != nil, authz.SupportMake, "download", "Support bundle", "/support", "A file for who helps, with the proof that it names no patient.")
	add(true, authz.ProblemsAnswer, "inbox", "Reported problems", "/problems", "What people say does not work in Labwarden, and what was answered.")
	add(true, authz.APIDescribe, "api", "API", "/api", "Everything the pages do, for programs: described, and to try.")
	return out
}
