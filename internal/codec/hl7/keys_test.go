package hl7

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func keysOf(t *testing.T, msg string, accession ...int) Keys {
	t.Helper()
	h, err := ReadHeader([]byte(msg))
	if err != nil {
		t.Fatal(err)
	}
	k := Keys{AccessionFields: accession}
	if err := ReadKeys([]byte(msg), &h, &k); err != nil {
		t.Fatal(err)
	}
	return k
}

func show(keys [][]byte) string {
	return strings.ReplaceAll(string(bytes.Join(keys, []byte(" "))), string(rune(KeySep)), "@")
}

func TestReadKeys(t *testing.T) {
	const msh = `MSH|^~\&|S|F|R|F|1||ORU^R01|C|P|2.5.1` + "\r"
	for _, c := range []struct {
		name, in, patients, placers, fillers, specimens, accessions string
		fields                                                      []int
	}{
		{
			"sample", sample, "44556677@northlab 44556677@1.2.3.4 990011@river", "P1001@clinic", "F2002@labsys",
			"SP77@clinic SP88@labsys", "", nil,
		},
		{"old versions", msh + "PID|1|EXT1|INT1|ALT1\r", "EXT1@ INT1@ ALT1@", "", "", "", "", nil},
		{"merge", msh + "PID|1||NEW^^^A\rMRG|OLD^^^A\r", "NEW@a OLD@a", "", "", "", "", nil},
		{"null and blank", msh + "PID|1||\"\"~ ~ 7 ^^^ A \r", "7@a", "", "", "", "", nil},
		{"escaped", msh + `PID|1||7\T\8^^^A\E\B` + "\r", `7&8@a\b`, "", "", "", "", nil},
		{"universal id only", msh + "PID|1||7^^^&1.2&ISO\r", "7@1.2", "", "", "", "", nil},
		{"parent", msh + "OBR|1|P1^A|F1^B" + strings.Repeat("|", 26) + "PP&A^FF&B\r", "", "P1@a PP@a", "F1@b FF@b", "", "", nil},
		{"accession by agreement", msh + "OBR|1|P1|F1|||||||||||||||ACC18||ACC20\r", "", "P1@", "F1@", "", "ACC18@ ACC20@", []int{18, 20}},
		{"accession not agreed", msh + "OBR|1|P1|F1|||||||||||||||ACC18||ACC20\r", "", "P1@", "F1@", "", "", nil},
		{"container", msh + "SAC||ACC^L\r", "", "", "", "", "ACC@l", nil},
		{"two patients", msh + "PID|1||1^^^A\rOBR|1|P1\rPID|2||2^^^A\rOBR|1|P1\r", "1@a 2@a", "P1@", "", "", "", nil},
		{"line feeds among returns", msh + "PID|1||1^^^A\nORC|RE|P1\r", "1@a", "P1@", "", "", "", nil},
		{"own delimiters", "MSH#!@%*#S#F#R#F#1##ADT!A01#C#P#2.5\nPID#1##12!!!M@13!!!N*1.2*ISO\n", "12@m 13@n 13@1.2", "", "", "", "", nil},
	} {
		k := keysOf(t, c.in, c.fields...)
		got := []string{show(k.PatientIDs), show(k.Placers), show(k.Fillers), show(k.Specimens), show(k.Accessions)}
		if want := []string{c.patients, c.placers, c.fillers, c.specimens, c.accessions}; !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
}

func TestReadKeysReuse(t *testing.T) {
	b := []byte(sample)
	h, _ := ReadHeader(b)
	var k Keys
	if err := ReadKeys(b, &h, &k); err != nil {
		t.Fatal(err)
	}
	want := show(k.PatientIDs)
	if n := testing.AllocsPerRun(100, func() { _ = ReadKeys(b, &h, &k) }); n != 0 {
		t.Errorf("a reused Keys allocates %v times", n)
	}
	if got := show(k.PatientIDs); got != want {
		t.Errorf("after reuse %q, want %q", got, want)
	}
}

func TestReadKeysLimit(t *testing.T) {
	var s strings.Builder
	s.WriteString(`MSH|^~\&|S|F|R|F|1||ORU^R01|C|P|2.5.1` + "\rPID|1||")
	for i := range MaxKeys + 1 {
		fmt.Fprintf(&s, "%d~", i)
	}
	b := []byte(s.String())
	h, _ := ReadHeader(b)
	err := ReadKeys(b, &h, &Keys{})
	if err == nil || !strings.Contains(err.Error(), "PID: the message names more identifiers") {
		t.Errorf("got %v", err)
	}
}

// TestReadKeysRepeated: a message may repeat its keys as often as it has room.
func TestReadKeysRepeated(t *testing.T) {
	var s strings.Builder
	s.WriteString(`MSH|^~\&|S|F|R|F|1||ORU^R01|C|P|2.5.1` + "\rPID|1||")
	for i := range MaxKeys {
		fmt.Fprintf(&s, "%d~", i)
	}
	for range 2_000_000 {
		fmt.Fprintf(&s, "%d~", MaxKeys-1)
	}
	b := []byte(s.String())
	h, _ := ReadHeader(b)
	var k Keys
	began := time.Now()
	if err := ReadKeys(b, &h, &k); err != nil || len(k.PatientIDs) != MaxKeys {
		t.Errorf("%d keys, %v", len(k.PatientIDs), err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
