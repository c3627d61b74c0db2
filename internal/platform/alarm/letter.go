package alarm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a message says about its alarm.
const (
	Raised = "raised"
	Again  = "again" // nobody has accepted yet
	Over   = "over"  // it ended by itself
	Shut   = "closed"
	Test   = "test"
)

// Message is what goes out. It holds no patient data.
type Message struct {
	// ID is the same when the same message is sent again.
	ID       string    `json:"id"`
	What     string    `json:"what"` // raised, again, over, closed, test
	Lab      string    `json:"laboratory"`
	Person   string    `json:"person"`
	Alarm    int64     `json:"alarm,omitempty"`
	Kind     string    `json:"kind,omitempty"`
	About    string    `json:"about,omitempty"`
	Severity string    `json:"severity,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	At       time.Time `json:"at"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"` // a few lines for a person
	// Short is Text in one line for a phone, at most 300 bytes.
	Short string `json:"short"`
}

const maxShort = 300

// letter writes the message of a notice. The templates are fixed.
func letter(lab, pages string, n *notice, r *record, now time.Time) Message {
	m := Message{
		ID: n.id.String(), What: n.what, Lab: lab, Person: n.person, Alarm: r.Number, Kind: r.Kind, About: r.About,
		Severity: r.Severity.String(), Since: r.Since.UTC(), At: now.UTC(),
	}
	since := r.Since.In(now.Location()).Format("2006-01-02 15:04 MST")
	var lines []string
	switch n.what {
	case Over, Shut:
		m.Subject = fmt.Sprintf("Over: alarm %d: %s", r.Number, r.About)
		if r.About == "" {
			m.Subject = fmt.Sprintf("Over: alarm %d: %s", r.Number, r.Kind)
		}
		lines = append(lines, "It was: "+r.Sentence)
		if n.what == Shut {
			lines = append(lines, fmt.Sprintf("%s closed the alarm.", r.By))
		} else {
			lines = append(lines, fmt.Sprintf("It began %s and is over.", since))
		}
	default:
		word := strings.ToUpper(r.Severity.String()[:1]) + r.Severity.String()[1:]
		if n.what == Again {
			word = "Nobody has accepted yet, " + r.Severity.String()
		}
		m.Subject = fmt.Sprintf("%s: alarm %d: %s", word, r.Number, r.Sentence)
		lines = append(lines, r.Sentence, r.Advice, fmt.Sprintf("Since %s, noticed %d times.", since, r.Times))
		if r.Owner != "" {
			lines = append(lines, "It belongs to "+r.Owner+".")
		}
		if pages != "" {
			lines = append(lines, fmt.Sprintf("Take it on: %s/%d", pages, r.Number), fmt.Sprintf("Or at the hub: labwarden alarms accept %d", r.Number))
		} else {
			lines = append(lines, fmt.Sprintf("Take it on: labwarden alarms accept %d", r.Number))
		}
	}
	Finish(&m, lines)
	return m
}

// maxListed is how many alarms one message names.
const maxListed = 30

// several writes one message about many alarms. Its ID is that of the first
// notice, the same when it is sent again.
func several(lab, pages string, n *notice, rs []*record, now time.Time) Message {
	worst := slices.MaxFunc(rs, func(a, b *record) int { return cmp.Compare(a.Severity, b.Severity) })
	m := Message{
		ID: n.id.String(), What: n.what, Lab: lab, Person: n.person, Kind: "several", Severity: worst.Severity.String(),
		Since: worst.Since.UTC(), At: now.UTC(), Subject: fmt.Sprintf("%d alarms, the first of the most severe: %s", len(rs), worst.Sentence),
	}
	var lines []string
	for i, r := range rs {
		if i == maxListed {
			lines = append(lines, fmt.Sprintf("... and %d more.", len(rs)-maxListed))
			break
		}
		lines = append(lines, fmt.Sprintf("Alarm %d (%s): %s", r.Number, r.Severity, r.Sentence))
	}
	if pages != "" {
		lines = append(lines, "See them and take them on: "+pages)
	}
	lines = append(lines, "See them: labwarden alarms list. Take one on: labwarden alarms accept NUMBER")
	Finish(&m, lines)
	return m
}

// Finish writes subject, text and short form of a message whose Lab and Subject are
// set.
func Finish(m *Message, lines []string) {
	m.Short = cut(m.Lab+": "+m.Subject, maxShort)
	m.Subject = cut("["+m.Lab+"] "+m.Subject, 160)
	m.Text = strings.Join(lines, "\n") + "\n\nLabwarden at " + m.Lab + ". This message names no patient.\n"
}

// testLetter is what `alarms test` sends.
func testLetter(lab, id, person, by string, now time.Time) Message {
	m := Message{ID: id, What: Test, Lab: lab, Person: person, At: now.UTC(), Subject: "TEST: nothing is wrong"}
	Finish(&m, []string{"This is a test of the way by which you are told of alarms. Nothing is wrong, nothing is to be done.", "It was sent for " + by + "."})
	return m
}

// cut shortens s to n bytes without breaking a character, and takes line
// breaks out: it becomes a header.
func cut(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	s = s[:n-3]
	for len(s) > 0 && s[len(s)-1]&0xc0 == 0x80 {
		s = s[:len(s)-1]
	}
	if len(s) > 0 && s[len(s)-1] >= 0xc0 {
		s = s[:len(s)-1]
	}
	return s + "..."
}
