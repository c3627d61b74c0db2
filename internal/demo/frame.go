package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxFrame limits what a counterpart takes in one frame or file.
const maxFrame = 32 << 20

var errFrame = errors.New("not an MLLP frame")

// writeFrame sends <VT> body <FS><CR> in one write (HL7 v2 Transport
// Specification: MLLP, release 1, 2).
func writeFrame(w io.Writer, body []byte) error {
	b := make([]byte, 0, len(body)+3)
	b = append(append(append(b, 0x0b), body...), 0x1c, '\r')
	_, err := w.Write(b)
	return err
}

// readFrame returns the next block's content. Bytes before the start block are
// an error: an honest counterpart hides nothing.
func readFrame(r *bufio.Reader) ([]byte, error) {
	c, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	if c != 0x0b {
		return nil, fmt.Errorf("%w: starts with 0x%02x", errFrame, c)
	}
	var body []byte
	for {
		chunk, err := r.ReadSlice(0x1c)
		body = append(body, chunk...)
		if len(body) > maxFrame {
			return nil, fmt.Errorf("%w: longer than %d bytes", errFrame, maxFrame)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, unexpected(err)
		}
		c, err := r.ReadByte()
		if err != nil {
			return nil, unexpected(err)
		}
		if c == '\r' {
			return body[:len(body)-1], nil
		}
		// A lone FS belongs to the content.
		_ = r.UnreadByte()
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
