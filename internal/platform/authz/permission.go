package authz

// Permission names something that can be done. Every page, API operation and
// command asks for one.
type Permission string

// The permissions. A new page or operation adds its own here and to the
// catalogue below.
const (
	TodaySee Permission = "today.see"

	ResultsFind    Permission = "results.find"      // lists, search and journeys; identity masked
	ResultsReveal  Permission = "results.reveal"    // identity, message and values, recorded
	ResultsExport  Permission = "results.export"    // a message or many leave as a file
	ResultsProof   Permission = "results.proof"     // proof files
	ResultsResend  Permission = "results.resend"    // deliver again
	ClinicalStop   Permission = "results.hold"      // hold and release: clinical stop
	TransportStop  Permission = "transport.stop"    // place and lift a transport stop
	StopsRead      Permission = "stops.read"        // a stop's sealed words, recorded
	QuarantineSee  Permission = "quarantine.see"    // causes, counts
	QuarantineRead Permission = "quarantine.read"   // what was kept apart, recorded
	QuarantineAct  Permission = "quarantine.decide" // replay, take, refuse
	CallsSee       Permission = "calls.see"
	CallsAct       Permission = "calls.act" // take, log and close a phone task
	SendAlone      Permission = "results.send_alone"
	PartnersSee    Permission = "partners.see"
	PartnersTest   Permission = "partners.test" // send a test message
	PartnerKeys    Permission = "partners.keys" // add and compare keys that results are encrypted to
	PartnerKeysUse Permission = "partners.keys_use"
	PortalSee      Permission = "portal.see"    // the provider portal's people and openings
	PortalInvite   Permission = "portal.invite" // let people of practices in, and end that
	PortalAnswer   Permission = "portal.answer" // answer what practices tell, show what a rule keeps back
	PatientCopies  Permission = "copies.keep"   // patients' requests for their own results
	RoutesSee      Permission = "routes.see"    // stages, comparison, approvals
	RoutesBack     Permission = "routes.back"   // one step back
	RoutesApprove  Permission = "routes.approve"
	RoutesExplain  Permission = "routes.explain" // explain differences to the old path
	LegalHold      Permission = "results.legal_hold"

	AlarmsSee    Permission = "alarms.see"
	AlarmsAct    Permission = "alarms.act"
	Maintenance  Permission = "maintenance.open"
	ConfigSee    Permission = "config.see"
	ConfigDraft  Permission = "config.draft"
	ConfigReplay Permission = "config.replay" // asks stored messages; see setup.ReplayAsk for what is shown to whom
	ConfigApply  Permission = "config.apply"
	SecretsSet   Permission = "secrets.set"
	KeysSee      Permission = "keys.see"
	KeysRotate   Permission = "keys.rotate"
	LedgerDecide Permission = "ledger.decide"
	// CertificatesSee shows what was issued, pinned and ends; CertificatesIssue makes
	// tokens, revokes and pins.
	CertificatesSee   Permission = "certificates.see"
	CertificatesIssue Permission = "certificates.issue"
	// TunnelsSee shows tunnels and watched VPNs; TunnelsChange adds them, changes what
	// may pass, gives out tokens and configurations, and removes.
	TunnelsSee    Permission = "tunnels.see"
	TunnelsChange Permission = "tunnels.change"
	SupportMake   Permission = "support.bundle"
	// ProblemsAnswer is to read and answer what people report about Labwarden.
	ProblemsAnswer Permission = "problems.answer"

	PeopleSee      Permission = "people.see"
	PeopleChange   Permission = "people.change"
	PeopleConfirm  Permission = "people.confirm"   // the second person of what one alone must not do about people
	Provision      Permission = "people.provision" // joiners, movers and leavers from another system
	Delegate       Permission = "delegations.write"
	DelegationsSee Permission = "delegations.see"
	SessionsEnd    Permission = "sessions.end"   // anybody's
	BenchesManage  Permission = "benches.manage" // shared benches
	TokensManage   Permission = "tokens.manage"
	TokensAllow    Permission = "tokens.allow" // say yes to programs that read patient data or bring people in
	BreakGlass     Permission = "break_glass.open"
	ReviewActs     Permission = "acts.review"     // break-glass and administrators' acts
	AccessReview   Permission = "access.review"   // quarterly
	AccountsSee    Permission = "accounts.see"    // other systems' accounts
	AccountsImport Permission = "accounts.import" // their lists
	VendorsSee     Permission = "vendors.see"
	VendorsChange  Permission = "vendors.change"
	RecordSee      Permission = "record.see"     // the record of acts and views
	RecordExport   Permission = "record.export"  // lists, AuditEvents
	RecordPatient  Permission = "record.patient" // a patient's report of access and disclosures
	OwnSecurity    Permission = "own.security"   // one's own devices and sessions
	APIDescribe    Permission = "api.describe"   // the description of the API
)

// Info describes a permission.
type Info struct {
	Permission Permission
	// What completes "may ...".
	What string
	// Fresh asks for a proof of identity within the last StepUp.
	Fresh bool
	// Apart: never at a shared bench, where the next person may sit in the session
	// of the one before: it gives access, or takes it, or is about keys.
	Apart bool
	// Patient: shows or moves patient data. Never for a masked role.
	Patient bool
	// Delegated: a clinical act. Only the director, and whom the director
	// delegated it to in writing.
	Delegated bool
	// Scoped: it is about one partner's or site's things, so a grant may narrow it.
	Scoped bool
	// Narrow: it is about nobody else's things, so a grant that is narrowed to
	// partners or sites gives it too. What is neither Scoped nor Narrow is the
	// whole laboratory's, and a narrowed grant does not give it.
	Narrow bool
	// Glass: open break-glass access may give it. Never configuration, keys,
	// people or the record.
	Glass bool
}

var (
	adm, sec, com, dir, tec, fro = Administrator, SecurityOfficer, ComplianceOfficer, Director, Technologist, FrontDesk
	itp, aud, cou, pro           = ITPartner, Auditor, Counsel, Provider
)

// row is one line of the matrix: a permission and the roles that have it.
type row struct {
	Info
	roles []Role
}

// matrix is the whole of it: what is not here is nobody's.
var matrix = []row{
	{Info{Permission: TodaySee, What: "open Today", Narrow: true}, []Role{adm, sec, com, dir, tec, fro, itp, aud, cou, pro}},
	{Info{Permission: OwnSecurity, What: "see and end one's own sessions, and change one's own ways to sign in", Narrow: true}, []Role{adm, sec, com, dir, tec, fro, itp, aud, cou, pro}},
	{Info{Permission: APIDescribe, What: "read the description of the API", Narrow: true}, []Role{adm, sec, com, itp, Service}},

	{Info{Permission: ResultsFind, What: "find results and follow their journey, identity masked", Scoped: true, Glass: true}, []Role{adm, sec, com, dir, tec, fro, aud, pro, Service}},
	{Info{Permission: ResultsReveal, What: "see a patient's identity and values, recorded", Scoped: true, Patient: true, Glass: true}, []Role{com, dir, tec, fro, pro, Service}},
	{Info{Permission: ResultsExport, What: "take a message out as a file, recorded", Scoped: true, Patient: true, Fresh: true}, []Role{com, dir, pro, Service}},
	{Info{Permission: ResultsProof, What: "download a proof", Scoped: true}, []Role{adm, sec, com, dir, tec, aud, cou, pro, Service}},
	{Info{Permission: ResultsResend, What: "send a result again", Scoped: true}, []Role{adm, dir, tec, Service}},
	{Info{Permission: ClinicalStop, What: "hold and release results (clinical stop)", Scoped: true, Delegated: true}, nil},
	{Info{Permission: SendAlone, What: "send a correction alone", Scoped: true, Delegated: true}, nil},
	{Info{Permission: TransportStop, What: "place and lift a transport stop", Scoped: true, Fresh: true}, []Role{adm, sec}},
	{Info{Permission: StopsRead, What: "read the sealed words of a stop, recorded", Scoped: true, Patient: true}, []Role{sec, com, dir, tec}},
	{Info{Permission: LegalHold, What: "place and lift a legal hold"}, []Role{com, cou}},
	{Info{Permission: QuarantineSee, What: "see what was not taken, and why", Scoped: true, Glass: true}, []Role{adm, sec, com, dir, tec, itp, aud}},
	{Info{Permission: QuarantineRead, What: "read a quarantined message, recorded", Scoped: true, Patient: true, Glass: true}, []Role{adm, dir, tec}},
	{Info{Permission: QuarantineAct, What: "replay, take or refuse a quarantined message", Scoped: true}, []Role{adm, dir, tec}},
	{Info{Permission: CallsSee, What: "see phone tasks", Scoped: true, Glass: true}, []Role{adm, com, dir, tec, fro}},
	{Info{Permission: CallsAct, What: "make and write down a phone call", Scoped: true, Patient: true, Glass: true}, []Role{dir, tec, fro}},
	{Info{Permission: PartnersSee, What: "see partners and their channels", Scoped: true}, []Role{adm, sec, com, dir, tec, fro, itp, aud, pro}},
	{Info{Permission: PartnersTest, What: "send a test message to a partner", Scoped: true}, []Role{adm, itp, tec}},
	{Info{Permission: PartnerKeys, What: "add the keys that a partner's results are encrypted to, and compare them", Scoped: true, Fresh: true}, []Role{adm, sec, itp}},
	{Info{Permission: PartnerKeysUse, What: "take partners' keys into use that somebody else added, retire and revoke them", Scoped: true, Fresh: true, Apart: true}, []Role{adm, sec}},
	{Info{Permission: PortalSee, What: "see who of a practice opens results in the portal", Scoped: true}, []Role{adm, sec, com, dir, tec, fro, aud}},
	{Info{Permission: PortalInvite, What: "invite people of practices to the portal, and end their access", Scoped: true, Fresh: true, Apart: true}, []Role{adm, fro}},
	{Info{Permission: PortalAnswer, What: "answer what practices tell in the portal, and show them what a rule keeps back", Scoped: true}, []Role{dir, tec, fro}},
	{Info{Permission: PatientCopies, What: "keep the list of patients who asked for their own results", Patient: true}, []Role{com, dir, fro}},
	{Info{Permission: RoutesSee, What: "see routes, their stages and how they compare with the old path"}, []Role{adm, sec, com, dir, tec, itp, aud}},
	{Info{Permission: RoutesBack, What: "take a route one step back"}, []Role{adm, sec, dir, tec}},
	{Info{Permission: RoutesApprove, What: "approve that a route begins to carry", Delegated: true}, nil},
	{Info{Permission: RoutesExplain, What: "explain differences to the old path"}, []Role{adm, dir, tec}},

	{Info{Permission: AlarmsSee, What: "see alarms"}, []Role{adm, sec, com, dir, tec, itp, aud}},
	{Info{Permission: AlarmsAct, What: "accept and close alarms"}, []Role{adm, sec, tec, itp}},
	{Info{Permission: Maintenance, What: "open a maintenance window"}, []Role{adm, sec}},
	{Info{Permission: ConfigSee, What: "read the configuration and its history"}, []Role{adm, sec, com, dir, itp, aud}},
	{Info{Permission: ConfigDraft, What: "draft a change of the configuration"}, []Role{adm, itp}},
	{Info{Permission: ConfigReplay, What: "try a day's messages on a draft, recorded"}, []Role{adm, dir, itp}},
	{Info{Permission: ConfigApply, What: "apply a draft that somebody else wrote", Fresh: true, Apart: true}, []Role{adm, sec}},
	{Info{Permission: SecretsSet, What: "set and remove secrets", Fresh: true, Apart: true}, []Role{adm}},
	{Info{Permission: KeysSee, What: "see what keys there are"}, []Role{adm, sec, com, aud}},
	{Info{Permission: KeysRotate, What: "rotate keys", Fresh: true, Apart: true}, []Role{adm, sec}},
	{Info{Permission: CertificatesSee, What: "see certificates and when they end"}, []Role{adm, sec, com, itp, aud}},
	{Info{Permission: CertificatesIssue, What: "let certificates be issued, revoke them, and pin those of others", Fresh: true, Apart: true}, []Role{adm, sec}},
	{Info{Permission: TunnelsSee, What: "see tunnels to partners, the VPNs that partners keep, and how they are"}, []Role{adm, sec, com, dir, tec, itp, aud}},
	{Info{Permission: TunnelsChange, What: "add tunnels, change what may pass in them, give out what opens them, and remove them", Fresh: true, Apart: true}, []Role{adm, sec}},
	{Info{Permission: LedgerDecide, What: "decide about an alarm of the ledger", Fresh: true, Apart: true}, []Role{sec, com}},
	{Info{Permission: SupportMake, What: "make a support bundle"}, []Role{adm, sec, itp}},
	{Info{Permission: ProblemsAnswer, What: "read and answer what people report about Labwarden"}, []Role{adm, sec}},

	{Info{Permission: PeopleSee, What: "see people and their roles"}, []Role{adm, sec, com, dir, aud}},
	{Info{Permission: PeopleChange, What: "add, change and end people", Fresh: true, Apart: true}, []Role{adm}},
	{Info{Permission: PeopleConfirm, What: "confirm that an account is in its person's hands, and allow a recovery link that somebody else asks for", Fresh: true, Apart: true}, []Role{adm, sec, com}},
	{Info{Permission: Provision, What: "add, change and end people from another system (SCIM)"}, []Role{Service}},
	{Info{Permission: DelegationsSee, What: "see the director's delegations"}, []Role{adm, sec, com, dir, tec, aud}},
	{Info{Permission: Delegate, What: "write the laboratory director's delegations", Fresh: true, Apart: true}, []Role{dir}},
	{Info{Permission: SessionsEnd, What: "list and end anybody's sessions", Fresh: true, Apart: true}, []Role{adm, sec}},
	{Info{Permission: BenchesManage, What: "pair and end shared benches", Fresh: true, Apart: true}, []Role{adm}},
	{Info{Permission: TokensManage, What: "make and revoke tokens of service accounts", Fresh: true, Apart: true}, []Role{adm}},
	{Info{Permission: TokensAllow, What: "say yes to a program that reads patient data or brings people in; never one's own", Fresh: true, Apart: true}, []Role{com, dir}},
	{Info{Permission: BreakGlass, What: "open break-glass access, which others are told of and review", Narrow: true}, []Role{adm, sec, com, dir, tec}},
	{Info{Permission: ReviewActs, What: "review what administrators and break-glass did; never one's own"}, []Role{sec, com, dir}},
	{Info{Permission: AccessReview, What: "hold and sign the access review"}, []Role{sec, com}},
	{Info{Permission: AccountsSee, What: "see the accounts of other systems"}, []Role{adm, sec, com, aud}},
	{Info{Permission: AccountsImport, What: "import account lists of other systems"}, []Role{adm, sec, com}},
	{Info{Permission: VendorsSee, What: "see business associates and vendors"}, []Role{adm, sec, com, dir, cou, aud}},
	{Info{Permission: VendorsChange, What: "change the register of business associates and vendors"}, []Role{adm, com}},
	{Info{Permission: RecordSee, What: "read the record of sign-ins, acts and views"}, []Role{sec, com, cou, aud}},
	{Info{Permission: RecordExport, What: "export the record", Fresh: true}, []Role{com, cou, aud}},
	{Info{Permission: RecordPatient, What: "make a patient's report of access and disclosures, recorded", Patient: true, Fresh: true}, []Role{com, cou}},
}

// Permissions lists the catalogue in the order in which it is shown.
func Permissions() []Info {
	out := make([]Info, len(matrix))
	for i, r := range matrix {
		out[i] = r.Info
	}
	return out
}

// Of returns what is known of a permission; false for one nobody has.
func Of(p Permission) (Info, bool) {
	i, ok := known[p]
	return i.Info, ok
}

// Has says whether the matrix gives a role a permission (delegations apart).
func Has(r Role, p Permission) bool {
	c, ok := known[p]
	i := infoOf(r)
	return ok && i != nil && c.roles&i.bit != 0
}

// cell is a row of the matrix as it is asked: roles as bits.
type cell struct {
	Info
	roles uint32
}

var known = func() map[Permission]cell {
	m := make(map[Permission]cell, len(matrix))
	for _, r := range matrix {
		c := cell{Info: r.Info}
		for _, role := range r.roles {
			c.roles |= byRole[role].bit
		}
		if _, twice := m[r.Permission]; twice {
			panic("permission " + string(r.Permission) + " stands twice in the matrix")
		}
		m[r.Permission] = c
	}
	return m
}()
