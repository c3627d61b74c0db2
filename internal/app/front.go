package app

import (
	"context"
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/fronthub"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/channel/sftp"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// frontDoor is the hub's side of the partner front.
type frontDoor struct {
	hub      *fronthub.Hub
	ln       *net.UnixListener
	settings func() frontlink.Settings // as they are now
}

// openFront opens the socket that the front asks at; nil where the configuration
// has none.
func (h *Hub) openFront(ctx context.Context, c *config.Config, sites *frontSites) (*frontDoor, error) {
	f := c.Node.Front
	if f == nil {
		return nil, nil
	}
	uids := []int{os.Getuid()}
	gid := -1
	if f.User != "" {
		u, err := user.Lookup(f.User)
		if err != nil {
			return nil, fmt.Errorf("find the front's user: %w", err)
		}
		uid, uerr := strconv.Atoi(u.Uid)
		g, gerr := strconv.Atoi(u.Gid)
		if err := errors.Join(uerr, gerr); err != nil {
			return nil, fmt.Errorf("read the front's user: %w", err)
		}
		uids, gid = append(uids, uid), g
	}
	if err := h.rooms.boxes.Sweep(ctx); err != nil {
		return nil, err
	}
	keys, err := h.hostKeys(ctx)
	if err != nil {
		return nil, err
	}
	ln, err := listenFront(ctx, string(f.Socket), gid)
	if err != nil {
		return nil, err
	}
	settings := func() frontlink.Settings { return h.frontSettings(h.current(c), sites) }
	d := &frontDoor{ln: ln, settings: settings, hub: &fronthub.Hub{
		Boxes: h.rooms.boxes, Who: partnersWho{h}, HostKeys: keys, Settings: settings, Signers: h.frontSigner(c, sites), Challenge: sites.challenge, Trial: h.rooms.trials.box, Web: sites, UID: uids,
		Entered: h.entered, Now: h.now, Log: h.slog.With("door", "front"),
	}}
	h.rooms.certificates.OnRevoked(func(all []certificates.Revoked) {
		if slices.ContainsFunc(all, func(r certificates.Revoked) bool { return r.Form == "ssh" }) {
			go h.tellFront(context.WithoutCancel(ctx))
		}
	})
	if f.SFTP != nil {
		d.hub.SSHConns, d.hub.SSHEach = f.SFTP.Connections, f.SFTP.PerAddress
	}
	return d, nil
}

// listenFront opens the socket; the front's group, when it has one, may open it.
func listenFront(ctx context.Context, path string, gid int) (*net.UnixListener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the front's socket: %w", err)
	}
	if err := control.RemoveStale(ctx, "unixpacket", path); err != nil {
		return nil, err
	}
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: path})
	if err != nil {
		return nil, fmt.Errorf("open the front's socket: %w", err)
	}
	mode := os.FileMode(0o600)
	if gid >= 0 {
		mode = 0o660
		err = errors.Join(os.Chown(dir, -1, gid), os.Chmod(dir, 0o710), os.Chown(path, -1, gid)) //nolint:gosec // a folder, which the front's group has to go through
	}
	if err := errors.Join(err, os.Chmod(path, mode)); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the front's socket: %w", err), ln.Close())
	}
	return ln, nil
}

func (h *Hub) hostKeys(ctx context.Context) ([]ssh.Signer, error) {
	kinds := []string{entry.Ed25519, entry.P256}
	if fips140.Enabled() {
		kinds = kinds[1:]
	}
	var out []ssh.Signer
	for _, kind := range kinds {
		k, err := h.rooms.entry.HostKey(ctx, kind)
		if err != nil {
			return nil, err
		}
		s, err := ssh.NewSignerFromSigner(k)
		if err != nil {
			return nil, fmt.Errorf("use host key: %w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

func (h *Hub) frontSettings(c *config.Config, sites *frontSites) frontlink.Settings {
	var s frontlink.Settings
	f := c.Node.Front
	if f == nil {
		return s
	}
	if f.SFTP != nil {
		s.SFTP = frontlink.Listen{Address: string(f.SFTP.Listen), Conns: f.SFTP.Connections, PerAddress: f.SFTP.PerAddress}
	}
	if w := f.Web; w != nil {
		if all, err := sites.told(); err != nil {
			h.slog.Error("the portal and the FHIR server are not reached through the front", "error", err)
		} else {
			s.Web = frontlink.Web{Listen: frontlink.Listen{Address: string(w.Listen), Conns: w.Connections, PerAddress: w.PerAddress}, Sites: all}
		}
	}
	if t := f.FTPS; t != nil {
		pair, err := frontPair(c, signerFTPS)
		if err != nil {
			h.slog.Error("partners cannot reach their boxes by FTPS", "error", err)
			return s
		}
		s.FTPS = frontlink.FTPS{
			Listen: frontlink.Listen{Address: string(t.Listen), Conns: t.Connections, PerAddress: t.PerAddress},
			Key:    signerFTPS, Chain: pair.Certificate, Host: t.Host, FirstPort: t.FirstPort, LastPort: t.LastPort,
		}
	}
	return s
}

// signerFTPS names the key of the FTPS certificate; it stays in the hub.
const signerFTPS = "ftps"

func frontPair(c *config.Config, name string) (*tls.Certificate, error) {
	f := c.Node.Front
	if f == nil || f.FTPS == nil || name != signerFTPS {
		return nil, channel.ErrNoFile
	}
	own := f.FTPS.TLS
	if own == nil {
		own = c.Node.TLS
	}
	if own == nil {
		return nil, errors.New("there is no certificate for FTPS")
	}
	pair, err := tls.LoadX509KeyPair(string(own.Certificate), string(own.Key))
	if err != nil {
		return nil, fmt.Errorf("load certificate of FTPS: %w", err)
	}
	return &pair, nil
}

// frontSigner gives the hub's side of the front a key to sign handshakes with.
func (h *Hub) frontSigner(c *config.Config, sites *frontSites) func(name string) (crypto.Signer, bool) {
	return func(name string) (crypto.Signer, bool) {
		if k, ok := sites.signer(name); ok {
			return k, h.current(c).Node.Front != nil && h.current(c).Node.Front.Web != nil
		}
		pair, err := frontPair(h.current(c), name)
		if err != nil {
			return nil, false
		}
		k, ok := pair.PrivateKey.(crypto.Signer)
		return k, ok
	}
}

// serve answers the front until ctx ends, and tells it of renewed certificates.
func (d *frontDoor) serve(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		t := time.NewTicker(time.Minute)
		defer t.Stop()
		last := d.settings()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if now := d.settings(); !reflect.DeepEqual(now, last) {
					last = now
					d.hub.Changed(ctx)
				}
			}
		}
	})
	return d.hub.Serve(ctx, d.ln)
}

// entered writes that a partner came in to the log; what it reads and writes
// stands in the ledger.
func (h *Hub) entered(w fronthub.How) {
	if !h.rooms.trials.entered(w) {
		h.rooms.sightings.saw(wayBox(w.Partner, w.Protocol), w.Secured)
		h.letIn(w.Partner)
	}
	h.slog.Info("a partner signed in", "partner", w.Partner, "protocol", w.Protocol, "address", w.Addr, "secured", w.Secured)
}

// partnersWho says by the configuration in force who may come in. The user's name
// is the partner's key.
type partnersWho struct{ h *Hub }

func (p partnersWho) box(user, addr string) (*config.Box, error) {
	c := p.h.inForce()
	if c == nil {
		return nil, channel.ErrSignIn // it is stopping
	}
	b := c.Partners[user].Box
	if b == nil || !fromAllowed(b.From, addr) {
		return nil, channel.ErrSignIn
	}
	return b, nil
}

func fromAllowed(from []config.Network, addr string) bool {
	if len(from) == 0 {
		return true
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	for _, n := range from {
		if prefix, err := netip.ParsePrefix(string(n)); err == nil && prefix.Contains(ap.Addr().Unmap()) {
			return true
		}
	}
	return false
}

func (p partnersWho) Key(ctx context.Context, user string, key ssh.PublicKey, addr string) (string, error) {
	if isTrial(user) {
		return p.h.rooms.trials.key(user, key)
	}
	b, err := p.box(user, addr)
	if err != nil {
		return "", err
	}
	if cert, is := key.(*ssh.Certificate); is {
		if !b.Certificates || !strongKey(cert.Key) {
			return "", channel.ErrSignIn
		}
		partner, err := p.h.rooms.certificates.CheckSSH(ctx, cert.Marshal(), user)
		if err != nil {
			p.h.certificateRefused(user, addr, err)
		}
		if err != nil || partner != user {
			return "", channel.ErrSignIn
		}
		return partner, nil
	}
	shown := key.Marshal()
	for _, line := range b.Keys {
		k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err == nil && string(k.Marshal()) == string(shown) && strongKey(k) {
			return user, nil
		}
	}
	return "", channel.ErrSignIn
}

func (p partnersWho) HasPassword(_ context.Context, user string) bool {
	if isTrial(user) {
		return true
	}
	c := p.h.inForce()
	if c == nil {
		return false
	}
	// A name that does not exist is asked for a password as well: what is asked
	// tells nothing.
	known, there := c.Partners[user]
	return !there || known.Box == nil || known.Box.Password
}

func (p partnersWho) Password(ctx context.Context, user, password, code, addr string) (string, error) {
	if isTrial(user) { // its code is typed in the place of the password
		return p.h.rooms.trials.code(user, password+code)
	}
	b, err := p.box(user, addr)
	if err == nil && !b.Password {
		err = channel.ErrSignIn
	}
	if err != nil {
		// The same work as for a name that exists.
		_ = p.h.rooms.entry.Check(ctx, "", password, code)
		return "", err
	}
	if err := p.h.rooms.entry.Check(ctx, user, password, code); err != nil {
		return "", err
	}
	return user, nil
}

func (p partnersWho) Still(ctx context.Context, how fronthub.How) bool {
	if isTrial(how.User) {
		return p.h.rooms.trials.still(how.User)
	}
	if how.Key != nil {
		got, err := p.Key(ctx, how.User, how.Key, how.Addr)
		return err == nil && got == how.Partner
	}
	b, err := p.box(how.User, how.Addr)
	if err != nil || !b.Password {
		return false
	}
	made, _, err := p.h.rooms.entry.Made(ctx, how.Partner)
	return err == nil && !made.IsZero() && !made.After(how.Since)
}

// boxRoom is how much a partner may send.
func (h *Hub) boxRoom(partner string) boxes.Room {
	if c := h.inForce(); c != nil {
		if b := c.Partners[partner].Box; b != nil {
			return boxes.Room{MaxFile: int64(b.MaxFile), MaxAll: int64(b.Room), Files: b.Files}
		}
	}
	return boxes.DefaultRoom
}

// tellFront has the front take new settings, and those leave who may no longer be
// there.
func (h *Hub) tellFront(ctx context.Context) {
	if f := h.front.Load(); f != nil {
		f.hub.Changed(ctx)
	}
}

// strongKey refuses RSA that is too short.
func strongKey(k ssh.PublicKey) bool {
	c, ok := k.(ssh.CryptoPublicKey)
	if !ok {
		return false
	}
	if r, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
		return r.N.BitLen() >= sftp.MinRSABits
	}
	return true
}

// delivered tells results of pick-ups.
type delivered struct{ *results.Service }

func (d delivered) PickedUp(ctx context.Context, delivery int64, at time.Time) error {
	err := d.Service.PickedUp(ctx, delivery, at, results.PickupRead)
	if errors.Is(err, results.ErrNotFound) {
		return nil // it was retained no longer; there is nobody to tell
	}
	return err
}

// boxSender puts results into a partner's box.
type boxSender struct {
	boxes   *boxes.Service
	partner string
}

// CarriesFiles marks the transport as one whose bodies may be encrypted.
func (boxSender) CarriesFiles() {}

func (s boxSender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	id, err := results.DeliveryOf(m.ID)
	if _, bare := event.ParseID(m.ID); bare == nil {
		id, err = 0, nil // a test message: a file there, and no delivery
	}
	if err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Unfit, Err: fmt.Errorf("name the delivery: %w", err)}
	}
	f, placed, err := s.boxes.Deliver(ctx, s.partner, m.Name, boxes.Delivery{Number: id, Body: m.Body, SealedTo: m.SealedTo})
	if err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Misconfigured, Err: fmt.Errorf("put into the box: %w", err)}
	}
	code := "placed"
	if !placed {
		code = "present"
	}
	return channel.Receipt{Level: channel.Placed, Code: code, Peer: channel.Peer{Name: s.partner, Addr: "box", Proof: "none"}, At: f.Made, Name: m.Name, PickUp: m.Name}, nil
}

func (boxSender) Close() error { return nil }
