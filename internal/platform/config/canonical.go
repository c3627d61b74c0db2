package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strconv"
)

// Canonical returns c as JSON in one form only: keys of sections in the order
// of this package, keys that people chose sorted, defaults spelled out, what
// is empty left out. It is itself a configuration that Parse reads to the same
// meaning. It names secrets and never holds one.
func (c *Config) Canonical() []byte {
	var b bytes.Buffer
	writeCanonical(&b, reflect.ValueOf(*c), "")
	b.WriteByte('\n')
	return b.Bytes()
}

// JSON is Canonical indented for people.
func (c *Config) JSON() []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, c.Canonical(), "", "  "); err != nil {
		panic(err) // Canonical is JSON
	}
	return b.Bytes()
}

// Revision is the SHA-256 of Canonical without the node section, in hex: what
// the ledger, deliveries and proofs name.
func (c *Config) Revision() string {
	var b bytes.Buffer
	writeCanonical(&b, reflect.ValueOf(*c), "node")
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

func writeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	b.Truncate(b.Len() - 1)
}

func writeCanonical(b *bytes.Buffer, v reflect.Value, without string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if s, ok := asScalar(v); ok {
		writeText(b, s.String())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		b.WriteByte('{')
		first := true
		for _, f := range fieldsOf(v.Type()) {
			fv := v.Field(f.index)
			if f.name == without || empty(fv) && (f.def == "" || fv.Type() == reflect.TypeFor[Listen]()) { // an empty address cannot be written: it is one that checkFrontWeb closed
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			writeText(b, f.name)
			b.WriteByte(':')
			writeCanonical(b, fv, "")
		}
		b.WriteByte('}')
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			writeCanonical(b, v.Index(i), "")
		}
		b.WriteByte(']')
	case reflect.Map:
		b.WriteByte('{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, k)
			b.WriteByte(':')
			writeCanonical(b, v.MapIndex(reflect.ValueOf(k)), "")
		}
		b.WriteByte('}')
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	default:
		writeText(b, v.String())
	}
}

func sortedKeys(v reflect.Value) []string {
	m := make(map[string]bool, v.Len())
	for _, k := range v.MapKeys() {
		m[k.String()] = true
	}
	return sorted(m)
}

// empty says whether v says nothing: a list without entries is as good as none,
// a section that stands there is not.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
