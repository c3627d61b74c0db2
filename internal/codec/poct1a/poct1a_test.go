package poct1a

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// The project's own sample of a glucose meter.
const sample = `<?xml version="1.0" encoding="utf-8"?>
<OBS.R01>
 <HDR><HDR.message_type V="OBS.R01"/><HDR.control_id V="10003"/><HDR.version_id V="POCT1"/><HDR.creation_dttm V="2026-03-01T10:15:00+01:00"/></HDR>
 <!-- a > in a comment -->
 <SVC>
  <SVC.role_cd V="OBS"/><SVC.observation_dttm V="2026-03-01T10:14:00+01:00"/><SVC.reason_cd V="NEW"/>
  <PT><PT.patient_id V="LAB-1"/>
   <OBS><OBS.observation_id V="2339-0" DN="Glucose" SN="LN"/><OBS.value V="98" U="mg/dL"/><OBS.method_cd V="M"/><OBS.note V="a &gt; b &amp; c"/></OBS>
   <OBS><OBS.observation_id V="KET"/><OBS.value V="0.4" U="mmol/L"/></OBS>
  </PT>
  <OPR><OPR.operator_id V="n.smith"/></OPR>
  <XYZ.lot V='7">'/>
 </SVC>
</OBS.R01>`

func TestParse(t *testing.T) {
	m, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if m.Type() != "OBS.R01" || m.Topic() != "OBS" || m.ControlID() != "10003" || string(m.Bytes()) != sample {
		t.Errorf("%s %s", m.Type(), m.ControlID())
	}
	svc := m.Root().Find("SVC")
	if got := svc.V("PT", "OBS", "OBS.note"); got != "a > b & c" {
		t.Errorf("%q", got)
	}
	if got := svc.V("XYZ.lot"); got != `7">` {
		t.Errorf("%q", got)
	}
	var values []string
	for o := range svc.Find("PT").Children("OBS") {
		values = append(values, o.V("OBS.observation_id")+"="+o.V("OBS.value")+o.Find("OBS.value").Attr("U"))
	}
	if got := strings.Join(values, " "); got != "2339-0=98mg/dL KET=0.4mmol/L" {
		t.Error(got)
	}
	if svc.V("nothing", "there") != "" || svc.Find("nothing").Attr("V") != "" {
		t.Error("what is not there has a value")
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40)
	for name, c := range map[string]struct{ in, want string }{
		"entities": {`<!DOCTYPE a [<!ENTITY b "ccc">]><a>&b;</a>`, "document type"}, "outside file": {`<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, "document type"},
		"unknown entity": {`<a V="&b;"/>`, "no XML"}, "instruction": {`<?php x?><a/>`, "processing instructions"}, "deep": {deep, "deeper"},
		"cut off": {`<a><b>`, "cut off"}, "crossed": {`<a><b></a></b>`, "without its beginning"}, "two": {`<a/><b/>`, "second root"}, "none": {"  ", "no element"},
		"text": {"x<a/>", "text outside"}, "utf-16": {`<?xml version="1.0" encoding="utf-16"?><a/>`, "no XML"}, "long": {"<a>" + strings.Repeat("x", 1<<20) + "</a>", "longer"},
		"many": {"<a>" + strings.Repeat("<b/>", 50_000) + "</a>", "more elements"},
	} {
		_, err := Parse([]byte(c.in))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "passwd") {
			t.Errorf("%s: content in the error", name)
		}
	}
	if m, err := Parse([]byte("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a V=\"M\xfcller\"/>")); err != nil || m.Root().Value() != "M\u00fcller" {
		t.Errorf("%v", err)
	}
}

func TestSplitter(t *testing.T) {
	ack := string(Ack("7", "10003", "AA", `he said "<ok>" & left`, "2026-03-01T10:15:00Z"))
	stream := "\ufeff\r\n" + sample + "\x00\n" + ack + `<a b=">"/>` + `<c><![CDATA[</c>]]></c> `
	for _, step := range []int{1, 7, len(stream)} {
		s := NewSplitter(Limits{})
		var all []string
		for b := []byte(stream); len(b) > 0; {
			n := min(step, len(b))
			docs, err := s.Write(b[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range docs {
				all = append(all, string(d))
			}
			b = b[n:]
		}
		if len(all) != 4 || all[0] != sample || all[1] != ack || all[2] != `<a b=">"/>` || all[3] != `<c><![CDATA[</c>]]></c>` {
			t.Errorf("step %d: %d documents: %.300q", step, len(all), all)
		}
	}
	for name, bad := range map[string]string{
		"bomb": `<!DOCTYPE a []><a/>`, "text": "hello", "end": "</a>", "deep": strings.Repeat("<a>", 33), "long": "<a>" + strings.Repeat("x", 1<<20), "tag in a tag": "<a <b>", "empty": "<>",
	} {
		if _, err := NewSplitter(Limits{}).Write([]byte(bad)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	m, err := Parse([]byte(ack))
	if err != nil || m.Root().V("ACK", "ACK.note_txt") != `he said "<ok>" & left` || m.Root().V("ACK", "ACK.ack_control_id") != "10003" {
		t.Errorf("%v %q", err, ack)
	}
}

// However a stream is cut, its documents are the same; whatever Parse takes, the
// Splitter gives as one.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte(sample+"<a/>"), uint8(3))
	f.Add([]byte(`<a b='>'><!-- > --><![CDATA[>]]></a>`), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		l := Limits{Bytes: 1 << 14}
		whole, err := NewSplitter(l).Write(b)
		s := NewSplitter(l)
		var parts [][]byte
		var perr error
		for rest := b; len(rest) > 0 && perr == nil; {
			n := min(int(step)+1, len(rest))
			var docs [][]byte
			docs, perr = s.Write(rest[:n])
			parts = append(parts, docs...)
			rest = rest[n:]
		}
		// A limit may be noticed earlier; documents before it are the same.
		for i := range min(len(whole), len(parts)) {
			if !bytes.Equal(whole[i], parts[i]) {
				t.Fatalf("document %d: %q, %q", i, whole[i], parts[i])
			}
		}
		if err == nil && perr == nil && len(whole) != len(parts) {
			t.Fatalf("%d documents, %d", len(whole), len(parts))
		}
		for _, d := range whole {
			if m, err := ParseLimits(d, l); err == nil {
				_ = m.ControlID()
			}
		}
		if m, err := ParseLimits(b, l); err == nil && len(b) > 0 && b[0] == '<' {
			docs, err := NewSplitter(l).Write(b)
			if err != nil || len(docs) != 1 {
				t.Fatalf("a document of type %q is split into %d: %v", m.Type(), len(docs), err)
			}
		}
	})
}

func FuzzWrite(f *testing.F) {
	f.Add("a", "b\x00<&\">")
	f.Fuzz(func(t *testing.T, id, text string) {
		m, err := Parse(Ack("1", id, "AE", text, ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Root().V("ACK", "ACK.type_cd"); got != "AE" {
			t.Fatalf("%q", got)
		}
	})
}
