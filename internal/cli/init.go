package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

var labID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

func initCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Make a new laboratory: keys, database, certificates and a first configuration",
		Long: `Make a new laboratory in FOLDER (here, if none is given): a key file, an empty
database with its own keys, certificates for the hub and for a first sender, and
a commented configuration that listens on this machine only.

With --system it is made where the Debian package's service looks for it, and
for it: /etc/labwarden and /var/lib/labwarden. That needs root.

The recovery shares are shown once and stored nowhere. Give each to another
person or place: any three of the five bring everything back if the key file is
lost; two bring back nothing.`,
		Args: cobra.MaximumNArgs(1),
	}
	name := c.Flags().String("name", "", "the laboratory's name (needed)")
	id := c.Flags().String("id", "", "its short name in proofs, lower-case letters, digits and dashes (needed)")
	dsn := c.Flags().String("postgres-dsn-file", "", "use PostgreSQL: a file that holds the whole connection string, password included")
	system := c.Flags().Bool("system", false, "make it for the service of the Debian package, instead of in a folder")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *name == "" || !labID.MatchString(*id) {
			return usageError{c.CommandPath(), errors.New(`give --name "Millbrook Laboratory" and --id millbrook (lower-case letters, digits, dashes)`)}
		}
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		if !*system {
			at, err := folderPlace(dir)
			if err != nil {
				return err
			}
			return runInit(c, at, *name, *id, *dsn)
		}
		if len(args) > 0 {
			return usageError{c.CommandPath(), errors.New("give a FOLDER or --system, not both")}
		}
		uid, gid, err := serviceUser()
		if err != nil {
			return err
		}
		return runInit(c, systemPlace("/", uid, gid), *name, *id, *dsn)
	}
	return c
}

func runInit(c *cobra.Command, at place, name, id, dsn string) (err error) {
	dir := at.dir
	database := ""
	if dsn != "" {
		abs, err := filepath.Abs(dsn)
		if err != nil {
			return fmt.Errorf("find %s: %w", dsn, err)
		}
		database = fmt.Sprintf("\n  database: {engine: postgres, dsn_file: %q}", abs)
	}
	// By whole paths: reading the configuration makes its folder the working one.
	whole := at
	for _, path := range []*string{&whole.dir, &whole.key, &whole.data} {
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("find %s: %w", dir, err)
		}
	}
	had, err := whole.lookBefore()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if dsn != "" { // before anything is made that would be in the way of a second try
		if err := app.TryPostgres(c.Context(), dsn); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "labwarden.yaml")
	if err := at.fresh(); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		if undone := whole.undo(had); undone != nil {
			err = errors.Join(err, fmt.Errorf("what was made could not be taken back, remove it before another try: %w", undone))
			return
		}
		err = fmt.Errorf("%w; nothing was left behind: mend that and run it again", err)
	}()
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := vault.CreateKeyFile(at.key, rand.Reader); err != nil {
		return err
	}
	ca, err := pki.New(pki.Options{Name: name, Now: time.Now(), Life: 2 * 365 * 24 * time.Hour, Rand: rand.Reader})
	if err != nil {
		return err
	}
	if err := ca.Write(filepath.Join(dir, "tls"), "hub", "lis"); err != nil {
		return err
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, firstConfiguration, name, id, fmt.Sprintf(at.node, database)), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	conf, err := loadConfig(path, time.Now(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := app.MakeBypassKey(&conf.Node); err != nil {
		return err
	}
	shares, err := app.Create(c.Context(), conf, []vault.Seal{at.seal}, 5, 3, app.Deps{Now: time.Now, Log: logger(conf.Log, c.ErrOrStderr()), Node: id})
	if err != nil {
		return err
	}
	if at.hand != nil {
		if err := at.hand(); err != nil {
			return err
		}
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "The laboratory %q is ready in %s.\n\n", name, dir)
	fmt.Fprintf(out, "Recovery shares, shown this once. Any 3 of the 5 recover everything:\n\n")
	for i, s := range shares {
		fmt.Fprintf(out, "Share %d\n%s\n\n", i+1, s.Text())
	}
	if in, ok := terminal(c); ok && !confirmShares(in, out, shares) {
		fmt.Fprintf(out, "\nThe shares were not typed back. The laboratory is ready all the same; when they are lost and every seal is, so is everything.\n")
	}
	fmt.Fprintf(out, at.next, path)
	return nil
}

// firstConfiguration takes results in and keeps them: the first partner is the
// reader's own.
const firstConfiguration = `# Labwarden's configuration. The reference of every setting: docs/operate/configuration.md
lab: {name: %q, id: %s}
node:%s
  tls: {certificate: ./tls/hub.pem, key: ./tls/hub.key}
  # The pages. public_url is how browsers reach them; passkeys are tied to its host.
  web: {listen: 127.0.0.1:8443, public_url: "https://localhost:8443"}
sources:
  lis:
    # The laboratory's system connects here with the certificate tls/lis.pem.
    mllp: {listen: 127.0.0.1:2575, tls: {client_ca: ./tls/ca.pem}}
    from: [127.0.0.1/32]
partners:
  # The first partner: replace name, provider and address by real ones.
  first:
    name: First Partner
    providers: [{id: "0000000000", authority: NPI}]
    destination:
      mllp: {address: "127.0.0.1:2576", tls: {ca: ./tls/ca.pem, server_name: first}}
routes:
  # shadow records what would be sent and sends nothing.
  - {name: first-results, from: lis, to: [first], stage: shadow}
`
