package ftps_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

// broken panics wherever it is told to.
type broken struct {
	folderBox
	at string
}

func (b broken) SignIn(context.Context, channel.SignIn) (channel.BoxSession, error) { return b, nil }

func (b broken) Stat(_ context.Context, p channel.BoxPath) (channel.BoxEntry, error) {
	if b.at == "Stat" {
		panic("Stat")
	}
	return channel.BoxEntry{Name: p.File, Dir: p.IsDir(), Size: 10}, nil
}

func (b broken) Open(context.Context, channel.BoxPath) (channel.BoxReader, error) {
	return faulty{at: b.at}, nil
}

func (b broken) Create(context.Context, channel.BoxPath) (channel.BoxWriter, error) {
	return faulty{at: b.at}, nil
}

type faulty struct {
	zeros
	at string
}

func (f faulty) Size() int64 { return 10 }

func (f faulty) ReadAt(p []byte, at int64) (int, error) {
	if f.at == "ReadAt" {
		panic(f.at)
	}
	return f.zeros.ReadAt(p, at)
}

func (f faulty) WriteAt(p []byte, at int64) (int, error) {
	if f.at == "WriteAt" {
		panic(f.at)
	}
	return f.zeros.WriteAt(p, at)
}

func (f faulty) Commit(context.Context) error {
	if f.at == "Commit" {
		panic(f.at)
	}
	return nil
}

// TestAPanicCostsItsConnection at most: the server and the other session go on.
func TestAPanicCostsItsConnection(t *testing.T) {
	for at, want := range map[string]int{"Stat": 0, "ReadAt": 451, "WriteAt": 451, "Commit": 451, "nowhere": 226} {
		t.Run(at, func(t *testing.T) {
			var srv *ftps.Server
			r := started(t, func(s *ftps.Server) { s.Door = broken{at: at}; srv = s })
			r.panics = 1
			if at == "nowhere" {
				r.panics = 0
			}
			other := r.dial().signIn()
			c := r.dial().signIn()
			var code int
			switch at {
			case "WriteAt", "Commit":
				code, _ = c.upload("/inbox/x", bytes.Repeat([]byte("x"), 400_000))
			default:
				_, code, _ = c.download("RETR /results/x")
			}
			if code != want {
				t.Errorf("answered %d, want %d", code, want)
			}
			other.do(200, "NOOP")
			if n := srv.Stats().Panics; n != r.panics {
				t.Errorf("%d panics counted", n)
			}
		})
	}
}
