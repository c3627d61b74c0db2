package signin

import (
	"net/url"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestProviderSessionOfYesterday: single sign-on that is older than any session here
// is not taken, where the provider says how old it is; where it does not, it is one
// factor and not fresh.
func TestProviderSessionOfYesterday(t *testing.T) {
	a := withProvider(t, sqliteRig(t))
	to, _, err := a.BeginProvider(t.Context(), desk, "/")
	a.must(err)
	u, err := url.Parse(to)
	a.must(err)
	if q := u.Query(); q.Get("max_age") != "43200" || q.Get("prompt") != "" {
		t.Errorf("a sign-in asks %s", to)
	}
	for name, c := range map[string]struct {
		at   any
		want Reason
	}{
		"just now":       {a.clock.now().Unix(), ""},
		"this morning":   {a.clock.now().Add(-11 * time.Hour).Unix(), ""},
		"yesterday":      {a.clock.now().Add(-13 * time.Hour).Unix(), Stale},
		"tomorrow":       {a.clock.now().Add(time.Hour).Unix(), Stale},
		"before time":    {-5, Stale},
		"it is not said": {nil, ""},
	} {
		a.idp.twist = func(m map[string]any) { m["auth_time"] = c.at }
		step, _, err := a.trip(desk)
		if reason(err) != c.want || err == nil && step.Level != authz.LevelPassword {
			t.Errorf("%s: %+v %v", name, step, err)
		}
	}
}
