package poct1ahl7

import (
	"fmt"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/codec/poct1a"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

const model = `
vendor: Example
model: Meter
kind: glucose at the point of care
protocols: [poct1a]
names: ["Meter"]
sources: [{title: made for tests, url: "https://example.org", read: "2026-11-22", says: all of it}]
codes: {KET: {name: Ketones}}
units: {"mg/dL": "mg/dL"}
`

const sample = `<OBS.R01><HDR><HDR.control_id V="10003"/></HDR>
<SVC><SVC.role_cd V="OBS"/><SVC.observation_dttm V="2026-03-01T10:14:00+01:00"/><SVC.reason_cd V="NEW"/>
 <PT><PT.patient_id V="LAB-1"/><PT.location V="Ward 7"/><PT.birth_date V="1980-02-29"/>
  <OBS><OBS.observation_id V="2339-0" DN="Glucose" SN="LN"/><OBS.value V="098" U="mg/dL"/><OBS.normal_lo-hi_limit V="[70;105]"/><OBS.interpretation_cd V="N"/><OBS.method_cd V="M"/><OBS.status_cd V="A"/><NTE><NTE.text V="a|b"/></NTE></OBS>
  <OBS><OBS.observation_id V="KET"/><OBS.value V="LO" U="x"/><OBS.status_cd V="D"/></OBS>
 </PT>
 <OPR><OPR.operator_id V="n.smith"/></OPR><XYZ.lot V="7"/>
</SVC>
<SVC><SVC.role_cd V="LQC"/><SVC.observation_dttm V="2026-03-01T10:20:00Z"/><CTC><CTC.lot_number V="9"/><OBS><OBS.observation_id V="KET"/><OBS.value V="1.1"/></OBS></CTC><ORD><ORD.order_id V="A1"/></ORD></SVC>
</OBS.R01>`

const want = `MSH|^~\&|meter1|MILLBROOK||||| |
PID|1||LAB-1||||19800229
PV1|1|U|Ward 7
ORC|NW
OBR|1|||2339-0^Glucose^LN|||20260301101400+0100|||n.smith|||||||||||||||F
OBX|1|NM|2339-0^Glucose^LN||098|mg/dL^^^mg/dL^^UCUM|70-105|N|||F|||20260301101400+0100|||M
NTE|1|A|a\F\b
OBX|2|ST|KET^Ketones^99DEV||LO|x|||||X|||20260301101400+0100
`

func TestObservations(t *testing.T) {
	md, err := analyzers.Read("meter", []byte(model))
	if err != nil {
		t.Fatal(err)
	}
	m, err := poct1a.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	all, notes, err := Observations(m, md, Options{Device: "meter1", Facility: "MILLBROOK", ControlID: "LW7"})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d %v", len(all), err)
	}
	_, got, _ := strings.Cut(strings.ReplaceAll(string(all[0].Body), "\r", "\n"), "\n")
	if _, w, _ := strings.Cut(want, "\n"); got != w || all[0].Control {
		t.Errorf("%s", got)
	}
	if s := fmt.Sprint(notes); s != "[unknown unit: OBS.value status is not accepted: OBS.status_cd not carried: SVC/XYZ.lot not carried: SVC/CTC/CTC.lot_number]" {
		t.Error(s)
	}
	q, err := hl7.Parse(all[1].Body)
	if err != nil || !all[1].Control {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"MSH-9.2": "R32", "MSH-10": "LW7-2", "OBR-11": "Q", "ORC-2": "A1", "OBX-5": "1.1", "OBR-7": "20260301102000+0000"} {
		if v, _ := q.Get(path); v != want {
			t.Errorf("%s: %q, want %q", path, v, want)
		}
	}
	ack, _ := poct1a.Parse(poct1a.Ack("1", "2", "AA", "", ""))
	if _, _, err := Observations(ack, nil, Options{}); err == nil {
		t.Error("an acknowledgement observes")
	}
}

func FuzzObservations(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := poct1a.ParseLimits(b, poct1a.Limits{Bytes: 1 << 14})
		if err != nil {
			return
		}
		all, _, err := Observations(m, nil, Options{ControlID: "1"})
		if err != nil {
			return
		}
		for _, x := range all {
			h, err := hl7.Parse(x.Body)
			if err != nil {
				t.Fatal(err)
			}
			if id, _ := h.Get("MSH-10"); !strings.HasPrefix(id, "1") {
				t.Fatalf("%q", id)
			}
		}
	})
}
