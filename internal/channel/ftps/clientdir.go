package ftps

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Get reads a file from the offset on.
func (d *ClientDir) Get(ctx context.Context, name string, from int64, w io.Writer) error {
	var stopped error
	err := d.transfer(ctx, from, "RETR "+name, func(c *tls.Conn) error {
		_, err := io.Copy(onlyWriter{w, &stopped}, c)
		if stopped != nil {
			return errStopped
		}
		return err
	})
	if stopped != nil && (err == nil || errors.Is(err, errStopped)) {
		return stopped
	}
	return d.said("read a file", missing(err))
}

type onlyWriter struct {
	w   io.Writer
	err *error
}

func (o onlyWriter) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		*o.err = err
	}
	return n, err
}

// Put writes a file from the offset on, with REST and STOR: unlike APPE they
// write the same bytes to the same place if a broken upload is still being
// written.
func (d *ClientDir) Put(ctx context.Context, name string, from int64, r io.Reader) error {
	err := d.transfer(ctx, from, "STOR "+name, func(c *tls.Conn) error {
		if _, err := io.Copy(c, onlyReader{r}); err != nil {
			return err
		}
		return end(c)
	})
	return d.said("write a file", err)
}

type onlyReader struct{ io.Reader }

// missing: 550 is what servers say of a file that is not there, and of much else.
// Whoever reads or looks takes it for that; a directory that is missing was
// noticed when it was entered.
func missing(err error) error {
	var no *replyError
	if errors.As(err, &no) && no.code == 550 {
		return channel.ErrNoFile
	}
	return err
}

// Stat asks with MLST (RFC 3659 7), else with SIZE and MDTM (RFC 3659 4, 3).
func (d *ClientDir) Stat(_ context.Context, name string) (channel.BoxEntry, error) {
	if _, ok := d.features["MLST"]; ok {
		_, lines, err := d.lines("MLST " + name)
		if err != nil {
			return channel.BoxEntry{}, d.said("look at a file", missing(err))
		}
		if len(lines) == 1 {
			if e, ok := fact(strings.TrimLeft(lines[0], " ")); ok {
				e.Name = name
				return e, nil
			}
		}
	}
	text, err := d.command(213, "SIZE "+name)
	if err != nil {
		return channel.BoxEntry{}, d.said("look at a file", missing(err))
	}
	e := channel.BoxEntry{Name: name}
	if e.Size, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64); err != nil {
		return e, d.said("look at a file", &replyError{213, ""})
	}
	if text, err = d.command(213, "MDTM "+name); err == nil {
		e.Modified = moment(text)
	} else if lostConnection(err) {
		return e, d.said("look at a file", err)
	}
	return e, nil
}

// fact reads one line of MLSD or MLST: "type=file;size=3;modify=20260101000000; name".
func fact(line string) (e channel.BoxEntry, ok bool) {
	facts, name, ok := strings.Cut(line, " ")
	if !ok {
		return e, false
	}
	e.Name, e.Dir = name, true // what does not say that it is a file is none
	for f := range strings.SplitSeq(facts, ";") {
		key, value, _ := strings.Cut(f, "=")
		switch strings.ToLower(key) {
		case "type":
			e.Dir = !strings.EqualFold(value, "file")
		case "size":
			e.Size, _ = strconv.ParseInt(value, 10, 64)
		case "modify":
			e.Modified = moment(value)
		}
	}
	return e, true
}

// moment reads YYYYMMDDHHMMSS[.sss], which is UTC (RFC 3659 2.3).
func moment(s string) time.Time {
	t, _ := time.Parse("20060102150405", strings.TrimSpace(s))
	return t
}

// maxListing bounds a listing in bytes.
const maxListing = 64 << 20

// List lists the directory with MLSD (RFC 3659 7); a server without it is asked
// for the names (NLST) and each one's size and time.
func (d *ClientDir) List(ctx context.Context) ([]channel.BoxEntry, error) {
	_, mlsd := d.features["MLST"]
	command := "NLST"
	if mlsd {
		command = "MLSD"
	}
	var lines []string
	err := d.transfer(ctx, 0, command, func(c *tls.Conn) error {
		sc := bufio.NewScanner(io.LimitReader(c, maxListing))
		for sc.Scan() {
			lines = append(lines, strings.TrimSuffix(sc.Text(), "\r"))
		}
		return sc.Err()
	})
	var no *replyError
	if errors.As(err, &no) && no.code == 550 && !mlsd {
		return nil, nil // some say so of an empty directory
	}
	if err != nil {
		return nil, d.said("list the directory", err)
	}
	out := make([]channel.BoxEntry, 0, len(lines))
	for _, l := range lines {
		if mlsd {
			if e, ok := fact(l); ok && e.Name != "." && e.Name != ".." {
				out = append(out, e)
			}
			continue
		}
		e, err := d.Stat(ctx, path.Base(l))
		var ce *channel.Error
		switch {
		case err == nil:
			out = append(out, e)
		case errors.As(err, &ce) && ce.Class == channel.Unreachable:
			return nil, err
		} // else it is a folder, or gone
	}
	return out, nil
}

// Sum asks the server for its own SHA-256: HASH (draft-bryan-ftp-hash 3) or
// XSHA256, which many servers have.
func (d *ClientDir) Sum(_ context.Context, name string) (sum [32]byte, ok bool, err error) {
	var text string
	if _, can := d.features["HASH"]; can {
		text, err = d.command(213, "HASH "+name)
	} else if _, can := d.features["XSHA256"]; can {
		text, err = d.command(250, `XSHA256 `+name)
	} else {
		return sum, false, nil
	}
	var no *replyError
	if errors.As(err, &no) {
		return sum, false, nil // it is read back then
	}
	if err != nil {
		return sum, false, d.said("ask for a hash", err)
	}
	for _, word := range strings.Fields(text) {
		if b, err := hex.DecodeString(word); err == nil && len(b) == len(sum) {
			copy(sum[:], b)
			return sum, true, nil
		}
	}
	return sum, false, nil
}

// Rename renames with RNFR and RNTO (RFC 959 4.1.3). Many servers replace what is
// there: the caller has looked.
func (d *ClientDir) Rename(_ context.Context, from, to string) error {
	if _, err := d.command(350, "RNFR "+from); err != nil {
		return d.said("rename a file", err)
	}
	code, err := d.any("RNTO " + to)
	switch {
	case err != nil:
		return d.said("rename a file", err)
	case code == 250 || code == 200:
		return nil
	case code == 550 || code == 553:
		if _, err := d.Stat(context.Background(), to); err == nil {
			return channel.ErrFileExists
		}
	}
	return d.said("rename a file", &replyError{code, ""})
}

// Remove removes a file.
func (d *ClientDir) Remove(_ context.Context, name string) error {
	_, err := d.command(250, "DELE "+name)
	return d.said("remove a file", err)
}

// Mkdir makes a folder; what the server refuses is taken for one that is there.
func (d *ClientDir) Mkdir(_ context.Context, name string) error {
	_, err := d.command(257, "MKD "+name)
	if lostConnection(err) {
		return d.said("make a folder", err)
	}
	return nil
}
