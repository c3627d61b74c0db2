package results

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// A message belongs to the site its source had when it was taken: rows of
// results_sites say from which entry of the ledger on a source belongs to which,
// and are never changed. Nothing of it stands in the rows of messages: every one
// names its source and its entry already (docs/develop/decisions/sites.md).

// sites are those rows as this node knows them; one is never changed.
type sites struct{ of map[string][]sitedFrom }

// sitedFrom: to site from the entry since on.
type sitedFrom struct {
	since int64
	site  string
}

// at is the site of what came from the source with this entry; empty for none.
func (x *sites) at(source string, leaf int64) string {
	if x == nil {
		return ""
	}
	for _, f := range slices.Backward(x.of[source]) {
		if f.since < leaf {
			return f.site
		}
	}
	return ""
}

// any says whether there is a word of sites at all.
func (x *sites) any() bool { return x != nil && len(x.of) > 0 }

// SiteOf is the site of what came from a source and has this entry in the ledger:
// the one the source had then, whatever it has now. Empty: none.
func (s *Service) SiteOf(source string, leaf int64) string { return s.sites.Load().at(source, leaf) }

// PlaceSources writes down to which sites the sources belong from the entry since
// on, in the transaction of the configuration that says so. A source that is not
// named keeps its site: what came from it stays seen as it was. LoadSites takes
// it up.
func (s *Service) PlaceSources(ctx context.Context, tx *store.Tx, since int64, of map[string]string) error {
	for _, source := range slices.Sorted(maps.Keys(of)) {
		var was string
		err := tx.QueryRow(ctx, "SELECT site FROM results_sites WHERE source = $1 ORDER BY since DESC LIMIT 1", source).Scan(&was)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("read the site of a source: %w", err)
		}
		if was == of[source] {
			continue
		}
		if _, err := s.tags.Exec(ctx, tx, taggedSites, source, "INSERT INTO results_sites (since, source, site) VALUES ($1, $2, $3)", since, source, of[source]); err != nil {
			return fmt.Errorf("write the site of a source: %w", err)
		}
	}
	return nil
}

// LoadSites takes up what PlaceSources has written, here or on another node.
// Where the rows cannot be read, or were damaged, no source has a site: then only who sees all sites
// sees anything, and the audit names the rows.
func (s *Service) LoadSites(ctx context.Context) (err error) {
	defer func() {
		if err != nil { // nothing is shown by what may be out of date
			s.sites.Store(&sites{})
		}
	}()
	x := &sites{of: map[string][]sitedFrom{}}
	err = s.db.Query(ctx, "SELECT source, since, site FROM results_sites ORDER BY source, since", nil, func(row store.Scanner) error {
		var source string
		var f sitedFrom
		err := row.Scan(&source, &f.since, &f.site)
		x.of[source] = append(x.of[source], f)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the sites of sources: %w", err)
	}
	damaged := false
	if err := s.tags.Audit(ctx, s.db, taggedSites, func(string, string) { damaged = true }); err != nil {
		return fmt.Errorf("check the sites of sources: %w", err)
	}
	if damaged {
		s.slog.Error("ALARM: what says to which site a source belongs was changed in the database: nobody narrowed to a site sees anything until it is mended; run the audit")
		x = &sites{}
	}
	s.sites.Store(x)
	return nil
}

// Place is what is counted together: a partner and the site it came from.
type Place struct{ Partner, Site string }

// SitesOf are the sites whose results the settings send to a partner, each once
// and in order; the empty one stands for sources without a site.
func (set *Settings) SitesOf(partner string) []string {
	var out []string
	add := func(source string) {
		if site := set.Sources[source].Site; !slices.Contains(out, site) {
			out = append(out, site)
		}
	}
	for i := range set.Routes {
		r := &set.Routes[i]
		switch {
		case !slices.Contains(r.To, partner):
		case r.From == "":
			for name := range set.Sources {
				add(name)
			}
		default:
			add(r.From)
		}
	}
	if len(out) == 0 {
		out = []string{""}
	}
	slices.Sort(out)
	return out
}

// SiteName is what a site is called; its key where the settings have none.
func (set *Settings) SiteName(key string) string {
	if n := set.Sites[key]; n != "" {
		return n
	}
	return key
}
