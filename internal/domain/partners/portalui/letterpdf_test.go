package portalui_test

import (
	"bytes"
	"encoding/base64"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store"
)

var (
	pdfOn  = regexp.MustCompile(`href="data:application/pdf;base64,([A-Za-z0-9+/=]+)"`)
	wordAt = regexp.MustCompile(`<word xMin="([0-9.]+)" yMin="([0-9.]+)" xMax="([0-9.]+)" yMax="([0-9.]+)">([^<]*)</word>`)
)

// TestLetterForAWindowEnvelope: the PDF has the code of the page, and other programs
// (poppler, zbar) find the address in the window, nothing secret above the fold, and in
// the square the address alone. The code is nowhere in the database.
func TestLetterForAWindowEnvelope(t *testing.T) {
	for _, size := range []string{"letter", "a4"} {
		t.Run(size, func(t *testing.T) {
			s := newPlaceSQLite(t, certHost)
			s.paper = size
			l := s.lab()
			l.want(l.post("/portal/riverside/invite", "name", "Dana Ruiz", "address", "a\nb\nc\nd"), http.StatusUnprocessableEntity, "at most three lines")
			r := l.want(l.post("/portal/riverside/invite", "name", "Dana Ruiz", "address", "220 River Road\r\nSuite 4\r\nMillbrook, MA 01234"), http.StatusOK, "Dear Dana Ruiz")
			if r.head.Get("Cache-Control") != "no-store" {
				t.Fatal(r.head)
			}
			code := codeOn.FindStringSubmatch(r.body)[1]
			pdf, err := base64.StdEncoding.DecodeString(pdfOn.FindStringSubmatch(r.body)[1])
			must(t, err)
			if dir := os.Getenv("LABWARDEN_PDFS"); dir != "" { // to be looked at
				must(t, os.WriteFile(filepath.Join(dir, "letter-on-"+size+".pdf"), pdf, 0o600))
			}
			s.nowhere(code)
			at := filepath.Join(t.TempDir(), "letter.pdf")
			must(t, os.WriteFile(at, pdf, 0o600))
			const mm = 72 / 25.4
			page := tool(t, "poppler-utils", "pdftotext", "-bbox", at, "-")
			inWindow := ""
			for _, m := range wordAt.FindAllStringSubmatch(page, -1) {
				var x [4]float64
				for i := range x {
					x[i], err = strconv.ParseFloat(m[i+1], 64)
					must(t, err)
					x[i] /= mm
				}
				word := html.UnescapeString(m[5])
				if x[1] > 62 && x[3] < 85 {
					inWindow += word + " "
					if x[0] < 22 || x[2] > 105 {
						t.Errorf("%q stands from %.0f to %.0f mm: not in the window", word, x[0], x[2])
					}
				}
				if strings.Contains(word, code[5:]) && x[1] < 105 {
					t.Errorf("the code stands %.0f mm below the top: above the fold", x[1])
				}
			}
			if inWindow != "Dana Ruiz Riverside Family Practice 220 River Road Suite 4 Millbrook, MA 01234 " {
				t.Errorf("in the window: %q", inWindow)
			}
			text := strings.Join(strings.Fields(tool(t, "poppler-utils", "pdftotext", "-layout", at, "-")), " ")
			for _, want := range []string{code, "Dear Dana Ruiz,", "results.millbrook.example", "dana.ruiz", "+1 555 0142", "12 Mill Lane, Millbrook, MA 01234", "The portal does not replace the call."} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not on the letter: %s", want, text)
				}
			}
			tool(t, "poppler-utils", "pdftoppm", "-r", "200", "-png", "-singlefile", at, strings.TrimSuffix(at, ".pdf"))
			if got := strings.TrimSpace(tool(t, "zbar-tools", "zbarimg", "-q", "--raw", strings.TrimSuffix(at, ".pdf")+".png")); got != "https://results.millbrook.example/letter" {
				t.Errorf("the square says %q", got)
			}

			// Once more for a person whose letter is lost: the one before ends.
			list, err := s.portal.Members(t.Context(), "riverside")
			must(t, err)
			again := "/portal/riverside/people/" + list[0].Person.String() + "/letter"
			l.want(l.get(again), http.StatusOK, "A new letter for Dana Ruiz.")
			l.want(l.get(strings.Replace(again, "riverside", "northgate", 1)), http.StatusNotFound, "")
			b := s.browser()
			second := codeOn.FindStringSubmatch(l.want(l.post(again), http.StatusOK, "Dear Dana Ruiz").body)[1]
			b.want(b.post("/letter", "code", code), http.StatusUnprocessableEntity, "This code does not work")
			b.want(b.post("/letter", "code", second), http.StatusSeeOther, "/letter/way")
			var out struct{ Code, PDF string }
			l.want(l.json("/api/v1"+again, map[string]any{"address": "220 River Road"}, &out), http.StatusOK, "pdf")
			if pdf, err = base64.StdEncoding.DecodeString(out.PDF); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) || out.Code == "" {
				t.Fatal(out, err)
			}
			l.want(l.post("/portal/riverside/invite", "name", "Łucja Żak"), http.StatusOK, "The PDF cannot write all letters")
		})
	}
}

// nowhere looks for a letter's secret in every column of every table.
func (s *place) nowhere(code string) {
	s.t.Helper()
	var tables []string
	must(s.t, s.db.Query(s.t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table'", nil, func(row store.Scanner) error {
		var name string
		err := row.Scan(&name)
		tables = append(tables, name)
		return err
	}))
	secret := strings.ReplaceAll(code[5:], "-", "")
	for _, table := range tables {
		var columns []string
		must(s.t, s.db.Query(s.t.Context(), "SELECT name FROM pragma_table_info('"+table+"')", nil, func(row store.Scanner) error {
			var name string
			err := row.Scan(&name)
			columns = append(columns, name)
			return err
		}))
		for _, c := range columns {
			var n int64
			must(s.t, s.db.QueryRow(s.t.Context(), "SELECT count(*) FROM "+table+" WHERE instr(CAST("+c+" AS BLOB), CAST($1 AS BLOB)) > 0 OR instr(CAST("+c+" AS BLOB), CAST($2 AS BLOB)) > 0", secret, code[5:]).Scan(&n))
			if n > 0 {
				s.t.Errorf("the code of a letter stands in %s.%s", table, c)
			}
		}
	}
	if len(tables) < 10 {
		s.t.Fatal(tables)
	}
}

// tool runs a program of Debian's.
func tool(t *testing.T, from, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed (%s)", name, from)
	}
	if err != nil {
		t.Skipf("SKIPPED: no other program looked at the letter: %s is not installed (%s)", name, from)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var noise bytes.Buffer
	cmd.Stderr = &noise
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, noise.String())
	}
	return string(out)
}
