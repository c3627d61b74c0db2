package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
)

// takeBody reads what came with a request before its handler runs. A form that is
// too large or broken would look empty to FormValue, which returns no error: the
// handler would then do what an empty form says.
func takeBody(r *http.Request, most int64) error {
	if r.ContentLength > most {
		return &http.MaxBytesError{Limit: most}
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // without one it is no form
	var err error
	switch kind {
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
	case "multipart/form-data":
		err = r.ParseMultipartForm(most) //nolint:gosec // G120: the body is bounded; all of it fits, so no file is written
	}
	if err == nil { // what is left, or all of it where it is no form
		var rest []byte
		rest, err = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(rest))
	}
	var big *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &big):
		return big
	}
	return Invalid("What was sent could not be read.")
}
