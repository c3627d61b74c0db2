package web

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Render writes a whole page within the shell of who asks. It is drawn in memory
// first: a page that cannot be drawn is an error, not half a page.
func Render(w http.ResponseWriter, r *http.Request, p kit.Page) error {
	q := of(r)
	sh := q.s.Shell(r, q.who)
	sh.Nonce, sh.Path = q.nonce, r.URL.Path
	_, sh.Here, _ = strings.Cut(r.Pattern, " ")
	sh.Report = q.s.Report
	if p.Notice == "" {
		p.Notice = takeNotice(w, r)
	}
	var b bytes.Buffer
	if err := kit.Layout(sh, p).Render(r.Context(), &b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	status := p.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Vary", "Accept-Encoding, Sec-Fetch-Site")
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return nil
	}
	send := func() error {
		if shrinks(r, b.Len()) {
			return q.s.gzip.write(w, status, b.Bytes())
		}
		w.WriteHeader(status)
		_, err := w.Write(b.Bytes())
		return err
	}
	if err := send(); err != nil {
		q.s.Log.Debug("a page did not reach its reader", "error", err)
	}
	return nil
}

// IsPage says whether path is the shape of an address of this server.
func IsPage(r *http.Request, path string) bool {
	for _, rt := range of(r).s.Routes() {
		if _, p, _ := strings.Cut(rt.Pattern, " "); p == path {
			return true
		}
	}
	return false
}

// Nonce is the one that scripts of this answer carry.
func Nonce(r *http.Request) string { return of(r).nonce }

const maxNotice = 400

func (s *Server) noticeCookie() string {
	if s.Notices != "" {
		return s.Notices
	}
	return "__Host-lw-notice"
}

// Done ends a form that worked: the browser goes to path, which says notice once.
// Neither may hold patient data. path must be of this site.
func Done(w http.ResponseWriter, r *http.Request, path, notice string) error {
	if notice != "" && len(notice) <= maxNotice {
		http.SetCookie(w, &http.Cookie{
			Name: of(r).s.noticeCookie(), Value: base64.RawURLEncoding.EncodeToString([]byte(notice)), Path: "/", MaxAge: 60,
			Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	http.Redirect(w, r, Local(path), http.StatusSeeOther)
	return nil
}

func takeNotice(w http.ResponseWriter, r *http.Request) string {
	name := of(r).s.noticeCookie()
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(b) > maxNotice {
		return ""
	}
	return string(b)
}

// Local returns path where it is a path of this site, else "/": what came with a
// request must not lead anybody elsewhere.
func Local(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t\x00") {
		return "/"
	}
	return path
}

// To reads where a sign-in or step-up leads back to.
func To(r *http.Request) string {
	v := r.FormValue("to")
	b, err := base64.RawURLEncoding.DecodeString(v)
	if err != nil || len(b) > 2000 {
		return "/"
	}
	return Local(string(b))
}

func stepUp(err error) bool {
	var d *authz.Denied
	return errors.As(err, &d) && (d.StepUp || d.Strong)
}

// back is the one thing a person can do about a refusal.
func back(s *Server, r *http.Request, err error, e *Error, ref string) kit.Action {
	here := "?to=" + base64.RawURLEncoding.EncodeToString([]byte(Local(refererPath(r))))
	switch {
	case e.Kind == KindSignIn:
		return kit.Action{Text: "Sign in", Href: s.SignIn + here}
	case stepUp(err):
		return kit.Action{Text: "Confirm that it is you", Href: s.StepUp + here}
	case ref != "" && s.Report != "" && of(r).who != nil:
		_, shape, _ := strings.Cut(r.Pattern, " ")
		return kit.Action{Text: "Report this problem", Href: s.Report + "?page=" + url.QueryEscape(shape) + "&ref=" + ref}
	}
	if s.Home != "" {
		return kit.Action{Text: "Go to " + s.Home, Href: "/"}
	}
	return kit.Action{Text: "Go to Today", Href: "/"}
}

// refererPath is the page a form was on. Referrer-Policy no-referrer leaves it
// out as a rule; the form's own address then is the best there is.
func refererPath(r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	return r.URL.Path
}

func itoa(n int) string { return strconv.Itoa(n) }
