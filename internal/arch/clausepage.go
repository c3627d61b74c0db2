package arch

import (
	"fmt"
	"slices"
	"strings"
)

// ClausePage is docs/comply/index.md for the tree at root. It fails, naming each,
// where a citation stands in code that no test reaches.
func ClausePage(root string) (string, error) {
	tree, err := readTree(root, "internal", "cmd", "e2e")
	if err != nil {
		return "", fmt.Errorf("read sources: %w", err)
	}
	return clausePage(tree)
}

func clausePage(tree map[string]*folder) (string, error) {
	var all []citation
	for _, f := range tree {
		for path, file := range f.files {
			if !strings.HasSuffix(path, "_test.go") {
				all = append(all, cited(path, file)...)
			}
		}
	}
	for _, f := range tree {
		for path, text := range f.tables {
			all = append(all, citedTable(path, text)...)
		}
	}
	all = sortCitations(all)
	out := "# Clause, code, test\n\n" +
		"Made by `go generate ./internal/arch` from the clauses that stand in the code, beside the lines they justify. The test is one that\n" +
		"cites the clause itself, else the nearest that reaches the code by the names it uses. A citation that no test reaches fails the\n" +
		"build (`TestClauseIndex`). Section numbers of HL7 v2.5.1 for data types and for\n" +
		"segments follow the standard's alphabetical lists, spot-checked in public (MSH, ERR; FT, EI, SN, SPS, XAD in KeironO/hl7types);\n" +
		"those of processing rules, of other versions and of MLLP are unverified: no public text carries them. Tables and maps: terminology.hl7.org, HL7/v2-to-fhir. Rules: beside the code.\n"
	var dead []string
	for i, s := range sources {
		n := slices.IndexFunc(all, func(c citation) bool { return c.source == i })
		if n < 0 {
			return "", fmt.Errorf("nothing in the code cites %s: take it out of the list", s.name)
		}
		out += "\n## " + s.name + "\n\n| clause | code | test |\n|---|---|---|\n"
		last := ""
		for _, c := range all {
			if c.source != i {
				continue
			}
			test := testOf(tree, c)
			if test == "" {
				dead = append(dead, fmt.Sprintf("%s in %s, %s", c.clause, c.file, c.symbol))
			}
			clause := c.clause
			if clause == last {
				clause = ""
			}
			last = c.clause
			name, where, away := strings.Cut(test, " ")
			if away {
				where = " " + where
			}
			out += fmt.Sprintf("| %s | `%s` %s | `%s`%s |\n", clause, c.file, c.symbol, name, where)
		}
	}
	if dead != nil {
		return "", fmt.Errorf("no test reaches\n%s", strings.Join(dead, "\n"))
	}
	return out, nil
}
