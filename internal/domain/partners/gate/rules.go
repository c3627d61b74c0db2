package gate

import "slices"

// maxPart is the largest message, resource, or file within an archive that is
// taken into memory: the codec's own limit of a message.
const maxPart = 64 << 20

// MaxFile is the largest file that rules may allow.
const MaxFile = 1 << 30

// Rules are what is taken from one partner.
type Rules struct {
	// Kinds are of KindHL7, KindFHIR, KindPDF, KindCSV; all four when empty.
	Kinds []string
	// MaxFile is the largest file, in bytes; 256 MiB when zero, MaxFile at most.
	MaxFile int64
	// Archive allows ZIP; nil refuses it.
	Archive *Archive
	// Encrypted are the kinds that are taken without being looked into: KindAge,
	// KindOpenPGP, KindCMS, and KindPDF for PDFs with a password.
	Encrypted []string
	// Facilities are the sending facilities (MSH-4: name or universal id; the sender
	// that a FHIR MessageHeader names) that are this partner's; any when empty.
	Facilities []string
	// Receivers are the receiving facilities (MSH-6; the receiver of a MessageHeader) it may write to;
	// any when empty.
	Receivers []string
	// Providers: each order names one of these ordering providers (OBR-16, ORC-12);
	// any when nil.
	Providers []Provider
	// Critical are further codes in OBX-8 and FHIR interpretations that this
	// sender uses as critical flags, besides HH, LL and AA.
	Critical []string
}

// Provider is an ordering provider's identifier.
type Provider struct{ ID, Authority string }

// Archive bounds a ZIP file. Zero fields mean their defaults.
type Archive struct {
	// Entries is how many files it may hold; 1,000.
	Entries int
	// Unpacked is how large all of them may be together, in bytes; 1 GiB.
	Unpacked int64
	// Ratio is how many times larger than packed one of them may be; 200.
	Ratio int64
	// Nested is how deep archives may lie in archives; 0: not at all.
	Nested int
}

func (a Archive) orDefault() Archive {
	if a.Entries <= 0 {
		a.Entries = 1000
	}
	if a.Unpacked <= 0 {
		a.Unpacked = 1 << 30
	}
	if a.Ratio <= 0 {
		a.Ratio = 200
	}
	return a
}

func (r Rules) orDefault() *Rules {
	if len(r.Kinds) == 0 {
		r.Kinds = []string{KindHL7, KindFHIR, KindPDF, KindCSV}
	}
	if r.MaxFile <= 0 {
		r.MaxFile = 256 << 20
	}
	r.MaxFile = min(r.MaxFile, MaxFile)
	return &r
}

func (r *Rules) zip() Archive {
	if r.Archive == nil {
		return Archive{}.orDefault()
	}
	return r.Archive.orDefault()
}

func (r *Rules) takes(kind string) bool { return slices.Contains(r.Kinds, kind) }

// unseen says whether a kind is taken although it cannot be looked into.
func (r *Rules) unseen(kind string) bool { return slices.Contains(r.Encrypted, kind) }
