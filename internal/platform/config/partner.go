package config

// Partner receives results.
type Partner struct {
	Name        string        `yaml:"name" rule:"required" ex:"Riverside Family Practice" doc:"The partner's name as people read it."`
	Providers   []Provider    `yaml:"providers" doc:"Ordering providers that belong to it. A route with check: ordering_provider sends nothing else."`
	Accounts    []string      `yaml:"accounts" doc:"Client account numbers that belong to it. A route with check: account sends nothing else."`
	Destination Destination   `yaml:"destination" rule:"required" doc:"Where its results go: exactly one of mllp, fhir, fhir_pull, http, sftp, ftps, folder, box and portal."`
	Box         *Box          `yaml:"box" sample:"off" doc:"The partner's drop box here, for SFTP and FTPS: who may come to it."`
	Count       *PartnerCount `yaml:"count" sample:"off" doc:"Counts the partner by a list of what it has, which it puts into its box each day. Without it a partner is counted by what it picked up, or by asking its FHIR server, where that can be; otherwise it is not countable."`
	Retry       Retry         `yaml:"retry" doc:"What happens while it cannot be reached."`
	Contact     *Contact      `yaml:"contact" sample:"off" doc:"Whom to tell at the partner, of maintenance windows for example. Never of a patient."`
	AlarmAfter  Duration      `yaml:"alarm_after" default:"15m" rule:"min=1m,max=7d" doc:"A result waiting longer than this raises an alarm."`

	CriticalAfter Duration `yaml:"critical_after" rule:"min=1m,max=24h" doc:"For this partner, instead of alarms.critical_after. Where the source has one too, the shorter holds. The laboratory director sets it."`
}

// Contact is a person or desk at a partner.
type Contact struct {
	Name  string `yaml:"name" rule:"required" ex:"Riverside IT desk" doc:"Who it is."`
	Mail  string `yaml:"mail" ex:"it@riverside.example" doc:"Address that Labwarden writes to, by alarms.mail."`
	Phone string `yaml:"phone" ex:"+1 555 0100" doc:"For people to call."`
}

// Provider is an ordering provider's identifier.
type Provider struct {
	ID        string `yaml:"id" rule:"required" ex:"1234567893" doc:"The identifier as it stands in the order (OBR-16.1)."`
	Authority string `yaml:"authority" rule:"required" ex:"NPI" doc:"Who assigned it (OBR-16.9). The same number from another authority is another person."`
}

// Destination is where results go. Exactly one of its fields but Encrypt is set.
type Destination struct {
	MLLP     *MLLPDestination     `yaml:"mllp" doc:"HL7 v2 over MLLP with TLS."`
	FHIR     *FHIRDestination     `yaml:"fhir" sample:"off" doc:"A FHIR R4 transaction bundle over HTTPS."`
	FHIRPull *FHIRPullDestination `yaml:"fhir_pull" sample:"off" doc:"The partner's program fetches its results from our FHIR R4 server, which node.fhir opens."`
	HTTP     *HTTPDestination     `yaml:"http" sample:"off" doc:"The message as the body of an HTTPS POST."`
	SFTP     *SFTPDestination     `yaml:"sftp" sample:"off" doc:"One file per message on the partner's SFTP server, renamed into place when it is whole."`
	FTPS     *FTPSDestination     `yaml:"ftps" sample:"off" doc:"One file per message on the partner's FTP server with TLS, renamed into place when it is whole."`
	Folder   *FolderDestination   `yaml:"folder" sample:"off" doc:"One file per message, renamed into place when it is whole."`
	Box      *BoxDestination      `yaml:"box" sample:"off" doc:"A file in the partner's box here, which the partner fetches by SFTP or FTPS."`
	Portal   *PortalDestination   `yaml:"portal" sample:"off" doc:"The provider portal, for a practice that has nothing but a browser: portal: {}. Who of it may look is decided on the partner's page; docs/use/portal-for-the-lab.md."`
	Tunnel   string               `yaml:"tunnel" rule:"name" ex:"riverside" sample:"off" doc:"Name of the tunnel through which an mllp, fhir, http, sftp or ftps destination is reached (labwarden tunnel list). Its address is then one at the far side, which must be on the tunnel's list; of an FTP server so must be the ports of its data connections, HOST:FIRST-LAST."`
	Encrypt  *Encrypt             `yaml:"encrypt" sample:"off" doc:"Encrypts each body to the partner's key, end to end; for http, sftp, ftps, folder and box."`
}

// MLLPDestination is a partner's MLLP listener.
type MLLPDestination struct {
	Address             Address    `yaml:"address" rule:"required" ex:"hl7.riverside.example:2576" doc:"HOST:PORT."`
	TLS                 *ClientTLS `yaml:"tls" doc:"TLS 1.3. Without it the connection is plaintext, which needs an exception unless the partner is on this machine."`
	ReplyTimeout        Duration   `yaml:"reply_timeout" default:"30s" rule:"min=1s,max=10m" doc:"How long to wait for the acknowledgement."`
	Connections         int        `yaml:"connections" default:"1" rule:"min=1,max=64" doc:"How many connections to keep, each with one message in flight. Results of one patient or order keep their sequence whatever this says; most receivers take one connection only."`
	AwaitApplicationAck bool       `yaml:"await_application_ack" doc:"In enhanced mode, wait for the application's acknowledgement after the commit acknowledgement."`
	Exception           *Exception `yaml:"exception" sample:"off" doc:"Allows plaintext or TLS 1.2 for a stated time and reason."`
}

// ClientTLS is whom we accept at the other end, and who we are to them.
type ClientTLS struct {
	CA          Path        `yaml:"ca" rule:"file" ex:"./tls/riverside-ca.crt" doc:"PEM file of the authorities that may vouch for the partner. For https the system's when neither this nor fingerprint is given."`
	Fingerprint Fingerprint `yaml:"fingerprint" doc:"SHA-256 fingerprint of the partner's certificate; no other is accepted."`
	OwnCA       bool        `yaml:"own_ca" doc:"Accept a certificate that the laboratory's own authority has issued to this partner, and no other's. Without a certificate here we show one of that authority, which renews itself."`
	Pinned      bool        `yaml:"pinned" doc:"Accept the certificates imported for this partner with labwarden cert import."`
	ServerName  string      `yaml:"server_name" doc:"The name its certificate carries, when it is not the host of the address."`
	Certificate Path        `yaml:"certificate" rule:"file" doc:"Our client certificate here, when it is not the one of node.tls."`
	Key         Path        `yaml:"key" rule:"file" doc:"Its private key."`
}

// FHIRDestination is a partner's FHIR R4 server.
type FHIRDestination struct {
	Base         URL        `yaml:"base" rule:"required" ex:"https://fhir.riverside.example/r4" doc:"Base address of the server."`
	TLS          *ClientTLS `yaml:"tls" sample:"off" doc:"Whom we accept and who we are."`
	Auth         Auth       `yaml:"auth" doc:"How we prove who we are."`
	ReplyTimeout Duration   `yaml:"reply_timeout" default:"30s" rule:"min=1s,max=10m" doc:"How long to wait for the response."`
	Count        *FHIRCount `yaml:"count" sample:"off" doc:"Asks the server each night whether it has what we sent. It must let us search."`
	Exception    *Exception `yaml:"exception" sample:"off" doc:"Allows plaintext or TLS 1.2 for a stated time and reason."`
}

// Auth is how we prove who we are to a FHIR server.
type Auth struct {
	Kind     string `yaml:"kind" default:"mutual" rule:"oneof=none|mutual|oauth2" doc:"mutual shows our client certificate; oauth2 is client credentials with a signed assertion; none proves nothing."`
	TokenURL URL    `yaml:"token_url" doc:"For oauth2: where tokens are issued."`
	ClientID string `yaml:"client_id" doc:"For oauth2: our name there."`
	Key      Secret `yaml:"key" doc:"For oauth2: the private key that signs, as vault:NAME or file:PATH."`
	Scope    string `yaml:"scope" doc:"For oauth2: the scope to ask for; none when absent."`
}

// FHIRPullDestination is a partner's program that fetches.
type FHIRPullDestination struct {
	ClientID       string   `yaml:"client_id" rule:"required,name" ex:"riverside-ehr" doc:"The program's name at the token endpoint; no other partner has it."`
	Keys           Path     `yaml:"keys" rule:"required,file" ex:"./partners/riverside.jwks" doc:"File with the program's public keys, a JSON Web Key Set for RS384 or ES384. The partner gives it to you; it holds nothing secret."`
	Scopes         []string `yaml:"scopes" ex:"system/*.rs" doc:"What the program may ask for, for example system/*.rs, system/DiagnosticReport.rs, system/Subscription.cruds. system/*.rs when absent."`
	Pace           int      `yaml:"requests_per_minute" default:"600" rule:"min=10,max=100000" doc:"Requests of the program in a minute; a fifth of them may come at once. More are answered with 429 and when to come back."`
	PickedUpWithin Duration `yaml:"picked_up_within" rule:"min=5m,max=366d" doc:"A result whose report the program has not fetched after this time raises an alarm. Not looked at when absent."`
	Notify         []Notify `yaml:"notify" sample:"off" doc:"Where the program may have itself told that something is there (Subscription). Nowhere else is ever asked."`
}

// Notify is where a partner may be told that something is there.
type Notify struct {
	Endpoint URL        `yaml:"endpoint" rule:"required" ex:"https://ehr.riverside.example/hooks" doc:"https://HOST/PATH; endpoints below it are allowed too."`
	TLS      *ClientTLS `yaml:"tls" sample:"off" doc:"Whom we accept there."`
	Private  bool       `yaml:"private_address" doc:"Allows an address of a private network or of this machine. Without it only public ones are reached."`
}

// HTTPDestination takes the message as the body of a POST.
type HTTPDestination struct {
	URL          URL        `yaml:"url" rule:"required" ex:"https://intake.riverside.example/hl7" doc:"Where to post."`
	TLS          *ClientTLS `yaml:"tls" sample:"off" doc:"Whom we accept and who we are."`
	Token        Secret     `yaml:"token" doc:"A bearer token, as vault:NAME or file:PATH."`
	ReplyTimeout Duration   `yaml:"reply_timeout" default:"30s" rule:"min=1s,max=10m" doc:"How long to wait for the response."`
	Exception    *Exception `yaml:"exception" sample:"off" doc:"Allows plaintext or TLS 1.2 for a stated time and reason."`
}

// FolderDestination is a folder the partner collects from.
type FolderDestination struct {
	Path     Path   `yaml:"path" rule:"required,folder" ex:"/srv/riverside/in" doc:"The folder; it must exist."`
	Receipts bool   `yaml:"receipts" doc:"Writes a signed receipt beside each file: NAME.receipt.json, which labwarden verify checks offline."`
	Name     string `yaml:"name" default:"{time}-{id}.hl7" doc:"File name: {id} (needed: the delivery), {time}, {date}, {partner}, {route} and plain characters. Never patient data."`
}

// PortalDestination is the practice's place in the provider portal.
type PortalDestination struct {
	RemindAfter Duration `yaml:"remind_after" default:"24h" rule:"min=1h,max=31d" doc:"A result that nobody of the practice has opened or fetched for this long is an item on Today."`
}

// Encrypt is whom a body is encrypted to. Exactly one of its fields is set.
type Encrypt struct {
	Age     []string `yaml:"age" doc:"age recipients (age1...)."`
	OpenPGP Path     `yaml:"openpgp" rule:"file" doc:"File with the partner's OpenPGP public key."`
	Keys    string   `yaml:"keys" rule:"oneof=registered" doc:"registered: the keys of this partner's page that are in use when it is sent. They are compared by phone and changed there, without a change here."`
	CMS     Path     `yaml:"cms" rule:"file" doc:"PEM file with the partner's certificate, for CMS (S/MIME) enveloped data."`
}

// Retry is what happens while a partner cannot be reached.
type Retry struct {
	First       Duration `yaml:"first" default:"5s" rule:"min=100ms,max=1h" doc:"Wait before the second attempt; it doubles, with jitter."`
	Max         Duration `yaml:"max" default:"10m" rule:"min=1s,max=24h" doc:"The longest wait between attempts."`
	GiveUpAfter Duration `yaml:"give_up_after" default:"72h" rule:"min=1m,max=366d" doc:"A result that the partner keeps answering badly is tried for this time; then it needs a person. A partner that cannot be reached is never given up. Nothing is dropped."`
	Breaker     Breaker  `yaml:"breaker" doc:"Stops trying for a while when nothing gets through."`
}

// Breaker is the circuit breaker of one partner.
type Breaker struct {
	Failures int      `yaml:"failures" default:"5" rule:"min=1,max=1000" doc:"Failures in a row that open it."`
	Pause    Duration `yaml:"pause" default:"30s" rule:"min=1s,max=1h" doc:"The longest it stays open before one delivery tries again."`
}
