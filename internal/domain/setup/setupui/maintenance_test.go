package setupui_test

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAWindowOnPages: opened, shown, ended; only of what there is.
func TestAWindowOnPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("tina", "/maintenance").says(200, "No maintenance window is open.").without("Open a window")
		r.get("tina", "/maintenance/open").says(403)
		r.get("sam", "/maintenance/open").says(200, "Partner North", "Source lis")
		r.post("sam", "/maintenance", "hours", "2").says(422, "Choose at least one partner or source.")
		r.post("sam", "/maintenance", "partner", "north", "hours", "2").says(422, "Say what is being done.", `value="north" checked`)
		r.post("sam", "/maintenance", "partner", "nobody", "hours", "2", "reason", "x").says(422, "no such partner")
		r.post("sam", "/maintenance", "partner", "north", "hours", "99", "reason", "x").says(422)
		r.post("sam", "/maintenance", "partner", "north", "hours", "2", "reason", "x", "from", "2020-01-01T00:00").says(422, "within the next 60 days")
		r.post("sam", "/maintenance", "partner", "north", "source", "lis", "hours", "2", "reason", "new firewall", "tell", "yes").goes("/maintenance")
		p := r.get("tina", "/maintenance").says(200, "1 maintenance window is open.", "new firewall", "north, lis", "Open until 09:40").without("End it now")
		_, id, _ := strings.Cut(p.body, `id="w-`)
		id, _, _ = strings.Cut(id, `"`)
		r.get("sam", "/maintenance/"+id+"/end").says(200, "End this maintenance window now?")
		r.post("tina", "/maintenance/"+id+"/end", "confirm", "yes").says(403)
		r.post("sam", "/maintenance/"+id+"/end", "confirm", "yes").goes("/maintenance")
		r.post("sam", "/maintenance/"+id+"/end", "confirm", "yes").says(404)
		until := r.now.Add(time.Hour).Format(time.RFC3339)
		r.api("sam", "POST", "/maintenance", `{"partners":["nobody"],"reason":"x","until":"`+until+`"}`).says(422)
		r.api("sam", "POST", "/maintenance", `{"partners":["north"],"reason":"x","until":"`+until+`"}`).says(200, `"by":"sam"`)
		r.api("tina", "GET", "/maintenance", "").says(200, `"partners":["north"]`)
		r.api("sam", "DELETE", "/maintenance/nothing", "").says(404)
	})
}
