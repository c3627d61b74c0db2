package astmhl7

import (
	"strings"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

// Query is what a device asks its host for (E1394-97 12).
type Query struct {
	Specimens []string // empty with All
	All       bool
	Cancel    bool // the device takes its last query back
	// Asked is the whole range of each specimen, component by component as the device
	// wrote it.
	Asked map[string][]string
}

// Queries reads the host queries of a message. model may be nil.
func Queries(m *astm.Message, model *analyzers.Model) []Query {
	var out []Query
	for r := range m.Records('Q') {
		q := Query{Cancel: strings.TrimSpace(r.Field(13).Text()) == "A"}
		for v := range r.Field(3).Repetitions() {
			id := rangeOf(v, model)
			switch {
			case strings.EqualFold(id, "ALL"):
				q.All = true
			case id != "":
				q.Specimens = append(q.Specimens, id)
				if q.Asked == nil {
					q.Asked = map[string][]string{}
				}
				parts := make([]string, v.Components())
				for i := range parts {
					parts[i] = v.Component(i + 1).Text()
				}
				q.Asked[id] = parts
			}
		}
		out = append(out, q)
	}
	return out
}

// rangeOf is the specimen in the range of a query: where the model says, else as
// the standard has it, patient^specimen (12.1.3); devices that have no patients
// write the specimen first.
func rangeOf(v astm.Value, model *analyzers.Model) string {
	if model != nil && model.At.Query.Component > 0 {
		return strings.TrimSpace(v.Component(model.At.Query.Component).Text())
	}
	id := strings.TrimSpace(v.Component(2).Text())
	if id == "" {
		id = strings.TrimSpace(v.Component(1).Text())
	}
	return id
}

// QBP writes the query for one specimen as IHE LAW asks it (LAB-27, QBP^Q11).
func QBP(specimen, tag string, o Options) []byte {
	w := hl7.NewWriter().Field(3, o.Device).Field(4, o.Facility).Field(5, o.To).Field(6, o.ToLab).Field(7, o.Time).
		Field(9, "QBP", "Q11", "QBP_Q11").Field(10, o.ControlID).Field(11, "P").Field(12, "2.5.1").Field(18, "UNICODE UTF-8").Field(21, "LAB-27", "IHE")
	w.Segment("QPD").Field(1, "WOS", "Work Order Step", "IHELAW").Field(2, tag).Field(3, specimen)
	w.Segment("RCP").Field(1, "I").Field(3, "R")
	return w.Bytes()
}
