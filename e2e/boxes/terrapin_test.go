package boxes

import (
	"bytes"
	"context"
	be "encoding/binary"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Numbers of SSH messages (RFC 4250 4.1.2).
const (
	sshIgnore  = 2
	sshKexInit = 20
	sshNewKeys = 21
)

// middle is somebody between client and server, who reads the packets that go in
// the clear and does something at one moment in one direction.
type middle struct {
	toServer bool // the direction it works on
	// packet is given each packet in the clear and returns what goes on.
	packet func(kind byte, packet []byte) []byte
	drop   bool // drops the first packet after NEWKEYS
}

// listen stands in the middle until the test ends.
func (m middle) listen(t *testing.T, server string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go m.between(client, server)
		}
	}()
	return ln.Addr().String()
}

func (m middle) between(client net.Conn, server string) {
	defer client.Close()
	out, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{}, 2)
	go func() { _ = m.carry(out, client, m.toServer); done <- struct{}{} }()
	go func() { _ = m.carry(client, out, !m.toServer); done <- struct{}{} }()
	<-done
}

func (m middle) carry(to io.Writer, from io.Reader, work bool) error {
	for line := []byte(nil); !bytes.HasSuffix(line, []byte("\n")); { // RFC 4253 4.2
		b := make([]byte, 1)
		if _, err := io.ReadFull(from, b); err != nil {
			return err
		}
		line = append(line, b...)
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	read := func(more int) ([]byte, error) {
		head := make([]byte, 4)
		if _, err := io.ReadFull(from, head); err != nil {
			return nil, err
		}
		n := be.BigEndian.Uint32(head)
		if n > 64<<10 {
			return nil, errors.New("no packet")
		}
		rest := make([]byte, int(n)+more)
		_, err := io.ReadFull(from, rest)
		return append(head, rest...), err
	}
	for {
		p, err := read(0) // RFC 4253 6
		if err != nil {
			return err
		}
		kind := p[5]
		if work && m.packet != nil {
			p = m.packet(kind, p)
		}
		if _, err := to.Write(p); err != nil {
			return err
		}
		if kind == sshNewKeys {
			break
		}
	}
	if work && m.drop {
		if _, err := read(16); err != nil { // AES-GCM: length in the clear, a tag of 16 (RFC 5647 7)
			return err
		}
	}
	_, err := io.Copy(to, from)
	return err
}

// ignore is a packet in the clear that says nothing (RFC 4253 11.2).
func ignore() []byte {
	return []byte{0, 0, 0, 12, 6, sshIgnore, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
}

// Terrapin (CVE-2023-48795): whoever is in the middle puts packets in before the
// keys are there, so that as many can be left out after, or takes away the word by
// which both sides forbid it. Nobody gets through: not our client, not OpenSSH's.
func TestTerrapin(t *testing.T) {
	l := newLab(t)
	before := func(kind byte) func(byte, []byte) []byte {
		return func(k byte, p []byte) []byte {
			if k == kind {
				return append(ignore(), p...)
			}
			return p
		}
	}
	after := func(kind byte) func(byte, []byte) []byte {
		return func(k byte, p []byte) []byte {
			if k == kind {
				return append(p, ignore()...)
			}
			return p
		}
	}
	// The names stay as long as they were: the packet needs no new lengths.
	without := func(word string) func(byte, []byte) []byte {
		return func(_ byte, p []byte) []byte {
			return bytes.ReplaceAll(p, []byte(word), []byte(strings.ReplaceAll(word, "strict", "strinc")))
		}
	}
	host, port, _ := net.SplitHostPort(l.sftp)
	for _, x := range []struct {
		name string
		m    middle
		ok   bool
	}{
		{"nothing", middle{toServer: true}, true},
		{"to the server, before KEXINIT", middle{toServer: true, packet: before(sshKexInit)}, false},
		{"to the server, after KEXINIT", middle{toServer: true, packet: after(sshKexInit)}, false},
		{"to the server, before NEWKEYS", middle{toServer: true, packet: before(sshNewKeys)}, false},
		{"to the client, before KEXINIT", middle{packet: before(sshKexInit)}, false},
		{"to the client, after KEXINIT", middle{packet: after(sshKexInit)}, false},
		{"to the client, before NEWKEYS", middle{packet: before(sshNewKeys)}, false},
		{"one in, one out, to the server", middle{toServer: true, packet: before(sshNewKeys), drop: true}, false},
		{"one in, one out, to the client", middle{packet: before(sshNewKeys), drop: true}, false},
		{"one out, to the client", middle{drop: true}, false},
		{"the client's word taken away", middle{toServer: true, packet: without("kex-strict-c-v00@openssh.com")}, false},
		{"the server's word taken away", middle{packet: without("kex-strict-s-v00@openssh.com")}, false},
		{"one in, one out, without the server's word", middle{packet: func(k byte, p []byte) []byte {
			return before(sshNewKeys)(k, without("kex-strict-s-v00@openssh.com")(k, p))
		}, drop: true}, false},
	} {
		at := x.m.listen(t, l.sftp)
		through := *l
		through.sftp = at
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		f, done, err := through.files(ctx, "riverside")
		if err == nil {
			_, err = f.ReadDir("/")
			done()
		}
		if (err == nil) != x.ok {
			t.Errorf("%s: our client: %v", x.name, err)
		}
		_, mine, _ := net.SplitHostPort(at)
		cmd := exec.CommandContext(ctx, tool(t, "sftp"), append(l.sshArgs("riverside"), "-o", "HostKeyAlias=["+host+"]:"+port, "-P", mine, "-b", "-", "riverside@"+host)...)
		cmd.Stdin = strings.NewReader("ls\n")
		out, err := cmd.CombinedOutput()
		if (err == nil) != x.ok {
			t.Errorf("%s: OpenSSH: %v\n%s", x.name, err, out)
		}
		cancel()
	}
}
