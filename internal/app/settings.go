package app

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// Validators judge the parts of a configuration whose language belongs to
// other packages.
func Validators() config.Validators {
	return config.Validators{
		When:     func(e string) error { _, err := results.Condition(e); return err },
		Path:     func(p string) error { _, err := hl7.ParsePath(p); return err },
		Starlark: func(name, source string) error { _, err := results.Script(name, source); return err },
	}
}

// settings turns the applied configuration into what the results domain uses.
// senders holds an open sender for each partner.
func (h *Hub) settings(c *config.Config, senders map[string]results.Sender) (*results.Settings, error) {
	set := &results.Settings{
		Revision: c.Revision(),
		Sources:  map[string]results.Source{},
		Sites:    map[string]string{},
		Partners: map[string]*results.Partner{},

		CriticalAfter: c.Alarms.CriticalAfter.Std(),
		Adoption:      results.Adoption{Days: c.Adoption.Days, Wait: c.Adoption.Wait.Std(), Keep: c.Adoption.Keep.Std()},
	}
	for name, s := range c.Sources {
		cs, ok := hl7.LookupCharset(s.Charset)
		if !ok {
			return nil, fmt.Errorf("source %s: character set %s cannot be read", name, s.Charset)
		}
		fields, err := accessionFields(s.AccessionFields)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", name, err)
		}
		set.Sources[name] = results.Source{Name: name, Site: s.Site, Window: s.ControlIDWindow.Std(), CriticalAfter: s.CriticalAfter.Std(), Charset: cs, AccessionFields: fields}
	}
	for key, s := range c.Sites {
		set.Sites[key] = s.Name
	}
	owns := map[string]results.Belonging{}
	for key, p := range c.Partners {
		b := results.Belonging{Accounts: p.Accounts}
		for _, pr := range p.Providers {
			b.Providers = append(b.Providers, results.Provider{ID: pr.ID, Authority: pr.Authority})
		}
		owns[key] = b
		set.Partners[key] = &results.Partner{
			Key: key, Name: p.Name, Sender: senders[key], Protocol: protocolOf(p.Destination), Render: h.render(c, key), AlarmAfter: p.AlarmAfter.Std(), Parallel: parallel(p.Destination),
			CriticalAfter: p.CriticalAfter.Std(),
			Retry: results.Retry{
				First: p.Retry.First.Std(), Max: p.Retry.Max.Std(), GiveUpAfter: p.Retry.GiveUpAfter.Std(), Breaker: p.Retry.Breaker.Failures, Pause: p.Retry.Breaker.Pause.Std(),
			},
		}
	}
	for _, r := range c.Routes {
		for _, from := range r.From {
			route, err := route(c, r, from, set.Sources[from].Charset, owns)
			if err != nil {
				return nil, fmt.Errorf("route %s: %w", r.Name, err)
			}
			set.Routes = append(set.Routes, route)
		}
	}
	return set, nil
}

// Offline are the settings of the configuration for a hub that is not to run:
// nothing can be sent with them.
func (h *Hub) Offline(c *config.Config) (*results.Settings, error) { return h.settings(c, nil) }

// parallel is how many messages of different lanes may be under way: one per
// connection over MLLP, several where requests are independent of each other.
func parallel(d config.Destination) int {
	switch {
	case d.MLLP != nil:
		return d.MLLP.Connections
	case d.SFTP != nil:
		return d.SFTP.Connections
	case d.FTPS != nil:
		return d.FTPS.Connections
	}
	return 4
}

// protocolOf names a destination in one word.
func protocolOf(d config.Destination) string {
	switch {
	case d.MLLP != nil:
		return "mllp"
	case d.FHIR != nil:
		return "fhir"
	case d.HTTP != nil:
		return "http"
	case d.FHIRPull != nil:
		return "fhir"
	case d.SFTP != nil:
		return "sftp"
	case d.FTPS != nil:
		return "ftps"
	case d.Folder != nil:
		return "folder"
	case d.Box != nil:
		return "box"
	case d.Portal != nil:
		return "portal"
	}
	return "unknown"
}

func route(c *config.Config, r config.Route, from string, cs hl7.Charset, owns map[string]results.Belonging) (results.Route, error) {
	out := results.Route{Name: r.Name, From: from, To: r.To, Config: routeHash(c, r), OldPath: r.OldPath}
	switch r.Stage {
	case "parallel":
		out.Stage = results.Parallel
	case "carry":
		out.Stage = results.Carry
	default:
		out.Stage = results.Shadow
	}
	switch r.Check {
	case "ordering_provider":
		out.Owner = results.ByProvider(owns)
	case "account":
		out.Owner = results.ByAccount(owns)
	}
	var err error
	if r.When != "" {
		if out.When, err = results.Condition(r.When); err != nil {
			return out, err
		}
	}
	steps := make([]results.Change, 0, len(r.Transform))
	for _, t := range r.Transform {
		s, err := step(c, t)
		if err != nil {
			return out, err
		}
		steps = append(steps, s)
	}
	if len(steps) > 0 {
		out.Transform = results.Transformer(steps, cs)
	}
	return out, nil
}

func step(c *config.Config, t config.Transform) (results.Change, error) {
	switch {
	case t.Set != nil:
		p, err := hl7.ParsePath(t.Set.Path)
		return results.SetTo(p, t.Set.Value), err
	case t.Copy != nil:
		from, err := hl7.ParsePath(t.Copy.From)
		if err != nil {
			return nil, err
		}
		to, err := hl7.ParsePath(t.Copy.To)
		return results.CopyFrom(from, to), err
	case t.Remove != "":
		p, err := hl7.ParsePath(t.Remove)
		return results.RemoveAt(p), err
	case t.Map != nil:
		p, err := hl7.ParsePath(t.Map.Path)
		return results.MapBy(p, maps.Clone(c.Tables[t.Map.Table]), t.Map.Otherwise == "keep"), err
	case t.Starlark != nil:
		return results.Script(string(t.Starlark.File), t.Starlark.Source)
	}
	return nil, fmt.Errorf("a step of the transformation says nothing")
}

// sorted returns the keys of m in order, so that start and stop are the same
// every time.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// accessionFields are the numbers of OBR fields, given as OBR-18.
func accessionFields(names []string) ([]int, error) {
	out := make([]int, 0, len(names))
	for _, n := range names {
		number, ok := strings.CutPrefix(n, "OBR-")
		f, err := strconv.Atoi(number)
		if !ok || err != nil {
			return nil, fmt.Errorf("accession field %s: write it as OBR-18", n)
		}
		out = append(out, f)
	}
	return out, nil
}
