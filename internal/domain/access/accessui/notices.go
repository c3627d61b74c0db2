package accessui

import (
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// wayNames are the ways as a notice names them.
var wayNames = map[string]string{"passkey": "a passkey", "password": "the password", "totp": "the authenticator app", "recovery": "the recovery codes", "all": "every way to sign in"}

// NoticeText says a notice in two sentences without the time: for the page of
// one's own security, for Today and for a mail. It names no patient and no secret.
func NoticeText(n access.Notice, name func(account string) string) (title, text string) {
	who := "Somebody signed in as you"
	if n.By != "" {
		who = name(n.By)
	}
	way := wayNames[n.Way]
	if way == "" {
		way = n.Way
	}
	switch n.What {
	case access.WayAdded:
		title = who + " added " + way + " to your account."
	case access.WayChanged:
		title = who + " changed " + way + " of your account."
	case access.WayRemoved:
		title = who + " removed " + way + " from your account."
	case access.WayUsed:
		title = "A recovery code was used to sign in as you."
	case access.MailChanged:
		title = who + " changed the mail address of your account."
	case access.RecoveryMade:
		title = who + " made a link that opens your account and lets its holder set a new way to sign in."
	case access.Linked:
		title = who + " linked your account to the sign-in provider."
	case access.Unlinked:
		title = who + " unlinked your account from the sign-in provider."
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
