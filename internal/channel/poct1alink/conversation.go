package poct1alink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/codec/poct1a"
)

// Device is what a device says of itself (HEL, object DEV).
type Device struct {
	ID, Vendor, Model, Serial, Manufacturer, Hardware, Software, Name string
	// Timeout is how long it waits for us, 0 where it does not say.
	Timeout    time.Duration
	Continuous bool // it can stay and send as it measures
	CanSetTime bool
	MaxMessage int
}

// Receiver takes what a device sends.
type Receiver interface {
	// Hello decides whether the device may speak. The error's text is told to it.
	Hello(ctx context.Context, d Device) error
	// Take makes one message durable: observations, events, and what nobody knows.
	// After an error the device hears Refused's reason, or "try again", and keeps it.
	Take(ctx context.Context, m *poct1a.Message) error
}

// Refused is an error of Take whose reason is for the device and who reads it.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// Config of a conversation. A zero field means its default.
type Config struct {
	Idle    time.Duration // for the next message while the device may rest [150 s]
	Reply   time.Duration // for the next message while we wait for an answer [60 s]
	SetTime bool          // set the clock of devices that can
	Limits  poct1a.Limits
	Now     func() time.Time
	FirstID int // of our control ids [1]
}

// ErrProtocol: what came does not fit the conversation.
var ErrProtocol = errors.New("poct1alink: the device does not keep to the conversation")

// Conversation is one connection.
type conversation struct {
	conn   net.Conn
	to     Receiver
	cfg    Config
	split  *poct1a.Splitter
	docs   [][]byte
	id     int
	device Device
}

// Serve holds the conversation until the device ends it, ctx ends or a wait is
// over. It closes the connection. nil: the device said END, or left between
// messages.
func Serve(ctx context.Context, conn net.Conn, to Receiver, cfg Config) error {
	if cfg.Idle <= 0 {
		cfg.Idle = 150 * time.Second
	}
	if cfg.Reply <= 0 {
		cfg.Reply = 60 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c := &conversation{conn: conn, to: to, cfg: cfg, split: poct1a.NewSplitter(cfg.Limits), id: max(cfg.FirstID, 1) - 1}
	err := c.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *conversation) run(ctx context.Context) error {
	if err := c.hello(ctx); err != nil {
		return err
	}
	status, err := c.next(ctx, c.cfg.Reply)
	if err != nil {
		return err
	}
	if status.Topic() == "DST" {
		if err := c.ack(status, "AA", ""); err != nil {
			return err
		}
		if more, err := c.collect(ctx, status); err != nil || !more {
			return err
		}
		if more, err := c.direct(ctx); err != nil || !more {
			return err
		}
	} else if more, err := c.take(ctx, status); err != nil || !more {
		return err
	}
	if !c.device.Continuous {
		return c.end(ctx)
	}
	for {
		m, err := c.next(ctx, c.cfg.Idle)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := c.take(ctx, m); err != nil || !more {
			return err
		}
	}
}

// hello hears who is there.
func (c *conversation) hello(ctx context.Context) error {
	m, err := c.next(ctx, c.cfg.Reply)
	if err != nil {
		return err
	}
	if m.Topic() != "HEL" {
		_ = c.ack(m, "AE", "say HEL first")
		return fmt.Errorf("%w: it begins without HEL", ErrProtocol)
	}
	c.device = deviceOf(m)
	if err := c.to.Hello(ctx, c.device); err != nil {
		_ = c.ack(m, "AE", reason(err))
		return fmt.Errorf("refuse device: %w", err)
	}
	return c.ack(m, "AA", "")
}

func deviceOf(m *poct1a.Message) Device {
	dev := m.Root().Find("DEV")
	d := Device{
		ID: dev.V("DEV.device_id"), Vendor: dev.V("DEV.vendor_id"), Model: dev.V("DEV.model_id"), Serial: dev.V("DEV.serial_id"),
		Manufacturer: dev.V("DEV.manufacturer_name"), Hardware: dev.V("DEV.hw_version"), Software: dev.V("DEV.sw_version"), Name: dev.V("DEV.device_name"),
	}
	if n, err := strconv.Atoi(dev.V("DCP", "DCP.application_timeout")); err == nil && n > 0 && n < 1<<20 {
		d.Timeout = time.Duration(n) * time.Second
	}
	dsc := dev.Find("DSC")
	if n, err := strconv.Atoi(dsc.V("DSC.max_message_sz")); err == nil && n > 0 {
		d.MaxMessage = n
	}
	for e := range dsc.Children("DSC.directives_supported_cd") {
		d.Continuous = d.Continuous || e.Value() == "START_CONTINUOUS"
		d.CanSetTime = d.CanSetTime || e.Value() == "SET_TIME"
	}
	return d
}

// collect asks for what the device has: observations, then events.
func (c *conversation) collect(ctx context.Context, status *poct1a.Message) (more bool, err error) {
	dst := status.Root().Find("DST")
	for _, k := range []struct{ count, code string }{{"DST.new_observations_qty", "ROBS"}, {"DST.new_events_qty", "RDEV"}} {
		if n, err := strconv.Atoi(dst.V(k.count)); err != nil || n <= 0 {
			continue // nothing new, or a device that does not count and will say so
		}
		if err := c.say("REQ.R01", poct1a.Object("REQ", poct1a.Field("REQ.request_cd", k.code))); err != nil {
			return false, err
		}
		for {
			m, err := c.next(ctx, c.cfg.Reply)
			if err != nil {
				return false, err
			}
			if more, err := c.take(ctx, m); err != nil || !more {
				return false, err
			}
			if m.Topic() == "EOT" {
				break
			}
		}
	}
	return true, nil
}

// direct sets the clock and has the device stay, where it can.
func (c *conversation) direct(ctx context.Context) (more bool, err error) {
	if c.cfg.SetTime && c.device.CanSetTime {
		if more, err := c.directive(ctx, "DTV.R02", poct1a.Object("DTV", poct1a.Field("DTV.command_cd", "SET_TIME"),
			poct1a.Object("TM", poct1a.Field("TM.dttm", c.now())))); err != nil || !more {
			return more, err
		}
	}
	if !c.device.Continuous {
		return true, nil
	}
	return c.directive(ctx, "DTV.R01", poct1a.Object("DTV", poct1a.Field("DTV.command_cd", "START_CONTINUOUS")))
}

// directive says one and hears whether it was done; AE is no end: a device that
// cannot set its clock still has results.
func (c *conversation) directive(ctx context.Context, typ string, p poct1a.Part) (more bool, err error) {
	if err := c.say(typ, p); err != nil {
		return false, err
	}
	of := strconv.Itoa(c.id)
	for {
		m, err := c.next(ctx, c.cfg.Reply)
		if err != nil {
			return false, err
		}
		if m.Topic() == "ACK" && acked(m) == of {
			return true, nil
		}
		if more, err := c.take(ctx, m); err != nil || !more {
			return false, err
		}
	}
}

func acked(m *poct1a.Message) string {
	if id := m.Root().V("ACK", "ACK.ack_control_id"); id != "" {
		return id
	}
	return m.Root().V("ACK", "ACK.control_id") // as Quidel's description has it
}

// take answers one message; more is false when the device ended.
func (c *conversation) take(ctx context.Context, m *poct1a.Message) (more bool, err error) {
	switch m.Topic() {
	case "ACK": // of something we did not wait for
		return true, nil
	case "END", "ESC":
		return false, c.ack(m, "AA", "")
	case "KPA", "EOT", "DST":
		return true, c.ack(m, "AA", "")
	case "HEL":
		_ = c.ack(m, "AE", "this connection has said HEL")
		return false, fmt.Errorf("%w: HEL in the middle", ErrProtocol)
	}
	if err := c.to.Take(ctx, m); err != nil {
		return true, c.ack(m, "AE", reason(err))
	}
	return true, c.ack(m, "AA", "")
}

// end ends a conversation that went through once.
func (c *conversation) end(ctx context.Context) error {
	if err := c.say("END.R01", poct1a.Object("TRM", poct1a.Field("TRM.reason_cd", "NRM"))); err != nil {
		return err
	}
	for {
		m, err := c.next(ctx, c.cfg.Reply)
		if errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Topic() == "ACK" {
			return nil
		}
		if more, err := c.take(ctx, m); err != nil || !more {
			return err
		}
	}
}

func reason(err error) string {
	var r *Refused
	if errors.As(err, &r) {
		return r.Reason
	}
	return "not taken now; keep it and try again"
}

func (c *conversation) now() string { return c.cfg.Now().Format("2006-01-02T15:04:05-07:00") }

func (c *conversation) say(typ string, parts ...poct1a.Part) error {
	c.id++
	return c.write(poct1a.Append(nil, poct1a.Object(typ, slices.Concat([]poct1a.Part{poct1a.Header(typ, strconv.Itoa(c.id), c.now())}, parts)...)))
}

func (c *conversation) ack(m *poct1a.Message, code, reason string) error {
	c.id++
	return c.write(poct1a.Ack(strconv.Itoa(c.id), m.ControlID(), code, reason, c.now()))
}

func (c *conversation) write(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.cfg.Reply)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("write to the device: %w", err)
	}
	return nil
}

// next is the next message. One that cannot be read ends the conversation: its
// control id is not known, so nothing could be said of it.
func (c *conversation) next(ctx context.Context, within time.Duration) (*poct1a.Message, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	buf := make([]byte, 8192)
	for len(c.docs) == 0 {
		n, err := c.conn.Read(buf)
		if n > 0 {
			var serr error
			if c.docs, serr = c.split.Write(buf[:n]); serr != nil && len(c.docs) == 0 {
				return nil, serr
			}
			continue
		}
		var ne net.Error
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &ne) && ne.Timeout():
			return nil, fmt.Errorf("wait for the device: %w", context.DeadlineExceeded)
		case errors.Is(err, io.EOF) && c.split.Pending():
			return nil, fmt.Errorf("read from the device: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fmt.Errorf("read from the device: %w", err)
		}
	}
	b := c.docs[0]
	c.docs = c.docs[1:]
	return poct1a.ParseLimits(b, c.cfg.Limits)
}
