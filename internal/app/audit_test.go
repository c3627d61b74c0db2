package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
)

// What the background audit finds alarms without anybody asking, is said by
// status, is a fact of the ledger, and a wrong search index is mended.
func TestBackgroundAuditAlarmsAndMends(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		h := fullHub(t, s)
		var said bytes.Buffer
		h.slog = slog.New(slog.NewTextHandler(&said, nil))
		h.auditOnce(t.Context(), nil)
		if got := h.alarms(); len(got) > 0 || strings.Contains(said.String(), "ALARM") {
			t.Fatalf("a sound store alarms: %v\n%s", got, said.String())
		}
		r := &raw{t: t, h: h}
		r.must("UPDATE results_search SET data = $1 WHERE run = (SELECT min(run) FROM results_search)", []byte{1, 2, 3, 4, 5, 6, 7, 8, 0})
		h.auditOnce(t.Context(), nil)
		if got := h.alarms(); len(got) != 1 || !strings.Contains(got[0], "search index") || !strings.Contains(said.String(), "ALARM") {
			t.Errorf("%v\n%s", got, said.String())
		}
		h.auditOnce(t.Context(), nil)
		if got := h.alarms(); len(got) != 0 {
			t.Errorf("the index was not mended: %v", got)
		}
		// A damaged row that is written to afterwards stays damaged.
		r.must("UPDATE results_quarantine SET detail = 'all is well' WHERE cause = 'unparsable'")
		if _, err := h.Results.Intake("lis").Handle(t.Context(), channel.Peer{Name: "lis"}, []byte("not a message")); err != nil {
			t.Fatal(err)
		}
		h.auditOnce(t.Context(), nil)
		got := h.alarms()
		if len(got) != 1 || !strings.Contains(got[0], "1 stored rows") || !strings.Contains(got[0], "results_quarantine") {
			t.Errorf("%v", got)
		}
		if strings.Contains(said.String(), "DOE") {
			t.Error("patient data in the log")
		}
		a, err := h.Audit(t.Context(), nil)
		if err != nil || a.Found != 1 || a.Findings[0].Table != "results_quarantine" {
			t.Errorf("%v %+v", err, a)
		}
	})
}
