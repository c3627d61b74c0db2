package posture

import (
	"fmt"
	"strings"
	"time"
)

// Trial is a box without results, in which a partner's client tries itself.
type Trial struct {
	Name    string    `json:"name" doc:"the user to sign in as"`
	Partner string    `json:"partner,omitempty" doc:"the partner that it was made for, if one was named"`
	Made    time.Time `json:"made_at" doc:"when"`
	By      string    `json:"made_by" doc:"who made it"`
	Ends    time.Time `json:"ends" doc:"nobody gets in from then on"`
	Tried   []Tried   `json:"tried" doc:"connections that came, the oldest first"`
	Did     []string  `json:"did" doc:"what was done in it, in words"`
}

// NewTrial asks for one.
type NewTrial struct {
	// Partner is its key in the configuration; empty for nobody in particular.
	Partner string `json:"partner" doc:"the partner's key in the configuration; empty for nobody in particular"`
	Key     string `json:"key" doc:"a public SSH key that may sign in besides the code, as a line of a .pub file; empty for none"`
	Minutes int    `json:"minutes" doc:"how long it lasts; 0 is 60, 1440 at most"`
}

// MadeTrial is one with its code, which is not told again.
type MadeTrial struct {
	Trial
	Code string `json:"code" doc:"the password; it is not told again"`
	// Ways are what to try, with a line to type for each.
	Ways []TrialWay `json:"ways" doc:"what to try"`
}

// TrialWay is one thing to try.
type TrialWay struct {
	What string `json:"what" doc:"SFTP, FTPS, the portal, the FHIR server"`
	Line string `json:"line" doc:"what to type, or where to go"`
}

// Tried is one connection that came.
type Tried struct {
	At       time.Time `json:"at" doc:"when"`
	Protocol string    `json:"protocol" doc:"SFTP, FTPS, or the site that was asked over HTTPS"`
	Secured  string    `json:"secured" doc:"protocol, suite and key exchange that were negotiated"`
	Client   string    `json:"client,omitempty" doc:"what the program called itself"`
	Proof    string    `json:"proof,omitempty" doc:"how it signed in"`
}

// Judged is what follows from one connection.
type Judged struct {
	Negotiated
	PostQuantum, FIPS, Guidance, Why string
	Change                           []string // what to change, in sentences; empty: nothing
}

// Judge judges it; fips is whether this build's cryptography is the validated module.
func (t Tried) Judge(fips bool) Judged {
	s := Seen{t.Secured, t.At}
	ssh := t.Protocol == "SFTP"
	j := Judged{Negotiated: s.Parts(), PostQuantum: s.PostQuantum(), FIPS: s.FIPS(fips)}
	j.Guidance, j.Why = Channel{SSH: ssh, Seen: s}.Judge(fips)
	add := func(is bool, text string) {
		if is {
			j.Change = append(j.Change, text)
		}
	}
	add(ssh && j.PostQuantum == No, "Take a client that offers mlkem768x25519-sha256 (OpenSSH from 9.9 on): what somebody records today could be read by a quantum computer later.")
	add(!ssh && j.PostQuantum == No, "Take a client whose TLS offers X25519MLKEM768 (OpenSSL from 3.5 on, current browsers): what somebody records today could be read by a quantum computer later.")
	add(j.Protocol == "TLS 1.2", "Let the client speak TLS 1.3; 1.2 was used.")
	add(strings.Contains(strings.ToUpper(j.Cipher), "CHACHA20"), "Let the client put AES-GCM first: NIST SP 800-52 does not approve ChaCha20-Poly1305.")
	add(strings.HasSuffix(j.Cipher, "-ctr") || strings.HasSuffix(j.Cipher, "-cbc"), "Let the client put AES-GCM first.")
	add(ssh && t.Proof == "password", "Sign in with a key rather than with a password when it is in earnest.")
	add(fips && !s.approved() && j.Protocol != "", "For FIPS, let the client offer AES-GCM and an exchange over NIST P-256 or P-384, or one with ML-KEM.")
	return j
}

// Report tells in plain text how the client did, for the people at the other end.
func (t *Trial) Report(lab string, fips bool) string {
	var b strings.Builder
	stamp := func(x time.Time) string { return x.UTC().Format("2006-01-02 15:04:05 UTC") }
	fmt.Fprintf(&b, "Trial %s of %s\n\nThis box is for trying a client. No result is in it, and nothing that is put into it is kept.\nIt ends at %s.\n", t.Name, lab, stamp(t.Ends))
	if len(t.Tried) == 0 {
		b.WriteString("\nNo connection came yet.\n")
	}
	for i, x := range t.Tried {
		j := x.Judge(fips)
		fmt.Fprintf(&b, "\n%d. %s, %s\n", i+1, x.Protocol, stamp(x.At))
		for _, l := range [][2]string{
			{"Program", x.Client},
			{"Signed in by", x.Proof},
			{"Protocol", j.Protocol},
			{"Cipher", j.Cipher},
			{"Key exchange", j.Exchange},
			{"Post-quantum", j.PostQuantum},
			{"FIPS, at this end", j.FIPS},
			{"Meets HHS guidance", j.Guidance + ". " + j.Why},
		} {
			if l[1] != "" {
				wrap(&b, fmt.Sprintf("   %-20s", l[0]), l[1])
			}
		}
		b.WriteString("   What to change\n")
		if len(j.Change) == 0 {
			b.WriteString("   - Nothing that can be seen from here.\n")
		}
		for _, c := range j.Change {
			wrap(&b, "   - ", c)
		}
	}
	if len(t.Did) > 0 {
		b.WriteString("\nWhat was done\n")
		for _, d := range t.Did {
			wrap(&b, "   - ", d)
		}
	}
	return b.String()
}

// reportWidth is that of a plain text that is read in a terminal or printed.
const reportWidth = 78

// wrap writes words behind a head, further lines below the first word.
func wrap(b *strings.Builder, head, text string) {
	at := len(head)
	b.WriteString(head)
	for i, w := range strings.Fields(text) {
		switch {
		case i == 0:
		case at+1+len(w) > reportWidth:
			b.WriteString("\n" + strings.Repeat(" ", len(head)))
			at = len(head)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(w)
		at += len(w)
	}
	b.WriteByte('\n')
}
