package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/envelope"
	"github.com/labwarden/labwarden/internal/channel/fhirhttp"
	"github.com/labwarden/labwarden/internal/channel/folder"
	"github.com/labwarden/labwarden/internal/channel/httppost"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// builder makes senders out of a configuration, for the hub and for the bypass:
// both reach a partner by the same address, certificates and pins.
type builder struct {
	now    func() time.Time
	secret func(context.Context, config.Secret) ([]byte, error)
	// stray makes what is told of a partner's late replies; may be nil.
	stray func(key, name string) func(code, controlID string, body []byte)
	// hub, where there is one, is told of the other ends' certificates.
	hub *Hub
	// keys gives the registered keys of a partner; nil knows none.
	keys func(partner string) (envelope.Source, error)
	// signer signs receipts; nil, in bypass, writes none.
	signer func() note.Signer
	// ca is the laboratory's own authority; nil where there is none.
	ca authority
}

func (b builder) watched(channel string) watched { return watched{b.hub, channel, b.ca} }

func (h *Hub) builder() builder {
	return builder{h.now, h.secret, h.lateRefusal, h, func(partner string) (envelope.Source, error) { return h.registered(partner), nil }, h.Vault.NoteSigner, h.rooms.certificates}
}

// sender builds what carries messages to a partner.
func (b builder) sender(c *config.Config, key string) (channel.Sender, error) {
	d := c.Partners[key].Destination
	var s channel.Sender
	var err error
	switch {
	case d.MLLP != nil:
		s, err = b.mllpSender(c, key, d.MLLP)
	case d.FHIR != nil:
		s, err = b.fhirSender(c, key, d.FHIR)
	case d.FHIRPull != nil && b.hub == nil:
		err = errors.New("it fetches its results from the hub, which does not run")
	case d.FHIRPull != nil:
		s = b.hub.rooms.fhir.For(key)
	case d.HTTP != nil:
		s, err = b.httpSender(c, key, d.HTTP)
	case d.SFTP != nil, d.FTPS != nil:
		s, err = b.remoteSender(c, key, d)
	case d.Folder != nil:
		s, err = folder.NewSender(folder.Config{Name: key, Dir: string(d.Folder.Path), SameName: d.Encrypt != nil, Now: b.now})
	case d.Box != nil:
		if b.hub == nil {
			return nil, fmt.Errorf("partner %s: its box is the hub's, and cannot be reached without it", key)
		}
		s = boxSender{b.hub.rooms.boxes, key}
	case d.Portal != nil && b.hub != nil:
		s = portalSender{b.hub, key}
	case d.Portal != nil:
		err = errors.New("the portal is a part of the hub, and cannot be reached past it: its results wait") // a bypass has no portal
	default:
		err = errors.New("it has no destination")
	}
	if err == nil && d.Encrypt != nil {
		s, err = b.encrypted(s, key, d.Encrypt)
	}
	if err == nil && receipts(d) && b.signer != nil {
		s, err = b.withReceipts(s, key, d)
	}
	if err != nil {
		return nil, fmt.Errorf("partner %s: %w", key, err)
	}
	return s, nil
}

func (b builder) mllpSender(c *config.Config, key string, d *config.MLLPDestination) (channel.Sender, error) {
	host, _, err := net.SplitHostPort(string(d.Address))
	if err != nil {
		return nil, err
	}
	m := mllp.Config{
		Name: key, Addr: string(d.Address), Lanes: d.Connections, ReplyTimeout: d.ReplyTimeout.Std(),
		AwaitApp: d.AwaitApplicationAck, Exception: exception(d.Exception), Now: b.now,
	}
	if m.Dial, err = b.through(c.Partners[key].Destination.Tunnel); err != nil {
		return nil, err
	}
	if b.stray != nil {
		m.Stray = b.stray(key, c.Partners[key].Name)
	}
	if d.TLS != nil {
		if m.TLS, err = clientTLS(d.TLS, host, &c.Node, m.Exception, b.watched("partner "+key)); err != nil {
			return nil, err
		}
	} else if m.Exception == nil {
		m.Exception = onLoopback(forever)
	}
	return mllp.NewSender(m)
}

func (b builder) httpSender(c *config.Config, key string, d *config.HTTPDestination) (channel.Sender, error) {
	e := exception(d.Exception)
	conf, err := webTLS(d.TLS, string(d.URL), &c.Node, e, true, b.watched("partner "+key))
	if err != nil {
		return nil, err
	}
	o := httppost.Config{Name: key, URL: string(d.URL), TLS: conf, Exception: e, Timeout: d.ReplyTimeout.Std(), Now: b.now}
	if o.Dial, err = b.through(c.Partners[key].Destination.Tunnel); err != nil {
		return nil, err
	}
	if d.Token != "" {
		token, err := b.secret(context.Background(), d.Token)
		if err != nil {
			return nil, err
		}
		o.Header = http.Header{"Authorization": {"Bearer " + string(token)}}
	}
	return httppost.NewSender(o)
}

func (b builder) fhirSender(c *config.Config, key string, d *config.FHIRDestination) (channel.Sender, error) {
	e := exception(d.Exception)
	conf, err := webTLS(d.TLS, string(d.Base), &c.Node, e, d.Auth.Kind == "mutual", b.watched("partner "+key))
	if err != nil {
		return nil, err
	}
	o := fhirhttp.Config{Name: key, URL: string(d.Base), TLS: conf, Exception: e, Timeout: d.ReplyTimeout.Std(), Now: b.now}
	if o.Dial, err = b.through(c.Partners[key].Destination.Tunnel); err != nil {
		return nil, err
	}
	if d.Auth.Kind == "oauth2" {
		pem, err := b.secret(context.Background(), d.Auth.Key)
		if err != nil {
			return nil, err
		}
		signer, err := privateKey(pem)
		if err != nil {
			return nil, fmt.Errorf("key that signs for %s: %w", key, err)
		}
		o.OAuth = &fhirhttp.OAuth{TokenURL: string(d.Auth.TokenURL), ClientID: d.Auth.ClientID, Scope: d.Auth.Scope, Key: signer}
	}
	return fhirhttp.New(o)
}

// encrypted puts the partner's keys over a transport that carries files.
func (b builder) encrypted(below channel.Sender, key string, e *config.Encrypt) (channel.Sender, error) {
	if e.Keys != "" {
		if b.keys == nil {
			return nil, errors.New("encryption: registered keys are not known here")
		}
		from, err := b.keys(key)
		if err != nil {
			return nil, fmt.Errorf("encryption: %w", err)
		}
		return envelope.NewFrom(below, from)
	}
	var enc envelope.Encrypter
	var err error
	switch {
	case len(e.Age) > 0:
		enc, err = envelope.NewAge(e.Age...)
	case e.OpenPGP != "":
		var ring []byte
		if ring, err = os.ReadFile(string(e.OpenPGP)); err == nil {
			enc, err = envelope.NewOpenPGP(envelope.OpenPGPConfig{Keys: ring})
		}
	case e.CMS != "":
		var certs []*x509.Certificate
		if certs, err = readCertificates(e.CMS); err == nil {
			enc, err = envelope.NewCMS(certs, nil)
		}
	default:
		err = errors.New("encrypt names no key")
	}
	if err != nil {
		return nil, fmt.Errorf("encryption: %w", err)
	}
	return envelope.New(below, enc)
}

// forever ends the exception for loopback: it needs no date, but the type asks
// for one.
const forever = config.Date("9999-12-31")
