package config

import (
	"fmt"
	"path"
	"strings"
)

// Accept is what is taken from a partner that puts files into its box. How large
// a file may be is the box's own max_file.
type Accept struct {
	Kinds      []string `yaml:"kinds" default:"hl7, fhir, pdf, csv" rule:"oneof=hl7|fhir|pdf|csv" doc:"Kinds of files that are taken, by what they hold, whatever they are called. The name's ending must agree."`
	Zip        *Zip     `yaml:"zip" sample:"off" doc:"Takes ZIP archives of such files; each file in one is looked at as if it had come alone. Without this section archives are refused."`
	Encrypted  []string `yaml:"encrypted" ex:"age" rule:"oneof=age|openpgp|cms|pdf" doc:"Encrypted files that are taken although nobody can look into them before their receiver: age, openpgp, cms, and pdf for PDFs with a password. The connection is encrypted in any case."`
	Facilities []string `yaml:"facilities" ex:"RIVERSIDE" doc:"Sending facilities (MSH-4, its name or universal id) of this partner's HL7 messages; a message of another is refused. Compared with the sender that a FHIR MessageHeader names, too. Any when absent."`
	Receivers  []string `yaml:"receiving_facilities" ex:"MILLBROOK" doc:"Receiving facilities (MSH-6, the receiver in a FHIR MessageHeader) it may write to. Any when absent."`
	Providers  bool     `yaml:"only_own_providers" doc:"Each order in an HL7 message must name one of the partner's providers (OBR-16 or ORC-12)."`
	Critical   []string `yaml:"critical_flags" doc:"Codes in OBX-8 and in FHIR interpretations by which this partner marks critical results, besides HH, LL and AA."`
}

// Zip bounds archives.
type Zip struct {
	Entries  int  `yaml:"entries" default:"1000" rule:"min=1,max=65534" doc:"How many files an archive may hold."`
	Unpacked Size `yaml:"unpacked" default:"1GiB" rule:"min=1KiB,max=16GiB" doc:"How large they may be together."`
	Ratio    int  `yaml:"ratio" default:"200" rule:"min=10,max=2000" doc:"How many times larger than packed one of them may be."`
	Nested   int  `yaml:"nested" default:"0" rule:"max=3" doc:"How deep archives may lie in archives; 0 refuses them there."`
}

// Scanner is the virus scanner that looks at files of partners before anybody
// sees them.
type Scanner struct {
	ClamAV   []string `yaml:"clamav" rule:"required,one" ex:"unix:/run/clamav/clamd.ctl" doc:"Addresses of clamd, unix:/PATH or tcp:HOST:PORT on this machine, tried in their order."`
	WhenDown string   `yaml:"when_down" default:"hold" rule:"oneof=refuse|hold|pass_and_tell" doc:"What happens to a file while none of them answers, or does not look at files of its size: it is refused, held for a person, or let through. Whichever it is, an alarm is raised and the sender is told."`
	Timeout  Duration `yaml:"timeout" default:"2m" rule:"min=5s,max=30m" doc:"How long one file may take to scan; then the scanner counts as down for it."`
}

// checkScanner: a file goes to the scanner as it is, so it must not leave the
// machine.
func (d *decoder) checkScanner(s *Scanner) {
	if s == nil {
		return
	}
	for i, a := range s.ClamAV {
		at := fmt.Sprintf("node.scanner.clamav[%d]", i)
		network, rest, _ := strings.Cut(a, ":")
		switch {
		case network == "unix" && path.IsAbs(rest):
		case network == "tcp":
			var to Address
			if refused, fix := to.read(rest); refused != "" {
				d.add(at, strings.Replace(fix, "HOST:PORT", "tcp:HOST:PORT", 1), "%s", refused)
			} else if !to.Loopback() {
				d.add(at, "run clamd on this machine, or forward a local port to it through a tunnel", "files would go to %s in plaintext", to)
			}
		default:
			d.add(at, "write unix:/PATH or tcp:127.0.0.1:PORT", "%s is no address of clamd", quote(a))
		}
	}
}
