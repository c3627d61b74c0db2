package gate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// maxFields bounds the index the codec makes of one message.
const maxFields = 4 << 20

// hl7 reads a file of HL7 v2 messages, one at a time.
func (l *looker) hl7(c *content) error {
	s := &splitter{r: bufio.NewReaderSize(c.open(), 64<<10)}
	var wrong error
	for {
		m, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !isRefusal(err) {
			return err
		}
		if err == nil {
			err = l.message(m, s.messages)
		}
		if err != nil && wrong == nil {
			wrong = err // the others are read on: one of them may be critical
		}
		if s.over {
			break
		}
	}
	if wrong == nil && s.messages == 0 {
		wrong = unreadable(CauseForm, "The file holds no HL7 message. Send it again with its messages.")
	}
	return wrong
}

// message judges one message.
func (l *looker) message(b []byte, n int) error {
	bad := func(what string) error {
		return unreadable(CauseForm, fmt.Sprintf("HL7 message %d of the file cannot be taken: %s. Correct it and send the file again.", n, what))
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return bad("it holds a zero byte")
	}
	if len(b) < 4 || bytes.Count(b, b[3:4]) > maxFields {
		return bad("it has more fields than can be looked at")
	}
	m, err := hl7.Parse(b)
	if err != nil {
		return bad(plain(err))
	}
	for _, s := range m.Signs(l.rules.Critical...) {
		if s.Kind == hl7.Critical {
			l.seen.critical = true
			break
		}
	}
	for _, e := range m.Check() {
		// Without these no receiver can route and answer a message; what else it lacks
		// of the standard is between sender and receiver.
		header := e.Segment == "MSH" && (e.Field == 9 || e.Field == 10 || e.Field == 12)
		if header || e.Segment == "" && e.Code == "100" {
			return bad(plain(e))
		}
	}
	return l.addressed(m, n)
}

func plain(err error) string { return strings.TrimPrefix(err.Error(), "hl7: ") }

// addressed says whether a message is this partner's.
func (l *looker) addressed(m *hl7.Message, n int) error {
	other := func(what string) error {
		return refuse(CauseOther, fmt.Sprintf("HL7 message %d of the file is not one of yours as the laboratory knows you: %s. Send it from the right account, or ask the laboratory to add it.", n, what))
	}
	if !facility(m, 4, l.rules.Facilities) {
		return other("its sending facility (MSH-4) is none of those agreed")
	}
	if !facility(m, 6, l.rules.Receivers) {
		return other("its receiving facility (MSH-6) is none of those agreed")
	}
	if l.rules.Providers == nil {
		return nil
	}
	named := false
	for _, at := range []hl7.Path{{Segment: "OBR", Field: 16}, {Segment: "ORC", Field: 12}} { // HL7 v2.5.1 4.5.3.16, 4.5.1.12
		for s := range m.Segments(at.Segment) {
			some, ours := l.ordered(s.Field(at.Field))
			if named = named || some; some && !ours {
				return other("the ordering provider of one of its orders (OBR-16, ORC-12) is none of those agreed")
			}
		}
	}
	if !named {
		return other("it names no ordering provider (OBR-16, ORC-12)")
	}
	return nil
}

// ordered reads the providers of one order: whether any is named, and whether one
// of them is the partner's. An order may name several.
func (l *looker) ordered(v hl7.Value) (named, ours bool) {
	for _, r := range v.Repetitions() {
		id, by := strings.TrimSpace(r.Part(1).Text()), r.Part(9)
		named = named || id != ""
		ours = ours || slices.ContainsFunc(l.rules.Providers, func(p Provider) bool {
			return id == p.ID && (by.Subpart(1).Text() == p.Authority || by.Subpart(2).Text() == p.Authority)
		})
	}
	return named, ours
}

// facility says whether the facility in a field of MSH, by name or universal id
// (HD, HL7 v2.5.1 2.A.33), is among those allowed.
func facility(m *hl7.Message, field int, allowed []string) bool {
	if len(allowed) == 0 {
		return true
	}
	v := m.Value(hl7.Path{Segment: "MSH", Field: field})
	for _, s := range []string{v.Part(1).Text(), v.Part(2).Text()} {
		if s = strings.TrimSpace(s); s != "" && slices.Contains(allowed, s) {
			return true
		}
	}
	return false
}
