package results

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Said is what a message says of itself, in the LIS's words. Nothing in it is
// checked or added by us; texts are made printable and cut to a length, never
// otherwise changed. It names the patient by no more than Initials and
// BirthYear, and these only where they were asked for.
type Said struct {
	Orders    []OrderSaid
	More      int // orders beyond those listed
	ControlID string
	App       string
	Facility  string
	Type      string
	Specimens []string
	Initials  string
	BirthYear string
}

// OrderSaid is one OBR with its ORC.
type OrderSaid struct {
	Placer, Filler string // OBR-2, OBR-3, else ORC-2, ORC-3
	Test, Code     string // OBR-4
	Collected      Stamp  // OBR-7
	AtLab          Stamp  // OBR-14
	Reported       Stamp  // OBR-22
	Provider       string // OBR-16, else ORC-12
	Interpreter    string // OBR-32
	Status         string // OBR-25
	Results        int    // OBX that follow
}

// Stamp is a time as the LIS wrote it. At is zero where it cannot be read; Day
// says that it has no clock time. Without a zone it is taken in the
// laboratory's.
type Stamp struct {
	Text string
	At   time.Time
	Day  bool
}

// maxSaidOrders bounds what of a message is listed.
const maxSaidOrders = 20

// Printable makes one line of printable text of what stands in a message:
// control characters, line ends and the marks that turn the direction of text
// or are not seen become a visible sign, and what is longer than max is cut
// with one.
func Printable(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > limit {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\t' || r == ' ':
			b.WriteByte(' ')
		case r == unicode.ReplacementChar, !unicode.IsPrint(r), unicode.Is(unicode.Cf, r):
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

const maxSaid = 120

func said(v hl7.Value) string { return Printable(v.Text(), maxSaid) }

// saidOf reads a message. identity: also initials and the year of birth.
func saidOf(m *hl7.Message, zone *time.Location, identity bool) *Said {
	h := m.Header()
	out := &Said{
		ControlID: Printable(string(h.ControlID), maxSaid), App: Printable(string(h.SendingApp), maxSaid),
		Facility: Printable(string(h.SendingFacility), maxSaid), Type: Printable(string(h.MessageType), maxSaid),
	}
	var orc hl7.Segment
	haveORC := false
	for s := range m.Segments("") {
		switch s.Name() {
		case "ORC":
			orc, haveORC = s, true
		case "OBR":
			if len(out.Orders) == maxSaidOrders {
				out.More++
				continue
			}
			out.Orders = append(out.Orders, orderOf(s, orc, haveORC, zone))
			haveORC = false
		case "OBX":
			if n := len(out.Orders); n > 0 && out.More == 0 {
				out.Orders[n-1].Results++
			}
		case "SPM":
			v := s.Field(2) // SPM-2 specimen id, an EIP: placer & filler assigned
			for _, id := range []string{said(v.Part(2).Subpart(1)), said(v.Part(1).Subpart(1))} {
				if id != "" && !slices.Contains(out.Specimens, id) && len(out.Specimens) < maxSaidOrders {
					out.Specimens = append(out.Specimens, id)
					break
				}
			}
		case "PID":
			if identity && out.Initials == "" {
				out.Initials, out.BirthYear = initialsOf(s)
			}
		}
	}
	return out
}

func orderOf(obr, orc hl7.Segment, haveORC bool, zone *time.Location) OrderSaid {
	number := func(field int) string {
		if n := said(obr.Field(field).Part(1)); n != "" || !haveORC {
			return n
		}
		return said(orc.Field(field).Part(1))
	}
	o := OrderSaid{
		Placer: number(2), Filler: number(3), Status: said(obr.Field(25)),
		Collected: stampOf(obr.Field(7), zone), AtLab: stampOf(obr.Field(14), zone), Reported: stampOf(obr.Field(22), zone),
	}
	o.Test, o.Code = said(obr.Field(4).Part(2)), said(obr.Field(4).Part(1))
	if o.Test == "" {
		o.Test = o.Code
	}
	o.Provider = personOf(obr.Field(16))
	if o.Provider == "" && haveORC {
		o.Provider = personOf(orc.Field(12))
	}
	// OBR-32 is an NDL, whose first component is a name in sub-components.
	n := obr.Field(32).Part(1)
	o.Interpreter = joined(said(n.Subpart(3)), said(n.Subpart(2)))
	return o
}

// personOf is the first XCN of a field: given and family name, else its number.
func personOf(v hl7.Value) string {
	for _, r := range v.Repetitions() {
		if name := joined(said(r.Part(3)), said(r.Part(2).Subpart(1))); name != "" {
			return name
		}
		if id := said(r.Part(1)); id != "" {
			return id
		}
	}
	return ""
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// initialsOf are the first letters of given and family name, and the year.
func initialsOf(pid hl7.Segment) (initials, year string) {
	for _, name := range pid.Field(5).Repetitions() {
		for _, part := range []string{name.Part(2).Text(), name.Part(1).Subpart(1).Text()} {
			for _, r := range part {
				if unicode.IsLetter(r) {
					initials = joined(initials, string(unicode.ToUpper(r))+".")
					break
				}
			}
		}
		break // the first name counts
	}
	if d := pid.Field(7).Part(1).Text(); len(d) >= 4 && digits(d[:4]) {
		year = d[:4]
	}
	return initials, year
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// stampOf reads a DTM (HL7 v2.5.1 2.A.22): YYYYMMDD[HHMM[SS[.S[S[S[S]]]]]][+/-ZZZZ].
func stampOf(v hl7.Value, zone *time.Location) Stamp {
	text := strings.TrimSpace(v.Part(1).Text())
	out := Stamp{Text: Printable(text, 40)}
	body, offset := text, ""
	if i := strings.IndexAny(text, "+-"); i > 0 {
		body, offset = text[:i], text[i:]
	}
	body, _, _ = strings.Cut(body, ".")
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(body)]
	if layout == "" || !digits(body) {
		return out
	}
	out.Day = len(body) == 8
	var err error
	if offset != "" {
		out.At, err = time.Parse(layout+"-0700", body+offset)
	} else {
		out.At, err = time.ParseInLocation(layout, body, zone)
	}
	if err != nil {
		out.At = time.Time{}
	}
	return out
}

// Identity is a patient as a message names it.
type Identity struct {
	Name, Born, Sex string
	IDs             []string // each with who assigned it
	// Lines are the message with the numbers among its results; what names a person,
	// and every text that could, is hidden in them all the same.
	Lines []MaskedLine
}

// Reveal tells who the patient of a message is and what its results came to, and
// records that it was told. It fails closed like View.
func (s *Service) Reveal(ctx context.Context, id event.ID, by By) (Identity, error) {
	if err := by.check(); err != nil {
		return Identity{}, err
	}
	leaf, body, err := s.opened(ctx, id)
	if err != nil {
		return Identity{}, err
	}
	if err := s.looked(ctx, KindViewed, id, leaf, by); err != nil {
		return Identity{}, err
	}
	m, err := hl7.Parse(body)
	if err != nil {
		return Identity{}, fmt.Errorf("read message %s: %w", id, ErrConflict)
	}
	out := Identity{Lines: masked(m, true)}
	for pid := range m.Segments("PID") {
		for _, name := range pid.Field(5).Repetitions() {
			out.Name = joined(said(name.Part(2)), said(name.Part(3)), said(name.Part(1).Subpart(1)))
			break // the first name counts
		}
		if d := stampOf(pid.Field(7), time.UTC); !d.At.IsZero() {
			out.Born = d.At.Format(time.DateOnly)
		} else {
			out.Born = d.Text
		}
		out.Sex = said(pid.Field(8))
		for _, v := range pid.Field(3).Repetitions() {
			number := said(v.Part(1))
			if a := said(v.Part(4).Subpart(1)); a != "" && number != "" {
				number += " (" + a + ")"
			}
			if number != "" && len(out.IDs) < maxSaidOrders {
				out.IDs = append(out.IDs, number)
			}
		}
		break // one patient a message
	}
	return out, nil
}

// SaidOf reads what some messages say of themselves, for a list: no identity.
// What cannot be opened or read is left out; while views are closed that is all.
func (s *Service) SaidOf(ctx context.Context, ms []Summary) (map[event.ID]*Said, error) {
	out := make(map[event.ID]*Said, len(ms))
	if s.mayShow() != nil {
		return out, nil
	}
	for from := 0; from < len(ms); from += pageRead {
		part := ms[from:min(from+pageRead, len(ms))]
		leaves := make([]int64, len(part))
		for i := range part {
			leaves[i] = part[i].Leaf
		}
		in, args := leafList(leaves)
		err := s.db.Query(ctx, "SELECT id, body FROM results_messages WHERE leaf IN ("+in+")", args, func(row store.Scanner) error {
			var raw, sealed []byte
			if err := row.Scan(&raw, &sealed); err != nil {
				return err
			}
			id, err := event.IDFromBytes(raw)
			if err != nil {
				return err
			}
			_, body, err := s.seal.open("results_messages", id, sealed)
			if err != nil {
				return nil //nolint:nilerr // the message's own page says what is wrong with it
			}
			if m, err := hl7.Parse(body); err == nil {
				out[id] = saidOf(m, s.now().Location(), false)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
	}
	return out, nil
}
