package astm

import "bytes"

// The control characters of the link layer (E1381-02 6.1).
const (
	STX = 0x02
	ETX = 0x03
	EOT = 0x04
	ENQ = 0x05
	ACK = 0x06
	LF  = 0x0a
	CR  = 0x0d
	NAK = 0x15
	ETB = 0x17
)

// MaxText is how much text a frame may carry: E1381 says 240 bytes, LIS01-A2
// 64,000 (E1381-02 6.3.1). Writers ask their line which it takes.
const (
	MaxTextE1381 = 240
	MaxText      = 64_000
	// Overhead is what a frame adds to its text: STX, number, ETB or ETX, two
	// digits, CR, LF.
	Overhead = 7
)

// Frame is one frame of the link layer.
type Frame struct {
	Number int    // 0 to 7; the first of a session is 1 (E1381-02 6.3.2)
	Text   []byte // without number and end
	Last   bool   // ends with ETX: a record ends here; otherwise ETB, it goes on
}

// Checksum is the sum of the bytes from the frame number to ETB or ETX, modulo
// 256 (E1381-02 6.3.3).
func Checksum(b []byte) byte {
	var sum byte
	for _, c := range b {
		sum += c
	}
	return sum
}

// AppendFrame writes the frame with its checksum.
func AppendFrame(dst []byte, f Frame) []byte {
	const digits = "0123456789ABCDEF"
	end := byte(ETB)
	if f.Last {
		end = ETX
	}
	dst = append(dst, STX, '0'+byte(f.Number&7))
	from := len(dst) - 1
	dst = append(append(dst, f.Text...), end)
	sum := Checksum(dst[from:])
	return append(dst, digits[sum>>4], digits[sum&15], CR, LF)
}

// ReadFrame reads a frame that stands alone in b, from STX to LF. Text is a part
// of b.
func ReadFrame(b []byte) (Frame, error) {
	fail := func(at int, msg string) (Frame, error) { return Frame{}, &Error{Offset: at, Msg: msg} }
	if len(b) < Overhead {
		return fail(len(b), "the frame is cut off")
	}
	at := len(b) - 5 // of ETB or ETX
	switch {
	case b[0] != STX:
		return fail(0, "a frame begins with STX")
	case b[1] < '0' || b[1] > '7':
		return fail(1, "the frame number is 0 to 7")
	case b[at] != ETX && b[at] != ETB:
		return fail(at, "ETX or ETB and two digits are missing")
	case b[len(b)-2] != CR || b[len(b)-1] != LF:
		return fail(len(b)-2, "CR and LF are missing")
	}
	hi, ok1 := digit(b[at+1])
	lo, ok2 := digit(b[at+2])
	if !ok1 || !ok2 {
		return fail(at+1, "the checksum is two digits of base 16")
	}
	if Checksum(b[1:at+1]) != hi<<4|lo {
		return fail(at+1, "the checksum is wrong")
	}
	text := b[2:at:at]
	if i := restricted(text); i >= 0 {
		return fail(2+i, "a control character of the link stands in the text")
	}
	return Frame{Number: int(b[1] - '0'), Text: text, Last: b[at] == ETX}, nil
}

// digit reads one digit of a checksum. Some analyzers write small letters.
func digit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// restricted finds a character that must not stand in a frame's text (E1381-02
// 6.6), -1 for none. CR ends records and is allowed; DC1 to DC4 and DLE, SYN
// are let pass: analyzers write them in comments and nothing hangs on them here.
// NUL is refused: E1394 does not allow it in text, and the checksum would not see
// one that noise put in.
func restricted(b []byte) int {
	for i, c := range b {
		switch c {
		case 0, STX, ETX, EOT, ENQ, ACK, NAK, ETB, LF:
			return i
		}
	}
	return -1
}

// Frames cuts a message into frames of at most most bytes of text, numbered from
// first on. Each record ends its frame (E1381-02 6.3.1).
func Frames(message []byte, first, most int) []Frame {
	if most <= 0 {
		most = MaxTextE1381
	}
	var out []Frame
	for n := first; len(message) > 0; {
		end := bytes.IndexByte(message, CR) + 1
		if end == 0 {
			end = len(message)
		}
		record := message[:end]
		message = message[end:]
		for len(record) > 0 {
			k := min(most, len(record))
			out = append(out, Frame{Number: n & 7, Text: record[:k:k], Last: k == len(record)})
			record = record[k:]
			n++
		}
	}
	return out
}
