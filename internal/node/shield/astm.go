package shield

import (
	"bytes"
	"context"
	"sync"

	"github.com/labwarden/labwarden/internal/channel/astmlink"
	"github.com/labwarden/labwarden/internal/platform/bench"
)

// astmDevice takes what a device sends by ASTM: each frame is on disk before it is
// acknowledged, and with the frame that ends a message the message is, signed.
type astmDevice struct {
	k *keeper
	d *DeviceSettings

	mu       sync.Mutex
	sessions uint32
	open     bool
	// doubtful is the latest message if its session did not end with EOT: the device
	// may not have heard our acknowledgement, and send it again.
	doubtful []byte
}

// Begin implements astmlink.Receiver.
func (a *astmDevice) Begin(context.Context) (astmlink.Session, error) {
	if err := a.k.room(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions++
	a.open = true
	return &astmSession{a: a, n: a.k.session(a.sessions)}, nil
}

type astmSession struct {
	a       *astmDevice
	n       uint64
	pieces  int
	text    []byte // of the message that is coming in
	line    int    // where its latest record begins
	latest  []byte // the message that was kept last
	repeats int
}

// Frame implements astmlink.Session.
func (s *astmSession) Frame(ctx context.Context, text []byte, last bool) error {
	whole := append(s.text[:len(s.text):len(s.text)], text...)
	s.pieces++
	if !last || !ends(whole) {
		if err := s.a.k.note(ctx, s.a.k.words(s.a.d, bench.Frame, s.n, s.pieces), text); err != nil {
			s.pieces--
			return err
		}
		s.text = whole
		return nil
	}
	if err := s.message(ctx, whole); err != nil {
		s.pieces--
		return err
	}
	s.text, s.latest = nil, whole
	return nil
}

// message keeps one; a repeat of what the device had not heard of is noted, and
// goes no further.
func (s *astmSession) message(ctx context.Context, whole []byte) error {
	s.a.mu.Lock()
	again := s.a.doubtful != nil && bytes.Equal(s.a.doubtful, whole)
	s.a.mu.Unlock()
	if again {
		return s.a.k.keep(ctx, s.a.k.words(s.a.d, bench.Event, s.n, s.pieces), []byte("the device sent its latest message again, whose acknowledgement it had not heard"))
	}
	return s.a.k.keep(ctx, s.a.k.words(s.a.d, bench.Message, s.n, s.pieces), whole)
}

// End implements astmlink.Session. What came of a message that has no end is kept
// as a part: somebody must know that the device said something.
func (s *astmSession) End(ctx context.Context, how error) {
	if len(s.text) > 0 {
		s.pieces++
		// A failure leaves the frames, from which the next start makes the part.
		_ = s.a.k.keep(context.WithoutCancel(ctx), s.a.k.words(s.a.d, bench.Part, s.n, s.pieces), s.text)
	}
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	s.a.open = false
	switch {
	case how == nil:
		s.a.doubtful = nil
	case s.latest != nil && len(s.text) == 0:
		s.a.doubtful = s.latest
	}
}

// ends reports whether a terminator record (L) ends the text.
func ends(text []byte) bool {
	text = bytes.TrimRight(text, "\r\n")
	at := bytes.LastIndexAny(text, "\r\n") + 1
	return at < len(text) && (text[at] == 'L' || text[at] == 'l') && at > 0
}
