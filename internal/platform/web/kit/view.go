package kit

import (
	"net/url"
	"strconv"
	"strings"
)

// View is how somebody looks at a table: filters, order, page. It stands whole
// in the URL, so that it can be kept, sent on and gone back to. Never filter by
// anything of a patient this way: such a search is a POST.
type View struct {
	Path   string
	Values url.Values // the filters, without sort and page
	Sort   string
	Desc   bool
	Page   int // from 1
	Size   int
}

const maxPage = 100000

// ReadView reads it from a request's URL. Of sorts only those named are taken,
// the first is the default; "-" in front of that one begins with the greatest.
func ReadView(u *url.URL, size int, sorts ...string) View {
	q := u.Query()
	v := View{Path: u.Path, Values: url.Values{}, Page: 1, Size: size}
	for k, vs := range q {
		if k != "sort" && k != "page" && k != "format" {
			for _, s := range vs {
				if s != "" {
					v.Values.Add(k, s)
				}
			}
		}
	}
	if len(sorts) > 0 {
		v.Sort, v.Desc = strings.TrimPrefix(sorts[0], "-"), strings.HasPrefix(sorts[0], "-")
	}
	asked, desc := strings.TrimPrefix(q.Get("sort"), "-"), strings.HasPrefix(q.Get("sort"), "-")
	for _, s := range sorts {
		if strings.TrimPrefix(s, "-") == asked && asked != "" {
			v.Sort, v.Desc = asked, desc
		}
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n >= 1 && n <= maxPage {
		v.Page = n
	}
	return v
}

// Get is one filter's value.
func (v View) Get(name string) string { return v.Values.Get(name) }

// Offset is how many rows come before this page.
func (v View) Offset() int { return (v.Page - 1) * v.Size }

// Pages is how many there are of total rows, at least one.
func (v View) Pages(total int) int {
	if v.Size <= 0 || total <= v.Size {
		return 1
	}
	return (total + v.Size - 1) / v.Size
}

func (v View) url(sort string, desc bool, page int, more ...string) string {
	q := url.Values{}
	for k, vs := range v.Values {
		q[k] = vs
	}
	if sort != "" {
		if desc {
			sort = "-" + sort
		}
		q.Set("sort", sort)
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if len(q) == 0 {
		return v.Path
	}
	return v.Path + "?" + q.Encode()
}

// SortBy is the address with the other order; a column already sorted by turns
// round.
func (v View) SortBy(name string) string { return v.url(name, v.Sort == name && !v.Desc, 1) }

// At is the address of another page.
func (v View) At(page int) string { return v.url(v.Sort, v.Desc, page) }

// CSV is the address of the same rows as a file: format=csv.
func (v View) CSV() string { return v.url(v.Sort, v.Desc, 1, "format", "csv") }

// WantsCSV says whether a request asks for the file.
func WantsCSV(u *url.URL) bool { return u.Query().Get("format") == "csv" }
