package app

import (
	"testing"
	"time"
)

// What is written down under the lock of configuration changes may have the hub's
// own certificate made anew: it must not ask for that lock again.
func TestOwnCertificateIsMadeUnderTheLock(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		h := s.open()
		done := make(chan string, 1)
		h.applying.Lock()
		defer h.applying.Unlock()
		go func() { done <- h.rooms.certificates.Lab() }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("the name of the laboratory waits for the lock of configuration changes")
		}
	})
}
