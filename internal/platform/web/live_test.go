package web_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The bar: 200 open live pages in at most 100 MB. Server and readers are counted
// together, so the server alone takes less.
func TestBarTwoHundredLivePages(t *testing.T) {
	const pages, limit = 200, 100 << 20
	s := newSite(t)
	srv := httptest.NewUnstartedServer(s.h)
	srv.EnableHTTP2 = false // a connection each: browsers of 200 people
	srv.StartTLS()
	defer srv.Close()
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	var ready, heard sync.WaitGroup
	var all []io.Closer
	for range pages {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/live?t=results", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Test-Role", "technologist")
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, resp.Body)
		ready.Add(1)
		heard.Add(1)
		go func() {
			lines := bufio.NewScanner(resp.Body)
			first := true
			for lines.Scan() {
				if first {
					first = false
					ready.Done()
				}
				if strings.HasPrefix(lines.Text(), "event: changed") {
					heard.Done()
					return
				}
			}
		}()
	}
	ready.Wait()
	used := memory() - before
	t.Logf("%d open live pages: %.1f MB with their readers, %.0f kB each", pages, float64(used)/(1<<20), float64(used)/pages/1024)
	if used > limit {
		t.Errorf("%d MB for %d pages, the bar is 100", used>>20, pages)
	}
	began := time.Now()
	s.Live.Say("results")
	heard.Wait()
	if d := time.Since(began); d > time.Second {
		t.Errorf("the last page heard of a change after %v, the bar is 1 s", d)
	} else {
		t.Logf("all heard of a change within %v", d)
	}
	for _, c := range all {
		_ = c.Close() // the readers have what they wanted
	}
}
