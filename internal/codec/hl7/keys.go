package hl7

import "bytes"

// MaxKeys bounds each list of Keys. A message that names more belongs to
// nobody's lane and is refused.
const MaxKeys = 2048

// KeySep parts the identifier from its assigning authority inside a key.
const KeySep = 0x1f

// Keys is what a message names for ordering lanes. Each key is the identifier,
// KeySep and its assigning authority: the identifier trimmed and with escaped
// delimiters resolved, the authority in ASCII lower case as well. An authority
// known by a namespace and by a universal id gives two keys, so that two
// messages meet whichever of them they write.
//
// A Keys may be used again for the next message; it then does not allocate once
// it has grown. Its slices are valid until then.
type Keys struct {
	// PatientIDs are of every PID segment: PID-3, each repetition, PID-2 and
	// PID-4 (external and alternate id, withdrawn in v2.7), and MRG-1, MRG-2 and
	// MRG-4, under which the patient was known.
	PatientIDs [][]byte
	// Placers are ORC-2, OBR-2, and the placer half of the parent, ORC-8, OBR-29.
	Placers [][]byte
	// Fillers are ORC-3, OBR-3, and the filler half of the parent.
	Fillers [][]byte
	// Specimens are both halves of SPM-2.
	Specimens [][]byte
	// Accessions are SPM-30 (v2.7), SAC-2 (v2.5) and the fields of OBR named in
	// AccessionFields.
	Accessions [][]byte
	// AccessionFields are OBR fields that this source's documentation names as
	// its accession number, 18, 19, 20 or 21: the standard leaves them to the
	// site. Set by the caller, kept between messages.
	AccessionFields []int

	buf []byte
}

// ReadKeys fills k from the message b with header h, replacing what k held. It
// fails (*Error) only when there are more than MaxKeys keys of a kind.
func ReadKeys(b []byte, h *Header, k *Keys) error {
	k.PatientIDs, k.Placers, k.Fillers = k.PatientIDs[:0], k.Placers[:0], k.Fillers[:0]
	k.Specimens, k.Accessions, k.buf = k.Specimens[:0], k.Accessions[:0], k.buf[:0]
	if h.FieldSep == 0 {
		return nil
	}
	r := keyReader{k: k, h: h}
	l := newLines(b, h.FieldSep)
	for line := 1; ; line++ {
		start, end, _, ok := l.next()
		if !ok {
			return nil
		}
		s := b[start:end]
		if len(s) < 5 || s[3] != h.FieldSep {
			continue
		}
		switch {
		case s[0] == 'P' && s[1] == 'I' && s[2] == 'D':
			r.fields(s, pidKeys)
		case s[0] == 'O' && s[1] == 'R' && s[2] == 'C':
			r.fields(s, orcKeys)
		case s[0] == 'O' && s[1] == 'B' && s[2] == 'R':
			r.fields(s, obrKeys)
			for _, f := range k.AccessionFields {
				r.list(nth(s[4:], h.FieldSep, f), &k.Accessions, false)
			}
		case s[0] == 'S' && s[1] == 'P' && s[2] == 'M':
			r.fields(s, spmKeys)
		case s[0] == 'S' && s[1] == 'A' && s[2] == 'C':
			r.fields(s, sacKeys)
		case s[0] == 'M' && s[1] == 'R' && s[2] == 'G':
			r.fields(s, mrgKeys)
		}
		if r.full {
			return &Error{
				Segment: segmentName(s[:3]), Line: line, Offset: start, Code: "104",
				Msg: "the message names more identifiers than a message may",
			}
		}
	}
}

type keyKind uint8

const (
	keyPatient   keyKind = iota + 1 // CX
	keyPlacer                       // EI
	keyFiller                       // EI
	keyAccession                    // EI, CX
	keyParent                       // EIP: placer and filler in components
	keySpecimen                     // EIP: both halves
)

type keyField struct {
	n    int
	kind keyKind
}

var (
	pidKeys = []keyField{{2, keyPatient}, {3, keyPatient}, {4, keyPatient}}
	mrgKeys = []keyField{{1, keyPatient}, {2, keyPatient}, {4, keyPatient}}
	orcKeys = []keyField{{2, keyPlacer}, {3, keyFiller}, {8, keyParent}}
	obrKeys = []keyField{{2, keyPlacer}, {3, keyFiller}, {29, keyParent}}
	spmKeys = []keyField{{2, keySpecimen}, {30, keyAccession}}
	sacKeys = []keyField{{2, keyAccession}}
)

type keyReader struct {
	k    *Keys
	h    *Header
	full bool
	// known are the keys of lists that have grown beyond fewKeys.
	known map[*[][]byte]map[string]bool
}

// fewKeys is up to where a list is looked through for a key: nearly every list
// is that short. A longer one is looked up, so that a message that repeats its
// keys a million times costs no more than another.
const fewKeys = 32

// fields reads the wanted fields of segment s; want is in rising order.
func (r *keyReader) fields(s []byte, want []keyField) {
	rest, n := s[4:], 1
	for _, w := range want {
		for ; n < w.n; n++ {
			i := bytes.IndexByte(rest, r.h.FieldSep)
			if i < 0 {
				return
			}
			rest = rest[i+1:]
		}
		v := first(rest, r.h.FieldSep)
		if len(v) == 0 {
			continue
		}
		switch w.kind {
		case keyPatient:
			r.list(v, &r.k.PatientIDs, true)
		case keyPlacer:
			r.list(v, &r.k.Placers, false)
		case keyFiller:
			r.list(v, &r.k.Fillers, false)
		case keyAccession:
			// SPM-30 is a CX, SAC-2 an EI; SAC-2 is read as the latter.
			r.list(v, &r.k.Accessions, w.n == 30)
		case keyParent:
			r.pair(v, &r.k.Placers, &r.k.Fillers)
		case keySpecimen:
			r.pair(v, &r.k.Specimens, &r.k.Specimens)
		}
	}
}

// list adds each repetition of a CX (id^check^scheme^authority HD in
// sub-components) or an EI (id^namespace^universal id^type).
func (r *keyReader) list(v []byte, into *[][]byte, cx bool) {
	for len(v) > 0 && !r.full {
		rep := first(v, r.h.Repetition)
		v = v[min(len(rep)+1, len(v)):]
		id := nth(rep, r.h.Component, 1)
		var ns, uid []byte
		if cx {
			hd := nth(rep, r.h.Component, 4)
			ns, uid = nth(hd, r.h.Subcomponent, 1), nth(hd, r.h.Subcomponent, 2)
			id = first(id, r.h.Subcomponent)
		} else {
			ns, uid = nth(rep, r.h.Component, 2), nth(rep, r.h.Component, 3)
		}
		r.add(into, id, ns, uid)
	}
}

// pair adds both halves of each repetition of an EIP, whose EIs are written in
// sub-components.
func (r *keyReader) pair(v []byte, placer, filler *[][]byte) {
	for len(v) > 0 && !r.full {
		rep := first(v, r.h.Repetition)
		v = v[min(len(rep)+1, len(v)):]
		for i, into := range [2]*[][]byte{placer, filler} {
			ei := nth(rep, r.h.Component, i+1)
			sub := r.h.Subcomponent
			r.add(into, nth(ei, sub, 1), nth(ei, sub, 2), nth(ei, sub, 3))
		}
	}
}

func (r *keyReader) add(into *[][]byte, id, ns, uid []byte) {
	id, ns, uid = bytes.TrimSpace(id), bytes.TrimSpace(ns), bytes.TrimSpace(uid)
	if blank(id) {
		return
	}
	if blank(ns) {
		ns, uid = uid, nil
	}
	r.one(into, id, ns)
	if !blank(uid) {
		r.one(into, id, uid)
	}
}

func (r *keyReader) one(into *[][]byte, id, authority []byte) {
	at := len(r.k.buf)
	b := r.normal(r.k.buf, id)
	b = append(b, KeySep)
	if !blank(authority) {
		from := len(b)
		b = r.normal(b, authority)
		for i := from; i < len(b); i++ {
			if b[i] >= 'A' && b[i] <= 'Z' {
				b[i] += 'a' - 'A'
			}
		}
	}
	key := b[at:len(b):len(b)]
	if r.has(into, key) {
		return // buf keeps its old length: the bytes are written over
	}
	if len(*into) >= MaxKeys {
		r.full = true
		return
	}
	r.k.buf = b
	*into = append(*into, key)
	if known := r.known[into]; known != nil {
		known[string(key)] = true
	}
}

func (r *keyReader) has(list *[][]byte, key []byte) bool {
	if len(*list) <= fewKeys {
		for _, have := range *list {
			if bytes.Equal(have, key) {
				return true
			}
		}
		return false
	}
	known := r.known[list]
	if known == nil {
		known = make(map[string]bool, MaxKeys)
		for _, have := range *list {
			known[string(have)] = true
		}
		if r.known == nil {
			r.known = map[*[][]byte]map[string]bool{}
		}
		r.known[list] = known
	}
	return known[string(key)]
}

// normal appends v with its escaped delimiters resolved: the same number may be
// written with other delimiters in the next message.
func (r *keyReader) normal(dst, v []byte) []byte {
	if r.h.Escape == 0 || bytes.IndexByte(v, r.h.Escape) < 0 {
		return append(dst, v...)
	}
	return appendUnescapedBytes(dst, v, r.h)
}
