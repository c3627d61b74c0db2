package hl7fhir

import (
	"embed"
	"strings"
	"sync"
)

// The tables are data, read once: a line is "v2 code,FHIR code"; # begins a comment.
//
//go:embed tables/*.csv
var tableFiles embed.FS

type table map[string]string

// tables holds every file of tables/ by its name without .csv; nobody writes it.
var tables = sync.OnceValue(func() map[string]table {
	all := map[string]table{}
	files, err := tableFiles.ReadDir("tables")
	if err != nil {
		panic(err) // embedded: cannot be absent
	}
	for _, f := range files {
		b, err := tableFiles.ReadFile("tables/" + f.Name())
		if err != nil {
			panic(err)
		}
		t := table{}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if i := strings.LastIndexByte(line, ','); i > 0 {
				t[line[:i]] = line[i+1:]
			}
		}
		all[strings.TrimSuffix(f.Name(), ".csv")] = t
	}
	return all
})

// lookup returns the FHIR code of a v2 code in the named table.
func lookup(name, code string) (string, bool) {
	v, ok := tables()[name][code]
	return v, ok
}
