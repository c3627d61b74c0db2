package sftp

import (
	"net"
	"testing"
	"time"
)

// from is a connection that comes from an address and says nothing.
type from struct {
	net.Conn
	addr string
	shut bool
}

func (f *from) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", f.addr)
	if err != nil {
		panic(err)
	}
	return a
}

func (f *from) Close() error {
	f.shut = true
	return nil
}

// Whoever came to the door last has a place, in whatever order they are handed on.
func TestTheFirstGiveTheirPlacesUp(t *testing.T) {
	began := time.Now()
	for late := range 5 { // which of the five that came before is handed on after the partner
		w := waiting{max: 100, each: 3}
		partner := &from{addr: "192.0.2.1:99"}
		conns := []*from{}
		enter := func(i int) {
			c := &from{addr: "192.0.2.1:1"}
			if _, ok := w.enter(c, began.Add(time.Duration(i))); !ok {
				c.shut = true
			}
			conns = append(conns, c)
		}
		for i := range 5 {
			if i != late {
				enter(i)
			}
		}
		leave, ok := w.enter(partner, began.Add(time.Minute))
		if !ok {
			t.Fatal("the partner has no place")
		}
		enter(late)
		open := 0
		for _, c := range conns {
			if !c.shut {
				open++
			}
		}
		if partner.shut || open != 2 || w.all != 3 {
			t.Errorf("the %dth last: the partner is cut (%v), or %d others are open of %d", late, partner.shut, open, w.all)
		}
		leave()
		leave() // a second time does nothing
		if w.all != 2 {
			t.Error(w.all)
		}
	}
}

// A flood from some addresses gives up its places to who comes from another.
func TestAFloodFromOtherAddresses(t *testing.T) {
	w := waiting{max: 8, each: 5}
	began := time.Now()
	var flood []*from
	for i := range 10 {
		c := &from{addr: []string{"192.0.2.1:1", "192.0.2.2:1"}[i%2]}
		if _, ok := w.enter(c, began.Add(time.Duration(i))); !ok {
			t.Fatal("no place for", i)
		}
		flood = append(flood, c)
	}
	partner := &from{addr: "192.0.2.3:1"}
	if _, ok := w.enter(partner, began.Add(-time.Second)); !ok || partner.shut || w.all != 8 {
		t.Fatal(ok, partner.shut, w.all)
	}
	open := 0
	for _, c := range flood {
		if !c.shut {
			open++
		}
	}
	if open != 7 {
		t.Error(open)
	}
}

// When each address has one, a newcomer of another still finds a place.
func TestManyAddressesWithOneEach(t *testing.T) {
	w := waiting{max: 2, each: 5}
	for i, a := range []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"} {
		c := &from{addr: a}
		if _, ok := w.enter(c, time.Unix(int64(i), 0)); !ok || c.shut || w.all != min(i+1, 2) {
			t.Error(a, ok, c.shut, w.all)
		}
	}
}
