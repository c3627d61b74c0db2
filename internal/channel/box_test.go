package channel_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
)

func TestBoxPathsNeverLeaveTheBox(t *testing.T) {
	in := channel.BoxPath{Folder: channel.BoxInbox}
	for _, c := range []struct{ raw, want string }{
		{"", "/inbox"},
		{".", "/inbox"},
		{"/", "/"},
		{"..", "/"},
		{"../../..", "/"},
		{"/../../inbox", "/inbox"},
		{"a.hl7", "/inbox/a.hl7"},
		{"./a.hl7", "/inbox/a.hl7"},
		{"../results/a.hl7", "/results/a.hl7"},
		{"/inbox//a b.pdf", "/inbox/a b.pdf"},
		{"/inbox/x/../a.hl7", "/inbox/a.hl7"},
		{"/results/", "/results"},
	} {
		p, err := channel.ParseBoxPath(in, c.raw)
		if err != nil || p.String() != c.want {
			t.Errorf("%q: %v %v, want %s", c.raw, p, err, c.want)
		}
	}
	for _, raw := range []string{
		"/etc/passwd", "/inbox/sub/a.hl7", "/inbox2/a", "/inboxa", "../../etc", "/Inbox/a", "/inbox\x00/a", "a\x00.hl7",
		"a\nb", "a\\..\\b", "C:a", "é.pdf", "e\u0301.pdf", "ａ.pdf", "a\u202egpj.exe", " a", "a ", "a*", strings.Repeat("a", 201), strings.Repeat("/", 5000),
	} {
		p, err := channel.ParseBoxPath(in, raw)
		if err == nil {
			t.Errorf("%q is taken as %v", raw, p)
		}
		var no *channel.Refusal
		if !errors.Is(err, channel.ErrNoFile) && !errors.As(err, &no) {
			t.Errorf("%q: %v is neither a refusal nor no file", raw, err)
		}
	}
}
