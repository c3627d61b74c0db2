package record_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var hub = record.Hub{Lab: "Millbrook Laboratory", Host: "lab.example"}

// TestAuditEventsAgainstTheR4Schema: two validators of others take every line,
// and each names a pattern of IHE BALP only where it fits.
func TestAuditEventsAgainstTheR4Schema(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		message, _ := r.morning()
		r.follow()
		r.a.of["PA17/LAB"] = []record.Message{{
			ID: message, Source: "lis", Received: start.Add(time.Second), Deliveries: []record.Delivery{{Number: 1, Partner: "riverside", Accepted: start.Add(8 * time.Second)}},
		}}
		var out bytes.Buffer
		sink, err := record.NewSink(record.NDJSON, &out, hub)
		check(t, err)
		check(t, r.r.ExportTo(t.Context(), record.By{Account: "carla"}, record.Query{}, record.NDJSON, sink))
		rep, err := r.r.Patient(t.Context(), record.By{Account: "carla"}, record.Ask{ID: "PA17", Authority: "LAB"})
		check(t, err)
		check(t, record.WriteReport(&out, rep, record.NDJSON, hub))
		r.exec("UPDATE record_events SET who = 'x' WHERE kind = 'result.held'")
		sink, err = record.NewSink(record.NDJSON, &out, hub)
		check(t, err)
		check(t, r.r.ExportTo(t.Context(), record.By{Account: "carla"}, record.Query{Kind: "result.held"}, record.NDJSON, sink))

		profiles := map[string]int{}
		var lines []json.RawMessage
		for l := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
			lines = append(lines, json.RawMessage(l))
			var e auditEvent
			if err := json.Unmarshal([]byte(l), &e); err != nil {
				t.Fatal(err)
			}
			for _, p := range e.Meta.Profile {
				name := strings.TrimPrefix(p, "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.")
				profiles[name]++
				e.balp(t, name)
			}
		}
		for name, n := range map[string]int{"Read": 2, "PatientRead": 2, "PatientCreate": 1, "PatientUpdate": 1, "PrivacyDisclosure.Source": 1} {
			if profiles[name] != n {
				t.Errorf("%d events of %s, want %d: %v", profiles[name], name, n, profiles)
			}
		}
		if len(lines) != 14 {
			t.Errorf("%d lines", len(lines))
		}
		if t.Name() == "TestAuditEventsAgainstTheR4Schema/sqlite" {
			validate(t, lines)
		}
	})
}

type coded struct{ System, Code string }

type auditEvent struct {
	Meta    struct{ Profile []string }
	Type    coded
	Subtype []coded
	Action  string
	Outcome string
	Agent   []struct {
		Type      struct{ Coding []coded }
		Who       json.RawMessage
		Requestor bool
		Network   json.RawMessage
	}
	Source struct{ Observer json.RawMessage }
	Entity []struct {
		Type, Role coded
		What       json.RawMessage
	}
}

// balp checks what the pattern asks for: codes, agents, entities.
func (e *auditEvent) balp(t *testing.T, name string) {
	t.Helper()
	agents := map[string]int{}
	for _, a := range e.Agent {
		for _, c := range a.Type.Coding {
			agents[c.Code]++
			if (c.Code == "110152" || c.Code == "110153") && (a.Network == nil || a.Who == nil) {
				t.Errorf("%s: an end of it has no network or name", name)
			}
		}
	}
	entities := map[string]int{}
	for _, x := range e.Entity {
		entities[x.Type.Code]++
		if x.What == nil || x.Role.Code == "" {
			t.Errorf("%s: an entity without what or role", name)
		}
	}
	want := map[string]string{"Read": "R", "PatientRead": "R", "Create": "C", "PatientCreate": "C", "Update": "U", "PatientUpdate": "U", "PrivacyDisclosure.Source": "R"}[name]
	if e.Action != want || e.Outcome != "0" || agents["110152"] != 1 || agents["110153"] != 1 || len(e.Subtype) == 0 || entities["2"] != 1 {
		t.Errorf("%s: %+v", name, e)
	}
	if patient := strings.HasPrefix(name, "Patient") || strings.HasPrefix(name, "Privacy"); patient != (entities["1"] == 1) {
		t.Errorf("%s: patient %v", name, entities)
	}
	if strings.HasPrefix(name, "Privacy") { // val-audit-source
		if string(e.Agent[0].Who) != string(e.Source.Observer) || e.Type.Code != "110106" || e.Subtype[0].Code != "disclose" {
			t.Errorf("%s: %+v", name, e)
		}
	} else if e.Type.Code != "rest" {
		t.Errorf("%s: %+v", name, e)
	}
}

// validate runs the validators of e2e/fhir.
func validate(t *testing.T, lines []json.RawMessage) {
	t.Helper()
	dir, node := npm.Validators(t, "no FHIR schema validator of others has seen these events")
	var in bytes.Buffer
	for i, l := range lines {
		b, err := json.Marshal(map[string]any{"name": i, "resource": l})
		check(t, err)
		in.Write(append(b, '\n'))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "validate.js")
	cmd.Dir, cmd.Stdin = dir, &in
	out, err := cmd.Output()
	check(t, err)
	n := 0
	for l := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		var v struct {
			Name   int
			Errors []string
		}
		check(t, json.Unmarshal([]byte(l), &v))
		if n++; len(v.Errors) > 0 {
			t.Errorf("%s\n%q", lines[v.Name], v.Errors)
		}
	}
	if n != len(lines) {
		t.Errorf("%d of %d judged", n, len(lines))
	}
}
