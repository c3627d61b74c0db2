package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// Doc describes an operation of the JSON API for OpenAPI.
type Doc struct {
	Tag, Summary, Description string
	In, Out                   reflect.Type
	// Status of success; 0 is 200.
	Status int
	// Produces is the media type of a success that is not JSON; empty is JSON.
	Produces string
}

// Op is an operation of the JSON API. In is a struct whose fields say where they
// come from: `path:"id"`, `query:"limit"`, or `json:"reason"` for the body; each
// has `doc:"..."`. Out is what is answered.
type Op[In, Out any] struct {
	Pattern              string // "GET /api/v1/results/{id}"
	Needs                authz.Permission
	Tag, Summary, Detail string
	MaxBody              int64
	Do                   func(r *http.Request, in In) (Out, error)
}

// Route makes the operation a door.
func (o Op[In, Out]) Route() Route {
	if !strings.Contains(o.Pattern, " /api/v1/") {
		panic(fmt.Sprintf("operation %q does not stand under /api/v1/", o.Pattern))
	}
	in := reflect.TypeFor[In]()
	return Route{
		Pattern: o.Pattern, Needs: o.Needs, MaxBody: o.MaxBody,
		Doc: &Doc{Tag: o.Tag, Summary: o.Summary, Description: o.Detail, In: in, Out: reflect.TypeFor[Out]()},
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			var v In
			if err := bind(r, reflect.ValueOf(&v).Elem()); err != nil {
				return err
			}
			out, err := o.Do(r, v)
			if err != nil {
				return err
			}
			return JSON(w, out)
		},
	}
}

// JSON answers with v.
func JSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the caller may have gone
	return nil
}

// Bind fills v, a pointer to an operation's struct, from path, query and body:
// for operations that answer with something else than JSON.
func Bind(r *http.Request, v any) error { return bind(r, reflect.ValueOf(v).Elem()) }

// bind fills the fields of a request's struct from path, query and body.
func bind(r *http.Request, v reflect.Value) error {
	if v.Kind() != reflect.Struct {
		return nil
	}
	body := false
	for i := range v.NumField() {
		f := v.Type().Field(i)
		var text, name string
		if p, ok := f.Tag.Lookup("path"); ok {
			name, text = p, r.PathValue(p)
		} else if q, ok := f.Tag.Lookup("query"); ok {
			name, text = q, r.URL.Query().Get(q)
		} else {
			body = true
			continue
		}
		if text == "" {
			continue
		}
		if err := set(v.Field(i), text); err != nil {
			return &Error{Kind: KindInvalid, Message: fmt.Sprintf("%s: %v", name, err), Fields: map[string]string{name: err.Error()}}
		}
	}
	if !body || r.Method == http.MethodGet {
		return nil
	}
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(ct) != "application/json" {
		return Invalid("send the body as Content-Type: application/json")
	}
	kept := reflect.New(v.Type()).Elem()
	kept.Set(v)
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v.Addr().Interface()); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return err
		}
		return Invalid("the body is not what this operation takes: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Invalid("there is something behind the body's JSON value")
	}
	for i := range v.NumField() { // what stands in the path is never taken from the body
		f := v.Type().Field(i)
		if f.Tag.Get("path") != "" || f.Tag.Get("query") != "" {
			v.Field(i).Set(kept.Field(i))
		}
	}
	return nil
}

func set(f reflect.Value, text string) error {
	if u, ok := f.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return errors.New("this is not written as it should be")
		}
		return nil
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("write a whole number")
		}
		f.SetInt(n)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("write true or false")
		}
		f.SetBool(b)
	default:
		panic(fmt.Sprintf("web: a %s cannot come from path or query", f.Kind()))
	}
	return nil
}

// wantsJSON: an operation of the API, or a caller under /api/.
func wantsJSON(rt *Route, r *http.Request) bool {
	return rt != nil && rt.Doc != nil || strings.HasPrefix(r.URL.Path, "/api/")
}
