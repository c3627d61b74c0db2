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
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json"}
	m := map[string]File{}
	err := fs.WalkDir(assetFiles, "assets", func(p string, d fs.DirEntry, err error) error {
		t, known := types[path.Ext(p)]
		if err != nil || d.IsDir() || !known {
			return err
		}
		b, err := assetFiles.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		f := File{Type: t, Hash: hex.EncodeToString(sum[:8]), Body: b}
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if z.Len() < len(b)*9/10 {
			f.Gzip = z.Bytes()
		}
		m[strings.TrimPrefix(p, "assets/")] = f
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("read the assets: %v", err)) // they are embedded above
	}
	return m
}()

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
