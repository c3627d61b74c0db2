package ftps_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

const pythonTrial = `
import ssl, sys
host, port, user, password, ca, kind, version, up, got = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if version == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
ftp = (ReusingFTP if kind == "reusing" else ftplib.FTP_TLS)(context=context, timeout=20)
ftp.connect(host, int(port))
ftp.login(user, password)
ftp.prot_p()
def tried(what, do):
    try:
        print(what, do())
    except ftplib.Error as e:
        print(what, "refused", e)
tried("list", lambda: ftp.nlst("results"))
with open(got, "wb") as f:
    tried("retr", lambda: ftp.retrbinary("RETR results/one.bin", f.write))
with open(up, "rb") as f:
    tried("stor", lambda: ftp.storbinary("STOR inbox/up.bin", f))
tried("mlsd", lambda: [n for n, _ in ftp.mlsd("inbox")])
tried("pwd", ftp.pwd)
print(ftp.quit())
`

// documented is the subclass as docs/use/ftps.md gives it.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/use/ftps.md")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(page), "```python\n") {
		if code, _, ok := strings.Cut(block, "```"); ok && strings.HasPrefix(code, "import ftplib") {
			return code
		}
	}
	t.Fatal("docs/use/ftps.md has no subclass of ftplib any more")
	return ""
}

func TestPython(t *testing.T) {
	versions(t, func(t *testing.T, change func(*ftps.Server), version string) {
		for _, kind := range []string{"reusing", "stock"} {
			t.Run(kind, func(t *testing.T) {
				r := started(t, change)
				body := random(700_000)
				r.box.Put(channel.BoxResults, "one.bin", body)
				up, got := r.file("up.bin", body), filepath.Join(t.TempDir(), "got")
				out := r.must("python3", "-c", documented(t)+pythonTrial, "localhost", r.port, user, password, r.caFile, kind, version, up, got)
				stored, there := r.box.Get(channel.BoxInbox, "up.bin")
				if kind == "reusing" {
					if !strings.Contains(out, "stor 226 The file is safe.") || !strings.Contains(out, "mlsd ['up.bin']") || !bytes.Equal(stored, body) {
						t.Errorf("%s\n%s", out, r.log)
					}
					same(t, got, body)
					r.resumed(4)
					return
				}
				// Python's own reads the reason, and nothing passed.
				if strings.Count(out, "refused 522 The data connection does not resume the TLS session") != 4 || !strings.Contains(out, `pwd /`) || there {
					t.Errorf("%s\n%s", out, r.log)
				}
				same(t, got, nil)
				if s := r.server.Stats(); s.DataResumed != 0 || s.BytesOut != 0 || s.BytesIn != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	})
}
