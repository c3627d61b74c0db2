package app

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// A mail about a change of how somebody signs in says what, when and what to do;
// it holds no link that signs in.
func TestLetterAboutAChange(t *testing.T) {
	at := time.Date(2026, 11, 14, 7, 40, 0, 0, time.Local)
	name := func(account string) string { return map[string]string{"okafor": "Ngozi Okafor"}[account] }
	own := access.Letter{ID: event.NewID(), To: "lena@lab.example", Name: "Lena Hahn", Notice: access.Notice{What: access.WayAdded, Way: "passkey", Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}, At: at}}
	m := letter("Millbrook Laboratory", "https://lab.example", own, name, at)
	for _, want := range []string{"Lena Hahn,", "A passkey was added to your account.", "Firefox on Linux at 192.0.2.7.", "14 November 2026, 07:40", "open https://lab.example/me, answer that it was not you"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("it does not say %q:\n%s", want, m.Text)
		}
	}
	if m.Subject != "Labwarden at Millbrook Laboratory: how you sign in was changed" || m.ID != own.ID.String() {
		t.Errorf("%+v", m)
	}
	own.Notice.What, own.Notice.Way, own.Notice.By, own.Notice.Device = access.WayRemoved, "all", "okafor", access.Device{}
	m = letter("Millbrook Laboratory", "", own, name, at)
	if !strings.Contains(m.Text, "Ngozi Okafor removed every way to sign in from your account.\n14 November") || !strings.Contains(m.Text, "sign in to Labwarden and open My security") {
		t.Error(m.Text)
	}
}
