package web

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// minGzip is the least page worth compressing.
const minGzip = 1000

// shrinks says whether this answer may be compressed. A page that another site
// has the browser ask for is not: whoever can make it hold a text of their own
// and sees its length could guess what else stands there, letter by letter
// (BREACH). A browser that does not say where a request comes from gets it plain.
func shrinks(r *http.Request, size int) bool {
	from := r.Header.Get("Sec-Fetch-Site")
	return size >= minGzip && (from == "same-origin" || from == "none") && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// squeezers keeps writers to use again: a new one takes most of a megabyte.
type squeezers struct{ pool sync.Pool }

func (s *squeezers) write(w http.ResponseWriter, status int, body []byte) error {
	z, _ := s.pool.Get().(*gzip.Writer)
	if z == nil {
		z = gzip.NewWriter(w)
	} else {
		z.Reset(w)
	}
	defer s.pool.Put(z)
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	if _, err := z.Write(body); err != nil {
		return err
	}
	return z.Close()
}
