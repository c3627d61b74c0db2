package tunnel

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.5:2576": "10.0.0.5:2576", " FTP.clinic.example:50000-50099 ": "ftp.clinic.example:50000-50099", "[2001:db8::1]:21-22": "[2001:db8::1]:21-22",
		"10.0.0.5:21-21": "10.0.0.5:21", "10.0.0.5:1-1024": "10.0.0.5:1-1024", "10.0.0.5:0021-0022": "10.0.0.5:21-22",
	} {
		if got, err := Line(in); got != want || err != nil {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for _, bad := range []string{
		"", "10.0.0.5", "10.0.0.5:", "10.0.0.5:0-5", "10.0.0.5:5-0", "10.0.0.5:9-5", "10.0.0.5:1-1025", "10.0.0.5:1-70000", "10.0.0.5:1-2-3", "10.0.0.5:-2", "10.0.0.5:2-",
		"*:1-2", "0.0.0.0:1-2", "0x7f000001:1-2", "10.0.0.5:1 - 2", "10.0.0.5:+1-2", "127.0.0.1:1 -> lis",
	} {
		if got, err := Line(bad); err == nil {
			t.Errorf("%q is taken as %q", bad, got)
		}
	}
}

// A range opens its ports at its machine and nothing beside it.
func TestARangeOfPorts(t *testing.T) {
	list := []string{"ftp.clinic.example:21", "ftp.clinic.example:50000-50099", "127.0.0.1:7000 -> lis"}
	for addr, want := range map[string]bool{
		"ftp.clinic.example:21": true, "FTP.clinic.example:50000": true, "ftp.clinic.example:50099": true, "ftp.clinic.example:50042": true,
		"ftp.clinic.example:22": false, "ftp.clinic.example:49999": false, "ftp.clinic.example:50100": false, "other.clinic.example:50042": false,
		"ftp.clinic.example:50000-50099": false, "127.0.0.1:7000": false, "ftp.clinic.example": false, "": false,
	} {
		if permits(list, addr) != want {
			t.Errorf("%q: %v", addr, !want)
		}
	}
	p := Peer{Standard: true, Reach: []string{"10.9.0.5:21", "10.9.0.5:50000-50099", "10.9.0.6:50000-50099"}, Keys: &Keys{}}
	var got []string
	for _, a := range p.allowed() {
		got = append(got, a.String())
	}
	if s := strings.Join(got[1:], " "); s != "10.9.0.5 10.9.0.6" {
		t.Error(s)
	}
}
