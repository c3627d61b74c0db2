package poct1ahl7

import (
	"errors"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/codec/poct1a"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

// Options say what the device's message does not.
type Options struct {
	Device, Facility string // MSH-3, MSH-4
	To, ToLab        string // MSH-5, MSH-6
	ControlID        string // MSH-10; services behind the first get -2, -3
	Time             string // MSH-7, YYYYMMDDHHMMSS and zone
}

// Message is one service as HL7.
type Message struct {
	Body []byte
	// Control: quality control, calibration or proficiency, no patient's.
	Control bool
}

// Note names an element by its path and what is to be known of it, without
// content.
type Note struct{ What, Element string }

func (n Note) String() string { return n.What + ": " + n.Element }

// ErrNoObservations: the message observes nothing.
var ErrNoObservations = errors.New("poct1ahl7: the message holds no observations")

// Observations maps OBS.R01 and OBS.R02.
func Observations(m *poct1a.Message, model *analyzers.Model, o Options) ([]Message, []Note, error) {
	if m.Topic() != "OBS" {
		return nil, nil, ErrNoObservations
	}
	if model == nil {
		model = &analyzers.Model{}
	}
	var out []Message
	var notes []Note
	id := o.ControlID
	for svc := range m.Root().Children("SVC") {
		if len(out) > 0 {
			o.ControlID = id + "-" + strconv.Itoa(len(out)+1)
		}
		s := service{model: model, w: hl7.NewWriter(), used: map[*poct1a.Element]bool{}, svc: svc}
		if !s.write(o) {
			continue
		}
		s.leftovers(svc, "SVC")
		out = append(out, Message{s.w.Bytes(), s.control})
		notes = append(notes, s.notes...)
	}
	if len(out) == 0 {
		return nil, nil, ErrNoObservations
	}
	return out, notes, nil
}

type service struct {
	model   *analyzers.Model
	w       *hl7.Writer
	svc     *poct1a.Element
	used    map[*poct1a.Element]bool
	notes   []Note
	control bool
	obx     int
	nte     int
}

// v is a value, and remembers that it is carried.
func (s *service) v(e *poct1a.Element, path ...string) string {
	f := e.Find(path...)
	if f == nil {
		return ""
	}
	s.used[f] = true
	return strings.TrimSpace(f.Value())
}

func (s *service) note(what, element string) { s.notes = append(s.notes, Note{what, element}) }

// roles of a service that are no patient's: liquid and electronic quality control,
// calibration, its verification, proficiency.
var controls = map[string]bool{"LQC": true, "EQC": true, "CTL": true, "CAL": true, "CVR": true, "PRF": true}

func (s *service) write(o Options) bool {
	role := s.v(s.svc, "SVC.role_cd")
	pt, ctc := s.svc.Find("PT"), s.svc.Find("CTC")
	s.control = controls[role] || pt == nil && ctc != nil
	if role != "OBS" && !controls[role] {
		s.note("unknown role", "SVC.role_cd")
	}
	from := pt
	if pt == nil {
		from = ctc
	}
	if from.Find("OBS") == nil {
		return false
	}
	order := s.v(s.svc, "ORD", "ORD.order_id")
	event := "R30" // HL7 v2.5.1 7.3.6: unordered
	if order != "" {
		event = "R32" // 7.3.8: pre-ordered
	}
	s.w.Field(3, o.Device).Field(4, o.Facility).Field(5, o.To).Field(6, o.ToLab).Field(7, o.Time).
		Field(9, "ORU", event, "ORU_R30").Field(10, o.ControlID).Field(11, "P").Field(12, "2.5.1").Field(18, "UNICODE UTF-8")
	s.patient(pt)
	at := moment(s.v(s.svc, "SVC.observation_dttm"))
	reason := s.v(s.svc, "SVC.reason_cd")
	s.w.Segment("ORC").Field(1, "NW").Field(2, order)
	s.w.Segment("OBR").Field(1, "1").Field(2, order).Field(4, s.coded(s.svc.Find("ORD", "ORD.universal_service_id"), from)...).Field(7, at).
		Field(10, s.v(s.svc, "OPR", "OPR.operator_id"), s.v(s.svc, "OPR", "OPR.name"))
	if s.control {
		s.w.Field(11, "Q") // specimen of quality control (HL7 table 0065)
	}
	status := "F"
	if reason == "EDT" { // edited at the device: a correction
		status = "C"
	}
	s.w.Field(25, status)
	for obs := range from.Children("OBS") {
		s.observation(obs, status, at)
	}
	for n := range s.svc.Children("NTE") {
		s.comment(n)
	}
	return true
}

func (s *service) patient(pt *poct1a.Element) {
	if pt == nil {
		return
	}
	s.w.Segment("PID").Field(1, "1").Field(3, s.v(pt, "PT.patient_id")).Field(5, s.v(pt, "PT.name")).
		Field(7, strings.ReplaceAll(s.v(pt, "PT.birth_date"), "-", "")).Field(8, s.v(pt, "PT.gender_cd"))
	if l := s.v(pt, "PT.location"); l != "" {
		s.w.Segment("PV1").Field(1, "1").Field(2, "U").Field(3, l)
	}
}

// coded is a code with its name; where there is none, that of the first
// observation, since HL7 wants one.
func (s *service) coded(e, from *poct1a.Element) []string {
	if e == nil || e.Value() == "" {
		e = from.Find("OBS", "OBS.observation_id")
	}
	if e == nil {
		return nil
	}
	s.used[e] = true
	code, name, system := e.Value(), e.Attr("DN"), e.Attr("SN")
	if system == "LN" {
		return []string{code, name, "LN"}
	}
	k, ok := s.model.Code(code)
	switch {
	case !ok && s.model.Key != "":
		s.note("unknown code", e.Name)
	case name == "":
		name = k.Name
	}
	if system == "" {
		system = "DEV"
	}
	out := []string{code, name, "99" + system}
	if k.LOINC != "" {
		out = append(out, k.LOINC, k.Name, "LN")
	}
	return out
}

func (s *service) observation(obs *poct1a.Element, status, at string) {
	s.obx++
	value, unit := s.v(obs, "OBS.value"), obs.Find("OBS.value").Attr("U")
	if q := s.v(obs, "OBS.qualitative_value"); value == "" {
		value = q
	} else if q != "" {
		s.note("not carried", "OBS.qualitative_value")
	}
	typ := "ST"
	if analyzers.Numeric(value) {
		typ = "NM"
	}
	s.w.Segment("OBX").Field(1, strconv.Itoa(s.obx)).Field(2, typ).Field(3, s.coded(obs.Find("OBS.observation_id"), nil)...).Field(5, value).
		Field(6, s.unit(unit)...).Field(7, s.limits(obs)).Field(8, s.v(obs, "OBS.interpretation_cd"))
	// OBS.status_cd is who accepted it (A accepted, D discarded, R repeat): a value
	// that was not accepted is no result.
	if st := s.v(obs, "OBS.status_cd"); st != "" && st != "A" {
		s.note("status is not accepted", "OBS.status_cd")
		status = "X"
	}
	s.w.Field(11, status).Field(14, at).Field(17, s.v(obs, "OBS.method_cd"))
	for n := range obs.Children("NTE") {
		s.comment(n)
	}
	if t := s.v(obs, "OBS.note"); t != "" {
		s.text(t)
	}
}

func (s *service) unit(u string) []string {
	if u == "" {
		return nil
	}
	ucum, ok := s.model.Units[u]
	if !ok {
		if s.model.Key != "" {
			s.note("unknown unit", "OBS.value")
		}
		return []string{u}
	}
	return []string{u, "", "", ucum, "", "UCUM"}
}

// limits are the normal ones: POCT1-A writes an interval "[70;105]".
func (s *service) limits(obs *poct1a.Element) string {
	v := s.v(obs, "OBS.normal_lo-hi_limit")
	lo, hi, ok := strings.Cut(strings.Trim(v, "[]"), ";")
	if ok && lo != "" && hi != "" {
		return lo + "-" + hi
	}
	return v
}

func (s *service) comment(n *poct1a.Element) {
	if t := s.v(n, "NTE.text"); t != "" {
		s.text(t)
	}
}

func (s *service) text(t string) {
	s.nte++
	s.w.Segment("NTE").Field(1, strconv.Itoa(s.nte)).Field(2, "A").Field(3, t)
}

// moment is an XML time as HL7 writes it; one that is none is left out.
func moment(s string) string {
	date, clock, ok := strings.Cut(s, "T")
	if !ok || len(date) != len("2026-03-01") || len(clock) < len("10:15:00") {
		return ""
	}
	out := strings.ReplaceAll(date, "-", "") + strings.ReplaceAll(clock[:8], ":", "")
	if strings.Trim(out, "0123456789") != "" {
		return ""
	}
	switch zone := strings.TrimLeft(clock[8:], ".0123456789"); {
	case zone == "Z":
		return out + "+0000"
	case len(zone) == len("+01:00") && (zone[0] == '+' || zone[0] == '-'):
		return out + strings.Replace(zone, ":", "", 1)
	}
	return out
}

// leftovers notes each field with content that was not carried.
func (s *service) leftovers(e *poct1a.Element, path string) {
	for c := range e.Children() {
		at := path + "/" + safe(c.Name)
		if !s.used[c] && strings.TrimSpace(c.Value()) != "" {
			s.note("not carried", at)
		}
		s.leftovers(c, at)
	}
}

// safe is a name that the standard could have; a device could write content there.
func safe(name string) string {
	if len(name) > 40 || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return "an element of the manufacturer"
	}
	return name
}
