package resultsui

import (
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// AlarmsAnswer is the list of alarms and the ways by which people are told.
type AlarmsAnswer struct {
	Alarms []alarm.Record   `json:"alarms" doc:"most severe first"`
	Ways   []alarm.WayState `json:"ways"`
}

// AlarmAnswer is one alarm and who was told of it.
type AlarmAnswer struct {
	Alarm alarm.Record `json:"alarm"`
	Told  []alarm.Told `json:"told"`
}

// AlarmActed is an alarm that somebody accepted or closed.
type AlarmActed struct {
	Alarm alarm.Record `json:"alarm"`
	Words string       `json:"words"`
}

// AlarmsTried is what came of a test of every way.
type AlarmsTried struct {
	Tried []alarm.Tried `json:"tried"`
}

type alarmsIn struct {
	All bool `query:"all" doc:"also those that are over or closed"`
}

type alarmIn struct {
	Number int64 `path:"number" doc:"the alarm's number"`
}

type alarmActIn struct {
	Number int64  `path:"number" doc:"the alarm's number"`
	Reason string `json:"reason" doc:"to close: why it is over; to accept: a note, may be empty; no patient data"`
}

func alarmOps(d Deps) []web.Route {
	act := func(end bool) func(r *http.Request, in alarmActIn) (AlarmActed, error) {
		return func(r *http.Request, in alarmActIn) (AlarmActed, error) {
			a, text, err := d.actOnAlarm(r, in.Number, end, strings.TrimSpace(in.Reason))
			return AlarmActed{a, text}, err
		}
	}
	return []web.Route{
		web.Op[alarmsIn, AlarmsAnswer]{
			Pattern: "GET /api/v1/alarms", Needs: authz.AlarmsSee, Tag: "Alarms", Summary: "Alarms, and the ways by which people are told",
			Do: func(r *http.Request, in alarmsIn) (AlarmsAnswer, error) {
				desk, err := d.desk()
				if err != nil {
					return AlarmsAnswer{}, err
				}
				list, err := desk.List(r.Context(), in.All, mostAlarms)
				return AlarmsAnswer{list, desk.Ways()}, err
			},
		}.Route(),
		web.Op[alarmIn, AlarmAnswer]{
			Pattern: "GET /api/v1/alarms/{number}", Needs: authz.AlarmsSee, Tag: "Alarms", Summary: "One alarm and who was told of it",
			Do: func(r *http.Request, in alarmIn) (AlarmAnswer, error) {
				desk, err := d.desk()
				if err != nil {
					return AlarmAnswer{}, err
				}
				a, notices, err := desk.Show(r.Context(), in.Number)
				return AlarmAnswer{a, notices}, err
			},
		}.Route(),
		web.Op[struct{}, AlarmsTried]{
			Pattern: "POST /api/v1/alarms/test", Needs: authz.AlarmsAct, Tag: "Alarms", Summary: "Send a marked test to everybody on call, over every way",
			Do: func(r *http.Request, _ struct{}) (AlarmsTried, error) {
				desk, err := d.desk()
				if err != nil {
					return AlarmsTried{}, err
				}
				tried, err := desk.Try(r.Context(), as(r, "").Person)
				return AlarmsTried{tried}, err
			},
		}.Route(),
		web.Op[alarmActIn, AlarmActed]{
			Pattern: "POST /api/v1/alarms/{number}/accept", Needs: authz.AlarmsAct, Tag: "Alarms", Summary: "Take an alarm on, in your own name",
			Do: act(false),
		}.Route(),
		web.Op[alarmActIn, AlarmActed]{
			Pattern: "POST /api/v1/alarms/{number}/close", Needs: authz.AlarmsAct, Tag: "Alarms", Summary: "Close an alarm whose condition is past",
			Do: act(true),
		}.Route(),
	}
}
