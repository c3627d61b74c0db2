package poct1alink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/codec/poct1a"
)

type desk struct {
	hello  error
	refuse error
	device Device
	got    []string
}

func (d *desk) Hello(_ context.Context, dev Device) error { d.device = dev; return d.hello }

func (d *desk) Take(_ context.Context, m *poct1a.Message) error {
	if d.refuse != nil {
		return d.refuse
	}
	d.got = append(d.got, m.Type()+" "+m.ControlID())
	return nil
}

// meter is a device, played by hand.
type meter struct {
	t     *testing.T
	conn  net.Conn
	split *poct1a.Splitter
	docs  [][]byte
	id    int
}

func (m *meter) say(typ, inner string) {
	m.t.Helper()
	m.id++
	if _, err := fmt.Fprintf(m.conn, `<%s><HDR><HDR.control_id V="%d"/></HDR>%s</%s>`+"\r\n", typ, 100+m.id, inner, typ); err != nil {
		m.t.Fatal(err)
	}
}

// hear waits for a message of the type.
func (m *meter) hear(typ string) *poct1a.Message {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(10 * time.Minute))
	for len(m.docs) == 0 {
		b := make([]byte, 4096)
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("waits for %s: %v", typ, err)
		}
		if m.docs, err = m.split.Write(b[:n]); err != nil {
			m.t.Fatal(err)
		}
	}
	d, err := poct1a.Parse(m.docs[0])
	if err != nil {
		m.t.Fatal(err)
	}
	m.docs = m.docs[1:]
	if d.Type() != typ {
		m.t.Fatalf("heard %s, want %s", d.Type(), typ)
	}
	return d
}

// acked hears an acknowledgement of what was said last.
func (m *meter) acked(code string) *poct1a.Message {
	m.t.Helper()
	a := m.hear("ACK.R01")
	if got := a.Root().V("ACK", "ACK.type_cd"); got != code || a.Root().V("ACK", "ACK.ack_control_id") != fmt.Sprint(100+m.id) {
		m.t.Fatalf("%s", a.Bytes())
	}
	return a
}

const device = `<DEV><DEV.device_id V="">MGH^ICU</DEV.device_id><DEV.vendor_id V="EX"/><DEV.model_id V="Meter"/><DEV.serial_id V="7"/><DEV.sw_version V="3.1"/>
<DCP><DCP.application_timeout V="100"/></DCP><DSC>%s<DSC.max_message_sz V="32768"/></DSC></DEV>`

func play(t *testing.T, d *desk, cfg Config, test func(t *testing.T, m *meter)) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- Serve(t.Context(), ours, d, cfg) }()
		test(t, &meter{t: t, conn: theirs, split: poct1a.NewSplitter(poct1a.Limits{})})
		_ = theirs.Close()
		err = <-done
	})
	return err
}

func TestOnceThrough(t *testing.T) {
	d := &desk{}
	err := play(t, d, Config{}, func(t *testing.T, m *meter) {
		m.say("HEL.R01", fmt.Sprintf(device, ""))
		m.acked("AA")
		m.say("DST.R01", `<DST><DST.new_observations_qty V="2"/><DST.new_events_qty V="1"/></DST>`)
		m.acked("AA")
		if got := m.hear("REQ.R01").Root().V("REQ", "REQ.request_cd"); got != "ROBS" {
			t.Error(got)
		}
		for range 2 {
			m.say("OBS.R01", "<SVC/>")
			m.acked("AA")
		}
		m.say("EOT.R01", `<EOT><EOT.topic_cd V="OBS"/></EOT>`)
		m.acked("AA")
		if got := m.hear("REQ.R01").Root().V("REQ", "REQ.request_cd"); got != "RDEV" {
			t.Error(got)
		}
		m.say("EVS.R01", "<EVT/>")
		m.acked("AA")
		m.say("EOT.R01", "")
		m.acked("AA")
		m.hear("END.R01")
		m.say("ACK.R01", "")
	})
	if err != nil {
		t.Error(err)
	}
	if got := strings.Join(d.got, ", "); got != "OBS.R01 103, OBS.R01 104, EVS.R01 106" {
		t.Error(got)
	}
	if d.device.ID != "MGH^ICU" || d.device.Timeout != 100*time.Second || d.device.MaxMessage != 32768 || d.device.Continuous || d.device.Software != "3.1" {
		t.Errorf("%+v", d.device)
	}
}

func TestContinuous(t *testing.T) {
	d := &desk{}
	now := func() time.Time { return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC) }
	err := play(t, d, Config{SetTime: true, Now: now}, func(t *testing.T, m *meter) {
		m.say("HEL.R01", fmt.Sprintf(device, `<DSC.directives_supported_cd V="SET_TIME"/><DSC.directives_supported_cd V="START_CONTINUOUS"/>`))
		m.acked("AA")
		m.say("DST.R01", `<DST><DST.new_observations_qty V="0"/></DST>`)
		m.acked("AA")
		set := m.hear("DTV.R02")
		if got := set.Root().V("DTV", "TM", "TM.dttm"); got != "2026-03-01T10:00:00+00:00" {
			t.Error(got)
		}
		m.say("ACK.R01", `<ACK><ACK.type_cd V="AE"/><ACK.ack_control_id V="`+set.ControlID()+`"/></ACK>`) // it can't: no matter
		start := m.hear("DTV.R01")
		m.say("OBS.R01", "<SVC/>") // it measured before it heard
		m.acked("AA")
		m.say("ACK.R01", `<ACK><ACK.type_cd V="AA"/><ACK.ack_control_id V="`+start.ControlID()+`"/></ACK>`)
		<-time.After(140 * time.Second)
		m.say("KPA.R01", "")
		m.acked("AA")
		<-time.After(140 * time.Second)
		d.refuse = &Refused{"the disk is full"}
		m.say("OBS.R01", "<SVC/>")
		if got := m.acked("AE").Root().V("ACK", "ACK.note_txt"); got != "the disk is full" {
			t.Error(got)
		}
		d.refuse = errors.New("sql: secret")
		m.say("XYZ.R01", "<A/>")
		if got := m.acked("AE").Root().V("ACK", "ACK.note_txt"); strings.Contains(got, "secret") {
			t.Error(got)
		}
		d.refuse = nil
		m.say("XYZ.R01", "<A/>") // what nobody knows is kept
		m.acked("AA")
		m.say("END.R01", "")
		m.acked("AA")
	})
	if err != nil {
		t.Error(err)
	}
	if got := strings.Join(d.got, ", "); got != "OBS.R01 104, XYZ.R01 109" {
		t.Error(got)
	}
}

func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		desk *desk
		play func(m *meter)
		want string
	}{
		"silence":       {&desk{}, func(*meter) { <-time.After(61 * time.Second) }, "wait for the device"},
		"no hello":      {&desk{}, func(m *meter) { m.say("OBS.R01", "<SVC/>"); m.acked("AE") }, "without HEL"},
		"not allowed":   {&desk{hello: &Refused{"not in the inventory"}}, func(m *meter) { m.say("HEL.R01", ""); m.acked("AE") }, "not in the inventory"},
		"half":          {&desk{}, func(m *meter) { _, _ = m.conn.Write([]byte("<HEL.R01>")) }, "unexpected EOF"},
		"bomb":          {&desk{}, func(m *meter) { _, _ = m.conn.Write([]byte("<!DOCTYPE a []>")) }, "document type"},
		"hello twice":   {&desk{}, func(m *meter) { m.say("HEL.R01", ""); m.acked("AA"); m.say("HEL.R01", ""); m.acked("AE") }, "in the middle"},
		"left after it": {&desk{}, func(m *meter) { m.say("HEL.R01", ""); m.acked("AA") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := play(t, c.desk, Config{}, func(_ *testing.T, m *meter) { c.play(m) })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if len(c.desk.got) > 0 {
				t.Errorf("%v", c.desk.got)
			}
		})
	}
}

// Whatever a device sends, the conversation ends when it leaves, and it is told
// AA for no more than was taken.
func FuzzConversation(f *testing.F) {
	f.Add([]byte(`<HEL.R01><HDR><HDR.control_id V="1"/></HDR></HEL.R01><OBS.R01/><END.R01/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &desk{}
		_ = play(t, d, Config{Limits: poct1a.Limits{Bytes: 1 << 14}}, func(_ *testing.T, m *meter) {
			go func() {
				buf := make([]byte, 4096)
				for {
					if _, err := m.conn.Read(buf); err != nil {
						return
					}
				}
			}()
			_, _ = m.conn.Write(b)
			synctest.Wait()
		})
	})
}
