package cli

import (
	"net"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// capture VAR REGEXP sets VAR to the first group of what the last command said.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("nothing is like %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// killed NAME ends a program as a power cut does.
func killed(ts *testscript.TestScript, _ bool, args []string) {
	p := processes(ts)[args[0]]
	ts.Check(p.cmd.Process.Kill())
	<-p.done
}

// tunnelport VAR tcp|udp sets VAR to a port that nobody has.
func tunnelPort(ts *testscript.TestScript, _ bool, args []string) {
	var addr net.Addr
	if args[1] == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		ts.Check(err)
		defer c.Close()
		addr = c.LocalAddr()
	} else {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer ln.Close()
		addr = ln.Addr()
	}
	_, port, err := net.SplitHostPort(addr.String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}
