package mllp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// DefaultClass is how a refusal is read unless Config.Classes says otherwise.
//
//   - AR is Busy: HL7 v2.5.1 2.9.2 gives it for reasons unrelated to content
//     (system down, internal error), most of which pass. It also gives it for an
//     unacceptable MSH-9, MSH-11 or MSH-12; a partner known to use it so is
//     configured as Rejected, and either way retries end in a person's hands.
//   - AE is Rejected: the application read the message and found an error in it.
//   - CR is Rejected: in enhanced mode (2.9.3) it means MSH-9, MSH-11 or MSH-12
//     not acceptable, which repeating does not mend.
//   - CE is Rejected: not acceptable for any other reason.
func DefaultClass(code string) channel.Class {
	if code == "AR" {
		return channel.Busy
	}
	return channel.Rejected
}

var (
	errTimeout     = errors.New("no reply in time")
	errNothingLeft = errors.New("the connection ended before anything was written")
	errNotLetIn    = errors.New("the partner does not accept our certificate")
	errMismatch    = errors.New("the reply names a message that was not sent")
)

// want says which replies to await.
type want struct {
	accept, app bool
	// errorOnly: the awaited reply comes on an error only (ER), so that silence
	// is good news.
	errorOnly bool
}

// wanted reads MSH-15 and MSH-16 (HL7 table 0155; v2.5.1 2.9.2 original mode when
// both are empty, 2.9.3 enhanced mode).
func wanted(m channel.Message, awaitApp bool) want {
	null := func(s string) bool { return s == "" || s == `""` }
	if null(m.AcceptAck) && null(m.AppAck) {
		return want{app: true}
	}
	asked := func(s string) bool { return !null(s) && s != "NE" }
	w := want{accept: asked(m.AcceptAck), app: awaitApp && asked(m.AppAck)}
	if w.accept {
		w.errorOnly = m.AcceptAck == "ER"
	} else {
		w.errorOnly = m.AppAck == "ER"
	}
	return w
}

// exchange writes m and reads what answers it. Whatever is unclear closes the
// connection.
func (l *lane) exchange(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	c := &l.s.cfg
	k := l.link
	w := wanted(m, c.AwaitApp)
	k.note(m.ControlID)
	if err := l.put(ctx, k, m.Body); err != nil {
		k.close()
		<-k.dead // then k.err says whether the other end turned us down first
		if k.count == 1 && certificateRefused(k.err) {
			err = fmt.Errorf("%w: %w", errNotLetIn, k.err)
		}
		return l.unclear(nil, fmt.Errorf("hand over: %w", err))
	}
	if !w.accept && !w.app {
		return l.receipt(channel.Placed, "sent", nil), nil
	}
	patience := c.ReplyTimeout
	if w.errorOnly {
		patience = c.ErrorWait
	}
	a, body, err := l.await(ctx, k, m.ControlID, patience)
	if err != nil {
		if w.errorOnly && errors.Is(err, errTimeout) {
			return l.receipt(channel.Placed, "sent", nil), nil
		}
		return l.unclear(body, err)
	}
	if a.Code != "CA" || !w.app {
		return l.judge(a, body)
	}
	committed := l.receipt(channel.Committed, "CA", body)
	patience = c.AppTimeout
	if m.AppAck == "ER" {
		patience = c.ErrorWait
	}
	a, body, err = l.await(ctx, k, m.ControlID, patience)
	if err != nil {
		// The partner has custody: repeating would double it. The connection goes,
		// unless silence was what was hoped for.
		if !(m.AppAck == "ER" && errors.Is(err, errTimeout)) {
			l.hangUp()
		}
		return committed, nil
	}
	if err := l.confirm(ctx, k, body); err != nil {
		l.hangUp()
	}
	return l.judge(a, body)
}

// judge turns an acknowledgement into a receipt or a refusal.
func (l *lane) judge(a hl7.Ack, body []byte) (channel.Receipt, error) {
	switch a.Code {
	case "AA":
		return l.receipt(channel.Accepted, a.Code, body), nil
	case "CA":
		return l.receipt(channel.Committed, a.Code, body), nil
	}
	class, ok := l.s.cfg.Classes[a.Code]
	if !ok {
		class = DefaultClass(a.Code)
	}
	// MSA-3 and ERR may quote the patient: they stay in Reply.
	return channel.Receipt{}, &channel.Error{
		Class: class, Code: a.Code, Reply: body, Peer: l.peer,
		Err: errors.New("the partner refused the message"),
	}
}

func (l *lane) receipt(level channel.Level, code string, body []byte) channel.Receipt {
	return channel.Receipt{Level: level, Code: code, Body: body, Peer: l.peer, At: l.s.cfg.Now()}
}

func (l *lane) unclear(reply []byte, err error) (channel.Receipt, error) {
	l.hangUp()
	class := channel.Unanswered
	if errors.Is(err, errNotLetIn) || errors.Is(err, errNothingLeft) {
		class = channel.Unreachable
	}
	return channel.Receipt{}, &channel.Error{Class: class, Reply: reply, Peer: l.peer, Err: err}
}

// await returns the reply to id. Replies to earlier messages of this connection
// are passed over; anything else is an error.
func (l *lane) await(ctx context.Context, k *link, id string, d time.Duration) (hl7.Ack, []byte, error) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		var b []byte
		select {
		case b = <-k.replies:
		case <-k.dead:
			select { // what came before the end still counts
			case b = <-k.replies:
			default:
				select {
				case <-l.s.closed:
					return hl7.Ack{}, nil, errClosed
				default:
				}
				if k.count == 1 && certificateRefused(k.err) {
					return hl7.Ack{}, nil, fmt.Errorf("%w: %w", errNotLetIn, k.err)
				}
				return hl7.Ack{}, nil, fmt.Errorf("read reply: %w", k.err)
			}
		case <-t.C:
			return hl7.Ack{}, nil, fmt.Errorf("%w (%v)", errTimeout, d)
		case <-ctx.Done():
			return hl7.Ack{}, nil, ctx.Err()
		}
		a, err := hl7.ReadAck(b)
		switch {
		case err != nil:
			// The codec's error may quote content.
			return hl7.Ack{}, b, errors.New("the reply is not an acknowledgement")
		case a.ControlID == id:
			return a, b, nil
		case k.knows(a.ControlID):
			l.s.countStray(a, b)
		default:
			l.s.mismatched.Add(1)
			return hl7.Ack{}, b, errMismatch
		}
	}
}

// certificateRefused recognises the alert by which a TLS 1.3 server turns our
// certificate down. It comes after the client's handshake is done and may follow
// our first write (RFC 8446 4.4.2.4, 6.2), but a server that sends it never
// reads what was written. crypto/tls does not export the alert's type.
func certificateRefused(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "access denied")
}

// strayReply takes a reply that came while nothing was awaited.
func (s *Sender) strayReply(b []byte) {
	a, err := hl7.ReadAck(b)
	if err != nil {
		a = hl7.Ack{}
	}
	s.countStray(a, b)
}

func (s *Sender) countStray(a hl7.Ack, b []byte) {
	s.stray.Add(1)
	if s.cfg.Stray != nil {
		s.cfg.Stray(a.Code, a.ControlID, b)
	}
}

// confirm sends the commit acknowledgement that an application acknowledgement
// may ask for in its own MSH-15 (HL7 v2.5.1 2.9.3).
func (l *lane) confirm(ctx context.Context, k *link, reply []byte) error {
	if l.s.cfg.NewControlID == nil {
		return nil
	}
	h, err := hl7.ReadHeader(reply)
	if err != nil || !hl7.WantsAcceptAck(&h, true) {
		return nil
	}
	return l.put(ctx, k, hl7.AppendAck(nil, &h, hl7.AckOptions{
		Code: "CA", ControlID: l.s.cfg.NewControlID(), Time: l.s.cfg.Now(),
	}))
}
