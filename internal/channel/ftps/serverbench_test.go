package ftps_test

import (
	"context"
	"crypto/tls"
	"io"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

// silent is a box that takes anything and gives zeros, so that FTP and TLS are
// what is measured.
type silent struct{ folderBox }

const silentSize = 64 << 20

func (b silent) SignIn(context.Context, channel.SignIn) (channel.BoxSession, error) { return b, nil }

func (silent) Stat(_ context.Context, p channel.BoxPath) (channel.BoxEntry, error) {
	return channel.BoxEntry{Name: p.File, Dir: p.IsDir(), Size: silentSize}, nil
}

func (silent) Open(context.Context, channel.BoxPath) (channel.BoxReader, error) { return zeros{}, nil }

func (silent) Create(context.Context, channel.BoxPath) (channel.BoxWriter, error) {
	return zeros{}, nil
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error)  { return len(p), nil }
func (zeros) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (zeros) Size() int64                            { return silentSize }
func (zeros) Close() error                           { return nil }
func (zeros) Abort() error                           { return nil }
func (zeros) Commit(context.Context) error           { return nil }

// BenchmarkTransfer sends 64 MiB; client and server share the process and the time.
func BenchmarkTransfer(b *testing.B) {
	for _, op := range []string{"RETR", "STOR"} {
		b.Run(op, func(b *testing.B) {
			r := started(b, func(s *ftps.Server) { s.Door = silent{} })
			c := r.dial().signIn()
			buf := make([]byte, 128<<10)
			b.SetBytes(silentSize)
			b.ReportAllocs()
			for b.Loop() {
				d := tls.Client(c.knock(c.passive()), c.conf)
				c.do(150, "%s /inbox/x", op)
				if op == "RETR" {
					if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{d}, buf); n != silentSize || err != nil {
						b.Fatal(n, err)
					}
				} else {
					for range silentSize / len(buf) {
						if _, err := d.Write(buf); err != nil {
							b.Fatal(err)
						}
					}
				}
				d.Close()
				c.want(226)
			}
		})
	}
}
