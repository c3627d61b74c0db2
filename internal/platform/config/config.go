package config

// Config is a whole configuration. A nil pointer is a section that was not written.
//
// The tags of every field here and below: yaml is the key, doc the reference
// text, default what holds when it is absent, rule the validation (required,
// min=, max=, oneof=a|b, name, ref=source|partner, file, folder, one), ex what
// the sample shows and key the example key of a map. sample:"off" shows a
// section commented out.
type Config struct {
	Lab       Lab                `yaml:"lab" doc:"Who this laboratory is."`
	Node      Node               `yaml:"node" doc:"What belongs to this machine alone. It is read from the file at every start and is no part of the applied revision."`
	Sites     map[string]Site    `yaml:"sites" key:"main" sample:"off" doc:"The sites of the laboratory, or the laboratories this hub serves, by a name of your choice. A source says which it belongs to, and a person's role may be narrowed to some: docs/use/sites.md. Without this section there is one laboratory and no word of sites."`
	Sources   map[string]Source  `yaml:"sources" key:"lis" rule:"required" doc:"Who sends to us, by a name of your choice (letters, digits, - and _)."`
	Partners  map[string]Partner `yaml:"partners" key:"riverside" doc:"Who receives results. A partner is its key here for good: deliveries, proofs and history carry it."`
	VPNs      map[string]VPN     `yaml:"vpns" key:"hilltop" sample:"off" doc:"IPsec VPNs that partners keep, watched: docs/use/tunnels.md. MLLP with TLS runs inside them as anywhere else."`
	Routes    []Route            `yaml:"routes" doc:"Which message goes where. Every route whose from and when hold is taken; a message no route takes is kept in quarantine."`
	Tables    map[string]Table   `yaml:"tables" key:"units" sample:"off" doc:"Tables for the map step of a transform: what comes in, and what goes out instead."`
	Retention Retention          `yaml:"retention" doc:"How long things are kept. Age and size never delete what a legal minimum or a hold protects; they raise an alarm."`
	Adoption  Adoption           `yaml:"adoption" doc:"What a route needs before it may carry."`
	Alarms    Alarms             `yaml:"alarms" doc:"When a person is called."`
	Counts    Counts             `yaml:"counts" doc:"When what partners have is counted against what was delivered."`
	Witnesses []Witness          `yaml:"witnesses" sample:"off" doc:"Who outside this machine keeps our checkpoints, so that a database rolled back to yesterday is noticed. Two kinds are advised."`
	Changes   *Changes           `yaml:"changes" sample:"off" doc:"How this configuration itself is changed from the pages."`
	Profiles  *Profiles          `yaml:"profiles" sample:"off" doc:"Which parts of Labwarden are switched on. What is off has no menu, port or job."`
	SignIn    *SignIn            `yaml:"sign_in" sample:"off" doc:"How people sign in besides passkeys and passwords, which are always there."`
	Portal    Portal             `yaml:"portal" doc:"What the provider portal says and shows."`
	Log       Log                `yaml:"log" doc:"What the program writes about itself; never patient data."`
}

// Adoption says what a route needs before it may carry, besides the director's
// approval.
type Adoption struct {
	Days int      `yaml:"days" default:"14" rule:"min=1,max=366" doc:"Days on which messages were compared and no difference was left unexplained. A day on which nothing was compared does not count."`
	Wait Duration `yaml:"wait" default:"15m" rule:"min=10s,max=48h" doc:"How long one of the two paths may be ahead of the other before a message counts as delivered by one only."`
	Keep Duration `yaml:"keep" default:"90d" rule:"min=1d,max=10y" doc:"How long the values of a comparison that differed are kept (sealed); those of equal ones are not."`
}

// Table maps what comes in to what goes out.
type Table map[string]string

// Lab names the laboratory.
type Lab struct {
	Name string `yaml:"name" rule:"required" ex:"Millbrook Laboratory" doc:"The laboratory's name as people read it."`
	ID   string `yaml:"id" rule:"required,name" ex:"millbrook" doc:"Short name: the origin of the ledger and the name of its key. It must not change once results have been carried."`
}

// Site is a place of the laboratory, or one of several laboratories.
type Site struct {
	Name string `yaml:"name" rule:"required" ex:"Main laboratory" doc:"The site's name as people read it."`
}

// Node is local to one machine.
type Node struct {
	Name     string            `yaml:"name" rule:"name" doc:"What this node is called in the ledger, in status and in metrics; this machine's name when absent. Each node of a laboratory needs its own."`
	Data     Path              `yaml:"data" default:"./data" doc:"Folder of the database and what belongs to it."`
	Database Database          `yaml:"database" doc:"Where everything is stored."`
	Seals    []Seal            `yaml:"seals" rule:"required" more:"{kind: passphrase}" doc:"What opens the vault at start. Use at least two, one of which needs no person, so that results flow again after a power cut."`
	Metrics  Metrics           `yaml:"metrics" doc:"Metrics and health, on an address of their own."`
	Control  Control           `yaml:"control" doc:"How the command line reaches a running hub."`
	Web      *Web              `yaml:"web" doc:"The pages and the JSON API. Without this section there are none."`
	Front    *Front            `yaml:"front" sample:"off" doc:"The partner front, a process of its own that partners reach: docs/operate/front.md. Without this section there is none."`
	Enrol    *Enrol            `yaml:"enrol" sample:"off" doc:"Where devices, partners and services fetch and renew certificates of the laboratory's own authority: docs/operate/certificates.md."`
	FHIR     *FHIR             `yaml:"fhir" sample:"off" doc:"The FHIR R4 server for partners that fetch their results (destination fhir_pull). Without this section there is none."`
	ACME     *ACME             `yaml:"acme" sample:"off" doc:"The public authority that certificates come from by ACME, for the sites with acme: true: docs/operate/certificates.md. Without this section nobody outside is asked for one."`
	Tunnels  *Tunnels          `yaml:"tunnels" sample:"off" doc:"Tunnels to partners: docs/use/tunnels.md. Without this section there are none, and no port for them."`
	Portal   *PortalSite       `yaml:"portal" sample:"off" doc:"The provider portal's own site, apart from the laboratory's pages. Without this section partners with a portal destination get nothing to open."`
	Bypass   Bypass            `yaml:"bypass" doc:"The way round a hub that does not run: docs/operate/bypass.md."`
	Scanner  *Scanner          `yaml:"scanner" sample:"off" doc:"The virus scanner that looks at files of partners: docs/operate/content-gate.md. Without this section files are not scanned for viruses; everything else about them is checked all the same."`
	TLS      *KeyPair          `yaml:"tls" doc:"Our certificate, used by every listener and destination that names no other."`
	Listen   map[string]Listen `yaml:"listen" key:"lis" sample:"off" ex:"192.0.2.10:2575" rule:"ref=source" doc:"Addresses of this machine for the listeners of sources, by the name of the source. They replace sources.NAME.mllp.listen."`
}

// Database says which engine keeps the data.
type Database struct {
	Engine  string `yaml:"engine" default:"sqlite" rule:"oneof=sqlite|postgres" doc:"sqlite is built in and enough for one machine. postgres lets several nodes share the work."`
	URL     string `yaml:"url" doc:"For postgres: postgres://USER@HOST/DATABASE, without a password. On another machine it is reached by TLS only, unless sslmode=disable stands in it; sslmode=verify-full also proves that it is the right one."`
	DSNFile Path   `yaml:"dsn_file" rule:"file" doc:"For postgres: a file that holds the whole connection string, password included."`
}

// Seal opens the vault.
type Seal struct {
	Kind string `yaml:"kind" rule:"required,oneof=keyfile|passphrase|systemd" ex:"keyfile" doc:"keyfile reads a file; systemd a credential of the service manager; passphrase asks a person."`
	Path Path   `yaml:"path" ex:"./keys/root.key" doc:"For keyfile: the file. Keep it apart from the data folder and its backups."`
	Name string `yaml:"name" doc:"For systemd: the name of the credential."`
}

// Metrics is the address of metrics and health.
type Metrics struct {
	Listen Listen `yaml:"listen" default:"127.0.0.1:9464" doc:"IP:PORT for /metrics, /healthz and /readyz."`
}

// Control is the local command socket.
type Control struct {
	Socket Path `yaml:"socket" default:"./data/labwarden.sock" doc:"Unix socket; the kernel tells us which user calls."`
}

// Web is where the pages and the JSON API are.
type Web struct {
	Listen    Listen   `yaml:"listen" default:"127.0.0.1:8443" doc:"IP:PORT of the pages. The default answers this machine only; give an address of the laboratory's network to let others in."`
	PublicURL URL      `yaml:"public_url" default:"https://localhost:8443" doc:"How people's browsers reach the pages. Passkeys are tied to its host: choose it once."`
	TLS       *KeyPair `yaml:"tls" doc:"Certificate of the pages. Without it the hub makes one with a small authority of its own, whose root labwarden access root prints for your browsers."`
	ACME      bool     `yaml:"acme" sample:"off" doc:"Whether the pages show a certificate of the public authority of node.acme, for the host of public_url. In the place of tls; until it is there, the hub's own is shown."`
	ClientCA  Path     `yaml:"client_ca" rule:"file" sample:"off" ex:"./tls/services-ca.pem" doc:"PEM file with the authorities whose certificates service accounts may sign in with. A browser that holds such a certificate is asked for it."`
	Pace      int      `yaml:"requests_per_minute" default:"3000" rule:"min=600,max=1000000" doc:"Requests of one account in a minute, over all its sessions or tokens; a fifth of them may come at once, and an export counts as 60. More are answered with 429 and when to come back. Each node counts for itself."`
}

// Enrol is the door of the laboratory's own authority.
type Enrol struct {
	Listen  Listen   `yaml:"listen" default:"127.0.0.1:8446" doc:"IP:PORT. A door of its own: it asks for certificates, which would bother browsers at the pages. Enrolment over HTTPS (EST, RFC 7030), and the list of revoked certificates at /ca/crl."`
	Address Address  `yaml:"address" rule:"required" ex:"hub.millbrook.example:8446" doc:"HOST:PORT by which the others reach it. It stands in the tokens."`
	Names   []string `yaml:"names" ex:"hl7.millbrook.example" doc:"More host names and addresses that stand in the hub's own certificate, which its listeners with own_ca show as well."`
}

// FHIR is where the FHIR server for partners is.
type FHIR struct {
	Listen    Listen   `yaml:"listen" default:"127.0.0.1:8444" doc:"IP:PORT of the FHIR server. The default answers this machine only; with node.front.web there is none unless it is written here."`
	PublicURL URL      `yaml:"public_url" rule:"required" ex:"https://fhir.millbrook.example" doc:"How partners reach it, without a path; the server stands at /fhir below it. Tokens are only given to who names it."`
	TLS       *KeyPair `yaml:"tls" sample:"off" doc:"Its certificate; that of node.tls when absent. TLS 1.3 only."`
	ACME      bool     `yaml:"acme" sample:"off" doc:"Whether it shows a certificate of the public authority of node.acme, for the host of public_url. In the place of tls; until it is there, that of node.tls is shown, or one that nobody believes."`
}

// Bypass is what the way round a dead hub needs.
type Bypass struct {
	Key Path `yaml:"key" default:"./keys/bypass.key" doc:"File with the bypass key, made by init. It opens the bypass card and the bypass logs in the data folder and nothing else; whoever may open the bypass must be able to read it."`
}

// KeyPair is a certificate and its key.
type KeyPair struct {
	Certificate Path `yaml:"certificate" rule:"required,file" ex:"./tls/hub.crt" doc:"PEM file with our certificate and its chain."`
	Key         Path `yaml:"key" rule:"required,file" ex:"./tls/hub.key" doc:"PEM file with its private key."`
}

// Log is the program's own log.
type Log struct {
	Level  string `yaml:"level" default:"info" rule:"oneof=debug|info|warn|error" doc:"The least important line written."`
	Format string `yaml:"format" default:"text" rule:"oneof=text|json" doc:"text for people, json for a collector."`
}

// Retention says how long things are kept.
type Retention struct {
	Messages Duration `yaml:"messages" default:"10y" rule:"min=30d,max=200y" doc:"Age at which a delivered message is erased, unless a legal minimum or a hold keeps it longer."`
	MaxSize  Size     `yaml:"max_size" rule:"min=64MiB" doc:"Size of the stored messages above which an alarm is raised and the oldest that nothing protects are erased. No limit when absent."`
	Apart    Duration `yaml:"quarantine" default:"2y" rule:"min=30d,max=200y" doc:"How long the bytes of a quarantined message are kept after a person has decided about it. Open ones are never erased, and a refused one not before its legal minimum."`
	Minimum  Minimum  `yaml:"minimum" doc:"Legal minimum by kind of report, as far as federal law goes. States may ask for longer; shorter is refused."`
}

// Minimum is how long federal law keeps each kind of report, 42 CFR 493.1105(a)(6):
// 2 years; pathology and cytology 10; immunohaematology as 21 CFR 606.160(d) says,
// 10 years or 6 months past the product's last expiry. Checked against the state
// agencies' summaries of the rule (Massachusetts, Illinois 2013) and uses of
// 606.160(d) in public; the 5 years still found in print predate its amendment.
type Minimum struct {
	Reports           Duration `yaml:"reports" default:"2y" rule:"min=2y,max=200y" doc:"Reports of any other kind."`
	Immunohaematology Duration `yaml:"immunohaematology" default:"10y" rule:"min=10y,max=200y" doc:"Blood group, antibodies, crossmatch. A product that expires later keeps its report longer: see to that with a hold."`
	Pathology         Duration `yaml:"pathology" default:"10y" rule:"min=10y,max=200y" doc:"Histology, cytology and other pathology."`
}

// Witness keeps checkpoints outside.
type Witness struct {
	Kind  string   `yaml:"kind" rule:"required,oneof=http|folder" ex:"folder" doc:"http posts each checkpoint to a witness; folder writes it to a place another machine keeps."`
	Name  string   `yaml:"name" rule:"required,name" ex:"second-site" doc:"How alarms and proofs call it."`
	URL   URL      `yaml:"url" doc:"For http: where the witness takes checkpoints."`
	Key   string   `yaml:"key" doc:"For http: the witness's public key, name+hash+key as its note verifier shows it."`
	Token Secret   `yaml:"token" doc:"For http: a bearer token, as vault:NAME or file:PATH."`
	CA    Path     `yaml:"ca" rule:"file" doc:"For http: PEM file of the authorities that may vouch for it; the system's when absent."`
	Path  Path     `yaml:"path" ex:"/mnt/second-site/checkpoints" doc:"For folder: where to write."`
	Every Duration `yaml:"every" default:"10m" rule:"min=1s,max=7d" doc:"How often, when there is something new."`
}
