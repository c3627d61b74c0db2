package accessui_test

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

func encoded(path string) string { return base64.RawURLEncoding.EncodeToString([]byte(path)) }

var keyLink = regexp.MustCompile(`/me/passkeys/([0-9a-f-]{36})`)

func TestOwnPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		b := s.administrator()
		b.want(b.get("/me/passkeys/new"), http.StatusOK, "Add a passkey.")
		b.want(b.create("/me/passkeys/begin", "/me/passkeys/finish", map[string]any{"called": `<img src=x onerror=alert(1)>`}), http.StatusOK, `"/me"`)
		r := b.want(b.get("/me"), http.StatusOK, "You sign in with passkeys.")
		if strings.Contains(r.body, "<img src=x") {
			t.Fatal("a passkey's name is markup")
		}
		ids := keyLink.FindAllStringSubmatch(r.body, -1)
		if len(ids) != 2 {
			t.Fatal(ids)
		}
		one := "/me/passkeys/" + ids[1][1]
		b.want(b.get(one), http.StatusOK, "Remove this passkey?")
		b.want(b.post(one+"/name", "called", ""), http.StatusUnprocessableEntity, "Give it a name")
		b.want(b.post(one+"/name", "called", "red key"), http.StatusSeeOther, "/me")
		b.want(b.post(one+"/remove"), http.StatusOK, "Remove this passkey?")
		b.want(b.post(one+"/remove", "confirm", "yes"), http.StatusSeeOther, "/me")
		// The last one of an administrator stays.
		last := "/me/passkeys/" + ids[0][1]
		b.want(b.post(last+"/remove", "confirm", "yes"), http.StatusConflict, "This is your last passkey")
		// Somebody else's is not there at all.
		other := s.technologist("lena")
		for _, path := range []string{last, last + "x", "/me/passkeys/0"} {
			other.want(other.get(path), http.StatusNotFound, "There is no such passkey.")
		}
		other.want(other.post(last+"/remove", "confirm", "yes"), http.StatusNotFound, "")
		other.want(other.post(last+"/name", "called", "mine"), http.StatusNotFound, "")
	})
}

// TestChangesAskForAFreshProof: each page that offers a change leads to the step-up
// and each change refuses.
func TestChangesAskForAFreshProof(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		b := s.administrator()
		r := b.want(b.get("/me"), http.StatusOK, "")
		one := "/me/passkeys/" + keyLink.FindStringSubmatch(r.body)[1]
		b.later(authz.StepUp + time.Minute)
		b.want(b.get("/me"), http.StatusOK, "")
		for _, path := range []string{"/me/password", "/me/app", "/me/recovery", "/me/passkeys/new", one} {
			b.want(b.get(path), http.StatusSeeOther, "/step-up?to="+encoded(path))
		}
		for _, path := range []string{"/me/password", "/me/app", "/me/app/confirm", "/me/recovery", "/me/app/remove", "/me/password/remove", one + "/remove"} {
			b.want(b.post(path, "confirm", "yes", "password", okPassword), http.StatusForbidden, "Confirm that it is you")
		}
		b.want(b.json("/me/passkeys/begin", map[string]any{"called": "x"}, nil), http.StatusConflict, "Confirm first")
	})
}

func TestPasswordChangeEndsOtherSessions(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		b := s.technologist("lena")
		other := s.browser()
		other.want(other.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/")
		b.want(b.post("/me/password", "password", "short"), http.StatusUnprocessableEntity, "at least 15 characters")
		b.want(b.post("/me/password", "password", "lenahahn lenahahn"), http.StatusUnprocessableEntity, "guessed early")
		r := b.post("/me/password", "password", "passwordpassword1")
		if strings.Contains(r.body, "passwordpassword1") {
			t.Fatal("the password stands on the page")
		}
		other.want(other.get("/"), http.StatusOK, "")
		b.want(b.post("/me/password", "password", "vexingly mild cabbages"), http.StatusSeeOther, "/me")
		other.want(other.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/"), http.StatusOK, "")
		other.want(other.post("/sign-in", "account", "lena", "password", okPassword), http.StatusUnprocessableEntity, "did not match")
		other.want(other.post("/sign-in", "account", "lena", "password", "vexingly mild cabbages"), http.StatusSeeOther, "/")
	})
}

func TestOwnSessionsAndQuestions(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		b := s.technologist("lena")
		other := s.browser()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/sign-in", strings.NewReader("account=lena&password=gravel+teacup+orbit+lantern"))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("User-Agent", "curl/8")
		res, err := other.http.Do(req)
		must(t, err)
		_ = res.Body.Close()
		r := b.want(b.get("/me"), http.StatusOK, "Was that you?")
		q := regexp.MustCompile(`/me/notices/[0-9a-f-]{36}`).FindString(r.body)
		b.want(b.post(q, "me", "perhaps"), http.StatusUnprocessableEntity, "")
		b.want(b.post(q, "me", "no"), http.StatusSeeOther, "/me")
		if other.cookie(access.Cookie) == "" {
			t.Fatal("the other one never came in")
		}
		other.want(other.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/me"), http.StatusOK, "Only a password protects you.")

		other.want(other.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/")
		r = b.want(b.get("/me"), http.StatusOK, "End all others")
		end := regexp.MustCompile(`/me/sessions/[0-9a-f-]{36}/end`).FindString(r.body)
		b.want(b.post(end), http.StatusSeeOther, "/me")
		other.want(other.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.post("/me/sessions/end-others"), http.StatusSeeOther, "/me")
		b.want(b.get("/"), http.StatusOK, "")
	})
}
