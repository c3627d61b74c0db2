package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/domain/partners/gate"
)

func gateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "gate",
		Short: "What the content gate makes of a file",
		Long: `Files that partners put into their boxes are looked at before anybody sees them:
docs/operate/content-gate.md.`,
	}
	c.AddCommand(gateCheckCommand())
	return c
}

func gateCheckCommand() *cobra.Command {
	var r gate.Rules
	var archives, asJSON bool
	var name, scanner, whenDown string
	var maxMiB int64
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what would become of a file, and why, without a hub",
		Long: `Look at FILE as the hub does when a partner puts it into its box, and say the
verdict it would get and the sentence its sender would read. Nothing is sent,
stored or recorded; neither configuration nor hub is needed. What is taken is
said by the flags, which are named as the settings under partners.NAME.box.accept.

The exit status is 0 when the file would pass, 1 when it would be refused or
held, and 2 when it cannot be read.`,
		Example: `  labwarden gate check --facilities RIVERSIDE night.hl7
  labwarden gate check --zip --scanner unix:/run/clamav/clamd.ctl night.zip`,
		Args: cobra.ExactArgs(1),
	}
	f := c.Flags()
	f.StringSliceVar(&r.Kinds, "kinds", nil, "kinds that are taken: hl7, fhir, pdf, csv (default all)")
	f.StringSliceVar(&r.Encrypted, "encrypted", nil, "encrypted kinds that are taken unseen: age, openpgp, cms, pdf")
	f.StringSliceVar(&r.Facilities, "facilities", nil, "sending facilities (MSH-4) that are the partner's")
	f.StringSliceVar(&r.Receivers, "receiving-facilities", nil, "receiving facilities (MSH-6) it may write to")
	f.StringSliceVar(&r.Critical, "critical-flags", nil, "codes that mark critical results, besides HH, LL and AA")
	f.BoolVar(&archives, "zip", false, "take ZIP archives")
	f.Int64Var(&maxMiB, "max-file", gate.MaxFile>>20, "the largest file, in MiB")
	f.StringVar(&name, "name", "", "judge it under this name instead of its own")
	f.StringVar(&scanner, "scanner", "", "also ask this virus scanner: unix:/PATH or tcp:HOST:PORT of clamd")
	f.StringVar(&whenDown, "when-down", "hold", "what happens while the scanner does not answer: refuse, hold, pass_and_tell")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		r.MaxFile = maxMiB << 20
		if archives {
			r.Archive = &gate.Archive{}
		}
		if err := known(r, whenDown); err != nil {
			return usageError{c.CommandPath(), err}
		}
		conf := gate.Config{WhenDown: gate.WhenDown(whenDown)}
		if scanner != "" {
			s, err := gate.NewClamd(scanner)
			if err != nil {
				return usageError{c.CommandPath(), err}
			}
			conf.Scanner = s
		}
		v, err := checkFile(c, conf, r, args[0], name)
		if err != nil {
			return usageError{c.CommandPath(), err}
		}
		return showVerdict(c.OutOrStdout(), v, asJSON)
	}
	return c
}

func known(r gate.Rules, whenDown string) error {
	for _, x := range []struct {
		flag   string
		values []string
		known  []string
	}{
		{"--kinds", r.Kinds, []string{gate.KindHL7, gate.KindFHIR, gate.KindPDF, gate.KindCSV}},
		{"--encrypted", r.Encrypted, []string{gate.KindAge, gate.KindOpenPGP, gate.KindCMS, gate.KindPDF}},
		{"--when-down", []string{whenDown}, []string{string(gate.Refuse), string(gate.Hold), string(gate.PassAndTell)}},
	} {
		for _, v := range x.values {
			if !slices.Contains(x.known, v) {
				return fmt.Errorf("%s takes %s, not %q", x.flag, strings.Join(x.known, ", "), v)
			}
		}
	}
	return nil
}

func checkFile(c *cobra.Command, conf gate.Config, r gate.Rules, path, name string) (gate.Verdict, error) {
	in, err := os.Open(path)
	if err != nil {
		return gate.Verdict{}, err
	}
	defer func() { _ = in.Close() }()
	st, err := in.Stat()
	if err != nil {
		return gate.Verdict{}, err
	}
	if !st.Mode().IsRegular() {
		return gate.Verdict{}, fmt.Errorf("%s is no file", path)
	}
	if name == "" {
		name = filepath.Base(path)
	}
	return gate.New(conf).Check(c.Context(), gate.File{Folder: "inbox", Name: name, Size: st.Size(), Body: in}, r)
}

func showVerdict(w io.Writer, v gate.Verdict, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("print verdict: %w", err)
		}
	} else {
		word := "refused"
		switch {
		case v.Pass:
			word = "passes"
		case v.Held:
			word = "held for a person"
		}
		kind := v.Kind
		if kind == "" {
			kind = "of no known kind"
		}
		fmt.Fprintf(w, "%s (%s)\n", word, kind)
		if v.Reason != "" {
			fmt.Fprintf(w, "The sender reads: %s\n", v.Reason)
		}
		if v.Critical && !v.Pass {
			fmt.Fprintln(w, "It holds a critical result, or may hold results and could not be read: the hub would open a phone task.")
		} else if v.Critical {
			fmt.Fprintln(w, "It holds a result that its sender flags critical.")
		}
	}
	if !v.Pass {
		return errSilent
	}
	return nil
}
