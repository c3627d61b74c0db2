package astm

import "strconv"

// Error says where something could not be read. It never holds content.
type Error struct {
	Record int  // from 1; 0 where none is meant
	Type   byte // of the record, 0 where it has none
	Field  int  // from 1, as the standard counts; 0 where none is meant
	Offset int  // of the byte, from 0
	Msg    string
}

func (e *Error) Error() string {
	s := "astm"
	if e.Record > 0 {
		s += ": record " + strconv.Itoa(e.Record)
		if e.Type != 0 {
			s += " (" + string(rune(e.Type)) + ")"
		}
		if e.Field > 0 {
			s += " field " + strconv.Itoa(e.Field)
		}
	}
	return s + ": byte " + strconv.Itoa(e.Offset) + ": " + e.Msg
}
