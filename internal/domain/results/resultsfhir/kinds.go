package resultsfhir

// kind numbers the types of resources as they are stored: never renumber one.
type kind int64

const (
	kindPatient kind = iota + 1
	kindReport
	kindObservation
	kindRequest
	kindSpecimen
	kindPractitioner
	kindRole
	kindOrganization
	kinds
)

var kindNames = [kinds]string{
	kindPatient: "Patient", kindReport: "DiagnosticReport", kindObservation: "Observation", kindRequest: "ServiceRequest",
	kindSpecimen: "Specimen", kindPractitioner: "Practitioner", kindRole: "PractitionerRole", kindOrganization: "Organization",
}

func (k kind) String() string {
	if k < 1 || k >= kinds {
		return "?"
	}
	return kindNames[k]
}

func kindOf(name string) (kind, bool) {
	for k := kind(1); k < kinds; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return 0, false
}

// renewed are the kinds of which each delivery makes a version, also where it
// says the same again: a partner that looks for what is new must find them.
func (k kind) renewed() bool { return k == kindReport || k == kindObservation }

// clinical are the kinds that are about a patient by their subject.
func (k kind) clinical() bool {
	return k == kindReport || k == kindObservation || k == kindRequest || k == kindSpecimen
}
