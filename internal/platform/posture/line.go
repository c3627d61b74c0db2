package posture

import "time"

// Line is one way on which results or people come and go.
type Line struct {
	// Channel is as alarms and dates name it: "partner riverside", "source lis",
	// "tunnel riverside", "pages". Partner is empty where it is the laboratory's own.
	Channel string `json:"channel" doc:"the channel, as dates and alarms name it"`
	Partner string `json:"partner,omitempty" doc:"the partner's key in the configuration"`
	Name    string `json:"name" doc:"as people call it"`
	Way     string `json:"way" doc:"what it is: results to them by MLLP, their box by SFTP"`
	Where   string `json:"where,omitempty" doc:"address, as it is configured"`

	Protocol string    `json:"protocol,omitempty" doc:"protocol and version last negotiated; none is plaintext; missing: not seen yet"`
	Cipher   string    `json:"cipher,omitempty" doc:"cipher last negotiated"`
	Exchange string    `json:"key_exchange,omitempty" doc:"key exchange last negotiated"`
	SeenAt   time.Time `json:"seen_at,omitzero" doc:"when; missing: not seen yet"`

	PostQuantum string `json:"post_quantum" doc:"yes, no or unknown"`
	FIPS        string `json:"fips" doc:"approved algorithms out of the validated module, on our side: yes, no or unknown"`
	EndToEnd    string `json:"end_to_end" doc:"kind of the keys that bodies are encrypted to, or none"`
	Guidance    string `json:"meets_hhs_guidance" doc:"yes, no or unknown"`
	Why         string `json:"why" doc:"the reason, in words"`

	Dates []Date `json:"dates" doc:"certificates, keys and exceptions, with their ends"`
	State string `json:"state" doc:"fine, warn, stopped or unknown"`
}

// Date is an age or an end that belongs to a line.
type Date struct {
	Kind  string    `json:"kind" doc:"our certificate, their certificate, authority, exception, their key, tunnel keys"`
	Of    string    `json:"what,omitempty" doc:"subject of the certificate, what the exception allows"`
	From  time.Time `json:"from,omitzero" doc:"since when it is there, where that is known"`
	Ends  time.Time `json:"ends,omitzero" doc:"its end, where it has one"`
	Owner string    `json:"owner,omitempty" doc:"who sees to it"`
	Due   bool      `json:"due" doc:"within 30 days, or past"`
	Past  bool      `json:"past" doc:"its end is over; nothing stops by itself"`
}

// The states of a line.
const (
	Fine    = "fine"
	Warn    = "warn"
	Stopped = "stopped"
	NotSeen = "unknown"
)

// Settle fills in what follows from the rest. fips is whether this build's
// cryptography is the validated module.
func (l *Line) Settle(c Channel, fips bool) {
	n := c.Seen.Parts()
	l.Protocol, l.Cipher, l.Exchange, l.SeenAt = n.Protocol, n.Cipher, n.Exchange, c.Seen.At
	l.PostQuantum, l.FIPS = c.Seen.PostQuantum(), c.Seen.FIPS(fips)
	if c.Folder || c.WireGuard || c.VPN {
		l.FIPS = Unknown
		if c.WireGuard {
			l.FIPS = No
		}
	}
	if c.Folder {
		l.PostQuantum = Unknown
	}
	l.Guidance, l.Why = c.Judge(fips)
	if l.EndToEnd == "" {
		l.EndToEnd = "none"
	}
	if l.Dates == nil {
		l.Dates = []Date{}
	}
	switch l.Guidance {
	case No:
		l.State = Stopped
	case Yes:
		l.State = Fine
	default:
		l.State = NotSeen
	}
	for _, d := range l.Dates {
		if (d.Past || d.Due) && l.State != Stopped {
			l.State = Warn
		}
	}
}
