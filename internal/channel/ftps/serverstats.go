package ftps

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts since the start of the server.
type Stats struct {
	Accepted, Active int64 // control connections
	OverLimit        int64 // turned away by a limit on connections or sessions
	Pipelined        int64 // sent commands in the clear behind AUTH
	HandshakeFailed  int64 // on control connections
	SignIns, Refused int64
	TooLate          int64 // neither signed in nor sent a command in time
	PassiveRefused   int64 // PASV or EPSV without a port to give
	DataOpened       int64 // data connections whose handshake ended well
	DataResumed      int64 // of these, those that belong to their control connection
	DataForeign      int64 // came from another address; closed unseen
	DataFailed       int64 // nobody came, or the handshake failed
	Uploads          int64 // committed
	UploadsRefused   int64 // refused with a reason
	UploadsCut       int64 // broken off, aborted, too slow
	Downloads        int64 // sent to the end
	BytesIn          int64
	BytesOut         int64
	TooSlow          int64 // transfers that stalled or fell below the least speed
	Panics           int64
}

type counters struct {
	accepted, active, overLimit, pipelined, handshakeFailed atomic.Int64
	signIns, refused, tooLate, passiveRefused               atomic.Int64
	dataOpened, dataResumed, dataForeign, dataFailed        atomic.Int64
	uploads, uploadsRefused, uploadsCut, downloads          atomic.Int64
	bytesIn, bytesOut, tooSlow, panics                      atomic.Int64
}

// Stats may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.stats
	return Stats{
		Accepted: c.accepted.Load(), Active: c.active.Load(), OverLimit: c.overLimit.Load(),
		Pipelined: c.pipelined.Load(), HandshakeFailed: c.handshakeFailed.Load(),
		SignIns: c.signIns.Load(), Refused: c.refused.Load(), TooLate: c.tooLate.Load(), PassiveRefused: c.passiveRefused.Load(),
		DataOpened: c.dataOpened.Load(), DataResumed: c.dataResumed.Load(), DataForeign: c.dataForeign.Load(), DataFailed: c.dataFailed.Load(),
		Uploads: c.uploads.Load(), UploadsRefused: c.uploadsRefused.Load(), UploadsCut: c.uploadsCut.Load(), Downloads: c.downloads.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(), TooSlow: c.tooSlow.Load(), Panics: c.panics.Load(),
	}
}

// logBudget lets through at most logLines a second: who connects in a loop must
// not fill the disk.
type logBudget struct {
	mu    sync.Mutex
	since time.Time
	used  int
}

const logLines = 20

func (b *logBudget) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= time.Second {
		b.since, b.used = now, 0
	}
	b.used++
	return b.used <= logLines
}
