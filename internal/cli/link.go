package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/channel"
)

// linkFlags are the TLS flags of send and receive.
type linkFlags struct {
	ca, cert, key, serverName *string
	pins                      *[]string
	plaintext, tls12, noCert  *bool
}

func addLinkFlags(c *cobra.Command, client bool) *linkFlags {
	f := c.Flags()
	l := &linkFlags{
		ca:        f.String("ca", "", "PEM file of the authorities that may vouch for the other side"),
		pins:      f.StringArray("pin", nil, "SHA-256 fingerprint of a certificate to accept, instead of --ca"),
		cert:      f.String("cert", "", "PEM file with our certificate"),
		key:       f.String("key", "", "PEM file with its private key"),
		plaintext: f.Bool("plaintext", false, "no encryption at all; for a trial only"),
		tls12:     f.Bool("tls12", false, "also allow TLS 1.2; for a trial only"),
	}
	none := new(string)
	l.serverName, l.noCert = none, f.Bool("no-client-cert", false, "go without a client certificate; for a trial only")
	if client {
		l.serverName = f.String("server-name", "", "the name in the other side's certificate, when it is not the host of the address")
	}
	return l
}

// exception is the permission for what a trial may do and the hub may not.
func (l *linkFlags) exception(now time.Time) *channel.Exception {
	if !*l.plaintext && !*l.tls12 && !*l.noCert {
		return nil
	}
	return &channel.Exception{
		Plaintext: *l.plaintext, TLS12: *l.tls12, NoClientCertificate: *l.noCert,
		Reason: "trying a link by hand", Owner: "whoever typed the command", Until: now.Add(24 * time.Hour),
	}
}

var errTLSFlags = errors.New("name --ca (or --pin), --cert and --key for TLS, or say --plaintext")

// tls builds the configuration; nil for plaintext.
func (l *linkFlags) tls(c *cobra.Command, host string, server bool, now time.Time) (*tls.Config, error) {
	secured := *l.ca != "" || len(*l.pins) > 0 || *l.cert != "" || *l.key != ""
	if *l.plaintext {
		if secured || *l.tls12 {
			return nil, usageError{c.CommandPath(), errors.New("--plaintext goes without the flags of TLS")}
		}
		return nil, nil
	}
	if (*l.cert == "") != (*l.key == "") {
		return nil, usageError{c.CommandPath(), errors.New("--cert and --key go together")}
	}
	if needCert := server || !*l.noCert; *l.cert == "" && needCert || *l.ca == "" && len(*l.pins) == 0 && (!server || !*l.noCert) {
		return nil, usageError{c.CommandPath(), errTLSFlags}
	}
	t := channel.TLS{Pins: *l.pins, ServerName: *l.serverName, Exception: l.exception(now)}
	if t.ServerName == "" {
		t.ServerName = host
	}
	if *l.cert != "" {
		pair, err := tls.LoadX509KeyPair(*l.cert, *l.key)
		if err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		t.Certificate = func() (*tls.Certificate, error) { return &pair, nil }
	}
	if *l.ca != "" {
		pem, err := os.ReadFile(*l.ca)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		t.Roots = x509.NewCertPool()
		if !t.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read authorities: %s holds no certificate", *l.ca)
		}
	}
	if server {
		return t.Server()
	}
	return t.Client()
}
