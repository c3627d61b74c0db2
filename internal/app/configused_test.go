package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// TestEverySettingIsUsed: a setting that is read, checked and documented but
// that nothing goes by is a promise that is not kept. Fields are told apart by
// their Go name alone, so that this finds the plain cases.
func TestEverySettingIsUsed(t *testing.T) {
	unused := []string{
		"CheckReason",      // for who reads the revision
		"Contact", "Phone", // for who reads them
		// What is off should have no menu, port or job: nothing goes by them yet.
		"Profiles", "Devices", "Updates", "Watch",
	}
	fields := map[string]bool{}
	fieldsOf(reflect.TypeFor[config.Config](), map[reflect.Type]bool{}, fields)
	var text strings.Builder
	for _, dir := range []string{".", "../cli", "../node", "../demo"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			text.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\.([A-Z]\w*)`).FindAllStringSubmatch(text.String(), -1) {
		used[m[1]] = true
	}
	for _, f := range sorted(fields) {
		if !used[f] && !slices.Contains(unused, f) {
			t.Errorf("%s is a setting that nothing goes by", f)
		}
	}
}

func fieldsOf(t reflect.Type, seen map[reflect.Type]bool, out map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldsOf(t.Elem(), seen, out)
	case reflect.Map:
		fieldsOf(t.Elem(), seen, out)
	case reflect.Struct:
		if seen[t] {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			if _, ok := f.Tag.Lookup("yaml"); ok {
				out[f.Name] = true
			}
			fieldsOf(f.Type, seen, out)
		}
	}
}
