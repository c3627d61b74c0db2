package fhir

// Patient is R4 Patient.
type Patient struct {
	Type                 string           `json:"resourceType"`
	Meta                 *Meta            `json:"meta,omitempty"`
	Extension            []Extension      `json:"extension,omitempty"`
	Identifier           []Identifier     `json:"identifier,omitempty"`
	Name                 []HumanName      `json:"name,omitempty"`
	Telecom              []ContactPoint   `json:"telecom,omitempty"`
	Gender               string           `json:"gender,omitempty"`
	BirthDate            string           `json:"birthDate,omitempty"`
	BirthDateMore        *Element         `json:"_birthDate,omitempty"`
	DeceasedBoolean      *bool            `json:"deceasedBoolean,omitempty"`
	DeceasedDateTime     string           `json:"deceasedDateTime,omitempty"`
	Address              []Address        `json:"address,omitempty"`
	MaritalStatus        *CodeableConcept `json:"maritalStatus,omitempty"`
	MultipleBirthBoolean *bool            `json:"multipleBirthBoolean,omitempty"`
	MultipleBirthInteger int              `json:"multipleBirthInteger,omitempty"`
	Contact              []PatientContact `json:"contact,omitempty"`
	Communication        []Communication  `json:"communication,omitempty"`
	GeneralPractitioner  []Reference      `json:"generalPractitioner,omitempty"`
}

// PatientContact is a next of kin or another person who stands for the patient.
type PatientContact struct {
	Relationship []CodeableConcept `json:"relationship,omitempty"`
	Name         *HumanName        `json:"name,omitempty"`
	Telecom      []ContactPoint    `json:"telecom,omitempty"`
	Address      *Address          `json:"address,omitempty"`
	Gender       string            `json:"gender,omitempty"`
	Organization *Reference        `json:"organization,omitempty"`
	Period       *Period           `json:"period,omitempty"`
}

// Communication is a language of a patient.
type Communication struct {
	Language CodeableConcept `json:"language"`
}

// Practitioner is R4 Practitioner.
type Practitioner struct {
	Type       string         `json:"resourceType"`
	Identifier []Identifier   `json:"identifier,omitempty"`
	Name       []HumanName    `json:"name,omitempty"`
	Telecom    []ContactPoint `json:"telecom,omitempty"`
	Address    []Address      `json:"address,omitempty"`
}

// PractitionerRole is R4 PractitionerRole: a person acting for an organization.
type PractitionerRole struct {
	Type         string            `json:"resourceType"`
	Identifier   []Identifier      `json:"identifier,omitempty"`
	Period       *Period           `json:"period,omitempty"`
	Practitioner *Reference        `json:"practitioner,omitempty"`
	Organization *Reference        `json:"organization,omitempty"`
	Code         []CodeableConcept `json:"code,omitempty"`
}

// Organization is R4 Organization.
type Organization struct {
	Type       string                `json:"resourceType"`
	Identifier []Identifier          `json:"identifier,omitempty"`
	Name       string                `json:"name,omitempty"`
	Telecom    []ContactPoint        `json:"telecom,omitempty"`
	Address    []Address             `json:"address,omitempty"`
	Contact    []OrganizationContact `json:"contact,omitempty"`
}

// OrganizationContact is a person who answers for an organization.
type OrganizationContact struct {
	Purpose *CodeableConcept `json:"purpose,omitempty"`
	Name    *HumanName       `json:"name,omitempty"`
	Telecom []ContactPoint   `json:"telecom,omitempty"`
	Address *Address         `json:"address,omitempty"`
}

// Specimen is R4 Specimen.
type Specimen struct {
	Type                string              `json:"resourceType"`
	Identifier          []Identifier        `json:"identifier,omitempty"`
	AccessionIdentifier *Identifier         `json:"accessionIdentifier,omitempty"`
	Status              string              `json:"status,omitempty"`
	Kind                *CodeableConcept    `json:"type,omitempty"`
	Subject             *Reference          `json:"subject,omitempty"`
	ReceivedTime        string              `json:"receivedTime,omitempty"`
	Parent              []Reference         `json:"parent,omitempty"`
	Collection          *SpecimenCollection `json:"collection,omitempty"`
	Container           []SpecimenContainer `json:"container,omitempty"`
	Condition           []CodeableConcept   `json:"condition,omitempty"`
	Note                []Annotation        `json:"note,omitempty"`
}

// SpecimenCollection says how a specimen was taken.
type SpecimenCollection struct {
	Collector         *Reference       `json:"collector,omitempty"`
	CollectedDateTime string           `json:"collectedDateTime,omitempty"`
	CollectedPeriod   *Period          `json:"collectedPeriod,omitempty"`
	Quantity          *Quantity        `json:"quantity,omitempty"`
	Method            *CodeableConcept `json:"method,omitempty"`
	BodySite          *CodeableConcept `json:"bodySite,omitempty"`
}

// SpecimenContainer is the vessel.
type SpecimenContainer struct {
	Kind     *CodeableConcept `json:"type,omitempty"`
	Additive *CodeableConcept `json:"additiveCodeableConcept,omitempty"`
}

// ServiceRequest is R4 ServiceRequest.
type ServiceRequest struct {
	Type        string            `json:"resourceType"`
	Identifier  []Identifier      `json:"identifier,omitempty"`
	BasedOn     []Reference       `json:"basedOn,omitempty"`
	Requisition *Identifier       `json:"requisition,omitempty"`
	Status      string            `json:"status"`
	Intent      string            `json:"intent"`
	Priority    string            `json:"priority,omitempty"`
	Code        *CodeableConcept  `json:"code,omitempty"`
	OrderDetail []CodeableConcept `json:"orderDetail,omitempty"`
	Subject     Reference         `json:"subject"`
	Occurrence  string            `json:"occurrenceDateTime,omitempty"`
	AuthoredOn  string            `json:"authoredOn,omitempty"`
	Requester   *Reference        `json:"requester,omitempty"`
	Location    []CodeableConcept `json:"locationCode,omitempty"`
	ReasonCode  []CodeableConcept `json:"reasonCode,omitempty"`
	Specimen    []Reference       `json:"specimen,omitempty"`
	Note        []Annotation      `json:"note,omitempty"`
}

// DiagnosticReport is R4 DiagnosticReport.
type DiagnosticReport struct {
	Type               string            `json:"resourceType"`
	Extension          []Extension       `json:"extension,omitempty"`
	Identifier         []Identifier      `json:"identifier,omitempty"`
	BasedOn            []Reference       `json:"basedOn,omitempty"`
	Status             string            `json:"status"`
	Category           []CodeableConcept `json:"category,omitempty"`
	Code               CodeableConcept   `json:"code"`
	Subject            *Reference        `json:"subject,omitempty"`
	EffectiveDateTime  string            `json:"effectiveDateTime,omitempty"`
	EffectivePeriod    *Period           `json:"effectivePeriod,omitempty"`
	Issued             string            `json:"issued,omitempty"`
	Performer          []Reference       `json:"performer,omitempty"`
	ResultsInterpreter []Reference       `json:"resultsInterpreter,omitempty"`
	Specimen           []Reference       `json:"specimen,omitempty"`
	Result             []Reference       `json:"result,omitempty"`
	PresentedForm      []Attachment      `json:"presentedForm,omitempty"`
}

// Observation is R4 Observation. At most one Value member may be set.
type Observation struct {
	Type              string            `json:"resourceType"`
	Extension         []Extension       `json:"extension,omitempty"`
	Identifier        []Identifier      `json:"identifier,omitempty"`
	BasedOn           []Reference       `json:"basedOn,omitempty"`
	Status            string            `json:"status"`
	Category          []CodeableConcept `json:"category,omitempty"`
	Code              CodeableConcept   `json:"code"`
	Subject           *Reference        `json:"subject,omitempty"`
	EffectiveDateTime string            `json:"effectiveDateTime,omitempty"`
	EffectivePeriod   *Period           `json:"effectivePeriod,omitempty"`
	Issued            string            `json:"issued,omitempty"`
	Performer         []Reference       `json:"performer,omitempty"`
	ValueQuantity     *Quantity         `json:"valueQuantity,omitempty"`
	ValueConcept      *CodeableConcept  `json:"valueCodeableConcept,omitempty"`
	ValueString       string            `json:"valueString,omitempty"`
	ValueRange        *Range            `json:"valueRange,omitempty"`
	ValueRatio        *Ratio            `json:"valueRatio,omitempty"`
	ValueTime         string            `json:"valueTime,omitempty"`
	ValueDateTime     string            `json:"valueDateTime,omitempty"`
	ValuePeriod       *Period           `json:"valuePeriod,omitempty"`
	DataAbsentReason  *CodeableConcept  `json:"dataAbsentReason,omitempty"`
	Interpretation    []CodeableConcept `json:"interpretation,omitempty"`
	Note              []Annotation      `json:"note,omitempty"`
	BodySite          *CodeableConcept  `json:"bodySite,omitempty"`
	Method            *CodeableConcept  `json:"method,omitempty"`
	Specimen          *Reference        `json:"specimen,omitempty"`
	Device            *Reference        `json:"device,omitempty"`
	ReferenceRange    []ReferenceRange  `json:"referenceRange,omitempty"`
	HasMember         []Reference       `json:"hasMember,omitempty"`
	DerivedFrom       []Reference       `json:"derivedFrom,omitempty"`
	Component         []Component       `json:"component,omitempty"`
}

// Component is one of several values of an Observation. At most one Value member
// may be set.
type Component struct {
	Code          CodeableConcept  `json:"code"`
	ValueQuantity *Quantity        `json:"valueQuantity,omitempty"`
	ValueConcept  *CodeableConcept `json:"valueCodeableConcept,omitempty"`
	ValueString   string           `json:"valueString,omitempty"`
	ValueRange    *Range           `json:"valueRange,omitempty"`
	ValueRatio    *Ratio           `json:"valueRatio,omitempty"`
	ValueTime     string           `json:"valueTime,omitempty"`
	ValueDateTime string           `json:"valueDateTime,omitempty"`
	ValuePeriod   *Period          `json:"valuePeriod,omitempty"`
}

// ReferenceRange is the laboratory's range; Text is always as the sender wrote it.
type ReferenceRange struct {
	Low  *Quantity `json:"low,omitempty"`
	High *Quantity `json:"high,omitempty"`
	Text string    `json:"text,omitempty"`
}

// Provenance is R4 Provenance.
type Provenance struct {
	Type      string             `json:"resourceType"`
	Meta      *Meta              `json:"meta,omitempty"`
	Extension []Extension        `json:"extension,omitempty"`
	Target    []Reference        `json:"target"`
	Recorded  string             `json:"recorded"`
	Policy    []string           `json:"policy,omitempty"`
	Activity  *CodeableConcept   `json:"activity,omitempty"`
	Agent     []ProvenanceAgent  `json:"agent"`
	Entity    []ProvenanceEntity `json:"entity,omitempty"`
	Signature []Signature        `json:"signature,omitempty"`
}

// ProvenanceAgent is who did it.
type ProvenanceAgent struct {
	Kind       *CodeableConcept `json:"type,omitempty"`
	Who        Reference        `json:"who"`
	OnBehalfOf *Reference       `json:"onBehalfOf,omitempty"`
}

// ProvenanceEntity is what it was made from.
type ProvenanceEntity struct {
	Role string    `json:"role"`
	What Reference `json:"what"`
}
