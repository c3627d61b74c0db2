package accounts

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// The kinds of alarms of this package.
const (
	AlarmAgreement = "agreement.ends"
	AlarmReview    = "access_review.late"
	AlarmLeaver    = "account.leaver"
)

// reminders are the days before an agreement's end at which its owner is told
// again (SAFETY.md 7).
var reminders = []int{30, 14, 7, 1}

// Alarms are what stands now: for the lookout, which raises and ends them.
func (s *Service) Alarms(ctx context.Context) (kinds []string, out []alarm.Alarm, err error) {
	kinds = []string{AlarmAgreement, AlarmReview, AlarmLeaver}
	now := s.now()
	vendors, err := s.Vendors(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	for i := range vendors {
		if a, ok := ending(&vendors[i], now); ok {
			out = append(out, a)
		}
	}
	reviews, err := s.Reviews(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := range reviews {
		if r := &reviews[i]; r.Late(now) {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: AlarmReview, About: r.Quarter}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("The access review of %s was due on %s and is not signed.", r.Quarter, r.Due.Format(time.DateOnly)),
				Advice:   "Decide about the lines that are left and sign it.",
			})
		}
	}
	open, err := s.Findings(ctx, "", false)
	if err != nil {
		return nil, nil, err
	}
	late := map[string]int{}
	for i := range open {
		if open[i].Kind == Leaver && open[i].Late(now) {
			late[open[i].System]++
		}
	}
	for system, n := range late {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: AlarmLeaver, About: system}, Severity: alarm.Warning,
			Sentence: fmt.Sprintf("%s %s still has accounts of people who left: %d are past their day.", "The system", system, n),
			Advice:   "Have them removed there, then take a new list of its accounts.",
		})
	}
	return kinds, out, nil
}

func ending(v *Vendor, now time.Time) (alarm.Alarm, bool) {
	left, ok := v.DaysLeft(now)
	if !ok || left > reminders[0] {
		return alarm.Alarm{}, false
	}
	a := alarm.Alarm{
		Key: alarm.Key{Kind: AlarmAgreement, About: v.Name}, Severity: alarm.Note, Owner: v.Owner,
		Sentence: fmt.Sprintf("The agreement with %s ends on %s.", v.Name, v.Ends.Format(time.DateOnly)),
		Advice:   "Renew it, or end what they can reach, and write the new date into the register.",
	}
	for _, days := range reminders {
		if left <= days {
			a.Grade++
		}
	}
	if left <= 7 {
		a.Severity = alarm.Warning
	}
	if left < 0 {
		a.Grade++
		a.Sentence = fmt.Sprintf("The agreement with %s ended on %s. Nothing was switched off.", v.Name, v.Ends.Format(time.DateOnly))
	}
	return a, true
}
