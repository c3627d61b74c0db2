package accessui

import (
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// wayNames are the ways as a notice names them, with the verb that follows.
var wayNames = map[string][2]string{
	"passkey": {"a passkey", "was"}, "password": {"the password", "was"}, "totp": {"the authenticator app", "was"}, "recovery": {"the recovery codes", "were"},
	"all": {"every way to sign in", "was"},
}

// NoticeText says a notice in two sentences without the time: for the page of
// one's own security, for Today and for a mail. It names no patient and no secret.
func NoticeText(n access.Notice, name func(account string) string) (title, text string) {
	way, ok := wayNames[n.Way]
	if !ok {
		way = [2]string{otherwise(n.Way, "a way to sign in"), "was"}
	}
	// did says who did it, or only that it was done in a session of the person.
	did := func(verb, what, was, rest string) string {
		if n.By != "" {
			return name(n.By) + " " + verb + " " + what + rest
		}
		return upperFirst(what) + " " + was + " " + verb + rest
	}
	switch n.What {
	case access.WayAdded:
		title = did("added", way[0], way[1], " to your account.")
	case access.WayChanged:
		title = did("changed", way[0], way[1], " for your account.")
	case access.WayRemoved:
		title = did("removed", way[0], way[1], " from your account.")
	case access.WayUsed:
		title = "A recovery code was used to sign in as you."
	case access.MailChanged:
		title = did("changed", "the mail address of your account", "was", ".")
	case access.RecoveryMade:
		title = did("made", "a link that opens your account and lets its holder set a new way to sign in", "was", ".")
	case access.Linked:
		title = did("linked", "your account", "was", " to the sign-in provider.")
	case access.Unlinked:
		title = did("unlinked", "your account", "was", " from the sign-in provider.")
	case access.NewNetwork:
		title = "Somebody signed in as you from a new network."
	case access.Moved:
		title = "Your session was used from another kind of device and was ended."
	default:
		title = "Somebody signed in as you from a new device."
	}
	if n.By == "" && n.Device.Name != "" {
		text = n.Device.Name
		if n.Device.Network != "" {
			text += " at " + n.Device.Network
		}
		text += "."
	}
	return title, text
}

// noticeLine is a notice with its time.
func noticeLine(n access.Notice, name func(string) string, now time.Time) string {
	title, text := NoticeText(n, name)
	if text != "" {
		title += " " + text
	}
	return title + " " + kit.Clock(n.At, now) + "."
}
