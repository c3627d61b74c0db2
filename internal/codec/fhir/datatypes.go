package fhir

// Types follow R4 datatypes (http://hl7.org/fhir/R4/datatypes.html). Members
// that no mapping of ours fills are left out.

// Extension is an R4 extension with the value types we use.
type Extension struct {
	Extension       []Extension      `json:"extension,omitempty"`
	URL             string           `json:"url"`
	ValueString     string           `json:"valueString,omitempty"`
	ValueCode       string           `json:"valueCode,omitempty"`
	ValueDateTime   string           `json:"valueDateTime,omitempty"`
	ValueDecimal    Decimal          `json:"valueDecimal,omitempty"`
	ValueConcept    *CodeableConcept `json:"valueCodeableConcept,omitempty"`
	ValueAnnotation *Annotation      `json:"valueAnnotation,omitempty"`
	ValueAddress    *Address         `json:"valueAddress,omitempty"`
	ValueIdentifier *Identifier      `json:"valueIdentifier,omitempty"`
}

// Element is what R4 lets a primitive member carry beside its value.
type Element struct {
	Extension []Extension `json:"extension,omitempty"`
}

// Coding is one code of one system.
type Coding struct {
	System       string `json:"system,omitempty"`
	Version      string `json:"version,omitempty"`
	Code         string `json:"code,omitempty"`
	Display      string `json:"display,omitempty"`
	UserSelected *bool  `json:"userSelected,omitempty"`
}

// CodeableConcept is a concept by codes, by text, or both.
type CodeableConcept struct {
	Coding []Coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitempty"`
}

// Identifier is a business identifier.
type Identifier struct {
	Use      string           `json:"use,omitempty"`
	Type     *CodeableConcept `json:"type,omitempty"`
	System   string           `json:"system,omitempty"`
	Value    string           `json:"value,omitempty"`
	Period   *Period          `json:"period,omitempty"`
	Assigner *Reference       `json:"assigner,omitempty"`
}

// Reference points to a resource of the bundle, or names one by identifier.
type Reference struct {
	Reference  string      `json:"reference,omitempty"`
	Type       string      `json:"type,omitempty"`
	Identifier *Identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

// Period is a span of time; both ends are dateTimes.
type Period struct {
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

// Quantity is a measured amount; Value is never computed by us.
type Quantity struct {
	Value      Decimal `json:"value,omitempty"`
	Comparator string  `json:"comparator,omitempty"`
	Unit       string  `json:"unit,omitempty"`
	System     string  `json:"system,omitempty"`
	Code       string  `json:"code,omitempty"`
}

// Range has inclusive ends.
type Range struct {
	Low  *Quantity `json:"low,omitempty"`
	High *Quantity `json:"high,omitempty"`
}

// Ratio is numerator over denominator, kept apart ("1:128").
type Ratio struct {
	Numerator   *Quantity `json:"numerator,omitempty"`
	Denominator *Quantity `json:"denominator,omitempty"`
}

// HumanName is a person's name.
type HumanName struct {
	Use    string   `json:"use,omitempty"`
	Text   string   `json:"text,omitempty"`
	Family string   `json:"family,omitempty"`
	Given  []string `json:"given,omitempty"`
	Prefix []string `json:"prefix,omitempty"`
	Suffix []string `json:"suffix,omitempty"`
	Period *Period  `json:"period,omitempty"`
}

// Address is a postal address.
type Address struct {
	Use        string   `json:"use,omitempty"`
	Type       string   `json:"type,omitempty"`
	Text       string   `json:"text,omitempty"`
	Line       []string `json:"line,omitempty"`
	City       string   `json:"city,omitempty"`
	District   string   `json:"district,omitempty"`
	State      string   `json:"state,omitempty"`
	PostalCode string   `json:"postalCode,omitempty"`
	Country    string   `json:"country,omitempty"`
	Period     *Period  `json:"period,omitempty"`
}

// ContactPoint is a phone number, mail address or the like.
type ContactPoint struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value,omitempty"`
	Use    string `json:"use,omitempty"`
}

// Annotation is a note in plain text.
type Annotation struct {
	Author       *Reference `json:"authorReference,omitempty"`
	AuthorString string     `json:"authorString,omitempty"`
	Time         string     `json:"time,omitempty"`
	Text         string     `json:"text"`
}

// Attachment carries a document; Data is base64 in JSON.
type Attachment struct {
	ContentType string `json:"contentType,omitempty"`
	Data        []byte `json:"data,omitempty"`
	URL         string `json:"url,omitempty"`
	Title       string `json:"title,omitempty"`
	Creation    string `json:"creation,omitempty"`
}

// Signature is R4 Signature; Data is base64 in JSON.
type Signature struct {
	Type         []Coding  `json:"type"`
	When         string    `json:"when"`
	Who          Reference `json:"who"`
	TargetFormat string    `json:"targetFormat,omitempty"`
	SigFormat    string    `json:"sigFormat,omitempty"`
	Data         []byte    `json:"data,omitempty"`
}

// Meta carries the tags by which a server recognises what it already has.
type Meta struct {
	Profile []string `json:"profile,omitempty"`
	Tag     []Coding `json:"tag,omitempty"`
}
