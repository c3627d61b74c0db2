package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// clinicIdle is how long a clinic keeps a connection on which nothing comes,
// and how long it lets a write take.
const clinicIdle = 5 * time.Minute

func (c *clinic) serveMLLP(ctx context.Context) error {
	conf, err := ServerTLS(c.o.Certs, c.o.Name, c.o.Hub)
	if err != nil {
		return err
	}
	ln, err := c.listen()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	_, _ = fmt.Fprintf(c.o.Out, "ready %s\n", ln.Addr())
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		wg.Go(func() { c.talk(ctx, tls.Server(conn, conf)) })
	}
}

// talk serves one connection; whatever goes wrong on it ends only it.
func (c *clinic) talk(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		_ = conn.SetDeadline(time.Now().Add(clinicIdle))
		body, err := readFrame(r)
		if err != nil {
			return
		}
		if !c.take(ctx, conn, r, body) {
			return
		}
	}
}

// take lists one message and answers it as the fault says; false ends the
// connection.
func (c *clinic) take(ctx context.Context, conn net.Conn, r *bufio.Reader, body []byte) bool {
	f := readFacts(body)
	var codes []string
	ln, err := c.arrival(body, func(fault string, ln *ClinicLine) {
		ln.Orders = f.Fillers
		if f.OK {
			ln.Controls = []string{f.Control}
		} else {
			ln.Problem = "no readable header"
		}
		codes = answerCodes(f, fault)
		if len(codes) > 0 {
			ln.Code = codes[0]
		}
	})
	if err != nil {
		return false
	}
	switch ln.Fault {
	case "hang":
		if c.o.Fault.Delay > 0 {
			_ = wait(ctx, c.o.Fault.Delay)
			return false
		}
		_, _ = r.Peek(1) // until the other end lets go or sends something
		return false
	case "close":
		return false
	case "garbage":
		return writeFrame(conn, []byte("NOT|AN|ANSWER\r")) == nil
	case "delay":
		if wait(ctx, c.o.Fault.Delay) != nil {
			return false
		}
	case "stale":
		if writeFrame(conn, ack(body, "AA", "ELSEWHERE-1", ln.Seq)) != nil {
			return false
		}
	case "double":
		codes = append(codes, codes...)
	}
	for _, code := range codes {
		if writeFrame(conn, ack(body, code, f.Control, ln.Seq)) != nil {
			return false
		}
	}
	return true
}

// answerCodes gives the acknowledgements to send, the accept one first
// (HL7 v2.5.1 2.9.2 original mode, 2.9.3 enhanced mode). In enhanced mode the
// application's answer goes back on the same connection.
func answerCodes(f facts, fault string) []string {
	switch fault {
	case "hang", "close", "garbage":
		return nil
	}
	kind := "A"
	switch {
	case !f.OK:
		kind = "R"
	case fault == "AE":
		kind = "E"
	case fault == "AR":
		kind = "R"
	}
	if f.Accept == "" && f.App == "" {
		return []string{"A" + kind}
	}
	wanted := func(cond string) bool {
		return cond == "AL" || cond == "SU" && kind == "A" || cond == "ER" && kind != "A"
	}
	var codes []string
	if wanted(f.Accept) {
		codes = append(codes, "C"+kind)
	}
	if wanted(f.App) && (kind == "A" || len(codes) == 0) {
		codes = append(codes, "A"+kind)
	}
	return codes
}

// ack answers body with its own delimiters and version, the parties exchanged.
func ack(body []byte, code, control string, n int) []byte {
	segs, enc := segments(body)
	sep, version, msh := "|", "2.5.1", []string(nil)
	if len(enc) >= 2 {
		msh = segs[0]
		sep = msh[1]
		if v := field(msh, 12); v != "" {
			version = v
		}
	} else {
		enc = `^~\&`
	}
	typ := "ACK"
	if t := strings.Split(field(msh, 9), enc[:1]); len(t) > 1 && t[1] != "" {
		typ += enc[:1] + t[1]
	}
	header := []string{"MSH", enc, field(msh, 5), field(msh, 6), field(msh, 3), field(msh, 4), time.Now().UTC().Format("20060102150405"), "", typ, fmt.Sprintf("CL%06d%s", n, code), "P", version}
	return []byte(strings.Join(header, sep) + "\r" + strings.Join([]string{"MSA", code, control}, sep) + "\r")
}
