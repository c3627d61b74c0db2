package authz

// Role is what somebody is in the laboratory. A person may have several.
type Role string

// The roles.
const (
	Administrator     Role = "administrator"
	SecurityOfficer   Role = "security-officer"
	ComplianceOfficer Role = "compliance-officer"
	Director          Role = "laboratory-director"
	Technologist      Role = "technologist"
	FrontDesk         Role = "front-desk"
	ITPartner         Role = "it-partner"
	Auditor           Role = "auditor"
	Counsel           Role = "counsel"
	Provider          Role = "provider"
	Service           Role = "service-account"
)

// RoleInfo is how a role reads.
type RoleInfo struct {
	Role Role
	// Name and What are for people: a word, and a sentence.
	Name, What string
	// Strong: only a passkey or hardware key opens a session for it.
	Strong bool
	// Boxed: a grant of it must have an end.
	Boxed bool
	// Scoped: a grant of it must name the partners (a provider's practice).
	Scoped bool
	// Masked: patient identity is never shown to it, not even recorded.
	Masked bool
	// Delegable: the laboratory director may delegate clinical acts to it. Never to
	// a program, an outside firm or a practice.
	Delegable bool

	bit uint32 // of the matrix
}

var roles = []RoleInfo{
	{Role: Administrator, Name: "Administrator", What: "Runs Labwarden: configuration, channels, keys, people. Sees no patient data without a recorded reason.", Strong: true, Delegable: true},
	{Role: SecurityOfficer, Name: "Security officer", What: "Transport stops, sessions, tokens, reviews what administrators did.", Strong: true, Delegable: true},
	{Role: ComplianceOfficer, Name: "Compliance officer", What: "Access reviews, disclosure reports, records, business associates.", Strong: true, Delegable: true},
	{Role: Director, Name: "Laboratory director", What: "Delegates clinical acts in writing; approves routes, transformations and interface verification.", Delegable: true},
	{Role: Technologist, Name: "Technologist", What: "Follows results, phone tasks and quarantine. Clinical stops by the director's delegation.", Delegable: true},
	{Role: FrontDesk, Name: "Phlebotomist or front desk", What: "Finds whether a result has left, takes phone tasks, reports problems."},
	{Role: ITPartner, Name: "IT partner", What: "An outside firm: sees channels, alarms and configuration, never patient data.", Strong: true, Boxed: true},
	{Role: Auditor, Name: "Auditor", What: "Reads records and evidence for a limited time, patient identity masked; every query is recorded and handed to them.", Boxed: true, Masked: true},
	{Role: Counsel, Name: "Counsel", What: "Places and lifts legal holds, reads the record of disclosures."},
	{Role: Provider, Name: "Provider", What: "The practice that ordered: its own results only.", Scoped: true},
	{Role: Service, Name: "Service account", What: "A program: only what its token names."},
}

// Roles lists the roles in the order in which they are shown.
func Roles() []RoleInfo { return append([]RoleInfo(nil), roles...) }

// RoleOf returns how a role reads; false for one that does not exist.
func RoleOf(r Role) (RoleInfo, bool) {
	if i := infoOf(r); i != nil {
		return *i, true
	}
	return RoleInfo{}, false
}

// infoOf returns the role's entry; nil for one that does not exist.
func infoOf(r Role) *RoleInfo { return byRole[r] }

var byRole = func() map[Role]*RoleInfo {
	m := make(map[Role]*RoleInfo, len(roles))
	for i := range roles {
		roles[i].bit = 1 << i
		m[roles[i].Role] = &roles[i]
	}
	return m
}()
