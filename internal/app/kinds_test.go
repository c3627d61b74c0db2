package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

var dotted = regexp.MustCompile(`^[a-z][a-z_]*(\.[a-z][a-z_]*)+$`)

// noKinds stand in the areas of events and are none: files, paths of the
// configuration, kinds of alarms that are told by another name than alarm.Key.
var noKinds = []string{
	"node.front.sftp", "node.front.ftps", "node.front.sftp.listen", "node.front.web", "box.keys", "box.from", "box.password",
	"keys.json", "bypass.key", "config.director", "node.database", "node.listen", "node.metrics", "node.seals", "node.tls", "node.tunnels", "node.tunnels.listen", "node.tunnels.network", "node.web",
	"node.web.listen", "node.web.public_url", "node.web.tls", "node.fhir", "node.fhir.listen", "node.fhir.public_url", "node.fhir.tls", "node.portal", "node.portal.listen", "node.portal.public_url", "node.portal.tls", "node.acme", "node.acme.directory", "node.acme.email", "node.acme.http_listen", "node.enrol", "node.enrol.listen", "node.enrol.names", "alarms.mail", "partner.silent", "partner.slow", "account.leaver", "quarantine.waits",
	"bench.yaml", "access.recover", "access.program", // acts of the approval desk
}

// kinds finds every kind of event in the program: what stands in ledger.Event, in
// constants Kind…, and whatever else looks like them.
func kinds(t *testing.T) map[string]string {
	t.Helper()
	certain, alarms, all := map[string]string{}, map[string]bool{}, map[string]string{}
	for _, dir := range []string{".", "../domain", "../platform"} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") || strings.HasSuffix(path, "record/words.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			look(f, path, certain, alarms, all)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	areas := map[string]bool{}
	for k := range certain {
		area, _, _ := strings.Cut(k, ".")
		areas[area] = true
	}
	for _, k := range record.Kinds() {
		area, _, _ := strings.Cut(k, ".")
		areas[area] = true
	}
	for k, path := range all {
		area, _, _ := strings.Cut(k, ".")
		_, permission := authz.Of(authz.Permission(k))
		if areas[area] && !alarms[k] && !permission && !slices.Contains(noKinds, k) {
			certain[k] = path
		}
	}
	return certain
}

func look(f *ast.File, path string, certain map[string]string, alarms map[string]bool, all map[string]string) {
	text := func(x ast.Expr) string {
		l, ok := x.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return ""
		}
		s, err := strconv.Unquote(l.Value)
		if err != nil || !dotted.MatchString(s) {
			return ""
		}
		return s
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s := text(n); s != "" {
				all[s] = path
			}
		case *ast.CallExpr: // the helpers that rooms publish by
			name := ""
			switch x := n.Fun.(type) {
			case *ast.Ident:
				name = x.Name
			case *ast.SelectorExpr:
				name = x.Sel.Name
			}
			if !slices.Contains([]string{"fact", "publish", "looked", "changeWindow", "windowFact"}, name) {
				return true
			}
			for _, a := range n.Args {
				if s := text(a); s != "" {
					certain[s] = path
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i >= len(n.Values) || text(n.Values[i]) == "" {
					continue
				}
				switch s := text(n.Values[i]); {
				case strings.HasPrefix(name.Name, "Kind"):
					certain[s] = path
				case strings.HasPrefix(name.Name, "kind"), strings.HasPrefix(name.Name, "Alarm"):
					alarms[s] = true
				}
			}
		case *ast.CompositeLit:
			of := ""
			switch x := n.Type.(type) {
			case *ast.Ident:
				of = x.Name
			case *ast.SelectorExpr:
				of = x.Sel.Name
			}
			for _, e := range n.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, _ := kv.Key.(*ast.Ident)
				if key == nil || key.Name != "Kind" && key.Name != "kind" {
					continue
				}
				switch s := text(kv.Value); {
				case of == "Event" && s != "":
					certain[s] = path
				case of == "Key" && s != "":
					alarms[s] = true
				case of == "callStep": // results puts KindCall before it
					if l, ok := kv.Value.(*ast.BasicLit); ok {
						certain["call."+strings.Trim(l.Value, `"`)] = path
					}
				}
			}
		}
		return true
	})
}

// Every kind of event that the program publishes reads as words on the pages of
// the record, and no words stand there for what nobody publishes.
func TestEveryKindHasWords(t *testing.T) {
	found := kinds(t)
	words := record.Kinds()
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(words, k) {
			t.Errorf("%s (%s) has no words: write them into internal/domain/access/record/words.go", k, found[k])
		}
	}
	for _, k := range words {
		if found[k] == "" {
			t.Errorf("%s has words, and nothing publishes it", k)
		}
		w := record.Words(k)
		if strings.ContainsAny(w, "._") || w[0] < 'A' || w[0] > 'Z' {
			t.Errorf("%s reads %q", k, w)
		}
	}
	if len(found) < 120 {
		t.Errorf("only %d kinds were found: the search has gone blind", len(found))
	}
}
