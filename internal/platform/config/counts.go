package config

import (
	"path"
	"time"
)

// Counts is when what partners have is held against what was delivered.
type Counts struct {
	At   string `yaml:"at" default:"03:30" doc:"When, each night, in this machine's time: HH:MM."`
	Days int    `yaml:"days" default:"7" rule:"min=1,max=31" doc:"How many days are counted. What was delivered within the last 24 hours is left out: the partner is given a day."`
}

// Time is At as the time since midnight.
func (c Counts) Time() time.Duration {
	at, err := time.Parse("15:04", c.At)
	if err != nil {
		return 0 // refused when the file was read
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

// PartnerCount is the list by which a partner is counted.
type PartnerCount struct {
	List string `yaml:"list" default:"count-*.csv" doc:"Name of the files in the inbox of its box in which it lists what it has; the newest one that came since the last count is taken. See docs/use/counting.md for what stands in it."`
}

// FHIRCount is how a FHIR server is asked for what it has.
type FHIRCount struct {
	Search string `yaml:"search" default:"DiagnosticReport" rule:"oneof=DiagnosticReport|Provenance" doc:"What is searched for there, by the identifiers under which it was sent: DiagnosticReport finds the report in whichever version; Provenance finds the very message, where the server keeps it."`
}

func (d *decoder) checkCounts(c *Config) {
	if _, err := time.Parse("15:04", c.Counts.At); err != nil && !d.bad("counts.at") {
		d.add("counts.at", "write a time like 03:30", "%s is no time of day", quote(c.Counts.At))
	}
	for _, name := range sorted(c.Partners) {
		p, at := c.Partners[name], join("partners", name)+".count"
		if p.Count == nil || d.bad(at) {
			continue
		}
		if p.Box == nil {
			d.addKey(at, Error, "write box: below the partner, or remove count:", "its list comes into its box, and it has none")
		}
		if _, err := path.Match(p.Count.List, "x"); err != nil {
			d.add(at+".list", "write a pattern like count-*.csv", "%s is no pattern", quote(p.Count.List))
		}
	}
}
