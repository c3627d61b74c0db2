package ftps

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: who crawls is given up, and only for the time that it is waited for.
func TestPace(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int           // at once
		every time.Duration // the client waits before each
		own   time.Duration // and we before each read
		ends  error
	}{
		"as slow as may be":         {300, time.Second, 0, io.EOF},
		"slower":                    {100, time.Second, 0, errTooSlow},
		"a byte at a time":          {1, 100 * time.Millisecond, 0, errTooSlow},
		"nothing for a minute":      {100_000, 61 * time.Second, 0, errTooSlow},
		"in bursts":                 {100_000, 50 * time.Second, 0, io.EOF},
		"slow because we are":       {100, 10 * time.Millisecond, 10 * time.Second, io.EOF},
		"a pause that we both take": {1000, 3 * time.Second, 3 * time.Second, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				p := &paced{Conn: server, stall: time.Minute, minSpeed: 256, gather: true}
				var wg sync.WaitGroup
				defer wg.Wait()
				defer server.Close()
				wg.Go(func() {
					defer client.Close()
					for range 900 {
						time.Sleep(c.every) //nolint:forbidigo // synctest's clock
						if _, err := client.Write(make([]byte, c.bytes)); err != nil {
							return
						}
					}
				})
				var err error
				for err == nil {
					time.Sleep(c.own) //nolint:forbidigo // synctest's clock
					_, err = p.Read(make([]byte, 4096))
				}
				if !errors.Is(err, c.ends) {
					t.Errorf("ended with %v, want %v", err, c.ends)
				}
			})
		})
	}
}
