package gate

import (
	"encoding/json"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// structure decodes a resource into the codec's type, where it has one, and asks
// for the member that says what to make of it: a Bundle's type, a result's or an
// order's status. Other members that R4 requires are between sender and receiver.
func structure(kind string, b []byte) error {
	bad := func(what string) error { return fhirError("a resource of type " + kind + " " + what) }
	as := func(v any) error {
		if json.Unmarshal(b, v) != nil { // its text may quote the content
			return bad("has not the structure of FHIR R4")
		}
		return nil
	}
	missing := func(name string, there bool) error {
		if there {
			return nil
		}
		return bad("lacks " + name + ", or it holds what R4 does not know there")
	}
	switch kind {
	case "Bundle": // http://hl7.org/fhir/R4/bundle.html
		var v struct {
			Type string `json:"type"`
		}
		if err := as(&v); err != nil {
			return err
		}
		return missing("type", among(v.Type, bundleTypes))
	case "DiagnosticReport": // http://hl7.org/fhir/R4/diagnosticreport.html
		var v fhir.DiagnosticReport
		if err := as(&v); err != nil {
			return err
		}
		return missing("status", among(v.Status, reportStatus))
	case "Observation": // http://hl7.org/fhir/R4/observation.html
		var v fhir.Observation
		if err := as(&v); err != nil {
			return err
		}
		return missing("status", among(v.Status, observationStatus))
	case "ServiceRequest": // http://hl7.org/fhir/R4/servicerequest.html
		var v fhir.ServiceRequest
		if err := as(&v); err != nil {
			return err
		}
		return missing("status", among(v.Status, requestStatus))
	case "Patient":
		return as(&fhir.Patient{})
	case "Specimen":
		return as(&fhir.Specimen{})
	case "Practitioner":
		return as(&fhir.Practitioner{})
	case "PractitionerRole":
		return as(&fhir.PractitionerRole{})
	case "Organization":
		return as(&fhir.Organization{})
	case "Provenance":
		return as(&fhir.Provenance{})
	}
	return nil
}

const (
	bundleTypes       = "document message transaction transaction-response batch batch-response history searchset collection"
	reportStatus      = "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown"
	observationStatus = "registered preliminary final amended corrected cancelled entered-in-error unknown"
	requestStatus     = "draft active on-hold revoked completed entered-in-error unknown"
)

func among(s, list string) bool {
	for w := range strings.FieldsSeq(list) {
		if s == w {
			return true
		}
	}
	return false
}

// resourceTypes are those of R4 (http://hl7.org/fhir/R4/valueset-resource-types.html).
var resourceTypes = func() map[string]bool {
	m := map[string]bool{}
	for t := range strings.FieldsSeq(`Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment
AppointmentResponse AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan
CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication
CommunicationRequest CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage
CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest
DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint
EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario
ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy
Immunization ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage
List Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication
MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader
MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition OperationOutcome
Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition
Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup
ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule
SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription Substance
SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet
VerificationResult VisionPrescription`) {
		m[t] = true
	}
	return m
}()
