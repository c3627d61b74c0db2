package kit

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// File is something built in that pages load.
type File struct {
	Type, Hash string
	Body       []byte
	Gzip       []byte // nil where it would not be smaller
}

var assets = func() map[string]File {
	m, err := readAssets()
	if err != nil {
		panic(fmt.Sprintf("read the assets: %v", err)) // they are embedded above
	}
	return m
}()

func readAssets() (map[string]File, error) {
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json"}
	m := map[string]File{}
	var sheets []string
	err := fs.WalkDir(assetFiles, "assets", func(p string, d fs.DirEntry, err error) error {
		t, known := types[path.Ext(p)]
		if err != nil || d.IsDir() || !known {
			return err
		}
		b, err := assetFiles.ReadFile(p)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, "assets/")
		if path.Ext(p) == ".css" {
			sheets = append(sheets, name)
		}
		m[name], err = file(t, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	// The stylesheet names fonts by the address the page loads ahead, or they
	// would be loaded twice.
	for _, name := range sheets {
		b := m[name].Body
		for font, f := range m {
			if f.Type == "font/woff2" {
				b = bytes.ReplaceAll(b, []byte("url("+font+")"), []byte("url("+font+"?v="+f.Hash+")"))
			}
		}
		if m[name], err = file(m[name].Type, b); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func file(kind string, b []byte) (File, error) {
	sum := sha256.Sum256(b)
	f := File{Type: kind, Hash: hex.EncodeToString(sum[:8]), Body: b}
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := w.Write(b); err != nil {
		return f, err
	}
	if err := w.Close(); err != nil {
		return f, err
	}
	if z.Len() < len(b)*9/10 {
		f.Gzip = z.Bytes()
	}
	return f, nil
}

// Asset returns a file by its path below /assets/.
func Asset(name string) (File, bool) {
	f, ok := assets[name]
	return f, ok
}

// URL is the address of an asset that changes with what is in it, so that a
// browser keeps it for good.
func URL(name string) string {
	f, ok := assets[name]
	if !ok {
		panic("kit: there is no asset " + name)
	}
	return "/assets/" + name + "?v=" + f.Hash
}
