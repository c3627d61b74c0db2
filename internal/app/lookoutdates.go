package app

import (
	"context"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// dates: what ends. SAFETY.md 7: at 30, 14, 7 and 1 days, and past the date.
func (l *lookout) dates(_ context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	var out []alarm.Alarm
	now := l.h.now()
	if _, err := ownCertificates(c); err != nil {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindCertFile}, Severity: alarm.Warning, Sentence: "A configured certificate cannot be read: " + err.Error() + ".",
			Advice: "What runs goes on with the one it has; the next start or change would fail. Put the file back.",
		})
	}
	for _, e := range l.h.endings(c, now) {
		days, due := e.Threshold(now)
		if !due {
			continue
		}
		key := alarm.Key{Kind: kindCert, About: e.Of}
		switch e.Kind {
		case control.DateException:
			key.Kind = kindException
		case control.DateKey:
			key.Kind, key.About = kindKeyEnds, key.About+", "+e.What
		case control.DateVPN:
			key.Kind = kindVPNEnds
		case control.DateTheirs, control.DateAuthority, control.DateOwn, control.DateIssued, control.DatePublic:
			key.About += ", " + e.Kind + " " + e.What
		}
		grade := map[int]int64{30: 1, 14: 2, 7: 3, 1: 4, 0: 5}[days]
		out = append(out, alarm.Alarm{Key: key, Severity: soon(grade), Grade: grade, Sentence: e.Words(now), Advice: e.Advice(), Owner: e.Owner})
	}
	return []string{kindCert, kindCertFile, kindException, kindKeyEnds, kindVPNEnds}, out, nil
}

func soon(grade int64) alarm.Severity {
	switch {
	case grade >= 4:
		return alarm.Urgent
	case grade == 3:
		return alarm.Warning
	}
	return alarm.Note
}
