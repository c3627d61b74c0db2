package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Hub is what AuditEvents say of this installation.
type Hub struct {
	// Lab is the laboratory's name, Host the name under which the pages are reached.
	Lab, Host string
}

const (
	balp        = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
	eventTypes  = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	dicom       = "http://dicom.nema.org/resources/ontology/DCM"
	interaction = "http://hl7.org/fhir/restful-interaction"
	entityTypes = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	objectRoles = "http://terminology.hl7.org/CodeSystem/object-role"
	takesPart   = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	messageIDs  = "urn:ietf:rfc:3986"
	absent      = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
)

// The outcomes (R4 AuditEvent.outcome).
const (
	outcomeGood  = "0"
	outcomeMinor = "4"
)

var (
	restful   = fhir.Coding{System: eventTypes, Code: "rest", Display: "RESTful Operation"}
	login     = fhir.Coding{System: dicom, Code: "110114", Display: "User Authentication"}
	alert     = fhir.Coding{System: dicom, Code: "110113", Display: "Security Alert"}
	activity  = fhir.Coding{System: dicom, Code: "110100", Display: "Application Activity"}
	export    = fhir.Coding{System: dicom, Code: "110106", Display: "Export"}
	recipient = fhir.CodeableConcept{Coding: []fhir.Coding{{System: dicom, Code: "110152", Display: "Destination Role ID"}}}
	origin    = fhir.CodeableConcept{Coding: []fhir.Coding{{System: dicom, Code: "110153", Display: "Source Role ID"}}}
	receiver  = fhir.CodeableConcept{Coding: []fhir.Coding{{System: takesPart, Code: "IRCP", Display: "information recipient"}}}
	author    = fhir.CodeableConcept{Coding: []fhir.Coding{{System: takesPart, Code: "AUT", Display: "author (originator)"}}}
	disclose  = fhir.Coding{System: "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", Code: "disclose", Display: "Disclose Record Lifecycle Event"}
)

// AuditEvent maps a line. patient is who it is about where the caller knows it:
// the ledger does not. A pattern of IHE BALP is named only where all it asks for
// is there.
func (h Hub) AuditEvent(l *Line, patient *fhir.Identifier) fhir.AuditEvent {
	e := h.begin("leaf-"+strconv.FormatInt(l.Leaf, 10), l.Time())
	if l.Damaged {
		// The ledger does not confirm the row: nothing of it is passed on but that.
		e.Type, e.Action, e.Outcome, e.OutcomeDesc = alert, "E", "8", "This entry of the record is damaged. The ledger's audit says more."
		e.Agent = []fhir.AuditAgent{h.self(nil)}
		return e
	}
	switch l.Class {
	case View, Export:
		h.read(&e, l, patient)
	case SignIn:
		h.signIn(&e, l)
	case Refusal:
		h.refusal(&e, l)
	default:
		h.change(&e, l, patient)
	}
	return e
}

func (h Hub) begin(id string, at time.Time) fhir.AuditEvent {
	return fhir.AuditEvent{
		ResourceType: "AuditEvent", ID: id, Recorded: at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), Outcome: outcomeGood,
		Source: fhir.AuditSource{
			Site: fhir.Text(h.Lab), Observer: h.who(),
			Type: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/security-source-type", Code: "4", Display: "Application Server"}},
		},
	}
}

// who is the hub itself: BALP's val-audit-source asks that it reads the same as
// agent and as source.
func (h Hub) who() fhir.Reference {
	return fhir.Reference{Display: "Labwarden at " + fhir.Text(h.Host)}
}

// self is the hub as an agent in the given role.
func (h Hub) self(role *fhir.CodeableConcept) fhir.AuditAgent {
	who := h.who()
	return fhir.AuditAgent{Type: role, Who: &who, Network: &fhir.AuditNetwork{Address: fhir.Text(h.Host), Type: "1"}} // R4 network-type 1: machine name
}

// client is the program through which somebody acted: their browser or a
// program with a token. Its address is known only where the event says it.
func client(l *Line, role *fhir.CodeableConcept) fhir.AuditAgent {
	a := fhir.AuditAgent{Type: role, Who: &fhir.Reference{Display: "Browser or program of " + l.Who}}
	for _, v := range []string{l.Event.IDs.Get("from"), l.Event.Codes.Get("network")} {
		if v != "" {
			a.Network = &fhir.AuditNetwork{Address: v, Type: "2"} // R4 network-type 2: IP address
			return a
		}
	}
	a.Network = &fhir.AuditNetwork{Extension: []fhir.Extension{{URL: absent, ValueCode: "unknown"}}}
	return a
}

// user is the person, or the program, who acted.
func user(l *Line, role *fhir.CodeableConcept) fhir.AuditAgent {
	who := l.Who
	if who == "" {
		who = "somebody unknown"
	}
	return fhir.AuditAgent{Type: role, Who: &fhir.Reference{Identifier: &fhir.Identifier{Value: who}}, Name: who, Requestor: true}
}

// thing is what the event names first, as an entity.
func thing(l *Line) *fhir.AuditEntity {
	name := object(l)
	if name == "" {
		return nil
	}
	e := &fhir.AuditEntity{
		What: &fhir.Reference{Display: name}, Type: &fhir.Coding{System: entityTypes, Code: "2", Display: "System Object"},
		Role: &fhir.Coding{System: objectRoles, Code: "4", Display: "Domain Resource"},
	}
	if l.Message != "" {
		e.What = &fhir.Reference{Identifier: &fhir.Identifier{System: messageIDs, Value: "urn:uuid:" + l.Message}, Display: "HL7 message"}
		e.Role = &fhir.Coding{System: objectRoles, Code: "3", Display: "Report"}
	}
	return e
}

func person(patient *fhir.Identifier) fhir.AuditEntity {
	return fhir.AuditEntity{
		What: &fhir.Reference{Type: "Patient", Identifier: patient}, Type: &fhir.Coding{System: entityTypes, Code: "1", Display: "Person"},
		Role: &fhir.Coding{System: objectRoles, Code: "1", Display: "Patient"},
	}
}

// read is IHE BALP 1.1.4 IHE.BasicAudit.Read and .PatientRead: the client is the
// destination, the server the source, the user the information recipient.
func (h Hub) read(e *fhir.AuditEvent, l *Line, patient *fhir.Identifier) {
	e.Type, e.Action = restful, "R"
	e.Subtype = []fhir.Coding{{System: interaction, Code: "read", Display: "read"}, kindOf(l)}
	e.Agent = []fhir.AuditAgent{client(l, &recipient), h.self(&origin), user(l, &receiver)}
	h.about(e, l, patient, "Read")
}

// change is IHE.BasicAudit.Update or .Create: client and server the other way
// round, the user the author.
func (h Hub) change(e *fhir.AuditEvent, l *Line, patient *fhir.Identifier) {
	verb, action, pattern := "update", "U", "Update"
	if made(l.Kind) {
		verb, action, pattern = "create", "C", "Create"
	}
	e.Type, e.Action = restful, action
	e.Subtype = []fhir.Coding{{System: interaction, Code: verb, Display: verb}, kindOf(l)}
	e.Agent = []fhir.AuditAgent{client(l, &origin), h.self(&recipient), user(l, &author)}
	h.about(e, l, patient, pattern)
	if len(e.Entity) == 0 { // no pattern without an object
		e.Type, e.Subtype, e.Action = activity, []fhir.Coding{kindOf(l)}, "E"
	}
}

func (h Hub) about(e *fhir.AuditEvent, l *Line, patient *fhir.Identifier, pattern string) {
	t := thing(l)
	if t == nil {
		return
	}
	e.Entity = []fhir.AuditEntity{*t}
	if patient != nil {
		e.Entity = append(e.Entity, person(patient))
		pattern = "Patient" + pattern
	}
	e.Meta = &fhir.Meta{Profile: []string{balp + pattern}}
}

// signIn has no pattern in BALP: DICOM PS3.16 CID 400 User Authentication with
// Login and Logout (CID 403) says it.
func (h Hub) signIn(e *fhir.AuditEvent, l *Line) {
	e.Type, e.Action = login, "E"
	e.Subtype = []fhir.Coding{{System: dicom, Code: "110122", Display: "Login"}, kindOf(l)}
	if strings.HasPrefix(l.Kind, "session.ended") {
		e.Subtype[0] = fhir.Coding{System: dicom, Code: "110123", Display: "Logout"}
	}
	e.Agent = []fhir.AuditAgent{user(l, nil), client(l, nil), h.self(nil)}
}

func (h Hub) refusal(e *fhir.AuditEvent, l *Line) {
	e.Type, e.Action, e.Outcome, e.OutcomeDesc = alert, "E", outcomeMinor, "Refused"
	e.Subtype = []fhir.Coding{kindOf(l)}
	if area, _, _ := strings.Cut(l.Kind, "."); area == "signin" {
		e.Type = login
		e.Subtype = []fhir.Coding{{System: dicom, Code: "110122", Display: "Login"}, kindOf(l)}
	}
	e.Agent = []fhir.AuditAgent{user(l, nil), client(l, nil), h.self(nil)}
	if t := thing(l); t != nil {
		e.Entity = []fhir.AuditEntity{*t}
	}
}

// kindOf is our own word for it, beside the standard's.
func kindOf(l *Line) fhir.Coding {
	return fhir.Coding{System: "urn:labwarden:event-kind", Code: l.Kind}
}

// made says that a kind of change brings something into being.
func made(kind string) bool {
	for _, w := range []string{"added", "given", "placed", "opened", "made", "invited", "enrolled", "paired", "offered"} {
		if strings.HasSuffix(kind, "."+w) || strings.HasSuffix(kind, "_"+w) {
			return true
		}
	}
	return false
}

// Received is the AuditEvent of a message that came in about a patient: IHE BALP
// IHE.BasicAudit.PatientCreate, the source as client.
func (h Hub) Received(m *Message, patient *fhir.Identifier) fhir.AuditEvent {
	e := h.begin("received-"+m.ID, m.Received)
	e.Meta = &fhir.Meta{Profile: []string{balp + "PatientCreate"}}
	e.Type, e.Action = restful, "C"
	e.Subtype = []fhir.Coding{{System: interaction, Code: "create", Display: "create"}}
	from := fhir.AuditAgent{Type: &origin, Who: &fhir.Reference{Display: fhir.Text(m.Source)}, Network: unknownNetwork()}
	e.Agent = []fhir.AuditAgent{from, h.self(&recipient)}
	e.Entity = []fhir.AuditEntity{messageEntity(m.ID), person(patient)}
	return e
}

// Disclosed is the AuditEvent of a delivery: IHE BALP
// IHE.BasicAudit.PrivacyDisclosure.Source, the partner as recipient.
func (h Hub) Disclosed(m *Message, d *Delivery, patient *fhir.Identifier) fhir.AuditEvent {
	e := h.begin(fmt.Sprintf("disclosed-%d", d.Number), d.Accepted)
	e.Meta = &fhir.Meta{Profile: []string{balp + "PrivacyDisclosure.Source"}}
	e.Type, e.Action, e.Subtype = export, "R", []fhir.Coding{disclose}
	e.PurposeOfEvent = []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-ActReason", Code: "TREAT", Display: "treatment"}}}}
	to := fhir.AuditAgent{Type: &recipient, Who: &fhir.Reference{Display: fhir.Text(d.Partner)}, Network: unknownNetwork()}
	e.Agent = []fhir.AuditAgent{h.self(&origin), to}
	e.Entity = []fhir.AuditEntity{person(patient), messageEntity(m.ID)}
	return e
}

func unknownNetwork() *fhir.AuditNetwork {
	return &fhir.AuditNetwork{Extension: []fhir.Extension{{URL: absent, ValueCode: "unknown"}}}
}

func messageEntity(id string) fhir.AuditEntity {
	return fhir.AuditEntity{
		What: &fhir.Reference{Identifier: &fhir.Identifier{System: messageIDs, Value: "urn:uuid:" + id}, Display: "HL7 message"},
		Type: &fhir.Coding{System: entityTypes, Code: "2", Display: "System Object"},
		Role: &fhir.Coding{System: objectRoles, Code: "3", Display: "Report"},
	}
}
