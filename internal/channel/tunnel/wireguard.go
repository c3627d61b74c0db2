package tunnel

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/fips140"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
)

// keepalive is how often a far end writes, so that the way back through its
// router stays open.
const keepalive = 25 * time.Second

// Keys are one side's of one pair of WireGuard keys.
type Keys struct {
	Private []byte     `json:"private"` // our own
	Public  []byte     `json:"public"`  // the other side's
	PSK     []byte     `json:"psk"`
	Hub     netip.Addr `json:"hub"` // the hub's address in the tunnel
	Far     netip.Addr `json:"far"` // the far end's
	Epoch   int64      `json:"epoch"`
}

// ErrFIPS: WireGuard's algorithms are not FIPS-approved.
var ErrFIPS = errors.New("WireGuard is off in the FIPS build: its algorithms are not approved; choose kind tls")

// NewKey makes a WireGuard key (X25519, RFC 7748).
func NewKey() (private, public []byte, err error) {
	if fips140.Enabled() {
		return nil, nil, ErrFIPS
	}
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make WireGuard key: %w", err)
	}
	return k.Bytes(), k.PublicKey().Bytes(), nil
}

// PublicOf is the public half of a private key.
func PublicOf(private []byte) ([]byte, error) {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read WireGuard key: %w", err)
	}
	return k.PublicKey().Bytes(), nil
}

// wg is one WireGuard device with one peer and a TCP stack of its own.
type wg struct {
	tun *netTUN
	dev *device.Device
}

// startWG runs a device. local is our address in the tunnel; allowed are those
// the other side may use there. endpoint is empty where the other side comes to us.
func startWG(k Keys, local netip.Addr, allowed []netip.Addr, endpoint string, bind conn.Bind, log *slog.Logger) (*wg, error) {
	if fips140.Enabled() {
		return nil, ErrFIPS
	}
	t, err := newTUN(local)
	if err != nil {
		return nil, err
	}
	w := &wg{tun: t, dev: device.NewDevice(t, bind, &device.Logger{
		Verbosef: device.DiscardLogf,
		Errorf:   func(format string, a ...any) { log.Debug("wireguard: " + fmt.Sprintf(format, a...)) },
	})}
	if err := w.dev.Up(); err != nil {
		w.dev.Close()
		return nil, fmt.Errorf("start WireGuard: %w", err)
	}
	if err := w.set(k, allowed, endpoint); err != nil {
		w.dev.Close()
		return nil, err
	}
	return w, nil
}

// set puts a pair of keys in force. Connections in the tunnel do not notice: they
// belong to the addresses, not to the keys.
func (w *wg) set(k Keys, allowed []netip.Addr, endpoint string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "private_key=%x\nreplace_peers=true\npublic_key=%x\n", k.Private, k.Public)
	if len(k.PSK) > 0 {
		fmt.Fprintf(&b, "preshared_key=%x\n", k.PSK)
	}
	b.WriteString("replace_allowed_ips=true\n")
	for _, a := range allowed {
		fmt.Fprintf(&b, "allowed_ip=%s/%d\n", a, a.BitLen())
	}
	if endpoint != "" {
		fmt.Fprintf(&b, "endpoint=%s\npersistent_keepalive_interval=%d\n", endpoint, int(keepalive/time.Second))
	}
	if err := w.dev.IpcSet(b.String()); err != nil {
		return errors.New("set WireGuard's keys: they were refused") // its error may repeat them
	}
	return nil
}

// seen is when the last handshake was and from where the other side writes.
func (w *wg) seen() (handshake time.Time, from string) {
	text, err := w.dev.IpcGet()
	if err != nil {
		return time.Time{}, ""
	}
	var sec, nsec int64
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		k, v, _ := strings.Cut(s.Text(), "=")
		switch k {
		case "last_handshake_time_sec":
			sec, _ = strconv.ParseInt(v, 10, 64) // 0 where it is none
		case "last_handshake_time_nsec":
			nsec, _ = strconv.ParseInt(v, 10, 64)
		case "endpoint":
			from = v
		}
	}
	if sec == 0 {
		return time.Time{}, from
	}
	return time.Unix(sec, nsec).UTC(), from
}

func (w *wg) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return w.tun.dial(ctx, to)
}

func (w *wg) close() { w.dev.Close() }

func key32(b []byte) (k device.NoisePublicKey, err error) {
	if err := k.FromHex(hex.EncodeToString(b)); err != nil {
		return k, errors.New("a WireGuard key has 32 bytes")
	}
	return k, nil
}
