package app

import (
	"fmt"
	"net"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// mllpLanes is how many connections an MLLP destination keeps. One is what most
// receivers expect; the order of results does not depend on it.
const mllpLanes = 1

// sender builds what carries messages to a partner.
func (h *Hub) sender(c *config.Config, key string) (channel.Sender, error) {
	d := c.Partners[key].Destination
	switch {
	case d.MLLP != nil:
		return h.mllpSender(c, key, d.MLLP)
	}
	return nil, fmt.Errorf("partner %s: its kind of destination is not built yet", key)
}

func (h *Hub) mllpSender(c *config.Config, key string, d *config.MLLPDestination) (channel.Sender, error) {
	host, _, err := net.SplitHostPort(string(d.Address))
	if err != nil {
		return nil, fmt.Errorf("partner %s: %w", key, err)
	}
	m := mllp.Config{
		Name: key, Addr: string(d.Address), Lanes: mllpLanes, ReplyTimeout: d.ReplyTimeout.Std(),
		AwaitApp: d.AwaitApplicationAck, Exception: exception(d.Exception), Now: h.now,
	}
	if d.TLS != nil {
		if m.TLS, err = clientTLS(d.TLS, host, c.Node.TLS, m.Exception); err != nil {
			return nil, fmt.Errorf("partner %s: %w", key, err)
		}
	} else if m.Exception == nil {
		m.Exception = onLoopback(forever)
	}
	s, err := mllp.NewSender(m)
	if err != nil {
		return nil, fmt.Errorf("partner %s: %w", key, err)
	}
	return s, nil
}

// forever ends the exception for loopback: it needs no date, but the type asks
// for one.
const forever = config.Date("9999-12-31")
