package gate

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// raw writes an archive as Info-ZIP does, sizes in the local header, entry by entry.
type raw struct {
	name, data   string
	method       uint16
	flags        uint16
	crc          uint32
	size         uint32
	localName    string // another one in the local header
	dirOffset    int    // added to where the directory says it begins
	gap          int    // bytes before its header
	notDirectory bool   // missing in the directory
}

func rawZip(entries ...raw) []byte {
	le := binary.LittleEndian
	var b, dir []byte
	count := 0
	for _, e := range entries {
		b = append(b, make([]byte, e.gap)...)
		at := len(b)
		local := e.name
		if e.localName != "" {
			local = e.localName
		}
		h := make([]byte, 30)
		copy(h, "PK\x03\x04\x14\x00")
		le.PutUint16(h[6:], e.flags)
		le.PutUint16(h[8:], e.method)
		le.PutUint32(h[14:], e.crc)
		le.PutUint32(h[18:], uint32(len(e.data)))
		le.PutUint32(h[22:], e.size)
		le.PutUint16(h[26:], uint16(len(local)))
		b = append(append(append(b, h...), local...), e.data...)
		if e.notDirectory {
			continue
		}
		count++
		d := make([]byte, 46)
		copy(d, "PK\x01\x02\x14\x00\x14\x00")
		copy(d[8:], h[6:30])
		le.PutUint16(d[28:], uint16(len(e.name)))
		le.PutUint16(d[30:], 0)
		le.PutUint32(d[42:], uint32(at+e.dirOffset))
		dir = append(append(dir, d...), e.name...)
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	le.PutUint16(end[8:], uint16(count))
	le.PutUint16(end[10:], uint16(count))
	le.PutUint32(end[12:], uint32(len(dir)))
	le.PutUint32(end[16:], uint32(len(b)))
	return append(append(b, dir...), end...)
}

func stored(name, content string) raw {
	return raw{name: name, data: content, crc: crc32.ChecksumIEEE([]byte(content)), size: uint32(len(content))}
}

func TestZIP(t *testing.T) {
	one := zipOf(t, map[string]string{"a.hl7": normal, "b.csv": "1,2\n"})
	pdf := string(pdfOf(catalogue, pages))
	bomb := string(zipOf(t, map[string]string{"a.csv": strings.Repeat("1,2\n", 4<<20)}))
	archive := func(reason string) Verdict {
		return Verdict{Kind: "zip", Cause: CauseArchive, Critical: true, Reason: reason}
	}
	with := func(f func(*raw)) string {
		e := stored("a.hl7", normal)
		f(&e)
		return string(rawZip(stored("b.csv", "1,2\n"), e))
	}
	nested := string(zipOf(t, map[string]string{"in.zip": string(one)}))
	judge(t, []file{
		{"two files", "a.zip", string(one), open, Verdict{Pass: true, Kind: "zip"}},
		{"stored", "a.zip", string(rawZip(stored("a.hl7", normal))), open, Verdict{Pass: true, Kind: "zip"}},
		{"a PDF", "a.zip", string(zipOf(t, map[string]string{"a.pdf": pdf})), open, Verdict{Pass: true, Kind: "zip"}},
		{"critical inside", "a.zip", string(zipOf(t, map[string]string{"a.hl7": critical})), open, Verdict{Pass: true, Kind: "zip", Critical: true}},
		{"not allowed", "a.zip", string(one), Rules{}, Verdict{Kind: "zip", Cause: CauseKind, Critical: true, Reason: "Archives"}},
		{"kind not taken inside", "a.zip", string(one), Rules{Archive: &Archive{}, Kinds: []string{KindHL7}}, Verdict{Kind: "zip", Cause: CauseKind, Reason: "File 2"}},
		{"a bad file before a critical one", "a.zip", string(zipOf(t, map[string]string{"a.pdf": "%PDF-1.7", "b.hl7": critical})), open, Verdict{Kind: "zip", Cause: CauseForm, Critical: true, Reason: "File 1"}},
		{"a program inside", "a.zip", string(zipOf(t, map[string]string{"a.csv": "MZ\x90\x00"})), open, Verdict{Kind: "zip", Cause: CauseKind, Reason: "program"}},
		{"an Office document", "a.zip", string(zipOf(t, map[string]string{"[Content_Types].xml": "<x/>"})), open, Verdict{Kind: "zip", Cause: CauseKind, Reason: "Office"}},
		{"folders", "a.zip", string(zipOf(t, map[string]string{"x/a.hl7": normal})), open, archive("folder")},
		{"up and away", "a.zip", string(zipOf(t, map[string]string{"..\\a.hl7": normal})), open, archive("folder")},
		{"bad name", "a.zip", string(zipOf(t, map[string]string{"ä.hl7": normal})), open, Verdict{Kind: "zip", Cause: CauseName, Critical: true}},
		{"names differ by case only", "a.zip", string(zipOf(t, map[string]string{"a.hl7": normal, "A.HL7": normal})), open, archive("name of another")},
		{"zip in zip", "a.zip", nested, open, archive("within an archive")},
		{"zip in zip, allowed", "a.zip", nested, Rules{Archive: &Archive{Nested: 1}}, Verdict{Pass: true, Kind: "zip"}},
		{"too many files", "a.zip", string(one), Rules{Archive: &Archive{Entries: 1}}, archive("more than 1 files")},
		{"too large together", "a.zip", string(one), Rules{Archive: &Archive{Unpacked: 100}}, archive("more than 100 bytes")},
		{"ratio", "a.zip", bomb, open, archive("200 times")},
		{"declares 2 GiB", "a.zip", with(func(e *raw) { e.size = 2 << 30 }), open, archive("more than 1 GiB")},
		{"declares less than it is", "a.zip", with(func(e *raw) { e.size -= 10 }), open, Verdict{Kind: "zip", Cause: CauseForm, Critical: true, Reason: "not what the archive says"}},
		{"wrong checksum", "a.zip", with(func(e *raw) { e.crc++ }), open, Verdict{Kind: "zip", Cause: CauseForm, Critical: true}},
		{"encrypted", "a.zip", with(func(e *raw) { e.flags = 1 }), open, Verdict{Kind: "zip", Cause: CauseEncrypted, Critical: true, Reason: "password"}},
		{"another method", "a.zip", with(func(e *raw) { e.method = 12 }), open, archive("deflate")},
		{"another name inside", "a.zip", with(func(e *raw) { e.localName = "x.exe" }), open, archive("contradict")},
		{"overlapping", "a.zip", with(func(e *raw) { e.dirOffset = -(34 + 5) }), open, archive("overlap")},
		{"a gap", "a.zip", with(func(e *raw) { e.gap = 100 }), open, archive("overlap")},
		{"a file that is not in the table", "a.zip", string(rawZip(stored("a.hl7", normal), func() raw { e := stored("x.exe", "MZ"); e.notDirectory = true; return e }())), open, archive("before, between or behind")},
		{"something before it", "a.zip", "PK\x03\x04" + string(one), open, archive("before, between or behind")},
		{"something behind it", "a.zip", string(one) + "x", open, archive("no end")},
		{"cut off", "a.zip", string(one[:len(one)/2]), open, archive("no end")},
		{"empty", "a.zip", "PK\x05\x06" + strings.Repeat("\x00", 18), open, archive("empty")},
		{"named .csv", "a.csv", string(one), open, Verdict{Kind: "zip", Cause: CauseName, Critical: true, Reason: ".zip"}},
		{"the large kind without need", "a.zip", string(largeEnd(rawZip(stored("a.hl7", normal)))), open, Verdict{Pass: true, Kind: "zip"}},
		{"the large kind, counting otherwise", "a.zip", string(largeEnd(rawZip(stored("a.hl7", normal), stored("b.hl7", normal)), 1)), open, archive("before, between or behind")},
		{"written from a pipe", "a.zip", string(fromPipe(t)), open, Verdict{Pass: true, Kind: "zip"}},
		{"a page and an archive", "a.csv", "<html>" + string(one), open, Verdict{Cause: CauseKind, Reason: "web page"}},
	})
}

// TestBombStopsEarly: entries that share their bytes (each header lies within the
// data of the one before) are never unpacked.
func TestBombStopsEarly(t *testing.T) {
	e := stored("a.csv", strings.Repeat("1,2\n", 1000))
	entries := []raw{e}
	for range 200 {
		again := e
		again.notDirectory = true
		entries = append(entries, again)
	}
	b := rawZip(entries...)
	if v := check(t, "a.zip", b, open); v.Pass || v.Cause != CauseArchive {
		t.Errorf("%+v", v)
	}
}

// libraryNames is what the standard library's reader finds in an archive, each
// file read to its end.
func libraryNames(b []byte) ([]string, error) {
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range r.File {
		c, err := f.Open()
		if err == nil {
			_, err = io.Copy(io.Discard, c)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, f.Name)
	}
	return out, nil
}

// largeEnd puts a ZIP64 end and its locator before the end of an archive, as
// Info-ZIP does for what it reads from a pipe; with another count, if one is given.
func largeEnd(b []byte, count ...uint64) []byte {
	le := binary.LittleEndian
	end := b[len(b)-22:]
	n, at := uint64(le.Uint16(end[10:])), uint64(len(b)-22)
	if len(count) > 0 {
		n = count[0]
	}
	x := make([]byte, 76)
	copy(x, "PK\x06\x06")
	le.PutUint64(x[4:], 44)
	copy(x[12:], "\x2d\x00\x2d\x00")
	le.PutUint64(x[24:], n)
	le.PutUint64(x[32:], n)
	le.PutUint64(x[40:], uint64(le.Uint32(end[12:])))
	le.PutUint64(x[48:], uint64(le.Uint32(end[16:])))
	copy(x[56:], "PK\x06\x07")
	le.PutUint64(x[64:], at)
	le.PutUint32(x[72:], 1)
	return slices.Concat(b[:at], x, end)
}

// fromPipe has its sizes in an extra field of the local header.
func fromPipe(t *testing.T) []byte {
	t.Helper()
	content := "id,name\n1,b\n"
	b := rawZip(stored("a.csv", content))
	le := binary.LittleEndian
	x := make([]byte, 20)
	le.PutUint16(x, 1)
	le.PutUint16(x[2:], 16)
	le.PutUint64(x[4:], uint64(len(content)))
	le.PutUint64(x[12:], uint64(len(content)))
	b = slices.Concat(b[:30+5], x, b[30+5:])
	copy(b[18:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	le.PutUint16(b[28:], 20)
	end := b[len(b)-22:]
	le.PutUint32(end[16:], le.Uint32(end[16:])+20)
	return b
}
