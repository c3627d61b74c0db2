package astmhl7

import "strconv"

// Kind of a Note.
type Kind int

// What a Note can say.
const (
	NotCarried    Kind = iota + 1 // a field with content that has no place in the message
	UnknownCode                   // a test the model's file does not name
	UnknownUnit                   // a unit it does not name
	UnknownFlag                   // no flag of HL7 table 0078
	UnknownStatus                 // no status of E1394 9.9
	UnknownModel                  // no file for the model: nothing could be looked up
	OutOfPlace                    // a result without its order, an order without specimen
)

var kinds = map[Kind]string{
	NotCarried: "not carried", UnknownCode: "unknown code", UnknownUnit: "unknown unit", UnknownFlag: "unknown flag", UnknownStatus: "unknown status",
	UnknownModel: "unknown model", OutOfPlace: "out of place",
}

func (k Kind) String() string { return kinds[k] }

// Note says what a person should know of a conversion. It holds no content of the
// message.
type Note struct {
	Kind   Kind
	Record int // from 1
	Type   byte
	Field  int // 0: the whole record
}

func (n Note) String() string {
	s := n.Kind.String() + ": record " + strconv.Itoa(n.Record)
	if n.Type != 0 {
		s += " " + string(rune(n.Type))
	}
	if n.Field > 0 {
		s += "-" + strconv.Itoa(n.Field)
	}
	return s
}
