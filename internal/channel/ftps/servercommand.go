package ftps

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
)

// do carries out one command inside TLS. A reply without a code was sent already.
func (s *session) do(c command) reply {
	switch c.verb {
	// RFC 959 4.1.3 and others that change nothing and that anybody may send.
	case "":
		return reply{code: 500, text: "This is no command."}
	case "NOOP":
		return reply{code: 200, text: "OK."}
	case "QUIT":
		return reply{code: 221, text: "Goodbye.", end: true}
	case "FEAT":
		return features()
	case "HELP":
		return reply{code: 214, text: "FTP inside TLS with passive data connections; FEAT lists what there is."}
	case "SYST":
		return reply{code: 215, text: "UNIX Type: L8"} // the shape of LIST, as clients read it
	case "AUTH":
		return reply{code: 503, text: "The connection is encrypted already."}
	case "CCC", "MIC", "CONF", "ENC":
		return reply{code: 533, text: "Commands stay inside TLS."} // RFC 2228 3: refused by policy
	case "PBSZ":
		s.sized = true
		return reply{code: 200, text: "PBSZ=0"} // RFC 4217 9: TLS has no buffers to agree on
	case "PROT":
		return s.protect(c.arg)
	case "OPTS":
		return s.options(c.arg)
	case "USER":
		return s.name(c.arg)
	case "PASS":
		return s.signIn(c.arg)
	case "ABOR":
		return reply{code: 226, text: "No transfer is running."} // RFC 959 4.1.3
	}
	if s.box == nil {
		return reply{code: 530, text: "Sign in first: USER, then PASS."}
	}
	return s.within(c)
}

// within carries out what takes a signed-in partner.
func (s *session) within(c command) reply {
	rest, renaming := s.rest, s.renaming
	switch c.verb {
	case "PASV", "EPSV", "TYPE", "ALLO", "MODE", "STRU", "SIZE":
		// Clients send these between REST and its transfer (RFC 3659 5.3 wants none).
	default:
		s.rest = 0
	}
	s.renaming = channel.BoxPath{}

	switch c.verb {
	case "PWD", "XPWD":
		return reply{code: 257, text: `"` + s.cwd.String() + `" is the current folder.`} // RFC 959 appendix II
	case "CWD", "XCWD":
		return s.enter(c.arg)
	case "CDUP", "XCUP":
		return s.enter("..")
	case "TYPE":
		return representation(c.arg)
	case "MODE":
		return only(c.arg, "S", "Only MODE S.") // RFC 959 3.4
	case "STRU":
		return only(c.arg, "F", "Only STRU F.") // RFC 959 3.1.2
	case "ALLO", "ACCT":
		return reply{code: 202, text: "Not needed."} // RFC 959 4.1.3
	case "STAT":
		return s.status(c.arg)
	case "SIZE":
		return s.size(c.arg)
	case "MDTM":
		return s.modified(c.arg)
	case "MLST":
		return s.fact(c.arg)
	case "PASV":
		return s.passive()
	case "EPSV":
		return s.extendedPassive(c.arg)
	case "PORT", "EPRT", "LPRT", "LPSV":
		// A server that connects to where it is told can be aimed at others (RFC 2577 3).
		return reply{code: 502, text: "Active mode is refused: set your client to passive mode."}
	case "REST":
		n, err := strconv.ParseInt(strings.TrimSpace(c.arg), 10, 64)
		if err != nil || n < 0 {
			return reply{code: 501, text: "REST takes a number of bytes."}
		}
		s.rest = n
		return reply{code: 350, text: "The next RETR or STOR starts at byte " + strconv.FormatInt(n, 10) + "."} // RFC 3659 5.3
	case "LIST", "NLST", "MLSD":
		return s.list(c)
	case "RETR":
		return s.retrieve(c.arg, rest)
	case "STOR":
		return s.store(c.arg, rest)
	case "APPE", "STOU":
		return reply{code: 502, text: "Send each file whole, with STOR and its name."}
	case "RNFR":
		return s.renameFrom(c.arg)
	case "RNTO":
		return s.renameTo(renaming, c.arg)
	case "DELE":
		return s.remove(c.arg)
	case "MKD", "XMKD", "RMD", "XRMD":
		return reply{code: 550, text: "The folders of a box are fixed."}
	}
	// SITE, REIN, SMNT, ADAT, HOST, LANG, MFMT, HASH and whatever else.
	return reply{code: 502, text: "There is no such command here; FEAT lists what there is."} // RFC 959 5.4
}

// features is the list of RFC 2389 3.2.
func features() reply {
	return reply{code: 211, text: "Features:", more: []string{
		"AUTH TLS", "PBSZ", "PROT", // RFC 4217 6
		"EPSV", // RFC 2428 3
		"MDTM", "MLST " + factList(allFacts()), "REST STREAM", "SIZE", "TVFS",
		"UTF8", // names are ASCII, which is UTF-8
	}}
}

func only(arg, want, text string) reply {
	if !strings.EqualFold(strings.TrimSpace(arg), want) {
		return reply{code: 504, text: text}
	}
	return reply{code: 200, text: "OK."}
}

// representation answers TYPE (RFC 959 3.1.1). A is taken, since clients ask for
// it before lists, and changes nothing: a result is the same bytes here and there.
func representation(arg string) reply {
	switch strings.ToUpper(strings.Join(strings.Fields(arg), " ")) {
	case "I", "L 8", "A", "A N":
		return reply{code: 200, text: "Files are sent byte for byte in every type."}
	}
	return reply{code: 504, text: "Use TYPE I."}
}

func (s *session) options(arg string) reply {
	name, rest, _ := strings.Cut(arg, " ")
	switch strings.ToUpper(name) {
	case "UTF8":
		return reply{code: 200, text: "Names are plain ASCII, which is UTF-8."}
	case "MLST":
		return s.chooseFacts(rest) // RFC 3659 7.9
	}
	return reply{code: 501, text: "There is no such option."} // RFC 2389 4
}

func (s *session) enter(arg string) reply {
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return s.failure(err, 550)
	}
	e, err := s.box.Stat(s.ctx, p)
	if err != nil {
		return s.failure(err, 550)
	}
	if !e.Dir {
		return reply{code: 550, text: "That is a file."}
	}
	s.cwd = p
	return reply{code: 250, text: `The current folder is "` + p.String() + `".`}
}

func (s *session) renameFrom(arg string) reply {
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return s.failure(err, 550)
	}
	if p.IsDir() {
		return reply{code: 550, text: "The folders of a box are fixed."}
	}
	if _, err := s.box.Stat(s.ctx, p); err != nil {
		return s.failure(err, 550)
	}
	s.renaming = p
	return reply{code: 350, text: "Now the new name, with RNTO."}
}

func (s *session) renameTo(from channel.BoxPath, arg string) reply {
	if from.IsDir() {
		return reply{code: 503, text: "RNFR comes first."}
	}
	to, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return s.failure(err, 553)
	}
	if to.IsDir() {
		return reply{code: 553, text: "The new name is a folder's."}
	}
	if err := s.box.Rename(s.ctx, from, to); err != nil {
		return s.failure(err, 553)
	}
	return reply{code: 250, text: "Renamed."}
}

func (s *session) remove(arg string) reply {
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return s.failure(err, 550)
	}
	if p.IsDir() {
		return reply{code: 550, text: "The folders of a box are fixed."}
	}
	if err := s.box.Remove(s.ctx, p); err != nil {
		return s.failure(err, 550)
	}
	return reply{code: 250, text: "Removed."}
}

// failure is the reply to an error of the box: refused is the code of a no with a
// reason.
func (s *session) failure(err error, refused int) reply {
	var no *channel.Refusal
	switch {
	case errors.As(err, &no):
		return reply{code: refused, text: no.Reason}
	case errors.Is(err, channel.ErrNoFile):
		return reply{code: 550, text: "There is no such file or folder."}
	case errors.Is(err, channel.ErrFileExists):
		return reply{code: 553, text: "A file of that name is there already; take another name."}
	case errors.Is(err, channel.ErrBoxClosed):
		return reply{code: 421, text: "The session is over; sign in again.", end: true}
	case errors.Is(err, context.Canceled):
		return reply{code: 426, text: "Broken off."}
	}
	s.log("ftps command failed in the box", "partner", s.box.Partner(), "error", err)
	return reply{code: 451, text: "This failed on our side; try again."} // RFC 959 5.4
}
