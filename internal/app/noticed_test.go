package app

import (
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// results compares senders to learn whether a way was replaced: the same one is
// equal, another is not, and no comparison ends the hub.
func TestWatchedSendersCompare(t *testing.T) {
	h := &Hub{}
	one, two := &receipted{partner: "p"}, &receipted{partner: "p"}
	d := config.Destination{MLLP: &config.MLLPDestination{}}
	wrap := func(s channel.Sender) any { return h.noticing("p", s, d) }
	if wrap(one) != wrap(one) {
		t.Error("the same sender is another one")
	}
	if wrap(one) == wrap(two) {
		t.Error("two senders are the same")
	}
	box := config.Destination{Box: &config.BoxDestination{}}
	if h.noticing("p", boxSender{partner: "p"}, box) != h.noticing("p", boxSender{partner: "p"}, box) {
		t.Error("the same box is another one")
	}
}
