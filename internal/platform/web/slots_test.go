package web

import (
	"net/netip"
	"testing"
)

func TestOneAddressKeepsOutNobodyElse(t *testing.T) {
	s := newSlots[netip.Addr](16, 4)
	enter := func(from string, want bool) func() {
		t.Helper()
		leave, ok := s.enter(Network(netip.MustParseAddr(from)))
		if ok != want {
			t.Fatalf("%s: %v, want %v", from, ok, want)
		}
		return leave
	}
	var leave func()
	for range 4 {
		leave = enter("10.0.0.1", true)
	}
	enter("10.0.0.1", false)
	enter("10.0.0.2", true)
	leave()
	enter("10.0.0.1", true)
	// One machine, many addresses of IPv6.
	for _, a := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3:1", "2001:db8::ffff"} {
		enter(a, true)
	}
	enter("2001:db8::5", false)
	enter("2001:db8:0:1::5", true)
	for range 4 {
		enter("10.0.0.3", true)
	}
	enter("10.0.0.4", true)
	enter("10.0.0.4", true)
	enter("10.0.0.5", false) // all of them taken
}
