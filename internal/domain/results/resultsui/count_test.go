package resultsui

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

func TestCountPage(t *testing.T) {
	l := newBench(t)
	admin := l.as(authz.Administrator)
	has(t, admin.get("/partners/north/count", 200), "North Clinic is not countable")
	var a CountAnswer
	must(t, json.Unmarshal([]byte(admin.json("GET", "/api/v1/partners/north/count", "", 200)), &a))
	if a.Counted != nil || a.Way != "" {
		t.Errorf("%+v", a)
	}
	l.take("C1", "M1", "1", "N")
	l.flow("north", func(f results.Flow) bool { l.pass(100 * time.Millisecond); return f.Last >= 0 && !f.LastReply.IsZero() })
	now := time.Now()
	_, err := l.svc.Count(t.Context(), results.Counting{
		Partner: "north", Since: now.AddDate(0, 0, -30), Until: now.AddDate(30, 0, 0), Zone: time.Local, Way: results.ByPickup,
	}, results.Nightly())
	must(t, err)
	has(t, admin.get("/partners/north/count", 200), "0 of 1 results", "1 is not", "by what it picked up or opened", "not there", "Nothing is sent again by itself")
	has(t, admin.get("/", 200), "North Clinic has not picked up 1 result that we placed", "See the list")
	must(t, json.Unmarshal([]byte(admin.json("GET", "/api/v1/partners/north/count", "", 200)), &a))
	if a.Missing != 1 || a.There != 0 || a.By != "pickup" || len(a.Lacking) != 1 || a.Lacking[0].Now {
		t.Errorf("%+v", a)
	}
	l.as(authz.Provider, "X-Partner", "south").get("/partners/north/count", 404)
}
