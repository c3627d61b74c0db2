package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// replay are the flags of check --replay.
type replay struct {
	day, from string
	reveal    bool
}

func (r *replay) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.day, "replay", "", "run the messages of this day (2026-01-31, UTC) through the file")
	f.StringVar(&r.from, "from", "", "with --replay: only those of this source")
	f.BoolVar(&r.reveal, "reveal", false, "with --replay: show the values too (patient data)")
}

func (r *replay) run(c *cobra.Command, f *hubFlags, file *draft) error {
	day, err := time.Parse(time.DateOnly, r.day)
	if err != nil {
		return usageError{c.CommandPath(), errors.New("write the day like 2026-01-31")}
	}
	return f.deskOf(c, file, func(d desk.Desk) error {
		out := c.OutOrStdout()
		lines := json.NewEncoder(out)
		ask := desk.ReplayRequest{Day: day, Draft: file.target(), Source: r.from, Reveal: r.reveal}
		sum, err := d.Replay(c.Context(), ask, func(x results.Difference) error {
			if *f.json {
				return lines.Encode(x)
			}
			return showDifference(out, x)
		}, progress(c.ErrOrStderr()))
		if err != nil {
			return err
		}
		if *f.json {
			return lines.Encode(struct {
				Summary desk.ReplaySummary `json:"summary"`
			}{sum})
		}
		fmt.Fprintf(out, "%s: %d messages looked at, %d would fare differently", r.day, sum.Messages, sum.Changed)
		for _, k := range slices.Sorted(maps.Keys(sum.Kinds)) {
			fmt.Fprintf(out, ", %d %s", sum.Kinds[k], replayWords(k))
		}
		if sum.Unreadable > 0 {
			fmt.Fprintf(out, "; %d could not be read and were not judged", sum.Unreadable)
		}
		if sum.NotShown > 0 {
			fmt.Fprintf(out, "; %d differences more than one answer shows: ask for one source with --from", sum.NotShown)
		}
		fmt.Fprintln(out)
		return nil
	})
}

func replayWords(kind string) string {
	switch kind {
	case results.DiffRefused:
		return "would be refused"
	case results.DiffTaken:
		return "would be taken"
	case results.DiffPartner:
		return "to one more partner"
	case results.DiffNoPartner:
		return "no longer to a partner"
	case results.DiffState:
		return "sent or held otherwise"
	case results.DiffBytes:
		return "with other bytes"
	}
	return kind
}

func showDifference(w io.Writer, d results.Difference) error {
	head := fmt.Sprintf("%s  %s  %s", d.ReceivedAt.Format("15:04:05"), d.Message, d.Source)
	if d.Partner != "" {
		head += " -> " + d.Partner
	}
	var err error
	switch d.Kind {
	case results.DiffRefused:
		_, err = fmt.Fprintf(w, "%s: would be refused (%s)\n", head, d.Becomes)
	case results.DiffTaken:
		_, err = fmt.Fprintf(w, "%s: was refused (%s), would be taken\n", head, d.Was)
	case results.DiffPartner:
		_, err = fmt.Fprintf(w, "%s: new; %s\n", head, d.Becomes)
	case results.DiffNoPartner:
		_, err = fmt.Fprintf(w, "%s: no longer goes there (was %s)\n", head, d.Was)
	case results.DiffState:
		_, err = fmt.Fprintf(w, "%s: %s; was %s\n", head, d.Becomes, d.Was)
	case results.DiffBytes:
		_, err = fmt.Fprintf(w, "%s: other bytes\n%s", head, pathLines(d.Paths))
	}
	return err
}

func pathLines(paths []results.PathChange) string {
	var b strings.Builder
	for _, p := range paths {
		if p.From == "" && p.To == "" {
			fmt.Fprintf(&b, "    %s\n", p.Path)
			continue
		}
		fmt.Fprintf(&b, "    %s: %q -> %q\n", p.Path, p.From, p.To)
	}
	return b.String()
}

// progress tells at most once a second how far it is.
func progress(w io.Writer) func(int64) {
	next := time.Now().Add(time.Second)
	return func(done int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			fmt.Fprintf(w, "%d messages looked at ...\n", done)
		}
	}
}
