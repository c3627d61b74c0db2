package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The folders of a partner's box. There are no others, and none below them.
const (
	BoxResults  = "results"  // what the laboratory put there for the partner
	BoxInbox    = "inbox"    // what the partner put there for the laboratory
	BoxReceipts = "receipts" // the signed receipts of both
)

// BoxFolders are they, in the order they are listed.
var BoxFolders = [...]string{BoxInbox, BoxReceipts, BoxResults}

// MaxBoxName is the longest file name of a box, in bytes. That of a receipt is its
// file's with an ending.
const (
	MaxBoxName     = 200
	maxReceiptName = 255
)

// Errors of a box. A file server answers each in its protocol's own word; what
// is no such error is "failed, try again" and its text stays inside.
var (
	// ErrNoFile: there is no such file or folder.
	ErrNoFile = errors.New("no such file")
	// ErrFileExists: a file of that name is there already.
	ErrFileExists = errors.New("a file of that name is there already")
	// ErrSignIn: name, key, password or code is wrong. Which one is never said.
	ErrSignIn = errors.New("sign-in refused")
	// ErrBoxClosed: the session is over (signed out, the partner was disabled, the
	// hub is away).
	ErrBoxClosed = errors.New("the session is over")
)

// Refusal is a no with a reason that the partner's people may read. It never
// holds patient data.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

// Refuse makes one.
func Refuse(reason string) error { return &Refusal{reason} }

// BoxEntry is a folder or file of a box.
type BoxEntry struct {
	Name     string
	Dir      bool
	Size     int64
	Modified time.Time
}

// Box is one partner's drop box as its signed-in file client sees it. Paths are
// BoxPaths: nothing in them is ever joined to a path of a file system.
//
// Errors are those above, a *Refusal, or anything else for "failed".
type Box interface {
	// List lists a folder; BoxPath{} lists the folders.
	List(ctx context.Context, dir BoxPath) ([]BoxEntry, error)
	Stat(ctx context.Context, p BoxPath) (BoxEntry, error)
	// Open opens a file for reading. The whole of it read, from first byte to last
	// in whatever order, counts as picked up.
	Open(ctx context.Context, p BoxPath) (BoxReader, error)
	// Create begins a file of the inbox. Nobody sees it before Commit.
	Create(ctx context.Context, p BoxPath) (BoxWriter, error)
	// Rename renames a file of the inbox within the inbox.
	Rename(ctx context.Context, from, to BoxPath) error
	Remove(ctx context.Context, p BoxPath) error
}

// BoxReader reads a file at any place; safe for concurrent use.
type BoxReader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// BoxWriter takes a file in pieces, in any order, several at a time, and the
// same place twice.
type BoxWriter interface {
	io.WriterAt
	// Commit ends the file: it returns nil only when every byte from the first to
	// the last arrived, no write failed, and the whole stands on the hub's disk.
	Commit(ctx context.Context) error
	// Abort forgets what arrived. After Commit it does nothing.
	Abort() error
}

// SignIn is what somebody showed at a file server's door.
type SignIn struct {
	// Protocol is "sftp" or "ftps".
	Protocol string
	// User is the name as it was sent.
	User string
	// Password holds the password followed at once by the six-digit code.
	Password string
	// Addr is the client's address, host:port.
	Addr string
	// Secured names protocol and suite ("TLS 1.3 TLS_AES_128_GCM_SHA256").
	Secured string
}

// BoxSession is a Box until Close, or until Done is closed because the
// partner's access ended: the server then cuts the connection at once.
type BoxSession interface {
	Box
	// Partner is its key in the configuration.
	Partner() string
	Done() <-chan struct{}
	Close() error
}

// BoxDoor lets partners in. It answers ErrSignIn for whoever may not, after the
// same time whether or not the name exists.
type BoxDoor interface {
	SignIn(ctx context.Context, s SignIn) (BoxSession, error)
}

// BoxPath is a place in a box: the root (both empty), a folder, or a file in one.
type BoxPath struct{ Folder, File string }

// Root says that it is the folder of folders.
func (p BoxPath) Root() bool { return p.Folder == "" }

// IsDir says that it is the root or a folder.
func (p BoxPath) IsDir() bool { return p.File == "" }

func (p BoxPath) String() string {
	if p.File == "" {
		return "/" + p.Folder
	}
	return "/" + p.Folder + "/" + p.File
}

// ParseBoxPath reads a path as a client sent it, from the folder it is in. "."
// and ".." are resolved by counting, and never lead above the root. What is no
// place of a box is ErrNoFile; a file name that is not allowed is a *Refusal.
func ParseBoxPath(cwd BoxPath, raw string) (BoxPath, error) {
	if len(raw) > 4096 {
		return BoxPath{}, Refuse("the path is longer than 4096 bytes")
	}
	if strings.ContainsRune(raw, 0) {
		return BoxPath{}, Refuse("the path holds a NUL byte")
	}
	var at []string
	if !strings.HasPrefix(raw, "/") {
		for _, e := range []string{cwd.Folder, cwd.File} {
			if e != "" {
				at = append(at, e)
			}
		}
	}
	for e := range strings.SplitSeq(raw, "/") {
		switch e {
		case "", ".":
		case "..":
			if len(at) > 0 {
				at = at[:len(at)-1]
			}
		default:
			at = append(at, e)
		}
	}
	switch {
	case len(at) == 0:
		return BoxPath{}, nil
	case at[0] != BoxResults && at[0] != BoxInbox && at[0] != BoxReceipts:
		return BoxPath{}, ErrNoFile
	case len(at) == 1:
		return BoxPath{Folder: at[0]}, nil
	case len(at) > 2:
		return BoxPath{}, ErrNoFile
	}
	limit := MaxBoxName
	if at[0] == BoxReceipts {
		limit = maxReceiptName
	}
	if err := checkBoxName(at[1], limit); err != nil {
		return BoxPath{}, err
	}
	return BoxPath{at[0], at[1]}, nil
}

// CheckBoxName says whether a file of a box may have the name: 1 to MaxBoxName
// bytes of printable ASCII without / \ : * ? " < > | which some partner's system
// could read as something else, not beginning or ending with a space, and no
// "." or "..". So that a name has one spelling only, other scripts are refused.
func CheckBoxName(name string) error { return checkBoxName(name, MaxBoxName) }

func checkBoxName(name string, limit int) error {
	switch {
	case name == "" || name == "." || name == "..":
		return Refuse("a file needs a name")
	case len(name) > limit:
		return Refuse(fmt.Sprintf("the file name is longer than %d bytes", limit))
	case name[0] == ' ' || name[len(name)-1] == ' ':
		return Refuse("the file name begins or ends with a space")
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || strings.IndexByte(`/\:*?"<>|`, c) >= 0 {
			return Refuse(`the file name may hold letters, digits, spaces and plain ASCII signs without / \ : * ? " < > |`)
		}
	}
	return nil
}
