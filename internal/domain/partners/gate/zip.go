package gate

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
)

// archive looks at a ZIP file and at each file in it.
func (l *looker) archive(c *content) error {
	if err := c.anywhere(); err != nil {
		return err
	}
	limits := l.rules.zip()
	entries, err := readDirectory(c.at, c.size, limits.Entries)
	if err != nil {
		return err
	}
	var wrong error
	seen := map[string]bool{}
	for i, e := range entries {
		err := l.entryAllowed(e, i, seen, limits)
		if err == nil {
			err = l.entry(c, e)
		}
		if err != nil && !isRefusal(err) {
			return err
		}
		if err != nil && wrong == nil {
			wrong = err
		}
		if l.unpacked < 0 {
			break
		}
	}
	return wrong
}

// inEntry names an entry by its number: its name is not repeated, as it may name
// a patient.
func inEntry(i int, what string) string {
	return fmt.Sprintf("File %d of the archive %s", i+1, what)
}

func (l *looker) entryAllowed(e zipEntry, i int, seen map[string]bool, limits Archive) error {
	l.unpacked -= e.size
	key := strings.ToLower(e.name)
	switch {
	case e.flags&(1|1<<6|1<<13) != 0: // APPNOTE 4.4.4: encrypted, strongly, directory masked
		return unreadable(CauseEncrypted, inEntry(i, "is encrypted, so it cannot be looked into. Send it without a password: the connection is encrypted."))
	case strings.EqualFold(e.name, "[content_types].xml") || strings.HasPrefix(key, "meta-inf/"):
		return refuse(CauseKind, "The file is an Office document or a program, which may act. Send a PDF or CSV.")
	case strings.ContainsAny(e.name, `/\`):
		return unreadable(CauseArchive, inEntry(i, "lies in a folder. Put the files into the archive without folders."))
	case seen[key]:
		return unreadable(CauseArchive, inEntry(i, "has the name of another one in it. Give each file its own name."))
	case e.method != 0 && e.method != 8: // APPNOTE 4.4.5: stored, deflated
		return unreadable(CauseArchive, inEntry(i, "is packed in a way that is not taken. Make the archive with plain ZIP (deflate)."))
	case l.unpacked < 0:
		return unreadable(CauseArchive, fmt.Sprintf("The archive holds more than %s when it is unpacked. Send several smaller ones.", bytesText(limits.Unpacked)))
	case e.size > 1<<20 && e.size/limits.Ratio > e.packed:
		return unreadable(CauseArchive, inEntry(i, fmt.Sprintf("becomes more than %d times larger when it is unpacked. Send it by itself.", limits.Ratio)))
	}
	seen[key] = true
	if err := channel.CheckBoxName(e.name); err != nil {
		return unreadable(CauseName, inEntry(i, "has a name that is not taken: "+err.Error()+". Rename it and send the archive again."))
	}
	return nil
}

// entry looks at one file by the same rules as if it had come by itself.
func (l *looker) entry(c *content, e zipEntry) error {
	sub := &content{name: e.name, size: e.size, open: func() io.Reader { return e.open(c.at) }}
	var seen look
	in := &looker{rules: l.rules, seen: &seen, depth: l.depth + 1, unpacked: l.unpacked}
	err := sub.sized(in.file(sub))
	l.unpacked = in.unpacked
	l.seen.critical = l.seen.critical || seen.critical
	if seen.remark != "" {
		l.seen.remark = inEntry(e.number, "was looked at: "+seen.remark)
	}
	if err == nil {
		// A reader may stop before the end (it never does on a good file), and what
		// is unpacked must be what the archive says.
		err = sub.sized(drain(e.open(c.at)))
	}
	var no *refusal
	if errors.As(err, &no) {
		unread := no.unread && mayHoldResults(e.name, seen.kind)
		if l.depth == 0 {
			no = refuse(no.cause, inEntry(e.number, "was refused: ")+no.reason)
		}
		no.unread = unread
		l.seen.critical = l.seen.critical || unread
		return no
	}
	return err
}

func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// sized turns what unpacking finds wrong into a refusal.
func (c *content) sized(err error) error {
	if err != nil && (errors.Is(err, errArchive) || errors.Is(err, io.ErrUnexpectedEOF) || isCorrupt(err)) {
		return unreadable(CauseForm, "It is not what the archive says it is, so the archive was damaged or cut off. Make it anew and send it again.")
	}
	return err
}

func isCorrupt(err error) bool {
	var c flate.CorruptInputError
	return errors.As(err, &c)
}

var errArchive = errors.New("the archive is damaged")

// zipEntry is one file of an archive.
type zipEntry struct {
	number        int
	name          string
	flags, method uint16
	crc           uint32
	packed, size  int64
	header, data  int64 // where its header and its bytes begin
}

// open unpacks it from its beginning; it fails at the end when size or checksum
// differ from what the archive says.
func (e zipEntry) open(at io.ReaderAt) io.Reader {
	var r io.Reader = io.NewSectionReader(at, e.data, e.packed)
	if e.method == 8 {
		r = flate.NewReader(r)
	}
	return &checked{r: r, left: e.size, want: e.crc}
}

type checked struct {
	r    io.Reader
	left int64
	sum  uint32
	want uint32
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.left -= int64(n)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	switch {
	case c.left < 0:
		return 0, errArchive
	case errors.Is(err, io.EOF) && (c.left != 0 || c.sum != c.want):
		return n, errArchive
	}
	return n, err
}

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
	case from+length != endAt:
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
		if !bytes.Equal(is, []byte(e.name)) || !later && (le.Uint32(h[14:]) != e.crc || int64(le.Uint32(h[18:])) != e.packed || int64(le.Uint32(h[22:])) != e.size) {
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
