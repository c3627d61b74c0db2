package ftps

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/labwarden/labwarden/internal/channel"
)

// part is an upload that was broken off in this session. It can be gone on with as
// long as the session lives; nobody else sees it.
type part struct {
	path channel.BoxPath
	w    channel.BoxWriter
	size int64
}

func (s *session) dropPart() {
	if s.part == nil {
		return
	}
	if err := s.part.w.Abort(); err != nil {
		s.log("ftps upload could not be dropped", "error", err)
	}
	s.part = nil
}

// chunk is a piece of a file on its way.
type chunk struct {
	buf *[chunkSize]byte
	n   int
}

// retrieve answers RETR (RFC 959 4.1.3), from byte from on (RFC 3659 5).
func (s *session) retrieve(arg string, from int64) reply {
	if no := s.mayTransfer(); no.code != 0 {
		return no
	}
	p, _, err := s.file(arg)
	if err != nil {
		return s.failure(err, 550)
	}
	r, err := s.box.Open(s.ctx, p)
	if err != nil {
		return s.failure(err, 550)
	}
	defer func() {
		if err := r.Close(); err != nil {
			s.log("ftps file could not be closed", "partner", s.box.Partner(), "error", err)
		}
	}()
	size := r.Size()
	if from > size {
		return reply{code: 554, text: "REST is beyond the end of the file, which has " + strconv.FormatInt(size, 10) + " bytes."} // RFC 3659 5.4
	}
	return s.transfer("Sending "+strconv.FormatInt(size-from, 10)+" bytes.", func(ctx context.Context, d *dataConn) reply {
		readErr, sendErr := d.send(r, from, size)
		switch {
		case readErr != nil && ctx.Err() == nil:
			no := s.failure(readErr, 551)
			if no.code == 550 || no.code == 553 {
				no.code = 451
			}
			return no
		case readErr != nil || sendErr != nil:
			return d.broken(ctx, sendErr)
		}
		s.srv.stats.downloads.Add(1)
		return reply{code: 226, text: "The file is sent."} // RFC 959 5.4
	})
}

// send sends r from byte from on. The next piece is read while one is sent.
func (d *dataConn) send(r io.ReaderAt, from, size int64) (readErr, sendErr error) {
	full, free := make(chan chunk, 1), make(chan *[chunkSize]byte, 2)
	free <- d.bufs[0]
	free <- d.bufs[1]
	stop := make(chan struct{})
	read := make(chan error, 1)
	go func() {
		defer d.srv.recovered("ftps read panicked", d.addr)
		err := errPanicked
		defer func() { read <- err; close(full) }()
		for at := from; at < size; {
			var c chunk
			select {
			case c.buf = <-free:
			case <-stop:
				err = nil
				return
			}
			var n int
			err = errPanicked
			n, err = r.ReadAt(c.buf[:min(chunkSize, size-at)], at)
			if n == 0 {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF // the box promised Size bytes
				}
				return
			}
			c.n, at = n, at+int64(n)
			full <- c
		}
		err = nil
	}()
	for c := range full {
		if sendErr == nil {
			if _, sendErr = d.Write(c.buf[:c.n]); sendErr != nil {
				close(stop)
			}
			d.srv.stats.bytesOut.Add(int64(c.n))
		}
		free <- c.buf
	}
	readErr = <-read
	if readErr == nil && sendErr == nil {
		sendErr = d.finish()
	}
	return readErr, sendErr
}

// store answers STOR (RFC 959 4.1.3). With REST it goes on with what was broken
// off in this session (RFC 3659 5), and with nothing else.
func (s *session) store(arg string, from int64) reply {
	if no := s.mayTransfer(); no.code != 0 {
		return no
	}
	p, err := channel.ParseBoxPath(s.cwd, arg)
	if err != nil {
		return s.failure(err, 553)
	}
	if p.IsDir() {
		return reply{code: 553, text: "That is a folder; a file needs a name."}
	}
	if from > 0 {
		if s.part == nil || s.part.path != p {
			return reply{code: 554, text: "There is no broken upload of that name to go on with: send the file from its start."} // RFC 3659 5.4
		}
		if s.part.size != from {
			return reply{code: 554, text: "Go on at byte " + strconv.FormatInt(s.part.size, 10) + ", or send the file from its start."}
		}
	} else {
		s.dropPart()
		w, err := s.box.Create(s.ctx, p)
		if err != nil {
			return s.failure(err, 553)
		}
		s.part = &part{path: p, w: w}
	}
	up := s.part
	r := s.transfer("Send the file.", func(ctx context.Context, d *dataConn) reply { return s.take(ctx, d, up) })
	switch {
	case r.code == 226:
		s.srv.stats.uploads.Add(1)
		s.part = nil
	case r.code >= 500 && r.code != 522:
		s.srv.stats.uploadsRefused.Add(1)
		s.dropPart()
	default:
		s.srv.stats.uploadsCut.Add(1)
		if r.code == 451 {
			s.dropPart() // what failed on our side has holes
		}
	}
	return r
}

// take receives a file, or the rest of it, and commits it.
func (s *session) take(ctx context.Context, d *dataConn, up *part) reply {
	writeErr, netErr := d.receive(up)
	switch {
	case writeErr != nil:
		_ = d.finish() // the client may still be sending; release hears it out
		return s.failure(writeErr, 552)
	case netErr != nil:
		return d.broken(ctx, netErr)
	}
	// The client waits for our end before it asks for the reply, and committing may
	// take its time. Whether that end arrives changes nothing for the file.
	_ = d.finish()
	if err := up.w.Commit(ctx); err != nil {
		no := s.failure(err, 550)
		if no.code == 426 {
			no = reply{code: 451, text: "The upload was broken off before it was safe; send the file again."}
		}
		return no
	}
	return reply{code: 226, text: "The file is safe."} // RFC 959 5.4
}

// receive reads to the end that TLS says, and writes behind. up.size counts what
// was written.
func (d *dataConn) receive(up *part) (writeErr, netErr error) {
	full, free := make(chan chunk, 1), make(chan *[chunkSize]byte, 2)
	free <- d.bufs[0]
	free <- d.bufs[1]
	wrote := make(chan error, 1)
	failed := make(chan struct{})
	write := func(c chunk) (err error) {
		defer func() {
			if p := recover(); p != nil {
				d.srv.panicked("ftps write panicked", d.addr, p)
				err = errPanicked
			}
		}()
		if _, err = up.w.WriteAt(c.buf[:c.n], up.size); err == nil {
			up.size += int64(c.n)
		}
		return err
	}
	go func() {
		var err error
		for c := range full {
			if err == nil {
				if err = write(c); err != nil {
					close(failed)
				}
			}
			free <- c.buf
		}
		wrote <- err
	}()
	for more := true; more; {
		c := chunk{buf: <-free}
		for c.n < chunkSize && netErr == nil {
			var n int
			n, netErr = d.Read(c.buf[c.n:])
			c.n += n
		}
		d.srv.stats.bytesIn.Add(int64(c.n))
		more = netErr == nil
		select {
		case <-failed:
			more = false
		default:
			if c.n > 0 {
				full <- c
			}
		}
	}
	close(full)
	writeErr = <-wrote
	if errors.Is(netErr, io.EOF) {
		netErr = nil
	}
	return writeErr, netErr
}
