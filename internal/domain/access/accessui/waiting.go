package accessui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) waitRoutes() []web.Route {
	return []web.Route{post("/people/{id}/unlock", authz.PeopleChange, u.unlock)}
}

// waiting are those of these people whose passwords are not taken for a while.
func (u *ui) waiting(r *http.Request, people ...access.Person) (map[event.ID]signin.Waiting, error) {
	if u.SignIn == nil {
		return nil, nil
	}
	infos := make([]signin.PersonInfo, 0, len(people))
	for _, p := range people {
		if p.State == access.Active {
			infos = append(infos, signin.PersonInfo{ID: p.ID, Account: p.Account})
		}
	}
	return u.SignIn.Waiting(r.Context(), infos...)
}

// waitWords say it.
func waitWords(w signin.Waiting, now time.Time) (title, text string) {
	tries := kit.Many(int(w.Tries), "wrong try", "wrong tries")
	if w.Until.IsZero() {
		return "takes no password any more after " + tries, "It does not end by itself: lift it once you know who tried."
	}
	// The minute after: at the one shown it is over.
	return "waits until " + kit.Clock(w.Until.Truncate(time.Minute).Add(time.Minute), now) + " after " + tries, "It ends by itself."
}

// waitList is the sheet of the page People; nothing where nobody waits.
func (u *ui) waitList(r *http.Request, people []access.Person) (templ.Component, error) {
	all, err := u.waiting(r, people...)
	if err != nil || len(all) == 0 {
		return templ.NopComponent, err
	}
	now := web.Now(r)
	var items []kit.LedgerItem
	for _, p := range people {
		w, ok := all[p.ID]
		if !ok {
			continue
		}
		title, text := waitWords(w, now)
		items = append(items, kit.LedgerItem{State: kit.Warn, Word: "Waits", Name: "Sign-in for " + p.Name, Href: "/people/" + p.ID.String(), Text: upperFirst(title) + ". " + text + " A passkey lets them in all the same."})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Sign-ins that wait", Sub: "after wrong passwords or codes", Body: kit.Ledger(items)}), nil
}

// waitSheet says on somebody's page that they wait, with the way to lift it.
func (u *ui) waitSheet(r *http.Request, p access.Person) (templ.Component, error) {
	all, err := u.waiting(r, p)
	w, ok := all[p.ID]
	if err != nil || !ok {
		return templ.NopComponent, err
	}
	title, text := waitWords(w, web.Now(r))
	body := pad(kit.Paragraph(text + " A passkey lets them in all the same."))
	if may(r, authz.PeopleChange) && web.Who(r).Person != p.ID {
		body = join(body, kit.Acts(kit.Action{Text: "Unlock", Href: "/people/" + p.ID.String() + "/unlock", Post: true, Icon: "again"}))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Sign-in for " + p.Name + " " + title, Body: body}), nil
}

func (u *ui) unlock(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := u.lift(r, id)
	if err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+id.String(), p.Name+" may try again at once. It is in the record.")
}

// lift ends somebody's wait; never one's own.
func (u *ui) lift(r *http.Request, id event.ID) (access.Person, error) {
	if err := web.May(r, authz.PeopleChange, authz.Object{}); err != nil {
		return access.Person{}, err
	}
	p, err := u.s.Person(r.Context(), id)
	if err != nil {
		return p, err
	}
	switch who := web.Who(r); {
	case u.SignIn == nil:
		return p, access.ErrNotFound
	case who.Person == id:
		return p, access.ErrOwn
	default:
		return p, u.SignIn.Unlock(r.Context(), id, who.Account)
	}
}
