package setup

import (
	"strings"
)

// NewSource is what a form asks about a system that sends to us: the LIS, or the
// copy of an old path.
type NewSource struct {
	Key    string
	Kind   string // mllp or folder
	Listen string // IP:PORT
	// ClientCA or Fingerprint say whom we let in.
	ClientCA, Fingerprint string
	// From are networks it may connect from, one a line.
	From string
	Site string
	Path string // of a folder
}

var sourceFields = map[string]string{
	"mllp.listen": "listen", "mllp.tls.client_ca": "client-ca", "mllp.tls.fingerprints": "fingerprint", "mllp.tls": "fingerprint", "mllp": "listen",
	"from": "from", "site": "site", "folder.path": "path", "folder": "path",
}

// Write writes the source into a configuration; see NewPartner.Write.
func (n *NewSource) Write(src []byte, read Reader) ([]byte, error) {
	for _, s := range []*string{&n.Key, &n.Kind, &n.Listen, &n.ClientCA, &n.Fingerprint, &n.Site, &n.Path} {
		*s = strings.TrimSpace(*s)
	}
	c, problems := read(src)
	if c == nil {
		return nil, Wrong{"": "The configuration in force has errors here: " + problems.Err().Error()}
	}
	w := Wrong{}
	w.need("key", n.Key, "Write a short name, like lis.")
	if n.Key != "" && !keyPattern.MatchString(n.Key) {
		w["key"] = "Use small letters, digits and dashes, at most 40, and begin with a letter."
	}
	if _, there := c.Sources[n.Key]; there {
		w["key"] = "There is a source of this name already."
	}
	at := "sources." + n.Key + "."
	var settings []setting
	add := func(path string, value any) {
		if value != "" {
			settings = append(settings, setting{at + path, value})
		}
	}
	switch n.Kind {
	case "mllp":
		w.need("listen", n.Listen, "Write an address of this machine and a port, like 192.0.2.10:2575.")
		if n.ClientCA == "" && n.Fingerprint == "" {
			w["fingerprint"] = "Write the fingerprint of the certificate it shows, or below the file of the authority that vouches for it."
		}
		add("mllp.listen", n.Listen)
		if n.Fingerprint != "" {
			add("mllp.tls.fingerprints", []any{n.Fingerprint})
		}
		add("mllp.tls.client_ca", n.ClientCA)
	case "folder":
		w.need("path", n.Path, "Write the folder it exports to.")
		add("folder.path", n.Path)
	default:
		w["kind"] = "Choose how its messages come in."
	}
	if nets := items(n.From); len(nets) > 0 {
		list := []any{}
		for _, x := range nets {
			list = append(list, x)
		}
		add("from", list)
	}
	add("site", n.Site)
	if len(w) > 0 {
		return nil, w
	}
	return write(src, settings, read, func(path string) string {
		if f, ok := strings.CutPrefix(path, at); ok {
			return longest(sourceFields, f)
		}
		return ""
	})
}
