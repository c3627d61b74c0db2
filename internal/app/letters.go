package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/mail"
)

// letters are the mails to people about changes of how they sign in. They go by the
// mail server of the alarms.
type letters struct{ h *Hub }

// On says whether there is a mail server in the configuration in force.
func (l letters) On() bool {
	c := l.h.inForce()
	return c != nil && c.Alarms.Mail != nil
}

// Send sends one. It holds no secret, no link that opens anything and no patient.
func (l letters) Send(ctx context.Context, x access.Letter) error {
	c := l.h.inForce()
	if c == nil || c.Alarms.Mail == nil {
		return errors.New("there is no mail server")
	}
	s, err := l.h.mailTo(ctx, c.Alarms.Mail, x.To)
	if err != nil {
		return err
	}
	names, err := l.h.names(ctx)
	if err != nil {
		return err
	}
	pages := ""
	if c.Node.Web != nil {
		pages = strings.TrimSuffix(string(c.Node.Web.PublicURL), "/")
	}
	_, err = s.Send(ctx, letter(c.Lab.Name, pages, x, names.Of, l.h.now()))
	return err
}

// letter writes it.
func letter(lab, pages string, x access.Letter, name func(string) string, now time.Time) alarm.Message {
	title, text := accessui.NoticeText(x.Notice, name)
	if text != "" {
		title += "\n" + text
	}
	at := x.Notice.At.Local().Format("2 January 2006, 15:04 MST")
	where := "sign in to Labwarden and open My security"
	if pages != "" {
		where = "open " + pages + accessui.MePath
	}
	return alarm.Message{
		ID: x.ID.String(), Lab: lab, At: now, Subject: "Labwarden at " + lab + ": how you sign in was changed",
		Text: fmt.Sprintf("%s,\n\n%s\n%s\n\nIf you know of this, there is nothing to do.\nIf not: %s, answer that it was not you, and tell your security officer at once.\n\nThis mail holds no link that signs in, and nobody will ask you for a password.\n",
			x.Name, title, at, where),
	}
}

// mailTo makes a sender to one address by the configured mail server.
func (h *Hub) mailTo(ctx context.Context, m *config.MailServer, to string) (*mail.Sender, error) {
	ca, err := roots(m.CA)
	if err != nil {
		return nil, err
	}
	password, err := h.secret(ctx, m.Password)
	if err != nil {
		return nil, err
	}
	return mail.New(mail.Config{
		Addr: string(m.Server), Implicit: m.TLS == "implicit", Roots: ca, From: m.From,
		User: m.User, Password: strings.TrimRight(string(password), "\r\n"), Now: h.now,
	}, to)
}
