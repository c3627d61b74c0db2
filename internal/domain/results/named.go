package results

import (
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Named is By for what a particular person answers for. There are no roles yet:
// the person is named by whoever types, the account is what the kernel says of
// the socket's other end, and both go into the ledger. By.Who is the account.
type Named struct {
	By
	Person string // as staff know each other; at most 100 bytes
}

func (n Named) check() error {
	if strings.TrimSpace(n.Person) == "" || len(n.Person) > 100 {
		return fmt.Errorf("%w: name the person who does this, in at most 100 bytes", ErrInvalid)
	}
	return n.By.check()
}

// same tells whether two names are one person's, as far as spelling goes.
func samePerson(a, b string) bool {
	f := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
	return f(a) == f(b)
}

// ids are the pairs that name who did it.
func (n Named) ids() ledger.Pairs {
	return n.under(ledger.Pairs{{K: "by", V: ledger.Code(n.Person)}, {K: "account", V: ledger.Code(n.Who)}})
}

// itself is the hub acting by its own rules.
func itself(reason string) Named {
	return Named{By{Who: "labwarden", Reason: reason}, "labwarden"}
}
