package pages

import "testing"

// Every part of the kit, in both themes, wide and narrow, with and without
// JavaScript.
func TestPagesGallery(t *testing.T) {
	plan := Plan{Serve: serve}
	for name, p := range map[string]Page{
		"today":   {Path: "/", Expect: "Three things need you.", Narrow: true, Print: true, Forced: true},
		"results": {Path: "/results", Narrow: true, Print: true},
		"result":  {Path: "/results/one", Narrow: true, Print: true, Forced: true},
		"form":    {Path: "/forms", Expect: "The draft was kept.", Narrow: true},
		"errors":  {Path: "/forms/wrong", Status: 422, Expect: "3 answers need another look", Narrow: true, Forced: true},
		"confirm": {Path: "/forms/confirm"},
		"parts":   {Path: "/parts", Narrow: true, Forced: true},
		"sign-in": {Path: "/sign-in"},
		"paper":   {Path: "/sheet", Print: true},
		"wizard":  {Path: "/wizard"},
		"nothing": {Path: "/nothing"},
		"live":    {Path: "/live-page"},
		"refused": {Path: "/no-such-page", Status: 404, Expect: "There is nothing here."},
	} {
		p.Name = "gallery-" + name
		plan.Pages = append(plan.Pages, p)
	}
	r := Look(t, plan)
	if len(r.Measured) != len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
}

// A page that shows something that changes is drawn again within a second; what
// one has typed and where one is stays.
func TestPagesLive(t *testing.T) {
	Look(t, Plan{Serve: serve, Jobs: []Job{
		{Name: "live", Steps: []Step{
			{Do: "goto", Path: "/live-page"},
			{Do: "see", Text: "Drawn 1 times."},
			{Do: "see", At: ".live", Text: "Live, 07:40"},
			{Do: "fill", At: "#f-a", Value: "half a sentence"},
			{Do: "focus", At: "#f-b"},
			{Do: "eval", Code: "document.querySelector('[data-key=row-first]').dataset.myMark = 'same'"},
			{Do: "poke", Path: "/poke"},
			{Do: "see", Text: "Drawn 2 times.", Within: 1000},
			{Do: "value", At: "#f-a", Is: "half a sentence"},
			{Do: "focused", At: "#f-b"},
			{Do: "visible", At: "[data-key=row-first][data-my-mark=same]"},
			{Do: "see", At: "[data-key=row-2]", Text: "drawn 2"},
			{Do: "gone", At: "[data-key=row-1]"},
			// What was said stays where it stands: on top.
			{Do: "visible", At: ".notice:first-child:has-text('Said once.')"},
			{Do: "visible", At: "main > .notice + .head"},
			// Said once, and not again within 30 seconds.
			{Do: "text", At: "#say", Is: "Drawn 2 times."},
			{Do: "poke", Path: "/poke"},
			{Do: "see", Text: "Drawn 3 times.", Within: 1000},
			{Do: "text", At: "#say", Is: "Drawn 2 times."},
			// A tab nobody looks at asks for nothing, and asks when it is looked at.
			{Do: "eval", Code: "Object.defineProperty(document,'hidden',{configurable:true,get:()=>true}); document.dispatchEvent(new Event('visibilitychange'))"},
			{Do: "poke", Path: "/poke"},
			{Do: "eval", Code: "new Promise(r => setTimeout(r, 600))"},
			{Do: "see", Text: "Drawn 3 times.", Within: 1},
			{Do: "eval", Code: "Object.defineProperty(document,'hidden',{configurable:true,get:()=>false}); document.dispatchEvent(new Event('visibilitychange'))"},
			{Do: "see", Text: "Drawn 4 times.", Within: 1000},
			{Do: "value", At: "#f-a", Is: "half a sentence"},
		}},
	}})
}

// The button that has the focus does not become another's when something more
// urgent comes before it.
func TestPagesLiveFocusStays(t *testing.T) {
	Look(t, Plan{Serve: serve, Jobs: []Job{
		{Name: "live, focus on a link", Steps: []Step{
			{Do: "goto", Path: "/live-page"},
			{Do: "see", At: ".live", Text: "Live, 07:40"},
			{Do: "not", At: ".todo", Text: "More urgent"},
			{Do: "focus", At: ".todo a[href='/parts']"},
			{Do: "poke", Path: "/poke"},
			{Do: "see", At: ".todo", Text: "More urgent", Within: 1000},
			{Do: "focused", At: ".todo a[href='/parts']"},
		}},
	}})
}

// Hints may get lost: a page also asks once a minute, and says that it is not
// live. What changes is read out at most every 30 seconds, and then the latest.
func TestPagesLiveByTheMinute(t *testing.T) {
	Look(t, Plan{Serve: serve, Jobs: []Job{
		{Name: "no hints", Noisy: true, Steps: []Step{
			{Do: "clock"},
			{Do: "without", Path: "/live?**"},
			{Do: "goto", Path: "/live-page"},
			{Do: "see", Text: "Drawn 1 times."},
			{Do: "see", At: "[data-clock]", Text: "As of 07:40"},
			{Do: "forward", Within: 58000},
			{Do: "see", Text: "Drawn 1 times.", Within: 1},
			{Do: "forward", Within: 3000},
			{Do: "see", Text: "Drawn 2 times."},
			{Do: "see", At: "[data-clock]", Text: "As of 07:40"},
			{Do: "without", Path: "/live-page"},
			{Do: "forward", Within: 61000},
			{Do: "see", At: "[data-clock]", Text: "Not live: as of 07:40"},
		}},
		{Name: "read out", Steps: []Step{
			{Do: "clock"},
			{Do: "goto", Path: "/live-page"},
			{Do: "see", At: ".live", Text: "Live, 07:40"},
			{Do: "poke", Path: "/poke"},
			{Do: "see", At: "h1", Text: "Drawn 4 times."},
			{Do: "text", At: "#say", Is: "Drawn 4 times.", Within: 1000},
			{Do: "forward", Within: 10000},
			{Do: "poke", Path: "/poke"},
			{Do: "see", At: "h1", Text: "Drawn 5 times."},
			{Do: "forward", Within: 10000},
			{Do: "poke", Path: "/poke"},
			{Do: "see", At: "h1", Text: "Drawn 6 times."},
			{Do: "text", At: "#say", Is: "Drawn 4 times."},
			{Do: "forward", Within: 11000},
			{Do: "text", At: "#say", Is: "Drawn 6 times.", Within: 1000},
		}},
	}})
}

// Whoever is signed out sees nothing more: an open page goes to the sign-in.
func TestPagesLiveSignedOut(t *testing.T) {
	Look(t, Plan{Serve: serve, Jobs: []Job{{Name: "signed out", Steps: []Step{
		{Do: "goto", Path: "/live-page"},
		{Do: "see", At: ".live", Text: "Live, 07:40"},
		{Do: "poke", Path: "/end"},
		{Do: "poke", Path: "/poke"},
		{Do: "url", Starts: "/sign-in?to=", Within: 2000},
		{Do: "not", Text: "Typed here"},
	}}}})
}

// The ways that need neither mouse nor script.
func TestPagesByKeyboardAndWithoutScript(t *testing.T) {
	menu := []Step{
		{Do: "goto", Path: "/"},
		{Do: "gone", At: "#nav"},
		{Do: "click", At: ".topbar .btn"},
		{Do: "visible", At: "#nav"},
		{Do: "gone", At: "main"},
		{Do: "shot", Name: "gallery-menu-390"},
		{Do: "click", At: "#nav a[href='/results']"},
		{Do: "url", Is: "/results"},
		{Do: "gone", At: "#nav"},
	}
	Look(t, Plan{Serve: serve, Jobs: []Job{
		{Name: "menu", Width: 390, Steps: menu},
		{Name: "menu", Width: 390, Still: true, Steps: menu},
		{Name: "menu by keyboard", Width: 390, Steps: []Step{
			{Do: "goto", Path: "/"},
			{Do: "tab", At: ".topbar .btn"},
			{Do: "press", Key: "Enter"},
			{Do: "visible", At: "#nav"},
			{Do: "tab", At: "#nav a[href='/results']"},
			{Do: "press", Key: "Escape"},
			{Do: "gone", At: "#nav"},
			{Do: "visible", At: "main"},
		}},
		{Name: "skip link", Steps: []Step{
			{Do: "goto", Path: "/"},
			{Do: "tab", At: ".skip", Most: 1},
			{Do: "press", Key: "Enter"},
			{Do: "focused", At: "main"},
			{Do: "tab", At: "main #q", Most: 3},
		}},
		{Name: "search key", Steps: []Step{
			{Do: "goto", Path: "/"}, {Do: "press", Key: "/"}, {Do: "focused", At: "#q"}, {Do: "type", Value: "26-118204"}, {Do: "press", Key: "Enter"}, {Do: "url", Is: "/nothing"},
		}},
		{Name: "form by keyboard", Steps: []Step{
			{Do: "goto", Path: "/forms"},
			{Do: "tab", At: "#f-host"},
			{Do: "press", Key: "Delete"},
			{Do: "tab", At: "form[action='/forms'] button[type=submit]"},
			{Do: "press", Key: "Enter"},
			{Do: "see", At: ".errors", Text: "3 answers need another look"},
			{Do: "focused", At: ".errors"},
			{Do: "tab", At: ".errors a", Most: 1},
			{Do: "press", Key: "Enter"},
			{Do: "focused", At: "#f-host"},
		}},
		{Name: "form", Still: true, Steps: []Step{
			{Do: "goto", Path: "/forms"},
			{Do: "fill", At: "#f-host", Value: "a:1"},
			{Do: "click", At: "form[action='/forms'] button[type=submit]"},
			{Do: "url", Is: "/nothing"},
			{Do: "see", At: ".notice", Text: "Riverside was added."},
			{Do: "goto", Path: "/nothing"},
			{Do: "not", Text: "Riverside was added."},
		}},
		{Name: "password shown", Steps: []Step{
			{Do: "goto", Path: "/sign-in"},
			{Do: "fill", At: "#f-password", Value: "correct horse"},
			{Do: "click", At: "[data-show]"},
			{Do: "visible", At: "#f-password[type=text]"},
			{Do: "click", At: "[data-show]"},
			{Do: "visible", At: "#f-password[type=password]"},
		}},
		{Name: "table in the address", Still: true, Steps: []Step{
			{Do: "goto", Path: "/results"},
			{Do: "select", At: "#f-state", Value: "waiting"},
			{Do: "click", At: ".filters button"},
			{Do: "url", Starts: "/results?partner=&state=waiting"},
			{Do: "click", At: "th a:has-text('Partner')"},
			{Do: "url", Is: "/results?sort=partner&state=waiting"},
			{Do: "visible", At: "th[aria-sort=ascending]"},
			{Do: "click", At: "a[rel=next]"},
			{Do: "url", Is: "/results?page=2&sort=partner&state=waiting"},
		}},
	}})
}
