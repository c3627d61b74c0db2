package mllp

import (
	"bytes"
	"crypto/sha256"
)

// Refused is a block that is not handed to the Handler: what there is of it, for
// quarantine.
type Refused struct {
	// Reason is "message over the size limit" or "start block inside a block".
	Reason string
	// Head is the first MiB of the content, valid only during the call.
	Head []byte
	// Length counts the content in bytes and SHA256 is its hash, as far as it
	// was read.
	Length int64
	SHA256 [sha256.Size]byte
	// Complete: the end block came. False when the time for a frame, the limit
	// of what is read of one message, or the connection ended first.
	Complete bool
}

const headSize = 1 << 20

// swallow reads the rest of a block that is over the limit without keeping it,
// limit bytes of content at most.
func (f *frames) swallow(limit int64) Refused {
	content := f.buf[f.pos+1 : f.end]
	done := false
	if i := bytes.IndexByte(content, endBlock); i >= 0 {
		content, done = content[:i], true
	}
	h := sha256.New()
	h.Write(content)
	r := Refused{Reason: errOversize.Error(), Length: int64(len(content)), Complete: done}
	head := content[:min(len(content), headSize)]
	scratch := make([]byte, readStep)
	for !done && r.Length < limit {
		if f.wait != nil && f.wait(true) != nil {
			break
		}
		n, err := f.src.Read(scratch)
		part := scratch[:n]
		if i := bytes.IndexByte(part, endBlock); i >= 0 {
			part, done = part[:i], true
		}
		h.Write(part)
		// max below headSize is possible: fill the head up to its size.
		if len(head) < headSize {
			head = append(head[:len(head):len(head)], part[:min(len(part), headSize-len(head))]...)
		}
		r.Length += int64(len(part))
		if err != nil {
			break
		}
	}
	r.Complete, r.Head = done, head
	h.Sum(r.SHA256[:0])
	return r
}

// restarted describes a complete block with a start block inside.
func restarted(body []byte) Refused {
	return Refused{
		Reason: errRestart.Error(), Head: body[:min(len(body), headSize)],
		Length: int64(len(body)), SHA256: sha256.Sum256(body), Complete: true,
	}
}
