package config

// Source is one sender. Exactly one of MLLP, Folder, SFTP and FTPS is set.
type Source struct {
	MLLP            *MLLPListener `yaml:"mllp" doc:"Receives HL7 v2 over MLLP. A source has exactly one of mllp, folder, sftp and ftps."`
	Folder          *FolderSource `yaml:"folder" sample:"off" doc:"Takes HL7 v2 files from a folder: one message, several, or FHS/BHS batches in each."`
	SFTP            *SFTPSource   `yaml:"sftp" sample:"off" doc:"Takes such files from somebody's SFTP server."`
	FTPS            *FTPSSource   `yaml:"ftps" sample:"off" doc:"Takes such files from somebody's FTP server with TLS."`
	From            []Network     `yaml:"from" ex:"127.0.0.1/32" doc:"Networks the source may connect from. Any when absent, if it shows a certificate."`
	Tunnel          string        `yaml:"tunnel" rule:"name" ex:"riverside" sample:"off" doc:"Name of a tunnel through which an mllp source may connect as well (labwarden tunnel list); the tunnel's list must open this source to it. TLS runs inside as it does outside. An sftp or ftps source is reached through it: its address is then one at the far side, which must be on the tunnel's list, of an FTP server with the ports of its data connections."`
	Site            string        `yaml:"site" ex:"main" sample:"off" doc:"Which of sites it belongs to; none when absent. A change counts for what is taken from then on: what came before stays with the site it came in for."`
	ControlIDWindow Duration      `yaml:"control_id_window" default:"7d" rule:"min=1h,max=366d" doc:"How long the same MSH-10 from the same MSH-3 and MSH-4 means the same message. Shorter for a source that reuses its counter."`
	Charset         string        `yaml:"charset" default:"ASCII" rule:"oneof=ASCII|8859/1|8859/2|8859/3|8859/4|8859/5|8859/6|8859/7|8859/8|8859/9|8859/15|UNICODE UTF-8" doc:"Character set (HL7 table 0211) of messages whose MSH-18 is empty. Conditions, transformations and FHIR go by it; ASCII takes what the bytes look like (UTF-8, else windows-1252), as the search by name always does."`
	AccessionFields []string      `yaml:"accession_fields" rule:"oneof=OBR-18|OBR-19|OBR-20|OBR-21" ex:"OBR-18" sample:"off" doc:"OBR fields in which this source writes its accession number, by its own documentation; the standard leaves them to the site. Results that share one leave in their order, are found by it, and phone tasks name it; SPM-30 and SAC-2 always count. A change counts for what is taken from then on."`
	MaxMessage      Size          `yaml:"max_message" default:"32MiB" rule:"min=1KiB,max=256MiB" doc:"A longer message is refused; its first MiB, length and hash are kept."`
	MaxConnections  int           `yaml:"max_connections" default:"64" rule:"min=1,max=10000" doc:"Connections of this source at one time."`
	Idle            Duration      `yaml:"idle" default:"10m" rule:"min=5s,max=7d" doc:"A connection without a message is closed after this time."`
	FrameTimeout    Duration      `yaml:"frame_timeout" default:"30s" rule:"min=1s,max=10m" doc:"The time one message may take from its first byte to its last."`
	CriticalAfter   Duration      `yaml:"critical_after" rule:"min=1m,max=24h" doc:"For this source, instead of alarms.critical_after. Where the partner has one too, the shorter holds. The laboratory director sets it."`
}

// FolderSource is a folder that files are taken from. What was taken lies in its
// subfolder done, what was refused in failed, each with its answer beside it.
type FolderSource struct {
	Path    Path     `yaml:"path" rule:"required,folder" ex:"/srv/lis/export" doc:"The folder; it must exist, and the hub must be allowed to write in it."`
	Match   string   `yaml:"match" default:"*" ex:"*.hl7" doc:"Pattern of the names that are taken (* and ? and [a-z]). Names that begin with a dot or end in .part or .tmp never are."`
	Ready   string   `yaml:"ready" default:"settled" rule:"oneof=settled|renamed" doc:"settled: a file is taken once its size and time have stayed the same for settle. renamed: at once, for writers that rename a whole file into place."`
	Settle  Duration `yaml:"settle" default:"5s" rule:"min=1s,max=1h" doc:"How long a file must stay the same."`
	Every   Duration `yaml:"every" default:"1s" rule:"min=100ms,max=1h" doc:"The time between two looks."`
	MaxFile Size     `yaml:"max_file" default:"256MiB" rule:"min=1KiB,max=1GiB" doc:"A larger file goes to failed, and nothing of it is taken."`
}

// MLLPListener is where a source connects.
type MLLPListener struct {
	Listen    Listen     `yaml:"listen" default:"127.0.0.1:2575" doc:"IP:PORT. A port alone listens on 127.0.0.1."`
	TLS       *ServerTLS `yaml:"tls" doc:"TLS 1.3 with client certificates. Without it the listener speaks plaintext, which on any address but loopback needs an exception."`
	Exception *Exception `yaml:"exception" sample:"off" doc:"Allows plaintext or TLS 1.2 for a stated time and reason."`
}

// ServerTLS is how a listener proves itself and whom it lets in.
type ServerTLS struct {
	ClientCA     Path          `yaml:"client_ca" rule:"file" ex:"./tls/lis-ca.crt" doc:"PEM file of the authorities that sign the source's client certificate. This or fingerprints is needed."`
	OwnCA        bool          `yaml:"own_ca" doc:"Let in certificates that the laboratory's own authority has issued to a device, service or partner of this source's name, and no other's. Revoked ones are refused, and cut, at once. Without a certificate here the listener shows one of that authority, which renews itself."`
	Pinned       bool          `yaml:"pinned" doc:"Let in the certificates imported for this source with labwarden cert import."`
	Fingerprints []Fingerprint `yaml:"fingerprints" doc:"SHA-256 fingerprints of the client certificates that may connect, and no others."`
	Certificate  Path          `yaml:"certificate" rule:"file" doc:"Our certificate here, when it is not the one of node.tls."`
	Key          Path          `yaml:"key" rule:"file" doc:"Its private key."`
}

// Exception allows what is otherwise refused, until a day. It keeps running
// past that day, loudly: a date never stops results by itself.
type Exception struct {
	Kind   string `yaml:"kind" rule:"required,oneof=plaintext|tls12" ex:"tls12" doc:"plaintext, or tls12 for TLS 1.2 with an AEAD suite."`
	Reason string `yaml:"reason" rule:"required" ex:"LIS 4.2 speaks TLS 1.2 only, upgrade ordered" doc:"Why, in words an auditor reads."`
	Owner  string `yaml:"owner" rule:"required" ex:"M. Okafor" doc:"The person who sees to its end."`
	Until  Date   `yaml:"until" rule:"required" ex:"2027-06-30" doc:"Last day. Warnings come 30, 14, 7 and 1 days before; past it the channel keeps running and shouts."`
}
