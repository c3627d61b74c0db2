package gate

import (
	"encoding/json"
	"slices"
)

// party is a Reference that says who is meant without leading anywhere
// (FHIR R4 references.html 2.3.0).
type party struct {
	Display    string `json:"display"`
	Identifier struct {
		Value string `json:"value"`
	} `json:"identifier"`
}

func (p party) named() bool { return p.Display != "" || p.Identifier.Value != "" }

// end is an application with its address: source, or one of destination.
type end struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	Receiver party  `json:"receiver"`
}

// is says whether an organisation or its application is among those allowed.
func (p party) is(e end, allowed []string) bool {
	return slices.ContainsFunc([]string{p.Identifier.Value, p.Display, e.Name, e.Endpoint}, func(s string) bool { return s != "" && slices.Contains(allowed, s) })
}

// header says whether a message's header is this partner's (FHIR R4
// messageheader.html 2.4.4): its sender is compared as MSH-4 is and its receivers
// as MSH-6. One that says neither by identifier nor by name is not compared: no
// other resource has to say it either.
func (l *looker) header(b []byte) error {
	var h struct {
		Sender      party `json:"sender"`
		Source      end   `json:"source"`
		Destination []end `json:"destination"`
	}
	if json.Unmarshal(b, &h) != nil {
		return fhirError("a resource of type MessageHeader has not the structure of FHIR R4")
	}
	other := func(what string) error {
		return refuse(CauseOther, "A FHIR message of the file is not one of yours as the laboratory knows you: "+what+". Send it from the right account, or ask the laboratory to add it.")
	}
	if len(l.rules.Facilities) > 0 && h.Sender.named() && !h.Sender.is(h.Source, l.rules.Facilities) {
		return other("its sender (MessageHeader.sender) is none of those agreed")
	}
	if len(l.rules.Receivers) > 0 && slices.ContainsFunc(h.Destination, func(e end) bool { return e.Receiver.named() }) &&
		!slices.ContainsFunc(h.Destination, func(e end) bool { return e.Receiver.is(e, l.rules.Receivers) }) {
		return other("its receiver (MessageHeader.destination.receiver) is none of those agreed")
	}
	return nil
}
