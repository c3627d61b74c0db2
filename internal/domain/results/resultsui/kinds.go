package resultsui

import (
	"errors"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// Kinds says what an error of results or alarms means to a person; nil for an
// error that is not theirs. It is what web.Server.Kinds asks.
func Kinds(err error) *web.Error {
	var still *results.StillRefused
	kind := func(k web.Kind) *web.Error { return &web.Error{Kind: k, Message: plainWords(err)} }
	switch {
	case errors.Is(err, results.ErrInvalid), errors.Is(err, alarm.ErrReason), errors.Is(err, alarm.ErrNobody):
		return kind(web.KindInvalid)
	case errors.Is(err, results.ErrNotFound), errors.Is(err, alarm.ErrNotFound):
		// Which of them it is, is nobody's business who may not see it.
		return &web.Error{Kind: web.KindNotFound, Message: "There is no such thing here, or it is not yours to see."}
	case errors.Is(err, results.ErrErased):
		return &web.Error{Kind: web.KindConflict, Message: "Its content was erased by the retention policy. When it came and went is kept."}
	case errors.As(err, &still), errors.Is(err, results.ErrConflict), errors.Is(err, results.ErrViewsClosed), errors.Is(err, alarm.ErrEnded),
		errors.Is(err, alarm.ErrStands), errors.Is(err, alarm.ErrNoPeople), errors.Is(err, results.ErrNotInTable):
		return kind(web.KindConflict)
	}
	return nil
}

// plainWords is an error as a sentence: what was tried stands before the colon, what
// kind of error it is behind the last one, and neither helps whoever reads it.
func plainWords(err error) string {
	s := err.Error()
	for _, kind := range []error{results.ErrConflict, results.ErrInvalid} {
		s = strings.TrimSuffix(s, ": "+kind.Error())
		s = strings.TrimPrefix(s, kind.Error()+": ")
	}
	s = withoutCommands(s)
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// withoutCommands leaves out of a text what it says to those at a command line:
// here there is a button.
func withoutCommands(s string) string {
	for {
		i := strings.Index(s, " (labwarden ")
		if i < 0 {
			i = strings.Index(s, " (--")
		}
		if i < 0 {
			return s
		}
		n := strings.IndexByte(s[i:], ')')
		if n < 0 {
			return s
		}
		s = s[:i] + s[i+n+1:]
	}
}
