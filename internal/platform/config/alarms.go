package config

// Alarms says when a person is called, and who.
type Alarms struct {
	CriticalAfter   Duration    `yaml:"critical_after" default:"10m" rule:"min=1m,max=24h" doc:"A critical or unreadable result not acknowledged within this time opens a phone task in the laboratory. The laboratory director sets it."`
	DateOwner       string      `yaml:"date_owner" ex:"M. Okafor" doc:"The person who sees to certificates before they end. Alarms about them come 30, 14, 7 and 1 days before, and past the end."`
	QuarantineAfter Duration    `yaml:"quarantine_after" default:"1h" rule:"min=1m,max=30d" doc:"A message that has waited in quarantine for longer raises an alarm; many at one time, or a control id used again for another message, do so at once."`
	DiskFree        Size        `yaml:"disk_free" default:"2GiB" rule:"min=16MiB" doc:"Less free space than this where the data folder is raises an alarm; a quarter of it an urgent one."`
	OnCall          []OnCall    `yaml:"on_call" sample:"off" doc:"Who is told of alarms, in this order: the first at once, the next when the one before has not accepted in time, and round again until someone accepts."`
	Repeat          Duration    `yaml:"repeat" default:"1h" rule:"min=1m,max=7d" doc:"The pause from person to person once everybody was told and nobody has accepted."`
	AcceptedFor     Duration    `yaml:"accepted_for" default:"24h" rule:"min=10m,max=30d" doc:"How long an acceptance holds. An alarm that still stands then is told anew."`
	Mail            *MailServer `yaml:"mail" sample:"off" doc:"The mail server for ways of kind mail."`
	Heartbeat       *Heartbeat  `yaml:"heartbeat" sample:"off" doc:"Where a sign of life goes, so that a dead hub is noticed from outside (labwarden heartbeat watch)."`
}

// OnCall is a person on the on-call list.
type OnCall struct {
	Name string   `yaml:"name" rule:"required" ex:"M. Okafor" doc:"The person's name."`
	Wait Duration `yaml:"wait" default:"10m" rule:"min=1m,max=24h" doc:"How long this person has to accept an alarm before the next one is told."`
	Ways []Way    `yaml:"ways" rule:"required" doc:"How to reach this person; all of them are used."`
}

// Way is one way to reach a person.
type Way struct {
	Kind   string `yaml:"kind" rule:"required,oneof=mail|webhook" ex:"mail" doc:"mail sends a message by alarms.mail; webhook posts signed JSON to a gateway for text messages, push or calls."`
	To     string `yaml:"to" ex:"m.okafor@millbrook.example" doc:"For mail: the address. For webhook: what the gateway needs to know, a number for example; it may be left out."`
	URL    URL    `yaml:"url" doc:"For webhook: https://HOST/PATH of the gateway."`
	Secret Secret `yaml:"secret" doc:"For webhook: what signs the requests, at least 16 bytes, as vault:NAME or file:PATH."`
	CA     Path   `yaml:"ca" rule:"file" doc:"For webhook: PEM file of the authorities that may vouch for the gateway; the system's when absent."`
}

// MailServer is what alarms are mailed by.
type MailServer struct {
	Server   Address `yaml:"server" rule:"required" ex:"smtp.millbrook.example:587" doc:"HOST:PORT. Its certificate must be for HOST."`
	TLS      string  `yaml:"tls" default:"starttls" rule:"oneof=starttls|implicit" doc:"starttls turns the connection into TLS before anything else; implicit speaks TLS from the first byte (port 465). Plaintext is never used."`
	From     string  `yaml:"from" rule:"required" ex:"labwarden@millbrook.example" doc:"The sender's address."`
	User     string  `yaml:"user" doc:"Our user name there; none when the server knows us by our address."`
	Password Secret  `yaml:"password" doc:"Its password, as vault:NAME or file:PATH."`
	CA       Path    `yaml:"ca" rule:"file" doc:"PEM file of the authorities that may vouch for the server; the system's when absent."`
}

// Heartbeat is the sign of life to a second machine.
type Heartbeat struct {
	URL   URL      `yaml:"url" rule:"required" ex:"https://watch.millbrook.example:2581/" doc:"Where the watcher listens."`
	Every Duration `yaml:"every" default:"30s" rule:"min=1s,max=30s" doc:"How often. Longer than 30s would make a dead hub noticed later than two minutes."`
	CA    Path     `yaml:"ca" rule:"file" doc:"PEM file of the authorities that may vouch for the watcher; the system's when absent."`
}
