package app

import (
	"testing"
	"time"
)

// What is built or written down under the lock of configuration changes asks what
// runs, the hub's own certificate among it: it must not ask for that lock again.
func TestWhatRunsIsKnownUnderTheLock(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		h := s.open()
		before := h.inForce()
		c := s.parse(s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow"))
		_, stop := s.serve(h, c)
		done := make(chan string, 1)
		h.applying.Lock()
		go func() { done <- h.rooms.certificates.Lab() + ", " + h.inForce().Lab.Name }()
		select {
		case got := <-done:
			if got != "Test, Test" || before != nil {
				t.Errorf("%s; before: %v", got, before)
			}
		case <-time.After(10 * time.Second):
			t.Error("what runs waits for the lock of configuration changes")
		}
		h.applying.Unlock()
		stop()
		if now := h.inForce(); now != nil {
			t.Errorf("stopped, and still in force: %v", now.Lab.Name)
		}
	})
}
