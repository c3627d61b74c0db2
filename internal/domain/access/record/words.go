package record

import (
	"slices"
	"strings"
)

// said is how every kind of event reads beside who did it, or alone where the
// machine did. A test of package app holds it against what the program
// publishes: a kind without words fails it, and words without a kind.
var said = map[string]string{
	"access.refused":  "Was refused a page or an act",
	"service.refused": "A program was not let in",

	"signin.accepted":       "Proved who they are",
	"signin.refused":        "A sign-in was refused",
	"signin.throttled":      "A network has to wait after wrong tries to sign in",
	"signin.unlocked":       "Lifted the wait after wrong tries to sign in",
	"signin.enrolled":       "Added or changed a way to sign in",
	"signin.removed":        "Took away a way to sign in",
	"signin.renamed":        "Renamed a passkey",
	"signin.passkey_cloned": "A copied passkey was refused",
	"signin.recovery_used":  "Used a recovery code",
	"session.started":       "Signed in",
	"session.raised":        "Confirmed their identity",
	"session.ended":         "A session ended",
	"session.noticed":       "Was asked: was that you?",
	"session.answered":      "Answered whether it was them",
	"link.made":             "Made a one-time link",
	"link.used":             "Used a one-time link",

	"tunnel.identity_made":       "The hub got the key by which far ends of tunnels know it",
	"tunnel.added":               "Added a tunnel",
	"tunnel.invited":             "Made another token to join a tunnel",
	"tunnel.joined":              "A far end joined a tunnel",
	"tunnel.keys_renewed":        "The keys of a tunnel were renewed",
	"tunnel.certificate_settled": "A far end uses its new certificate",
	"tunnel.list_changed":        "Changed what may pass in a tunnel",
	"tunnel.exported":            "Made the configuration of a tunnel's device",
	"tunnel.removed":             "Removed a tunnel",

	"portal.invited":         "Invited a person of a practice to the portal",
	"portal.letter_made":     "Made a letter for the portal",
	"portal.entered":         "Came into the portal by letter",
	"portal.joined":          "Let a person of the portal see a practice's results",
	"portal.left":            "Ended what a person of the portal sees of a practice",
	"portal.person_ended":    "Ended a person of the portal",
	"portal.signed_in":       "Signed in to the portal",
	"portal.signed_out":      "A session of the portal ended",
	"portal.placed":          "A result was put into a practice's portal",
	"portal.withheld":        "A rule kept a result back from a practice's portal",
	"portal.released":        "Showed a practice what a rule kept back",
	"portal.listed":          "Saw the list of results in the portal",
	"portal.opened":          "Opened a result in the portal",
	"portal.fetched":         "Fetched a result from the portal as a file",
	"portal.missing_said":    "Said that a result was not got",
	"portal.wrong_said":      "Said that a result is about another's patient",
	"portal.answered":        "Answered what a practice told",
	"portal.change_answered": "Answered that somebody of a practice changed how they sign in",
	"portal.copy_asked":      "Opened a patient's request for a copy",
	"portal.copy_extended":   "Extended a patient's request for a copy",
	"portal.copy_done":       "Ended a patient's request for a copy",
	"person.invited":         "Added a person",
	"person.activated":       "Came in for the first time",
	"person.changed":         "Changed a person",
	"person.ended":           "Ended a person",
	"person.returned":        "Let a person in again",
	"person.linked":          "Linked a person to the sign-in provider",
	"person.unlinked":        "Unlinked a person from the sign-in provider",
	"person.confirmed":       "Confirmed that an account is in its person's hands",
	"people.imported":        "Applied a list of people",
	"grant.given":            "Gave a role",
	"grant.ended":            "Took a role away",
	"grant.blocked":          "Kept a role from coming back from another system",
	"grant.unblocked":        "Let a role come back from another system",
	"delegation.given":       "Delegated a clinical act",
	"delegation.revoked":     "Revoked a delegation",
	"rule.made":              "Added a rule for roles from another system",
	"rule.ended":             "Ended a rule for roles from another system",
	"bench.paired":           "Paired a shared bench",
	"bench.ended":            "Ended a shared bench",
	"service.made":           "Added a service account",
	"service.ended":          "Ended a service account",
	"service.key_set":        "Set the certificate of a service account",
	"service.allowed":        "Said yes to a program",
	"token.made":             "Made a token",
	"token.revoked":          "Revoked a token",
	"glass.opened":           "Opened break-glass access",
	"glass.closed":           "Break-glass access was closed",
	"glass.reviewed":         "Reviewed break-glass access",
	"acts.reviewed":          "Reviewed acts of administrators",

	"account.system_added":     "Added another system",
	"account.system_changed":   "Changed another system",
	"account.system_ended":     "Ended another system",
	"account.list_offered":     "Read in a list of accounts",
	"account.list_taken":       "Took over a list of accounts",
	"account.list_discarded":   "Discarded a list of accounts",
	"account.matched":          "Said whose an account is",
	"account.finding_opened":   "A finding about an account was opened",
	"account.finding_assigned": "Gave a finding to somebody",
	"account.finding_closed":   "Closed a finding about an account",
	"account.finding_over":     "A finding about an account is over",
	"review.opened":            "An access review was opened",
	"review.decided":           "Decided a line of the access review",
	"review.removed":           "Took away what the access review decided",
	"review.signed":            "Signed the access review",
	"vendor.added":             "Added a vendor",
	"vendor.changed":           "Changed a vendor",
	"vendor.ended":             "Ended a vendor",

	"record.read":             "Read the record",
	"record.exported":         "Took out entries of the record",
	"record.own_read":         "Read their own trail",
	"record.own_exported":     "Took out their own trail",
	"record.patient_reported": "Made a patient's report",

	"result.received":          "A message was received",
	"result.delivered":         "A message was delivered",
	"result.picked_up":         "The partner picked a result up",
	"result.quarantined":       "A message was put into quarantine",
	"result.delivery_stopped":  "A delivery was stopped",
	"result.held":              "Held a result",
	"result.released":          "Released a result",
	"result.refused":           "Refused a result",
	"result.resent":            "Sent a result again",
	"result.erased":            "A message was erased at the end of its time",
	"result.sent_alone":        "Sent a correction alone",
	"result.superseded":        "A result was superseded",
	"result.bypassed_too":      "A result had gone by the bypass too",
	"result.viewed":            "Viewed a result",
	"result.exported":          "Took a result out as a file",
	"result.proof_taken":       "Downloaded a proof",
	"result.receipt_taken":     "Downloaded a signed receipt",
	"result.replay_revealed":   "Saw values of a replay",
	"result.replay_listed":     "Saw which results fit a draft's rules",
	"results.searched":         "Searched results",
	"quarantine.shown":         "Read a quarantined message",
	"quarantine.released":      "Took a message out of quarantine",
	"quarantine.refused":       "Refused a quarantined message",
	"quarantine.replayed":      "Replayed a quarantined message",
	"call.opened":              "A phone task was opened",
	"call.taken":               "Took a phone task",
	"call.called":              "Made a phone call",
	"call.closed":              "Closed a phone task",
	"call.viewed":              "Viewed a phone task",
	"stop.placed":              "Placed a stop",
	"stop.extended":            "Extended a stop",
	"stop.expired":             "A stop came to its end",
	"stop.impact_due":          "A stop needs its review",
	"stop.reviewed":            "Reviewed a stop",
	"stop.lift_asked":          "Asked for a stop to be lifted",
	"stop.lifted":              "Lifted a stop",
	"stop.words_read":          "Read the words of a stop",
	"legal_hold.placed":        "Placed a legal hold",
	"legal_hold.lifted":        "Lifted a legal hold",
	"partner.counted":          "A partner's count was compared",
	"partner.tested":           "Sent a test message to a partner",
	"fhir.token_granted":       "A partner's program proved what it is",
	"fhir.export_started":      "A partner's program asked for an export",
	"fhir.export_ended":        "An export for a partner's program was ended",
	"fhir.subscription_made":   "A partner's program subscribed to notices",
	"fhir.subscription_ended":  "A partner's program ended a subscription",
	"fhir.subscription_failed": "A subscription of a partner's program ended in error",

	"partner_key.added":          "Added a partner's key",
	"partner_key.compared":       "Compared a partner's key with the partner",
	"partner_key.differed":       "Heard another key than the one that was added",
	"partner_key.taken_into_use": "Took a partner's key into use",
	"partner_key.retired":        "Retired a partner's key",
	"partner_key.revoked":        "Revoked a partner's key",

	"route.approved":             "Approved a route",
	"route.compared":             "A result was compared with the old path",
	"route.comparison_viewed":    "Viewed a comparison with the old path",
	"route.copy_received":        "A copy from the old path was received",
	"route.difference_explained": "Explained a difference to the old path",
	"bypass.reconciled":          "The bypass was read and compared",

	"config.applied":                   "Applied a configuration",
	"config.applied_alone":             "Applied a configuration alone",
	"config.alone_reviewed":            "Reviewed a configuration that was applied alone",
	"config.draft_begun":               "Began a draft of the configuration",
	"config.draft_edited":              "Edited a draft of the configuration",
	"config.draft_applied":             "Put a draft in force",
	"config.replayed":                  "Tried a day's messages on a configuration",
	"config.draft_discarded":           "Discarded a draft of the configuration",
	"approval.requested":               "Asked for an approval",
	"approval.given":                   "Approved what was asked for",
	"approval.refused":                 "Refused what was asked for",
	"approval.used":                    "An approval was used",
	"approval.expired":                 "A request for approval came to its end",
	"approval.voided":                  "A request for approval was voided",
	"secret.set":                       "Set a secret",
	"secret.removed":                   "Removed a secret",
	"date.extended":                    "Extended a date",
	"certificates.authority_requested": "Asked for a renewed certificate authority",
	"certificates.authority_installed": "Put a certificate authority in force",
	"certificates.ssh_authority_made":  "The authority of SSH users was made",
	"certificates.token_made":          "Made a token for a certificate",
	"certificates.issued":              "A certificate was issued",
	"certificates.renewed":             "A certificate was renewed",
	"certificates.ssh_issued":          "Signed an SSH key",
	"certificates.revoked":             "Revoked a certificate",
	"certificates.pinned":              "Pinned a certificate",
	"certificates.unpinned":            "Took a pinned certificate out",
	"posture.trial_made":               "Made a trial box for a client",
	"public_certificate.obtained":      "A public authority gave a certificate for one of our names",
	"pages.root_made":                  "The certificate authority of the pages was made",
	"support.bundle_made":              "Made a support bundle",
	"support.bundle_refused":           "A support bundle was refused",
	"node.lease_taken":                 "A node took over the work",
	"clock.jumped":                     "The clock of a server jumped",

	"keys.rotation_ordered":    "Rotated a key",
	"keys.destruction_ordered": "Destroyed a key",
	"keys.recovered":           "Recovered the keys with shares",
	"keys.share_shown":         "Was shown a recovery share",
	"ledger.audited":           "Had the ledger checked",
	"ledger.alarm_decided":     "Decided about an alarm of the ledger",

	"box.file.placed":        "A result was put into a partner's box",
	"box.file.picked":        "A partner picked a result up",
	"box.file.received":      "A partner's file came into its inbox",
	"box.file.held":          "A partner's file was kept for a person to look at",
	"box.file.released":      "Let a kept file go on",
	"box.file.renamed":       "A partner gave its file another name",
	"box.file.removed":       "A file was taken out of a box",
	"box.file.viewed":        "Read a file of a box",
	"partner.hostkey.made":   "A host key was made",
	"partner.password.made":  "Drew a partner's password",
	"partner.password.ended": "Ended a partner's password",
	"alarm.raised":           "An alarm was raised",
	"alarm.returned":         "An alarm came back",
	"alarm.worsened":         "An alarm became worse",
	"alarm.accepted":         "Accepted an alarm",
	"alarm.acceptance_ended": "The time of who accepted an alarm is over",
	"alarm.closed":           "Closed an alarm",
	"alarm.over":             "An alarm is over",
	"alarm.told":             "Somebody was told of an alarm",
	"maintenance.opened":     "Opened a maintenance window",
	"maintenance.began":      "A maintenance window began",
	"maintenance.ended":      "A maintenance window ended",
	"maintenance.left":       "Something was left after a maintenance window",
	"maintenance.missed":     "A maintenance window was missed",
	"maintenance.rechecked":  "A partner was checked again after maintenance",
}

// areas is how the areas of events read, for a kind of a later program.
var areas = map[string]string{
	"result": "Result", "call": "Phone task", "legal_hold": "Legal hold", "signin": "Sign-in", "person": "Person", "grant": "Role",
	"link": "One-time link", "service": "Service account", "glass": "Break-glass", "account": "Other systems' accounts",
	"review": "Access review", "config": "Configuration",
}

// Words is how a kind reads: "Viewed a result". A kind that this program does not
// know, as a newer one may have written, is told by its area.
func Words(kind string) string {
	if w, ok := said[kind]; ok {
		return w
	}
	area, rest, _ := strings.Cut(kind, ".")
	name, ok := areas[area]
	if !ok {
		name = capital(strings.ReplaceAll(area, "_", " "))
	}
	return name + ": " + strings.NewReplacer("_", " ", ".", " ").Replace(rest)
}

// Kinds are those that have words of their own, in the order in which these read.
func Kinds() []string {
	out := make([]string, 0, len(said))
	for k := range said {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(said[a]+a, said[b]+b) })
	return out
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
