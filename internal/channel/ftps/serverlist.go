package ftps

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// allFacts are the facts of MLSD and MLST (RFC 3659 7.5). "perm" is not among
// them: what is allowed is the box's to say, when it is asked.
func allFacts() []string { return []string{"type", "size", "modify"} }

// factList marks those that are chosen (RFC 3659 7.8).
func factList(chosen []string) string {
	var b strings.Builder
	for _, f := range allFacts() {
		b.WriteString(f)
		if slices.Contains(chosen, f) {
			b.WriteByte('*')
		}
		b.WriteByte(';')
	}
	return b.String()
}

// chooseFacts answers OPTS MLST (RFC 3659 7.9).
func (s *session) chooseFacts(arg string) reply {
	s.facts = nil
	text := "MLST OPTS "
	for _, f := range allFacts() {
		for w := range strings.SplitSeq(arg, ";") {
			if strings.EqualFold(strings.TrimSpace(w), f) {
				s.facts = append(s.facts, f)
				text += f + ";"
				break
			}
		}
	}
	return reply{code: 200, text: strings.TrimSpace(text)}
}

const factTime = "20060102150405" // RFC 3659 2.3, UTC

func (s *session) factLine(e channel.BoxEntry, name string) string {
	var b strings.Builder
	for _, f := range s.facts {
		switch f {
		case "type":
			if e.Dir {
				b.WriteString("type=dir;")
			} else {
				b.WriteString("type=file;")
			}
		case "size":
			if !e.Dir {
				b.WriteString("size=" + strconv.FormatInt(e.Size, 10) + ";")
			}
		case "modify":
			if !e.Modified.IsZero() {
				b.WriteString("modify=" + e.Modified.UTC().Format(factTime) + ";")
			}
		}
	}
	return b.String() + " " + name
}

// listLine is one line in the shape of "ls -l", which is what clients read.
func listLine(e channel.BoxEntry, now time.Time) string {
	mode := "-rw-rw----"
	if e.Dir {
		mode = "drwxrwx---"
	}
	t := e.Modified.UTC()
	if t.IsZero() || t.Unix() < 0 {
		t = time.Unix(0, 0).UTC()
	}
	when := t.Format("Jan _2 15:04")
	if age := now.Sub(t); age > 180*24*time.Hour || age < -24*time.Hour {
		when = t.Format("Jan _2  2006")
	}
	return fmt.Sprintf("%s   1 lab      lab      %12d %s %s", mode, e.Size, when, e.Name)
}

// dropSwitches takes away the "-la" that clients send as if LIST were ls.
func dropSwitches(arg string) string {
	arg = strings.TrimSpace(arg)
	for strings.HasPrefix(arg, "-") {
		_, arg, _ = strings.Cut(arg, " ")
		arg = strings.TrimSpace(arg)
	}
	return arg
}

// entries are what a LIST of arg shows: a folder's content, one file, or the
// files of a folder that match a pattern. prefix is what NLST puts before each.
func (s *session) entries(arg string) (entries []channel.BoxEntry, prefix string, err error) {
	pattern := ""
	if strings.ContainsAny(arg, "*?") {
		i := strings.LastIndexByte(arg, '/') + 1
		prefix, pattern = arg[:i], arg[i:]
		arg = prefix
	}
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return nil, "", err
	}
	e, err := s.box.Stat(s.ctx, p)
	if err != nil {
		return nil, "", err
	}
	if !e.Dir {
		return []channel.BoxEntry{e}, arg[:strings.LastIndexByte(arg, '/')+1], nil
	}
	all, err := s.box.List(s.ctx, p)
	if err != nil {
		return nil, "", err
	}
	if pattern == "" {
		if arg != "" {
			prefix = strings.TrimSuffix(arg, "/") + "/"
		}
		return all, prefix, nil
	}
	for _, e := range all {
		ok, err := path.Match(pattern, e.Name)
		if err != nil {
			return nil, "", channel.Refuse("the pattern cannot be read; it may hold * and ?")
		}
		if ok {
			entries = append(entries, e)
		}
	}
	return entries, prefix, nil
}

// list answers LIST, NLST (RFC 959 4.1.3) and MLSD (RFC 3659 7).
func (s *session) list(c command) reply {
	arg := c.arg
	if c.verb != "MLSD" {
		arg = dropSwitches(arg)
	}
	if no := s.mayTransfer(); no.code != 0 {
		return no
	}
	entries, prefix, err := s.entries(arg)
	if err != nil {
		return s.failure(err, 550)
	}
	if c.verb == "MLSD" && len(entries) == 1 && !entries[0].Dir && s.isFile(arg) {
		return reply{code: 501, text: "MLSD takes a folder; MLST tells of a file."} // RFC 3659 7.2.1
	}
	var b strings.Builder
	now := s.srv.Now()
	for _, e := range entries {
		switch c.verb {
		case "LIST":
			b.WriteString(listLine(e, now))
		case "NLST":
			b.WriteString(prefix + e.Name)
		case "MLSD":
			b.WriteString(s.factLine(e, e.Name))
		}
		b.WriteString("\r\n")
	}
	text := b.String()
	return s.transfer("The list follows.", func(ctx context.Context, d *dataConn) reply {
		_, err := d.Write([]byte(text))
		if err == nil {
			err = d.finish()
		}
		if err != nil {
			return d.broken(ctx, err)
		}
		return reply{code: 226, text: "The list is complete."}
	})
}

func (s *session) isFile(arg string) bool {
	p, err := channel.ParseBoxPath(s.cwd, arg)
	return err == nil && !p.IsDir()
}

// file is the entry of a path that must be a file's.
func (s *session) file(arg string) (channel.BoxPath, channel.BoxEntry, error) {
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return p, channel.BoxEntry{}, err
	}
	e, err := s.box.Stat(s.ctx, p)
	if err == nil && e.Dir {
		err = channel.Refuse("that is a folder")
	}
	return p, e, err
}

// size answers SIZE (RFC 3659 4). Of an upload that was broken off in this session
// it is what arrived, so that the client can go on from there.
func (s *session) size(arg string) reply {
	p, e, err := s.file(arg)
	if errors.Is(err, channel.ErrNoFile) && s.part != nil && s.part.path == p {
		return reply{code: 213, text: strconv.FormatInt(s.part.size, 10)}
	}
	if err != nil {
		return s.failure(err, 550)
	}
	return reply{code: 213, text: strconv.FormatInt(e.Size, 10)}
}

// modified answers MDTM (RFC 3659 3).
func (s *session) modified(arg string) reply {
	_, e, err := s.file(arg)
	if err != nil {
		return s.failure(err, 550)
	}
	return reply{code: 213, text: e.Modified.UTC().Format(factTime)}
}

// fact answers MLST (RFC 3659 7.2).
func (s *session) fact(arg string) reply {
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return s.failure(err, 550)
	}
	e, err := s.box.Stat(s.ctx, p)
	if err != nil {
		return s.failure(err, 550)
	}
	return reply{code: 250, text: "Facts:", more: []string{s.factLine(e, p.String())}}
}
