package demo

import (
	"os"
	"path/filepath"
	"testing"
)

// A crash may tear the last line; what it stood for was never sent or answered.
func TestListAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.jsonl")
	l, old, err := openList[ClinicLine](path)
	if err != nil || len(old) != 0 {
		t.Fatal(old, err)
	}
	if err := l.append(ClinicLine{Seq: 1}, ClinicLine{Seq: 2}); err != nil {
		t.Fatal(err)
	}
	_ = l.close()
	f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	_, _ = f.WriteString(`{"seq":3,"sha`)
	_ = f.Close()
	if got, err := ReadClinic(path); err != nil || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	l, old, err = openList[ClinicLine](path)
	if err != nil || len(old) != 2 {
		t.Fatal(old, err)
	}
	if err := l.append(ClinicLine{Seq: 3}); err != nil {
		t.Fatal(err)
	}
	_ = l.close()
	if got, err := ReadClinic(path); err != nil || len(got) != 3 || got[2].Seq != 3 {
		t.Errorf("%v %v", got, err)
	}
	if err := os.WriteFile(path, []byte("{}\nnot a line\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadClinic(path); err == nil {
		t.Errorf("a damaged list is taken: %v", got)
	}
}

func BenchmarkSynthetic(b *testing.B) {
	n := int64(0)
	for m := range Synthetic(b.N, 1) {
		n += int64(len(m))
	}
	b.SetBytes(n / int64(b.N))
}

func BenchmarkLISToClinic(b *testing.B) {
	dir := b.TempDir()
	addr, stop := benchClinic(b, dir)
	defer stop()
	o := lisOptions(dir, addr)
	o.Connections, o.Synthetic, o.Seed = 8, b.N, 9
	b.ResetTimer()
	if err := RunLIS(b.Context(), o); err != nil {
		b.Fatal(err)
	}
}
