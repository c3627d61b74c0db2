package config

// VPN is an IPsec VPN that a partner keeps. Labwarden does not run it; it looks
// whether the far side is reached through it.
type VPN struct {
	Peer    string   `yaml:"peer" rule:"required" ex:"198.51.100.7, Hilltop's firewall" doc:"The other end of the VPN, in words."`
	Check   Address  `yaml:"check" rule:"required" ex:"10.40.1.10:2576" doc:"HOST:PORT at the far side that answers TCP connections through the VPN and not without it."`
	Every   Duration `yaml:"every" default:"1m" rule:"min=10s,max=1h" doc:"How often it is tried."`
	Cipher  string   `yaml:"cipher" ex:"IKEv2, AES-256-GCM, SHA-384, group 20" doc:"What encrypts it, as somebody told you: Labwarden cannot see it."`
	ToldBy  string   `yaml:"told_by" ex:"M. Okafor" doc:"Who told you the cipher."`
	ToldOn  Date     `yaml:"told_on" ex:"2026-03-02" doc:"And when."`
	Expires Date     `yaml:"expires" ex:"2027-06-30" doc:"When its key, certificate or contract ends. Warnings come 30, 14, 7 and 1 days before; nothing stops by itself."`
	Owner   string   `yaml:"owner" rule:"required" ex:"S. Lindqvist" doc:"Who sees to it."`
}

func (d *decoder) checkVPNs(c *Config) {
	for _, name := range sorted(c.VPNs) {
		v, at := c.VPNs[name], join("vpns", name)
		if d.bad(at) {
			continue
		}
		if v.Cipher != "" && (v.ToldBy == "" || v.ToldOn == "") {
			d.addKey(at+".cipher", Error, "write told_by: NAME and told_on: DAY", "nobody stands for the cipher: Labwarden cannot see it")
		}
	}
}
