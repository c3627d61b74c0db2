package cli

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/ledger/witness"
	"github.com/labwarden/labwarden/internal/platform/proof"
)

type witnessOptions struct {
	listen, folder, logKey, name, cert, key string
}

func witnessCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "witness --folder FOLDER --log-key lab.pub --name NAME",
		Short: "Remember a laboratory's checkpoints, on another machine than its own",
		Long: `Run a witness (c2sp.org/tlog-witness): it remembers how long the laboratory's
ledger was and what it began with, and confirms only what continues it. A
database rolled back or rewritten is noticed by that. It sees sizes and hashes,
never a result.

The first start makes the witness's key in FOLDER and prints its public half,
which belongs into the laboratory's configuration. A witness that has lost its
folder has forgotten: it gets a new key.`,
	}
	var o witnessOptions
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:2580", "address")
	f.StringVar(&o.folder, "folder", "", "what it remembers, and its key (needed)")
	f.StringVar(&o.logKey, "log-key", "", "file of the laboratory's public key (needed)")
	f.StringVar(&o.name, "name", "", "its own name in proofs, such as witness.example/second-site (needed at the first start)")
	f.StringVar(&o.cert, "tls-certificate", "", "PEM file; needed for other addresses than this machine's")
	f.StringVar(&o.key, "tls-key", "", "PEM file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.folder == "" || o.logKey == "" {
			return usageError{c.CommandPath(), errors.New("give --folder and --log-key")}
		}
		if (o.cert == "") != (o.key == "") {
			return usageError{c.CommandPath(), errors.New("give --tls-certificate and --tls-key together")}
		}
		if host, _, err := net.SplitHostPort(o.listen); err != nil || o.cert == "" && !loopback(host) {
			return usageError{c.CommandPath(), errors.New("an address other than this machine's needs --tls-certificate and --tls-key")}
		}
		return runWitness(c, &o)
	}
	return c
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func runWitness(c *cobra.Command, o *witnessOptions) error {
	text, err := readUpTo(o.logKey, maxKeyFile)
	if err != nil {
		return err
	}
	keys, err := proof.ParseKeys(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.logKey, err)
	}
	secret, public, err := witnessKey(o.folder, o.name)
	if err != nil {
		return err
	}
	signer, err := ledger.NewCosigner(secret, time.Now)
	if err != nil {
		return err
	}
	handler, err := witness.NewServer(o.folder, signer, keys.Lab...)
	if err != nil {
		return err
	}
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
	fmt.Fprintf(c.OutOrStdout(), "key %s\nready %s://%s\n", public, scheme, ln.Addr())
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(c.ErrOrStderr(), nil), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-c.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), 5*time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

// witnessKey reads the witness's key, or makes it in a folder that remembers
// nothing yet.
func witnessKey(folder, name string) (secret, public string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", "", fmt.Errorf("make folder: %w", err)
	}
	path := filepath.Join(folder, "witness.key")
	b, err := readUpTo(path, maxKeyFile)
	if err == nil {
		secret, public, _ = strings.Cut(strings.TrimSpace(string(b)), "\n")
		return secret, public, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.checkpoint"))
	if err != nil || len(old) > 0 {
		return "", "", errors.Join(err, fmt.Errorf("the folder %s remembers checkpoints, but its key is gone: start with an empty folder", folder))
	}
	if name == "" {
		return "", "", errors.New("give the witness a name of its own: --name witness.example/second-site")
	}
	if secret, public, err = ledger.GenerateCosigner(rand.Reader, name); err != nil {
		return "", "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", "", fmt.Errorf("keep the witness's key: %w", err)
	}
	_, err = f.WriteString(secret + "\n" + public + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", "", fmt.Errorf("keep the witness's key: %w", err)
	}
	return secret, public, nil
}
