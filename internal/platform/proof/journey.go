package proof

import (
	"fmt"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// journey says what the delivered entry tells of the partner. All of it is what
// the laboratory recorded at the time: self-reported, but not to be changed
// afterwards. The words keep to what each kind of answer shows: an acceptance
// is a system's, not the chart's.
func (r *Report) journey(f *File, out ledger.Event) {
	partner := out.IDs.Get("partner")
	if partner == "" {
		partner = "(not named)"
	}
	r.partner(partner, out)
	if config := out.Codes.Get("config"); config != "" && config != "-" {
		r.put(CheckConfig, Holds, "The entry names the configuration revision in force when it was sent.", "configuration "+config)
	} else {
		r.put(CheckConfig, Unknown, "The entry does not name the configuration revision in force.", "")
	}
	r.answer(partner, out)
	if f.Delivered.Reply != "" {
		r.put(CheckReply, Unknown, "The partner's own reply is not in this file, only its fingerprint: whoever has the reply can compare.", "SHA-256 "+f.Delivered.Reply)
	} else {
		r.put(CheckReply, Unknown, "The entry knows of no reply from the partner.", "")
	}
}

func (r *Report) partner(partner string, out ledger.Event) {
	proof, print, tls := out.Codes.Get("peer_proof"), out.Codes.Get("fingerprint"), out.Codes.Get("tls")
	detail := "recorded by the laboratory itself: " + proof
	if print != "" {
		detail += ", certificate SHA-256 " + print
	}
	if tls == "" {
		detail += ", no TLS"
	} else {
		detail += ", " + tls
	}
	if to := out.Codes.Get("encrypted_to"); to != "" {
		detail += ", encrypted to " + to
	}
	way := ""
	if out.Codes.Get("via") == ViaBypass {
		way = "It travelled in bypass: round the stopped hub, noted in the bypass log at the time and entered into the ledger afterwards. "
	}
	switch {
	case proof == "certificate" && print != "":
		r.put(CheckPartner, Holds, way+fmt.Sprintf("It went to %s, who showed a certificate.", partner), detail)
	case proof == "" || proof == "none":
		r.put(CheckPartner, Unknown, way+fmt.Sprintf("It went to the address set for %s; who was there was not proved.", partner), detail)
	default:
		r.put(CheckPartner, Holds, way+fmt.Sprintf("It went to %s, known by: %s.", partner, proof), detail)
	}
}

func (r *Report) answer(partner string, out ledger.Event) {
	detail := "answer " + out.Codes.Get("code") + ", recorded " + when(out)
	switch out.Codes.Get("level") {
	case channel.Accepted.String():
		r.put(CheckAnswer, Holds, fmt.Sprintf("%s's system accepted it. That does not show that the patient's chart has it.", partner), detail)
	case channel.Committed.String():
		r.put(CheckAnswer, Holds, fmt.Sprintf("%s's system took it into custody. That does not show that its application accepted it or that the patient's chart has it.", partner), detail)
	case channel.Placed.String():
		r.put(CheckAnswer, Unknown, fmt.Sprintf("It was placed for %s. Nobody answered, so whether anyone has it is not known.", partner), detail)
	default:
		r.put(CheckAnswer, Unknown, fmt.Sprintf("What %s answered is not in the entry in a form this program knows.", partner), detail)
	}
}

// distrust stands in for journey when the entry cannot be relied on.
func (r *Report) distrust() {
	for _, id := range []string{CheckPartner, CheckConfig, CheckAnswer, CheckReply} {
		r.put(id, Unknown, "Not said, because the entry that would show it cannot be relied on.", "")
	}
}
