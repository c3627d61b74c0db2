package attacks

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// quietPartner is one that nobody answers for.
const quietPartner = "  quiet: {name: Quiet Clinic, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n"

// hostile is what fields hold: markup, attributes, formulas, templates, characters
// that command. Each begins otherwise, since what stands first decides.
var hostile = []string{
	`"><zqx onzqx=1>`, `' onzqx='1`, `" onzqx="1`, `</textarea></title></pre></script><zqx>`, `javascript:zqx(1)`, `{{7*7}}${7*7}<%= 7*7 %>`,
	`=zqx(1)`, `+zqx`, `-zqx`, `@zqx(1)`, "\tzqx", `\X0D\\X0A\Set-Cookie: zqx=1`, "zq\u202Ex\u200B", `<!--zqx`, `]]><zqx>`, `%0d%0aX-Zqx: 1`,
}

// field makes one safe for a place in an HL7 message; the message's own delimiters
// would only make other fields of it.
func field(s string) string {
	return strings.NewReplacer("|", "!", "^", "!", "~", "!", "&", "!", "\r", " ", "\n", " ").Replace(s)
}

// message has x in every field that holds text.
func message(n int, x string) string {
	h := field(x)
	return strings.Join([]string{
		`MSH|^~\&|` + h + `|` + h + `|` + h + `|` + h + `|20261122073900||ORU^R01^ORU_R01|C` + fmt.Sprint(n) + `|P|2.5.1`,
		`PID|1|` + h + `|9` + fmt.Sprint(n) + `^^^` + h + `^MR~` + h + `|` + h + `|` + h + `^` + h + `^` + h + `||` + h + `|` + h + `|` + h + `|` + h + `|` + h,
		`ORC|RE|` + h + `|` + h + `|` + h + `|` + h + `|` + h + `||||||` + h + `^` + h + `^` + h,
		`OBR|1|` + h + `|` + h + `|` + h + `^` + h + `^LN|||20261122070000|||||||` + h + `|` + h + `||` + h + `^` + h + `^` + h + `||||||` + h + `||CH|F|||||||` + h + `!` + h,
		`OBX|1|NM|` + h + `^` + h + `^LN||` + h + `|` + h + `|` + h + `|HH|||F`, `OBX|2|TX|` + h + `^` + h + `||` + h + `|` + h + `|` + h + `|` + h + `|||F`,
		`NTE|1|` + h + `|` + h, `SPM|1|` + h + `^` + h + `||` + h, `ZXX|1|` + h,
	}, "\r") + "\r"
}

// present sends a message through the LIS's door and returns the answer.
func (h *hub) present(body string) string {
	h.t.Helper()
	c, err := net.Dial("tcp", h.lis)
	must(h.t, err)
	defer c.Close()
	must(h.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, "\x0b"+body+"\x1c\r")
	must(h.t, err)
	ack, err := bufio.NewReader(c).ReadString(0x1c)
	must(h.t, err)
	return ack
}

// clinic answers every message with code, and hostile words.
func clinic(t testing.TB, code string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go answer(c, code)
		}
	}()
	return ln.Addr().String()
}

func answer(c net.Conn, code string) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		got, err := r.ReadBytes(0x1c)
		if err != nil {
			return
		}
		control := ""
		if f := bytes.Split(bytes.TrimPrefix(bytes.SplitN(got, []byte("\r"), 2)[0], []byte("\x0b")), []byte("|")); len(f) > 9 {
			control = string(f[9])
		}
		h := field(strings.Join(hostile, " "))
		_, err = fmt.Fprintf(c, "\x0bMSH|^~\\&|%s|%s|||20261122||ACK^R01|%s|P|2.5.1\rMSA|%s|%s|%s\rERR||PID^1^%s|207^%s|E|%s|||%s|%s\r\x1c\r", h, h, control, code, control, h, h, h, h, h, h)
		if err != nil {
			return
		}
	}
}
