package astmhl7

import (
	"strings"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Query is what a device asks its host for (E1394-97 12).
type Query struct {
	Specimens []string // empty with All
	All       bool
	Cancel    bool // the device takes its last query back
}

// Queries reads the host queries of a message.
func Queries(m *astm.Message) []Query {
	var out []Query
	for r := range m.Records('Q') {
		q := Query{Cancel: strings.TrimSpace(r.Field(13).Text()) == "A"}
		for v := range r.Field(3).Repetitions() {
			// The range is patient^specimen (12.1.3); devices that have no patients write the
			// specimen first.
			id := strings.TrimSpace(v.Component(2).Text())
			if id == "" {
				id = strings.TrimSpace(v.Component(1).Text())
			}
			switch {
			case strings.EqualFold(id, "ALL"):
				q.All = true
			case id != "":
				q.Specimens = append(q.Specimens, id)
			}
		}
		out = append(out, q)
	}
	return out
}

// QBP writes the query for one specimen as IHE LAW asks it (LAB-27, QBP^Q11).
func QBP(specimen, tag string, o Options) []byte {
	w := hl7.NewWriter().Field(3, o.Device).Field(4, o.Facility).Field(5, o.To).Field(6, o.ToLab).Field(7, o.Time).
		Field(9, "QBP", "Q11", "QBP_Q11").Field(10, o.ControlID).Field(11, "P").Field(12, "2.5.1").Field(18, "UNICODE UTF-8").Field(21, "LAB-27", "IHE")
	w.Segment("QPD").Field(1, "WOS", "Work Order Step", "IHELAW").Field(2, tag).Field(3, specimen)
	w.Segment("RCP").Field(1, "I").Field(3, "R")
	return w.Bytes()
}
