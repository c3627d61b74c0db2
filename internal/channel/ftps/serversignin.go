package ftps

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// protect answers PROT (RFC 4217 9): data connections are private or not at all.
func (s *session) protect(arg string) reply {
	switch level := strings.ToUpper(strings.TrimSpace(arg)); {
	case !s.sized:
		return reply{code: 503, text: "PBSZ 0 comes first."} // RFC 2228 3
	case level == "P":
		s.private = true
		return reply{code: 200, text: "Data connections are encrypted."}
	case level == "C" || level == "S" || level == "E":
		return reply{code: 536, text: "Data connections are encrypted here: send PROT P."} // RFC 2228 3
	}
	return reply{code: 504, text: "Send PROT P."} // RFC 2228 3
}

func (s *session) name(arg string) reply {
	if s.box != nil {
		return reply{code: 503, text: "You are signed in already; connect anew for another user."}
	}
	s.user = arg
	return reply{code: 331, text: "Now the password, followed at once by the six-digit code where you have one."} // RFC 959 5.4
}

func (s *session) signIn(password string) reply {
	switch {
	case s.box != nil:
		return reply{code: 503, text: "You are signed in already."}
	case s.user == "":
		return reply{code: 503, text: "USER comes first."} // RFC 959 5.4
	}
	ctx, cancel := context.WithDeadline(s.ctx, s.started.Add(s.srv.limits.SignIn))
	defer cancel()
	box, err := s.srv.Door.SignIn(ctx, channel.SignIn{
		Protocol: "ftps", User: s.user, Password: password, Addr: s.raw.RemoteAddr().String(), Secured: s.suite,
	})
	s.user = ""
	s.attempts++
	if err != nil {
		s.srv.stats.refused.Add(1)
		if !errors.Is(err, channel.ErrSignIn) {
			var no *channel.Refusal
			if errors.As(err, &no) {
				return reply{code: 530, text: no.Reason, end: s.attempts >= s.srv.limits.Attempts}
			}
			s.log("ftps sign-in failed", "error", err)
			return reply{code: 421, text: "Signing in does not work now; try again in a minute.", end: true}
		}
		if s.attempts >= s.srv.limits.Attempts {
			return reply{code: 421, text: "Name, password or code is wrong, " + strconv.Itoa(s.attempts) + " times; the connection is closed.", end: true}
		}
		return reply{code: 530, text: "Name, password or code is wrong."} // RFC 959 5.4
	}
	if !s.srv.census.signed(s.addr, box.Partner(), s.srv.limits) {
		s.srv.stats.overLimit.Add(1)
		_ = box.Close() // nothing was done in it
		return reply{code: 421, text: "Too many sessions of yours; close some and try again.", end: true}
	}
	s.srv.stats.signIns.Add(1)
	s.box = box
	s.cutWith(box)
	return reply{code: 230, text: "Welcome. /results is for you, /inbox takes what you bring."} // RFC 959 5.4
}

// cutWith ends the session when the partner's access does: connections are closed
// at once, in the middle of whatever they do.
func (s *session) cutWith(box channel.BoxSession) {
	go func() {
		select {
		case <-box.Done():
			s.cancel()
		case <-s.ctx.Done():
		}
	}()
}

// status answers STAT (RFC 959 4.1.3): of the connection, or of a place.
func (s *session) status(arg string) reply {
	if arg = dropSwitches(arg); arg == "" {
		data := "not encrypted yet (PROT P)"
		if s.private {
			data = "encrypted"
		}
		return reply{code: 211, text: "Labwarden FTPS", more: []string{
			"Secured by " + s.suite,
			"Connected since " + s.started.UTC().Format(time.RFC3339),
			"Data connections " + data,
			"Transfers so far " + strconv.Itoa(s.transfers),
		}}
	}
	entries, _, err := s.entries(arg)
	if err != nil {
		return s.failure(err, 550)
	}
	const most = 1000
	if len(entries) > most {
		return reply{code: 550, text: "Too many files for STAT; use LIST."}
	}
	now := s.srv.Now()
	more := make([]string, 0, len(entries))
	for _, e := range entries {
		more = append(more, listLine(e, now))
	}
	return reply{code: 213, text: "Status:", more: append(more, "")}
}
