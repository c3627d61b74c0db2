package vault_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var writeVectors = flag.Bool("write-vectors", false, "write testdata/v1.json anew; what stands in it is on the disks of laboratories, so never without a new version")

// vectors pins what is on disk. A newer program must open all of it.
type vectors struct {
	Comment    string         `json:"comment"`
	KeyFile    string         `json:"key_file"`
	Passphrase string         `json:"passphrase"`
	Book       string         `json:"book"`
	Shares     []string       `json:"shares"`
	Records    []vectorRecord `json:"records"`
	Index      vectorIndex    `json:"index"`
	Verifiers  []string       `json:"verifiers"`
}

type vectorRecord struct {
	Purpose               vault.Purpose
	Table, Column         string
	RowHex, Text, HexSeal string
}

type vectorIndex struct {
	Domain string
	Parts  []string
	Hex    []string // current key first
}

func TestVectors(t *testing.T) {
	path := filepath.Join("testdata", "v1.json")
	if *writeVectors {
		writeVectorFile(t, path)
	}
	raw, err := os.ReadFile(path)
	must(t, err)
	var c vectors
	must(t, json.Unmarshal(raw, &c))
	keyPath := filepath.Join(t.TempDir(), "lab.key")
	must(t, os.WriteFile(keyPath, []byte(c.KeyFile), 0o600))
	var shares []vault.Share
	for _, text := range c.Shares {
		s, err := vault.ParseShare(text)
		must(t, err)
		if s.Text() != text {
			t.Error("the share prints otherwise")
		}
		shares = append(shares, s)
	}
	b := new(vaulttest.Book)
	b.Set([]byte(c.Book))
	for name, open := range map[string]func() (*vault.Vault, error){
		"key file": func() (*vault.Vault, error) { return vault.Open(t.Context(), b, vault.KeyFile(keyPath)) },
		"passphrase": func() (*vault.Vault, error) {
			return vault.Open(t.Context(), b, vault.CheapPassphrase(c.Passphrase, false))
		},
		"shares": func() (*vault.Vault, error) { return vault.Recover(t.Context(), b, shares[1:]) },
	} {
		v, err := open()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Records) < 3 || len(c.Index.Hex) != 2 || len(c.Verifiers) != 2 {
			t.Fatal("the vectors are not complete")
		}
		for i, r := range c.Records {
			row, err := hex.DecodeString(r.RowHex)
			must(t, err)
			sealed, err := hex.DecodeString(r.HexSeal)
			must(t, err)
			got, err := v.Unseal(r.Purpose, vault.Where{Table: r.Table, Column: r.Column, Row: row}, nil, sealed)
			if err != nil || string(got) != r.Text {
				t.Errorf("%s: record %d: %v", name, i, err)
			}
		}
		for i, h := range indexHex(v, c.Index) {
			if h != c.Index.Hex[i] {
				t.Errorf("%s: index version %d differs", name, i)
			}
		}
		for i, k := range v.VerifierKeys() {
			if k != c.Verifiers[i] {
				t.Errorf("%s: verifier %d differs", name, i)
			}
		}
	}
}

func indexHex(v *vault.Vault, x vectorIndex) (out []string) {
	var parts [][]byte
	for _, p := range x.Parts {
		parts = append(parts, []byte(p))
	}
	for _, sum := range v.IndexVersions(x.Domain, parts...) {
		out = append(out, hex.EncodeToString(sum[:]))
	}
	return out
}

func writeVectorFile(t *testing.T, path string) {
	keyPath := filepath.Join(t.TempDir(), "lab.key")
	random := &counter{}
	must(t, vault.CreateKeyFile(keyPath, random))
	keyText, err := os.ReadFile(keyPath)
	must(t, err)
	c := vectors{Comment: "Keys for tests only.", KeyFile: string(keyText), Passphrase: "correct horse battery staple"}
	b := new(vaulttest.Book)
	v, shares, err := vault.Create(t.Context(), b, random, vault.CreateOptions{
		Lab: "lab.example", Seals: []vault.Seal{vault.KeyFile(keyPath), vault.CheapPassphrase(c.Passphrase, false)}, Shares: 3, Threshold: 2, Now: day,
	})
	must(t, err)
	for _, s := range shares {
		c.Shares = append(c.Shares, s.Text())
	}
	add := func(p vault.Purpose, table, column, row, text string) {
		sealed, err := v.Seal(p, vault.Where{Table: table, Column: column, Row: []byte(row)}, nil, []byte(text))
		must(t, err)
		c.Records = append(c.Records, vectorRecord{p, table, column, hex.EncodeToString([]byte(row)), text, hex.EncodeToString(sealed)})
	}
	add(vault.PurposeBodies, "results_messages", "body", "\x01\x93row one\x00\xff", "under the first key")
	must(t, v.Rotate(t.Context(), vault.PurposeBodies, day))
	must(t, v.Rotate(t.Context(), vault.PurposeIndex, day))
	must(t, v.RotateSigner(t.Context(), day))
	add(vault.PurposeBodies, "results_messages", "body", "row two", "under the second key")
	add(vault.PurposeSecrets, "secrets", "value", "smtp", "")
	c.Index = vectorIndex{Domain: "results accession", Parts: []string{"lab", "A-1", ""}}
	c.Index.Hex, c.Verifiers, c.Book = indexHex(v, c.Index), v.VerifierKeys(), string(b.Bytes())
	raw, err := json.MarshalIndent(&c, "", "  ")
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, append(raw, '\n'), 0o644))
}

// counter is a source of bytes that are the same each time.
type counter struct{ n uint32 }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.n = c.n*1664525 + 1013904223
		p[i] = byte(c.n >> 24)
	}
	return len(p), nil
}
