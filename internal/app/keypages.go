package app

import (
	"github.com/labwarden/labwarden/internal/domain/partners/keysui"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// keyPages wires the pages of partners' keys.
func (h *Hub) keyPages(c *config.Config) keysui.Deps {
	return keysui.Deps{
		Keys: h.rooms.keys, Own: h.Vault.VerifierKeys, Called: h.called(),
		Partner: func(key string) (keysui.Partner, bool) {
			p, ok := h.current(c).Partners[key]
			out := keysui.Partner{Key: key, Name: p.Name, Registered: usesRegister(p.Destination)}
			if p.Contact != nil {
				out.Contact, out.Phone = p.Contact.Name, p.Contact.Phone
			}
			return out, ok
		},
	}
}
