package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/heartbeat"
	"github.com/labwarden/labwarden/internal/platform/mail"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/webhook"
)

func heartbeatCommand() *cobra.Command {
	c := &cobra.Command{Use: "heartbeat", Short: "Notice from outside that a hub is dead"}
	c.AddCommand(heartbeatWatchCommand())
	return c
}

type watchOptions struct {
	listen, labKey, lab, cert, key     string
	notify                             []string
	secret, ca                         string
	mailServer, mailFrom, mailUser, pw string
	implicit                           bool
	patience, repeat                   time.Duration
}

func heartbeatWatchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "watch --lab-key lab.pub --notify WHERE...",
		Short: "On a second machine: tell somebody when the hub's heartbeat stops",
		Long: `Run this on another machine than the hub, with power and network of its own. The
hub posts a signed sign of life here every 30 s (alarms.heartbeat in its
configuration). When none has come for the patience, everybody named with
--notify is told, again at intervals, and once more when it is back: a hub that
dies is noticed within two minutes. A beat holds the hub's name, a number and the
time, never a result. The clocks of both machines must agree within five minutes.

WHERE is https://HOST/PATH for a gateway (signed JSON, --notify-secret needed) or
mailto:ADDRESS (--mail-server and --mail-from needed).`,
		Example: "  labwarden heartbeat watch --listen 192.0.2.9:2581 --tls-certificate w.pem --tls-key w.key --lab-key lab.pub \\\n    --notify mailto:m.okafor@millbrook.example --mail-server smtp.millbrook.example:587 --mail-from watch@millbrook.example",
	}
	var o watchOptions
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:2581", "address")
	f.StringVar(&o.labKey, "lab-key", "", "file of the laboratory's public key (needed); a new one after each rotation of the signer")
	f.StringVar(&o.lab, "name", "", "the laboratory's name in messages; the name of its key if none is given")
	f.StringVar(&o.cert, "tls-certificate", "", "PEM file; needed for other addresses than this machine's")
	f.StringVar(&o.key, "tls-key", "", "PEM file")
	f.StringArrayVar(&o.notify, "notify", nil, "whom to tell (needed); may be repeated")
	f.StringVar(&o.secret, "notify-secret", "", "file with the secret that signs what is posted to a gateway")
	f.StringVar(&o.ca, "notify-ca", "", "PEM file of the authorities for gateways and mail server; the system's if none is given")
	f.StringVar(&o.mailServer, "mail-server", "", "HOST:PORT; STARTTLS is required")
	f.BoolVar(&o.implicit, "mail-implicit-tls", false, "speak TLS from the first byte (port 465)")
	f.StringVar(&o.mailFrom, "mail-from", "", "the sender's address")
	f.StringVar(&o.mailUser, "mail-user", "", "our user name at the mail server")
	f.StringVar(&o.pw, "mail-password", "", "file with its password")
	f.DurationVar(&o.patience, "patience", 90*time.Second, "how long silence is borne")
	f.DurationVar(&o.repeat, "repeat", 15*time.Minute, "how often silence is told again")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.labKey == "" || len(o.notify) == 0 {
			return usageError{c.CommandPath(), errors.New("give --lab-key and --notify")}
		}
		if (o.cert == "") != (o.key == "") {
			return usageError{c.CommandPath(), errors.New("give --tls-certificate and --tls-key together")}
		}
		if host, _, err := net.SplitHostPort(o.listen); err != nil || o.cert == "" && !loopback(host) {
			return usageError{c.CommandPath(), errors.New("an address other than this machine's needs --tls-certificate and --tls-key")}
		}
		if o.patience < time.Second || o.repeat < time.Second {
			return usageError{c.CommandPath(), errors.New("--patience and --repeat are at least 1s")}
		}
		return runWatch(c, &o)
	}
	return c
}

func runWatch(c *cobra.Command, o *watchOptions) error {
	text, err := readUpTo(o.labKey, maxKeyFile)
	if err != nil {
		return err
	}
	keys, err := proof.ParseKeys(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.labKey, err)
	}
	if len(keys.Lab) == 0 {
		return fmt.Errorf("%s: there is no key of a laboratory in it", o.labKey)
	}
	ways, err := o.ways()
	if err != nil {
		return err
	}
	if o.lab == "" {
		o.lab = keys.Lab[0].Name()
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
	w := &heartbeat.Watcher{Lab: o.lab, Keys: keys.Lab, Ways: ways, Patience: o.patience, Repeat: o.repeat, Now: time.Now, Log: log}
	ln, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	scheme := "http"
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return errors.Join(fmt.Errorf("load certificate: %w", err), ln.Close())
		}
		ln = tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
		scheme = "https"
	}
	fmt.Fprintf(c.OutOrStdout(), "ready %s://%s/\n", scheme, ln.Addr())
	srv := &http.Server{
		Handler: w, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	ctx, stop := context.WithCancel(c.Context())
	watching := make(chan struct{})
	go func() { w.Run(ctx); close(watching) }()
	select {
	case err = <-done:
		err = fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = srv.Shutdown(end)
	}
	stop()
	<-watching
	return err
}

// ways makes what --notify names.
func (o *watchOptions) ways() ([]alarm.Way, error) {
	var pool *x509.CertPool
	if o.ca != "" {
		b, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("read authorities: %s holds no certificate", o.ca)
		}
	}
	secret, err := secretFile(o.secret)
	if err != nil {
		return nil, err
	}
	password, err := secretFile(o.pw)
	if err != nil {
		return nil, err
	}
	var out []alarm.Way
	for _, n := range o.notify {
		var s alarm.Sender
		if to, ok := strings.CutPrefix(n, "mailto:"); ok {
			if o.mailServer == "" || o.mailFrom == "" {
				return nil, errors.New("mail needs --mail-server and --mail-from")
			}
			s, err = mail.New(mail.Config{
				Addr: o.mailServer, Implicit: o.implicit, Roots: pool, From: o.mailFrom, User: o.mailUser,
				Password: string(password),
			}, to)
		} else {
			s, err = webhook.New(webhook.Config{URL: n, Secret: secret, Roots: pool})
		}
		if err != nil {
			return nil, fmt.Errorf("--notify: %w", err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(n, "https://"), "/")
		out = append(out, alarm.Way{Name: name, Sender: s})
	}
	return out, nil
}

func secretFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readUpTo(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimRight(string(b), "\r\n")), nil
}
