package arch

import (
	"encoding/csv"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cryptographic are the packages that encrypt, hash, sign, check or make random
// numbers. math/rand is among them, so that nobody takes it for a secret.
var cryptographic = regexp.MustCompile(`^(crypto|crypto/.*|math/rand|math/rand/v2|golang\.org/x/(crypto|mod/sumdb|oauth2)(/.*)?|filippo\.io/.*|github\.com/(ProtonMail|smallstep|google/go-tpm|go-webauthn|coreos/go-oidc|pquerna/otp|golang-jwt|cloudflare/circl)(/.*)?)$`)

// TestCryptographyIsInTheInventory: docs/comply/cryptography.csv names each package
// of ours that uses cryptography, what it imports and what for (ASVS 5.0 V11.1.3). A
// new use, or one that is gone, fails here.
func TestCryptographyIsInTheInventory(t *testing.T) {
	found := map[string][]string{}
	eachSource(t, parser.ImportsOnly, func(path string, _ *token.FileSet, file *ast.File) {
		of := path[:strings.LastIndex(path, "/")]
		for _, x := range file.Imports {
			if name := imported(t, x); cryptographic.MatchString(name) && !slices.Contains(found[of], name) {
				found[of] = append(found[of], name)
			}
		}
	})
	if len(found) < 20 {
		t.Fatalf("only %d packages were found: this test sees too little", len(found))
	}
	file, err := os.Open(filepath.Join(rootFolder(t), "docs", "comply", "cryptography.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0], []string{"package", "imports", "for"}) {
		t.Fatalf("the columns are %q", rows[0])
	}
	last := ""
	for _, row := range rows[1:] {
		of, listed, what := row[0], strings.Fields(row[1]), row[2]
		if of <= last || what == "" {
			t.Errorf("%s is out of order, there twice, or does not say what for", of)
		}
		last = of
		for _, name := range found[of] {
			if !slices.Contains(listed, name) {
				t.Errorf("%s imports %s, which docs/comply/cryptography.csv does not say", of, name)
			}
		}
		for _, name := range listed {
			if !slices.Contains(found[of], name) {
				t.Errorf("docs/comply/cryptography.csv says that %s imports %s: it does not", of, name)
			}
		}
		delete(found, of)
	}
	for of, names := range found {
		t.Errorf("%s uses %s and is not in docs/comply/cryptography.csv: write down what for", of, strings.Join(names, ", "))
	}
}
