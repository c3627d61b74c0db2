package fhir

// AuditEvent is R4 AuditEvent (http://hl7.org/fhir/R4/auditevent.html).
type AuditEvent struct {
	ResourceType   string            `json:"resourceType"`
	ID             string            `json:"id,omitempty"`
	Meta           *Meta             `json:"meta,omitempty"`
	Type           Coding            `json:"type"`
	Subtype        []Coding          `json:"subtype,omitempty"`
	Action         string            `json:"action,omitempty"`
	Recorded       string            `json:"recorded"`
	Outcome        string            `json:"outcome,omitempty"`
	OutcomeDesc    string            `json:"outcomeDesc,omitempty"`
	PurposeOfEvent []CodeableConcept `json:"purposeOfEvent,omitempty"`
	Agent          []AuditAgent      `json:"agent"`
	Source         AuditSource       `json:"source"`
	Entity         []AuditEntity     `json:"entity,omitempty"`
}

// AuditAgent is who or what took part.
type AuditAgent struct {
	Type      *CodeableConcept `json:"type,omitempty"`
	Who       *Reference       `json:"who,omitempty"`
	Name      string           `json:"name,omitempty"`
	Requestor bool             `json:"requestor"`
	Network   *AuditNetwork    `json:"network,omitempty"`
}

// AuditNetwork is where an agent was. With only an extension it says why that is
// not known.
type AuditNetwork struct {
	Extension []Extension `json:"extension,omitempty"`
	Address   string      `json:"address,omitempty"`
	Type      string      `json:"type,omitempty"`
}

// AuditSource is who recorded it.
type AuditSource struct {
	Site     string    `json:"site,omitempty"`
	Observer Reference `json:"observer"`
	Type     []Coding  `json:"type,omitempty"`
}

// AuditEntity is what it was about.
type AuditEntity struct {
	What   *Reference    `json:"what,omitempty"`
	Type   *Coding       `json:"type,omitempty"`
	Role   *Coding       `json:"role,omitempty"`
	Detail []AuditDetail `json:"detail,omitempty"`
}

// AuditDetail is a named value of an entity.
type AuditDetail struct {
	Type        string `json:"type"`
	ValueString string `json:"valueString"`
}
