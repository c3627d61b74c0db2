package gate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// endOfArchive is where the end of central directory record begins in the last
// bytes of a file, if its comment ends with the file (APPNOTE 4.3.16); -1 if none.
func endOfArchive(tail []byte) int {
	for i := len(tail) - 22; i >= 0; i-- {
		if tail[i] == 'P' && string(tail[i:i+4]) == "PK\x05\x06" && i+22+int(binary.LittleEndian.Uint16(tail[i+20:])) == len(tail) {
			return i
		}
	}
	return -1
}

func zipError(what string) error {
	return unreadable(CauseArchive, "The archive cannot be taken: "+what+". Make it anew with plain ZIP and send it again.")
}

// readDirectory reads the central directory and the local headers. It takes
// archives that every reader reads alike: one directory at the end, headers that
// say the same as it, entries one behind the other without gap or overlap, and
// nothing before or behind.
func readDirectory(at io.ReaderAt, size int64, most int) ([]zipEntry, error) {
	n := min(size, 22+1<<16)
	tail := make([]byte, n)
	if _, err := at.ReadAt(tail, size-n); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	i := endOfArchive(tail)
	if i < 0 {
		return nil, zipError("it has no end, so it was cut off")
	}
	le := binary.LittleEndian
	end, endAt := tail[i:], size-n+int64(i)
	count, length, from := int(le.Uint16(end[10:])), int64(le.Uint32(end[12:])), int64(le.Uint32(end[16:]))
	switch {
	case le.Uint16(end[4:]) != 0 || le.Uint16(end[6:]) != 0 || int(le.Uint16(end[8:])) != count:
		return nil, zipError("it is one of several parts")
	case count == 0xffff || length == 0xffffffff || from == 0xffffffff:
		return nil, zipError("it is of the large kind (ZIP64)")
	case count == 0:
		return nil, zipError("it is empty")
	case count > most:
		return nil, unreadable(CauseArchive, fmt.Sprintf("The archive holds more than %d files. Send several smaller ones.", most))
	case from+length != endAt && !large(at, from, length, endAt, count):
		return nil, zipError("something stands before, between or behind its parts")
	case length > int64(count)*(46+3*1024):
		return nil, zipError("its table of contents is too long")
	}
	dir := make([]byte, length)
	if _, err := at.ReadAt(dir, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	entries := make([]zipEntry, 0, count)
	for len(entries) < count {
		if len(dir) < 46 || string(dir[:4]) != "PK\x01\x02" { // APPNOTE 4.3.12
			return nil, zipError("its table of contents is damaged")
		}
		name, extra, comment := int(le.Uint16(dir[28:])), int(le.Uint16(dir[30:])), int(le.Uint16(dir[32:]))
		if len(dir) < 46+name+extra+comment {
			return nil, zipError("its table of contents is damaged")
		}
		e := zipEntry{
			number: len(entries), name: string(dir[46 : 46+name]), flags: le.Uint16(dir[8:]), method: le.Uint16(dir[10:]), crc: le.Uint32(dir[16:]),
			packed: int64(le.Uint32(dir[20:])), size: int64(le.Uint32(dir[24:])), header: int64(le.Uint32(dir[42:])),
		}
		if e.packed == 0xffffffff || e.size == 0xffffffff || e.header == 0xffffffff {
			return nil, zipError("it is of the large kind (ZIP64)")
		}
		entries = append(entries, e)
		dir = dir[46+name+extra+comment:]
	}
	if len(dir) > 0 {
		return nil, zipError("its table of contents is damaged")
	}
	return entries, layout(at, entries, from)
}

// large says whether a ZIP64 end and its locator (APPNOTE 4.3.14, 4.3.15), which
// some programs write without need, fill the place between directory and end, and
// say the same as the end.
func large(at io.ReaderAt, from, length, endAt int64, count int) bool {
	var b [76]byte
	if from+length+int64(len(b)) != endAt {
		return false
	}
	if _, err := at.ReadAt(b[:], from+length); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	le := binary.LittleEndian
	return string(b[:4]) == "PK\x06\x06" && le.Uint64(b[4:]) == 44 && le.Uint64(b[16:]) == 0 &&
		le.Uint64(b[24:]) == uint64(count) && le.Uint64(b[32:]) == uint64(count) && le.Uint64(b[40:]) == uint64(length) && le.Uint64(b[48:]) == uint64(from) &&
		string(b[56:60]) == "PK\x06\x07" && le.Uint32(b[60:]) == 0 && le.Uint64(b[64:]) == uint64(from+length) && le.Uint32(b[72:]) == 1
}

// largeSizes reads the one extra field of a local header (APPNOTE 4.5.3).
func largeSizes(at io.ReaderAt, from int64) (packed, size int64, err error) {
	var b [20]byte
	if _, err := at.ReadAt(b[:], from); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	le := binary.LittleEndian
	if le.Uint16(b[:]) != 1 || le.Uint16(b[2:]) != 16 || le.Uint64(b[4:]) > 1<<40 || le.Uint64(b[12:]) > 1<<40 {
		return 0, 0, zipError("its parts contradict each other")
	}
	return int64(le.Uint64(b[12:])), int64(le.Uint64(b[4:])), nil
}

// layout reads the local headers and wants the entries to fill the archive up to
// its directory.
func layout(at io.ReaderAt, entries []zipEntry, until int64) error {
	order := make([]*zipEntry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortFunc(order, func(a, b *zipEntry) int { return int(a.header - b.header) })
	le, next := binary.LittleEndian, int64(0)
	for _, e := range order {
		var h [30]byte
		if e.header != next || e.header+30 > until {
			return zipError("its files overlap, or something stands between them")
		}
		if _, err := at.ReadAt(h[:], e.header); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		name, extra := int64(le.Uint16(h[26:])), int64(le.Uint16(h[28:]))
		if string(h[:4]) != "PK\x03\x04" || le.Uint16(h[6:]) != e.flags || le.Uint16(h[8:]) != e.method || name != int64(len(e.name)) { // APPNOTE 4.3.7
			return zipError("its parts contradict each other")
		}
		e.data = e.header + 30 + name + extra
		next = e.data + e.packed
		if next > until {
			return zipError("its files overlap, or something stands between them")
		}
		is := make([]byte, name)
		if _, err := at.ReadAt(is, e.header+30); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		later := e.flags&8 != 0 // the sizes stand behind the data
		packed, size := int64(le.Uint32(h[18:])), int64(le.Uint32(h[22:]))
		if packed == 0xffffffff && size == 0xffffffff && extra == 20 { // as programs write what they read from a pipe
			var err error
			if packed, size, err = largeSizes(at, e.header+30+name); err != nil {
				return err
			}
		}
		if !bytes.Equal(is, []byte(e.name)) || !later && (le.Uint32(h[14:]) != e.crc || packed != e.packed || size != e.size) {
			return zipError("its parts contradict each other")
		}
		if later {
			n, err := descriptor(at, next, until, *e)
			if err != nil {
				return err
			}
			next += n
		}
	}
	if next != until {
		return zipError("something stands before, between or behind its parts")
	}
	return nil
}

// descriptor reads a data descriptor (APPNOTE 4.3.9): with or without its
// signature, sizes of 4 or 8 bytes.
func descriptor(at io.ReaderAt, from, until int64, e zipEntry) (int64, error) {
	b := make([]byte, min(24, until-from))
	if _, err := at.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	le := binary.LittleEndian
	for _, sign := range []string{"PK\x07\x08", ""} {
		rest, ok := bytes.CutPrefix(b, []byte(sign))
		if !ok || len(rest) < 12 || le.Uint32(rest) != e.crc {
			continue
		}
		if int64(le.Uint32(rest[4:])) == e.packed && int64(le.Uint32(rest[8:])) == e.size {
			return int64(len(sign)) + 12, nil
		}
		if len(rest) >= 20 && le.Uint64(rest[4:]) == uint64(e.packed) && le.Uint64(rest[12:]) == uint64(e.size) {
			return int64(len(sign)) + 20, nil
		}
	}
	return 0, zipError("its parts contradict each other")
}
