package frontlink

import "time"

// Verb is what is asked.
type Verb uint8

// What the front asks the hub.
const (
	// Hello begins: Hello -> Welcome.
	VerbHello Verb = iota + 1
	// SignIn: SignIn -> Ticket.
	VerbSignIn
	// Leave ends a ticket: Of.
	VerbLeave
	// List: From -> Entries. Stat: At -> Entry.
	VerbList
	VerbStat
	// Open: At -> Opened. Read: Piece -> body. Shut: OpenFile.
	VerbOpen
	VerbRead
	VerbShut
	// Create: At -> Created and the file to write to. Commit: Finished. Abort: Dropped.
	VerbCreate
	VerbCommit
	VerbAbort
	// Put takes a small file at once: At and body.
	VerbPut
	// Rename: Moved. Remove: At.
	VerbRename
	VerbRemove
	// SSH hands a connection over: Came and the socket.
	VerbSSH
	// Sign: Digest -> body is the signature.
	VerbSign
	// Web: Came -> a socket that speaks HTTP to the hub's handlers.
	VerbWeb
	// Say has a client told something beside its stream: Said.
	VerbSay
	// Challenge: Named -> Site that answers an authority's TLS-ALPN-01 challenge.
	VerbChallenge
)

// What the hub asks the front.
const (
	// Serve hands over a stream of SFTP: Streamed and the socket.
	VerbServe Verb = iota + 64
	// Ended: the ticket is no longer good: Of.
	VerbEnded
	// Settings: Settings.
	VerbSettings
)

var verbNames = map[Verb]string{
	VerbHello: "hello", VerbSignIn: "sign in", VerbLeave: "leave", VerbList: "list", VerbStat: "stat", VerbOpen: "open", VerbRead: "read",
	VerbShut: "shut", VerbCreate: "create", VerbCommit: "commit", VerbAbort: "abort", VerbPut: "put", VerbRename: "rename", VerbRemove: "remove",
	VerbSSH: "ssh", VerbSign: "sign", VerbWeb: "web", VerbSay: "say", VerbChallenge: "challenge", VerbServe: "serve", VerbEnded: "ended", VerbSettings: "settings",
}

func (v Verb) String() string {
	if s, ok := verbNames[v]; ok {
		return s
	}
	return "unknown"
}

// Version of the words below. Hub and front come from one build; another one is
// refused at Hello.
const Version = 2

// Hello is the front's first word.
type Hello struct {
	Version int `json:"version"`
}

// Welcome is the hub's answer.
type Welcome struct {
	// Keeper is the public key that files are sealed to.
	Keeper   []byte   `json:"keeper"`
	Settings Settings `json:"settings"`
}

// Settings is what the front shall do. Empty addresses are not listened on.
type Settings struct {
	SFTP Listen `json:"sftp"`
	FTPS FTPS   `json:"ftps"`
	Web  Web    `json:"web"`
	// Zone of the times in listings is UTC; there is nothing to set.
}

// Listen is an address and how much may come to it.
type Listen struct {
	Address string `json:"address"`
	// Conns in all, PerAddress from one address.
	Conns      int `json:"conns"`
	PerAddress int `json:"per_address"`
}

// FTPS is the FTPS server.
type FTPS struct {
	Listen
	// Key names the signer, Chain is its certificates (DER).
	Key   string   `json:"key"`
	Chain [][]byte `json:"chain"`
	// Host is the address told for passive connections; empty: the control connection's.
	Host      string `json:"host"`
	FirstPort int    `json:"first_port"`
	LastPort  int    `json:"last_port"`
}

// Web is the listener of the portal and the FHIR server.
type Web struct {
	Listen
	Sites []Site `json:"sites"`
}

// Site is a host that the web listener answers for: the signer of its handshakes
// and its certificates (DER).
type Site struct {
	Host  string   `json:"host"`
	Key   string   `json:"key"`
	Chain [][]byte `json:"chain"`
}

// What the front says of a request that it passes on. The hub believes it on a
// connection that it gave the front for VerbWeb, and nowhere else.
const (
	HeaderClient = "Labwarden-Client" // the client's address, host:port
	HeaderTLS    = "Labwarden-Tls"    // version, suite and group, each four hexadecimal digits
)

// SignIn is channel.SignIn.
type SignIn struct {
	Protocol string `json:"protocol"`
	User     string `json:"user"`
	Password string `json:"password"`
	Addr     string `json:"addr"`
	Secured  string `json:"secured"`
}

// Ticket stands for one signed-in partner.
type Ticket struct {
	Ticket  string `json:"ticket"`
	Partner string `json:"partner"`
}

// Named is a host that somebody asks for.
type Named struct {
	Host string `json:"host"`
}

// Of names a ticket.
type Of struct {
	Ticket string `json:"ticket"`
}

// At is a place in the box of a ticket.
type At struct {
	Ticket string `json:"ticket"`
	Folder string `json:"folder,omitempty"`
	File   string `json:"file,omitempty"`
}

// Moved is a file's new name in its folder.
type Moved struct {
	At
	To string `json:"to"`
}

// Entry is channel.BoxEntry.
type Entry struct {
	Name     string    `json:"name"`
	Dir      bool      `json:"dir,omitempty"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// Entries is a part of a folder's list; Next, when not empty, is where the next begins.
type Entries struct {
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitempty"`
}

// From asks for a list from a place on.
type From struct {
	At
	Next string `json:"next,omitempty"`
}

// OpenFile names an open file of a ticket.
type OpenFile struct {
	Ticket string `json:"ticket"`
	Handle uint64 `json:"handle"`
}

// Dropped is a file begun that is forgotten, and why, where its sender is to know.
type Dropped struct {
	OpenFile
	Why Why `json:"why,omitempty"`
}

// Why is why a file cannot become whole.
type Why string

// The reasons that the front finds.
const (
	WhySize    Why = "size"
	WhyPieces  Why = "pieces"
	WhyMissing Why = "missing"
	WhyFull    Why = "full"
)

// Reason is the sentence for the sender; empty for no known one.
func (w Why) Reason() string {
	switch w {
	case WhySize:
		return "the file is larger than may be sent"
	case WhyPieces:
		return "the file arrives in too many loose pieces; send it from its begin to its end"
	case WhyMissing:
		return "the file is not whole: some of its bytes never arrived; send it again"
	case WhyFull:
		return "the laboratory has no room left; nothing of the file was kept. Try again later"
	}
	return ""
}

// Opened is a file open for reading.
type Opened struct {
	Handle uint64 `json:"handle"`
	Size   int64  `json:"size"`
}

// Piece is a part of an open file; Length at most MaxBody.
type Piece struct {
	OpenFile
	Offset int64 `json:"offset"`
	Length int   `json:"length"`
}

// Created is a file begun: ID binds its chunks, Limit is the largest size.
type Created struct {
	Handle uint64 `json:"handle"`
	ID     []byte `json:"id"`
	Limit  int64  `json:"limit"`
}

// Finished says that a file is whole: its size and its key, wrapped.
type Finished struct {
	OpenFile
	Size int64  `json:"size"`
	Key  []byte `json:"key"`
}

// Came is a connection that came to the front; VerbWeb has none yet and says nothing.
type Came struct {
	Addr string    `json:"addr"`
	At   time.Time `json:"at"` // when the front took it; the order of those that wait
}

// Streamed is a stream of SFTP for a ticket.
type Streamed struct {
	Ticket  string `json:"ticket"`
	Stream  uint64 `json:"stream"` // its number among those of the ticket
	Partner string `json:"partner"`
	Addr    string `json:"addr"`
}

// Said is a sentence for whoever is at the other end of a stream.
type Said struct {
	Ticket string `json:"ticket"`
	Stream uint64 `json:"stream"`
	Text   string `json:"text"`
}

// Digest is to be signed with a key; Hash is crypto.Hash's number, 0 for the
// message itself (Ed25519).
type Digest struct {
	Key    string `json:"key"`
	Digest []byte `json:"digest"`
	Hash   uint   `json:"hash"`
	// PSS asks an RSA key for RSASSA-PSS, which TLS 1.3 wants (RFC 8446 4.2.3).
	PSS bool `json:"pss,omitempty"`
}
