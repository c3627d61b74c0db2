package app

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// dates: what ends. SAFETY.md 7: at 30, 14, 7 and 1 days, and past the date.
func (l *lookout) dates(_ context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindCert, kindCertFile, kindException}
	var out []alarm.Alarm
	now := l.h.now()
	certs, err := certificates(c)
	if err != nil {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindCertFile}, Severity: alarm.Warning, Sentence: "A configured certificate cannot be read: " + err.Error() + ".",
			Advice: "What runs goes on with the one it has; the next start or change would fail. Put the file back.",
		})
	}
	for _, x := range certs {
		left := x.Ends.Sub(now)
		grade := int64(0)
		for i, days := range []int{30, 14, 7, 1} {
			if left <= time.Duration(days)*24*time.Hour {
				grade = int64(i) + 1
			}
		}
		if left <= 0 {
			grade = 5
		}
		if grade == 0 {
			continue
		}
		text := fmt.Sprintf("The certificate of %s ends on %s, in %s.", x.Name, x.Ends.UTC().Format(time.DateOnly), daysOf(int(left/(24*time.Hour))))
		if left <= 0 {
			text = fmt.Sprintf("The certificate of %s ended on %s.", x.Name, x.Ends.UTC().Format(time.DateOnly))
		}
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindCert, About: x.Name}, Severity: soon(grade), Grade: grade, Sentence: text,
			Advice: "Get a new one and put it in place; partners that pin it need its fingerprint before.",
		})
	}
	for of, e := range exceptions(c) {
		at := e.Alarm(now)
		grade, ok := map[int]int64{30: 1, 14: 2, 7: 3, 1: 4, 0: 5}[at]
		if !ok {
			continue
		}
		what := map[string]string{"plaintext": "plaintext", "tls12": "TLS 1.2"}[e.Kind]
		text := fmt.Sprintf("The exception of the %s for %s ends after %s.", of, what, e.Until)
		if at == 0 {
			text = fmt.Sprintf("The exception of the %s for %s ended with %s and is still in use.", of, what, e.Until)
		}
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindException, About: of}, Severity: soon(grade), Grade: grade, Sentence: text, Owner: e.Owner,
			Advice: "Mend the cause, or set a later date with its reason. The channel keeps running.",
		})
	}
	return kinds, out, nil
}

func daysOf(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
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

// exceptions are the configured exceptions by "source x", "partner y".
func exceptions(c *config.Config) map[string]*config.Exception {
	out := map[string]*config.Exception{}
	for key, s := range c.Sources {
		if s.MLLP != nil && s.MLLP.Exception != nil {
			out["source "+key] = s.MLLP.Exception
		}
	}
	for key, p := range c.Partners {
		d := p.Destination
		for _, e := range []*config.Exception{
			field(d.MLLP, func(m *config.MLLPDestination) *config.Exception { return m.Exception }),
			field(d.FHIR, func(m *config.FHIRDestination) *config.Exception { return m.Exception }),
			field(d.HTTP, func(m *config.HTTPDestination) *config.Exception { return m.Exception }),
		} {
			if e != nil {
				out["partner "+key] = e
			}
		}
	}
	return out
}
