package gate

import (
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
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
