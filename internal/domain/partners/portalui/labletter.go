package portalui

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/qr"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// written is a letter with what stands around it.
type written struct {
	*portal.Letter
	Practice, Lab, Phone, Sender, Site string
	To                                 []string // lines of the postal address, kept nowhere
	Day, Until                         string
}

const day = "2 January 2006"

func (l lab) written(practice string, x *portal.Letter, to []string, now time.Time) *written {
	return &written{
		Letter: x, Practice: practice, Lab: l.Lab(), Phone: l.Phone(), Sender: l.Sender(), Site: l.Address(), To: to,
		Day: now.In(l.Zone).Format(day), Until: x.Until.In(l.Zone).Format(day),
	}
}

// url is where the code is typed; the code itself is never in an address.
func (x *written) url() string { return "https://" + x.Site + "/letter" }

// says are the letter's sentences: before the steps, the steps, and after them. strong
// and mono are how the paper marks what is to be chosen and typed.
func (x *written) says(strong, mono func(string) string) (before, steps, after []string) {
	before = []string{
		"Dear " + x.Person.Name + ",",
		"From now on you open our results for " + x.Practice + " in a browser. You need no program and no mail.",
	}
	steps = []string{
		"Open " + mono(x.Site) + " and choose " + strong("Type the code of a letter") + ", or scan the square: it leads there.",
		"Type this code: " + strong(x.Code) + ". It works once, until " + x.Until + ".", // the PDF has it in a line of its own
		"Choose how you sign in from then on: a passkey (nothing to remember, no phone needed), or a password of 15 characters and an authenticator app. Your sign-in name is " + mono(x.Person.Account) + ".",
	}
	after = []string{
		"The code is for you alone: every result that is opened stands under your name. If it does not work, or somebody else has seen it, call us: we write another.",
		"We phone you about critical results, as always. The portal does not replace the call.",
	}
	return before, steps, after
}

const (
	maxLines = 3
	maxLine  = 45
)

func addressField(r *http.Request) kit.Field {
	return kit.Field{
		Name: "address", Label: "Postal address", Hint: "For the envelope's window, at most three lines below the name and the practice. It stands on the letter and is kept nowhere.",
		Kind: kit.TextareaField, Rows: maxLines, Value: r.FormValue("address"), Optional: true, Max: maxLines * (maxLine + 2), Autocomplete: "off",
	}
}

// addressLines reads what was typed into lines.
func addressLines(text string) ([]string, error) {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.Join(strings.Fields(l), " ")
		if l == "" {
			continue
		}
		if utf8.RuneCountInString(l) > maxLine || strings.ContainsFunc(l, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, badAddress()
		}
		out = append(out, l)
	}
	if len(out) > maxLines {
		return nil, badAddress()
	}
	return out, nil
}

func badAddress() error {
	const text = "Write at most three lines of 45 characters: what is longer does not fit the window."
	return &web.Error{Kind: web.KindInvalid, Message: text, Fields: map[string]string{"address": text}}
}

// drawLetter is the letter, drawn once, as a page and as a PDF within it: the code is
// kept nowhere, so nothing can be fetched later.
func (l lab) drawLetter(w http.ResponseWriter, r *http.Request, practice string, x *portal.Letter, to []string) error {
	text := l.written(practice, x, to, web.Now(r))
	body, lost, err := letterPDF(text, l.Paper(), web.Now(r))
	if err != nil {
		return err
	}
	code, err := qr.Of(text.url())
	if err != nil {
		return err
	}
	before, steps, after := text.says(kit.Strong, kit.Mono)
	var parts []templ.Component
	for _, t := range before {
		parts = append(parts, kit.Paragraph(t))
	}
	parts = append(parts, kit.Numbered(steps), kit.Picture(code.SVG("QR code of the address "+text.url(), 132)))
	for _, t := range after {
		parts = append(parts, kit.Paragraph(t))
	}
	out := kit.Page{
		Title: "Letter", Lead: "Laboratory results for " + practice, Rest: "for " + x.Person.Name, Bare: true,
		Tools: templ.Join(savePDF("letter-"+x.Person.Account+".pdf", base64.StdEncoding.EncodeToString(body)), kit.PrintButton("Print this page"), kit.Button(kit.Action{Text: "Back", Href: "/portal/" + x.Partner})),
		Body:  kit.PrintSheet([]kit.KV{{Key: "From", Value: l.Lab() + ", " + orNone(l.Phone())}, {Key: "Date", Value: text.Day}}, templ.Join(parts...), ""),
	}
	if lost {
		out.Notice, out.NoticeState = "The PDF cannot write all letters of this name or address and shows ? instead. Print this page.", kit.Warn
	}
	return web.Render(w, r, out)
}

// rewritePage asks before a new letter is made: one that was sent and not used ends.
func (l lab) rewritePage(w http.ResponseWriter, r *http.Request) error {
	return l.drawRewrite(w, r, nil)
}

func (l lab) drawRewrite(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	key, name, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := l.Portal.Person(r.Context(), id)
	if err != nil {
		return err
	}
	if is, _ := p.Of(key); !is {
		return web.NotFound(noPractice)
	}
	out := kit.Page{Title: "New letter", Lead: "A new letter for " + p.Name + ".", Rest: "What they sign in with works until the letter is used, and stops working then.", Nav: "/portal", Crumbs: []kit.Crumb{{Name: "Portal", Href: "/portal"}, {Name: name, Href: "/portal/" + key}, {Name: "New letter"}}}
	o := kit.FormOpts{Action: "/portal/" + key + "/people/" + id.String() + "/letter", Submit: "Make the letter", Cancel: "/portal/" + key, Fields: []kit.Field{addressField(r)}}
	warn(&out, &o, bad)
	out.Body = kit.Sheet(kit.SheetOpts{Title: "Where it goes", Sub: "a letter that was sent before and not used ends", Pad: true, Body: kit.Form(o)})
	return web.Render(w, r, out)
}

func (l lab) rewrite(w http.ResponseWriter, r *http.Request) error {
	key, name, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	to, err := addressLines(r.FormValue("address"))
	if err != nil {
		return l.drawRewrite(w, r, Kinds(err))
	}
	letter, err := l.Portal.Rewrite(r.Context(), key, id, web.Who(r).Account)
	if err != nil {
		return err
	}
	return l.drawLetter(w, r, name, letter, to)
}
