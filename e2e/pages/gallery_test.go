package pages

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// The gallery draws every component of the kit, with invented things in it.

// noon is the gallery's time: pictures stay alike.
func noon() time.Time { return time.Date(2026, 11, 21, 7, 40, 12, 0, time.Local) }

func shell() kit.Shell {
	return kit.Shell{
		Lab: "Millbrook Laboratory", Clock: "07:40", Me: &kit.Me{Name: "Dana Reyes", Role: "IT and security"},
		Nav: []kit.NavItem{
			{Name: "Today", Href: "/", Icon: "today"},
			{Name: "Results", Href: "/results", Icon: "results", Count: 14, Bad: true, CountWord: "waiting"},
			{Name: "Quarantine", Href: "/quarantine", Icon: "inbox", Count: 2, CountWord: "held"},
			{Name: "Partners", Href: "/partners", Icon: "partners"},
			{Name: "Alarms", Href: "/alarms", Icon: "alarm", Count: 1, CountWord: "open"},
			{Name: "People", Href: "/people", Icon: "people"},
			{Name: "Access", Href: "/access", Icon: "access"},
			{Name: "Record", Href: "/record", Icon: "record"},
			{Name: "Settings", Href: "/settings", Icon: "settings"},
		},
	}
}

type card struct {
	path string
	page func(r *http.Request) kit.Page
}

func cards() []card {
	drawn := new(atomic.Int64)
	return []card{
		{"/", todayPage},
		{"/results", tablePage},
		{"/results/one", resultPage},
		{"/forms", formPage},
		{"/forms/wrong", wrongPage},
		{"/forms/confirm", confirmPage},
		{"/parts", partsPage},
		{"/sign-in", signInPage},
		{"/sheet", sheetPage},
		{"/wizard", wizardPage},
		{"/nothing", emptyPage},
		{"/live-page", func(*http.Request) kit.Page { return livePage(drawn) }},
	}
}

func all(cs ...templ.Component) templ.Component { return templ.Join(cs...) }

func days() []int {
	return []int{1, 2, 3, 8, 12, 14, 12, 12, 10, 12, 14, 13, 12, 11, 10, 7, 6, 7, 5, 5, 3, 2, 11, 17}
}

func todayPage(*http.Request) kit.Page {
	row := func(s kit.State, name, by string, ack, waiting int, last string) kit.Row {
		text, wait := "Results per hour over the last 24 hours, at most 17 in an hour; all acknowledged", []int(nil)
		w := kit.CNum(waiting)
		if waiting > 0 {
			wait = make([]int, 24)
			wait[23] = 14
			text = "Results per hour over the last 24 hours, at most 17 in an hour; the 14 since 06:52 are waiting"
			w = kit.Cell{Text: kit.Count(waiting), Sub: "oldest 48 min", Bad: true}
		}
		return kit.Row{At: waiting > 0, Cells: []kit.Cell{
			{Text: name, Href: "/partners/x", Sub: by, State: &s},
			kit.CBody(kit.Bars(kit.BarsOpts{Counts: days(), Waiting: wait, Most: 36, Text: text})),
			kit.CNum(ack), w, kit.CNum(0), kit.C(last),
		}}
	}
	todo := kit.Sheet(kit.SheetOpts{Title: "Needs you", Sub: "most urgent first", Body: kit.Todo([]kit.TodoItem{
		{State: kit.Stopped, Title: "14 results are waiting for Northgate Clinic", Text: "Their server has refused us since 06:52. All 14 are kept; we retry every 30 seconds.", Action: &kit.Action{Text: "See what to do", Href: "/partners/northgate", Primary: true}},
		{State: kit.Warn, Title: "2 messages are in quarantine", Text: "Both came from the LIS at 07:12 without a patient identifier. Nothing was sent on.", Action: &kit.Action{Text: "Look at them", Href: "/quarantine"}},
		{State: kit.Warn, Title: "A draft of the configuration waits for a second person", Text: "M. Okafor asked at 07:20. It adds a route to Harbor Reference Lab.", Action: &kit.Action{Text: "Review it", Href: "/settings"}},
	})})
	flow := kit.Sheet(kit.SheetOpts{Title: "Results, last 24 hours", More: &kit.Action{Text: "All results", Href: "/results"}, Body: all(
		kit.Sums([]kit.Sum{{N: "1,284", Word: "acknowledged"}, {N: "14", Word: "waiting", Bad: true}, {N: "0", Word: "failed"}, {N: "unknown", Word: "unaccounted for"}}),
		kit.DataTable(kit.Table{
			Caption: "Results per partner", Flow: true,
			Columns: []kit.Column{{Name: "Partner"}, {Name: "Per hour"}, {Name: "Acknowledged", Num: true}, {Name: "Waiting", Num: true}, {Name: "Failed", Num: true}, {Name: "Last reply", Num: true, Wide: true}},
			Rows: []kit.Row{
				row(kit.Stopped, "Northgate Clinic", "HL7 over TLS", 198, 14, "06:52"),
				row(kit.Fine, "Riverside Family Practice", "HL7 over TLS", 412, 0, "07:39"),
				row(kit.Fine, "County Health Department", "SFTP, hourly batch", 88, 0, "07:00"),
				row(kit.Unknown, "Dr. A. Lindqvist", "Encrypted message", 11, 0, "not known"),
			},
		}),
		kit.Foot(kit.Fine, "Counted against five of six partners at 23:30 last night: every result we sent, they hold."),
		kit.Foot(kit.Unknown, "Dr. A. Lindqvist sends no list, so it cannot be counted."),
	)})
	led := kit.Sheet(kit.SheetOpts{Title: "Protection", Body: kit.Ledger([]kit.LedgerItem{
		{State: kit.Unknown, Word: "Not yet", Name: "Channels", Href: "/partners", Value: kit.Strong("21") + " of 23 encrypted", Chart: kit.Squares(squares(21, 2), "21 of 23 channels are encrypted"), Text: "H-1 and U-3 get gateways on Tuesday."},
		{State: kit.Fine, Name: "Record", Href: "/record", Value: "checked " + kit.Strong("07:39"), Text: "481,992 lines, every one matches its seal."},
		{State: kit.Warn, Name: "Access review", Value: kit.Strong("3") + " to decide", Text: "Due on Monday."},
		{State: kit.Fine, Name: "People", Href: "/people", Value: kit.Strong("31") + " of 34 with a passkey", Chart: kit.Progress(31, 34, "31 of 34 people have a passkey"), Text: "The other three use a password and a code."},
	})})
	return kit.Page{
		Title: "Today", Lead: "Three things need you.", Rest: "Everything else is running.", Eyebrow: "Saturday 21 November", Nav: "/",
		Tools: kit.PrintButton("Morning report"), Body: kit.Columns(all(todo, flow), led), Live: []string{"today"},
	}
}

func squares(on, off int) []kit.Square {
	var s []kit.Square
	for range on {
		s = append(s, kit.SquareOn)
	}
	for range off {
		s = append(s, kit.SquareOff)
	}
	return s
}

func tablePage(r *http.Request) kit.Page {
	v := kit.ReadView(r.URL, 8, "-time", "partner", "order")
	var rows []kit.Row
	type line struct {
		order, test, partner, state string
		s                           kit.State
	}
	for i, l := range []line{
		{"26-118204", "Basic metabolic panel", "Riverside Family Practice", "Accepted", kit.Fine},
		{"26-118205", "Complete blood count", "Northgate Clinic", "Waiting", kit.Stopped},
		{"26-118206", "Hemoglobin A1c", "St. Brigid Hospital", "Accepted", kit.Fine},
		{"26-118207", "Lipid panel", "Northgate Clinic", "Held", kit.Warn},
		{"26-118208", "Urinalysis with a long name that needs two lines", "County Health Department", "Not counted yet", kit.Unknown},
		{"26-118209", "<script>alert(1)</script>", "Harbor Reference Lab", "Accepted", kit.Fine},
	} {
		rows = append(rows, kit.Row{Key: l.order, Cells: []kit.Cell{
			{Text: l.order, Href: "/results/one", Mono: true},
			kit.C(l.test), kit.CLink(l.partner, "/partners/x"),
			kit.CState(l.s, l.state, l.state), kit.CMono(kit.Second(noon().Add(-time.Duration(i)*7*time.Minute), noon())),
		}})
	}
	return kit.Page{
		Title: "Results", Lead: "14 of 1,298 results are waiting.", Rest: "None is lost.", Eyebrow: "Last 24 hours", Nav: "/results", Live: []string{"results"},
		Body: all(
			kit.Tabs("Views", []kit.Tab{{Name: "All", Href: "/results", Current: true}, {Name: "Waiting", Href: "/results?state=waiting", Count: 14}, {Name: "Held", Href: "/results?state=held", Count: 1}}),
			kit.Sheet(kit.SheetOpts{Title: "Results", Sub: "newest first", Body: kit.DataTable(kit.Table{
				Caption: "Results, newest first", View: v, Total: 1298, CSV: true, Rows: rows,
				Filters: []kit.Field{
					{Name: "partner", Label: "Partner", Kind: kit.SelectField, Value: v.Get("partner"), Options: []kit.Option{{Text: "Every partner"}, {Value: "riverside", Text: "Riverside Family Practice"}}},
					{Name: "state", Label: "State", Kind: kit.SelectField, Value: v.Get("state"), Options: []kit.Option{{Text: "Any"}, {Value: "waiting", Text: "Waiting"}}},
					{Name: "from", Label: "From", Kind: kit.DateField, Value: v.Get("from")},
				},
				Columns: []kit.Column{{Name: "Order", Sort: "order"}, {Name: "Test"}, {Name: "Partner", Sort: "partner"}, {Name: "State"}, {Name: "Time", Sort: "time"}},
			})}),
		),
	}
}

func resultPage(*http.Request) kit.Page {
	journey := kit.Sheet(kit.SheetOpts{Title: "Its journey", Sub: "19 min 38 s in all, today", Body: all(
		kit.Lane([]kit.Leg{{Seconds: 1, Text: "1 s to the LIS"}, {Seconds: 1147, Text: "19 min 7 s until a person released it", Kind: kit.LegHuman}, {Seconds: 30, Text: "30 s to Riverside and back", Kind: kit.LegSend}}),
		kit.Journey([]kit.Step{
			{Time: "07:19:05", State: kit.Fine, Title: "Received from the LIS", Text: "Said by the LIS: order " + kit.Mono("26-118204") + ", same patient, no duplicate."},
			{Time: "07:38:12", State: kit.Fine, Title: "Signed and sealed", Text: "Fingerprint " + kit.Mono("3f9a 41c7 … d20b") + ", journal line " + kit.Mono("481,992") + ". A later change would not match it."},
			{Time: "07:38:42", State: kit.Warn, Title: "Reached Riverside on the second try", Text: "HL7 over TLS 1.3, byte for byte from the LIS.", Tries: []kit.Try{{Time: "07:38:12", Text: "Sent."}, {Time: "07:38:22", Text: "No answer in 10 seconds. Kept in the queue."}, {Time: "07:38:42", Text: "Sent again, answered at once."}}},
			{Time: "07:38:42", State: kit.Fine, Title: "Accepted by Riverside’s system", Text: "Their reply " + kit.Mono("AA") + " names the LIS’s control id " + kit.Mono("MB90417") + "."},
			{Time: "23:30", State: kit.Unknown, Later: true, Title: "Tonight: counted against Riverside’s own list", Text: "We compare what we sent with what they hold. Until then we do not say that Riverside has it."},
		}))})
	sent := kit.Sheet(kit.SheetOpts{Title: "What was sent", More: &kit.Action{Text: "Full message (recorded)", Href: "/results/one"}, Body: kit.Pre("The message", []kit.Part{
		{Text: "MSH|^~\\&|LIS|MILLBROOK|EHR|…|MB90417|…\nPID|1||"}, {Hidden: true}, {Text: "||"}, {Hidden: true}, {Text: "||"}, {Hidden: true}, {Text: "|…\nOBR|1|26-118204||80048^BMP|…\nOBX|1|NM|2823-3^K||4.1|mmol/L|3.5-5.1|…\n"},
	})})
	proof := kit.Sheet(kit.SheetOpts{Title: "Proof", Sub: "checked now, on this machine", Body: all(kit.Checks([]kit.Check{
		{State: kit.Fine, Title: "The signature is this lab’s", Text: "Key " + kit.Mono("millbrook-2026") + ", valid to 31 Dec"},
		{State: kit.Fine, Title: "The journal line matches its seal", Text: "Line " + kit.Mono("481,992") + " agrees with the sealed total from 07:39"},
		{State: kit.Unknown, Title: "Not counted yet", Text: "Riverside’s list comes at 23:30"},
	}), kit.Acts(kit.Action{Text: "Check again", Href: "/results/one", Post: true, Icon: "check"}, kit.Action{Text: "Send again", Href: "/results/one"}, kit.Action{Text: "Hold", Href: "/results/one"}))})
	return kit.Page{
		Title: "Result 26-118204", Lead: "Basic metabolic panel", Rest: "for order " + kit.Mono("26-118204"), Nav: "/results",
		Crumbs: []kit.Crumb{{Name: "Results", Href: "/results"}, {Name: "Riverside Family Practice", Href: "/partners/x"}},
		Tools:  kit.PrintButton("Print"),
		Body: all(
			kit.Verdict(kit.Fine, "Riverside’s system accepted this result.", "Acknowledged at 07:38:42, thirty seconds after release. Same values as the LIS sent.", &kit.Action{Text: "Download proof", Href: "/results/one", Primary: true, Icon: "proof"}),
			kit.Facts([]kit.KV{
				{Key: "Patient", Body: kit.Masked(kit.MaskedOpts{Masked: "J. M., born 1961", Reveal: "/results/one"})},
				{Key: "Ordered by", Value: "Dr. P. Sandoval, Riverside"},
				{Key: "Collected", Value: "06:55, tube " + kit.Mono("L0O1-7I88")},
			}),
			kit.Columns(all(journey, sent), proof),
		),
	}
}
