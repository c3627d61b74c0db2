package config

import "net/mail"

// Changes says how the configuration is changed. Both sections of this file are
// pointers without defaults of their own in the canonical form: a revision that
// was applied before they existed keeps its hash.
type Changes struct {
	Alone string `yaml:"alone" default:"nobody-else" rule:"oneof=nobody-else|never" doc:"One person writes a change and another applies it. nobody-else: where nobody else in the laboratory may apply, its only administrator may alone, with a written statement that another role reviews. never: not even then."`
}

// Profiles switches parts of Labwarden on and off.
type Profiles struct {
	Carry  string `yaml:"carry" default:"on" rule:"oneof=on|off" doc:"Results travel: sources, routes, partners, phone tasks. off leaves people and access, the record and the configuration."`
	People string `yaml:"people" default:"on" rule:"oneof=on|off" doc:"Pages about people: access reviews, accounts of other systems, business associates and vendors. Sign-in, roles and the record are always there."`
	Watch  string `yaml:"watch" default:"off" rule:"oneof=on|off" doc:"Watching devices and the network: not in this version."`

	Devices string `yaml:"devices" default:"off" rule:"oneof=on|off" doc:"Analyzers behind shields: not in this version."`
	Updates string `yaml:"updates" default:"off" rule:"oneof=on|off" doc:"Updates of devices and workstations: not in this version."`
}

// Profile is a part of Labwarden.
type Profile string

// The profiles of this version.
const (
	ProfileCarry  Profile = "carry"
	ProfilePeople Profile = "people"
)

// On says whether a part is switched on. What this version does not have is off.
func (c *Config) On(p Profile) bool {
	if c.Profiles == nil {
		return p == ProfileCarry || p == ProfilePeople
	}
	switch p {
	case ProfileCarry:
		return c.Profiles.Carry != "off"
	case ProfilePeople:
		return c.Profiles.People != "off"
	}
	return false
}

func (d *decoder) checkProfiles(c *Config) {
	if c.Profiles == nil {
		return
	}
	for key, value := range map[string]string{"watch": c.Profiles.Watch, "devices": c.Profiles.Devices, "updates": c.Profiles.Updates} {
		if at := "profiles." + key; value == "on" && !d.bad(at) {
			d.add(at, "write off, or leave it out", "this part is not in this version of Labwarden")
		}
	}
	if c.Profiles.Carry == "off" && !d.bad("profiles") {
		for _, r := range c.Routes {
			if r.Stage != "shadow" {
				d.add("profiles.carry", "take the routes back to shadow first", "route %s sends results", r.Name)
				return
			}
		}
	}
}

func (d *decoder) checkContact(p Partner, at string) {
	if p.Contact == nil || p.Contact.Mail == "" {
		return
	}
	if _, err := mail.ParseAddress(p.Contact.Mail); err != nil && !d.bad(at+".mail") {
		d.add(at+".mail", "write an address: it@partner.example", "%s is not a mail address", quote(p.Contact.Mail))
	}
}
