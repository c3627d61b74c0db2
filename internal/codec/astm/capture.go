package astm

import "bytes"

// ReadCapture takes the messages out of a file in which somebody kept what an
// analyzer sent: frames with or without the CR before their LF, ENQ, EOT and
// replies between them, or no frames at all. Frames whose checksum is wrong are
// counted, not left out: the file is evidence, and who compares it wants to know.
// Repeated frames (a resend) are taken once.
func ReadCapture(b []byte) (messages [][]byte, wrong int) {
	var text []byte
	if bytes.IndexByte(b, STX) < 0 {
		text = b
	}
	last := -1
	for at := bytes.IndexByte(b, STX); at >= 0; {
		rest := b[at+1:]
		end := bytes.IndexAny(rest, "\x03\x17")
		if end < 1 {
			text = append(text, rest...) // the capture ends within a frame
			break
		}
		number, body := rest[0], rest[1:end]
		sum := rest[end+1:]
		good := false
		if len(sum) >= 2 {
			hi, ok1 := digit(sum[0])
			lo, ok2 := digit(sum[1])
			good = ok1 && ok2 && Checksum(rest[:end+1]) == hi<<4|lo
		}
		if !good {
			wrong++
		}
		if int(number) != last || !bytes.HasSuffix(text, body) {
			text = append(text, body...)
		}
		last = int(number)
		next := bytes.IndexByte(rest[end:], STX)
		if next < 0 {
			break
		}
		at += 1 + end + next
	}
	return Split(text), wrong
}

// Split cuts text into messages, each from its header record on. What stands
// before the first header is left out.
func Split(text []byte) [][]byte {
	var out [][]byte
	from := -1
	for at := 0; at < len(text); {
		end, after := line(text, at)
		if text[at] == 'H' {
			if _, err := ReadDelimiters(text[at:end]); err == nil {
				if from >= 0 {
					out = append(out, text[from:at:at])
				}
				from = at
			}
		}
		at = after
	}
	if from >= 0 {
		out = append(out, text[from:len(text):len(text)])
	}
	return out
}
