package pages

const (
	hubPassword = "four walls and a quiet bench"
	dana        = "dana" // administrator
	hahn        = "hahn" // compliance officer, with a passkey
	okafor      = "okafor"
	bell        = "bell"
	quist       = "lindqvist"
	audit       = "auditor"
	weiss       = "weiss"
	guest       = "guest"
	guest2      = "guest2"
)

// invited is what the administrator does to let somebody in: their link is kept
// under their account.
func invited(account, name, role, partners, until string) []Step {
	steps := []Step{
		{Do: "as", Name: dana},
		{Do: "goto", Path: "/people"},
		{Do: "click", At: "a:has-text('Add somebody')"},
		{Do: "fill", At: "#f-account", Value: account},
		{Do: "fill", At: "#f-name", Value: name},
		{Do: "select", At: "#f-role", Value: role},
	}
	if partners != "" {
		steps = append(steps, Step{Do: "check", At: "input[name='partners'][value='" + partners + "']"})
	}
	if until != "" {
		steps = append(steps, Step{Do: "fill", At: "#f-until", Value: until})
	}
	return append(
		steps,
		Step{Do: "click", At: "button:has-text('Add and make the link')"},
		Step{Do: "keep", At: "main pre", Name: "link_" + account, Code: "https://[^/]+(/\\S+)"},
		Step{Do: "as", Name: account},
		Step{Do: "passkey"},
		Step{Do: "goto", Path: "{{link_" + account + "}}"},
	)
}

func withPasskey(account, name, role, partners, until string) Person {
	return Person{Name: account, Steps: append(
		invited(account, name, role, partners, until),
		Step{Do: "fill", At: "#f-called", Value: "blue key"},
		Step{Do: "click", At: "[data-passkey-button]"},
		Step{Do: "url", Is: "/me"},
	)}
}

// withCodes comes in with a password and an authenticator app, whose seed is kept.
func withCodes(account, name, role, partners, until string) Person {
	return Person{Name: account, Steps: append(
		invited(account, name, role, partners, until),
		Step{Do: "fill", At: "#f-password", Value: hubPassword},
		Step{Do: "click", At: "button:has-text('Set the password')"},
		Step{Do: "url", Is: "/me"},
		Step{Do: "goto", Path: "/me/app"},
		Step{Do: "click", At: "button:has-text('Show the code to scan')"},
		Step{Do: "keep", At: "main p .mono", Name: "seed_" + account},
		Step{Do: "totp", At: "#f-code", Secret: "{{seed_" + account + "}}"},
		Step{Do: "click", At: "button:has-text('Confirm')"},
		Step{Do: "see", Text: "The authenticator app is set up."},
	)}
}

// everybody comes in, each through a link.
func everybody(l *laboratory) []Person {
	first := Person{Name: dana, Steps: []Step{
		{Do: "passkey"},
		{Do: "goto", Path: l.link},
		{Do: "fill", At: "#f-account", Value: dana},
		{Do: "fill", At: "#f-name", Value: "Dana Reyes"},
		{Do: "fill", At: "#f-called", Value: "blue key"},
		{Do: "click", At: "[data-passkey-button]"},
		{Do: "url", Is: "/me"},
		{Do: "goto", Path: "/"},
	}}
	return []Person{first, withCodes(okafor, "M. Okafor", "technologist", "", "")}
}

// others come only where everything is looked at. One of them is confirmed at the
// console: else everybody counts as the first administrator's hand.
func others() []Person {
	confirmed := withPasskey(weiss, "S. Weiss", "security-officer", "", "")
	confirmed.Steps = append(confirmed.Steps, Step{Do: "console", Value: "access confirm " + weiss})
	return []Person{
		withCodes(quist, "Dr. A. Lindqvist", "provider", "lindqvist", ""),
		withPasskey(hahn, "L. Hahn", "compliance-officer", "", ""),
		withPasskey(bell, "Dr. H. Bell", "laboratory-director", "", ""),
		confirmed,
		withCodes(audit, "P. Stone", "auditor", "", "2027-12-31"),
		// Whose sessions are ended.
		withPasskey(guest, "N. Guest", "front-desk", "", ""),
		withPasskey(guest2, "N. Visitor", "front-desk", "", ""),
	}
}
