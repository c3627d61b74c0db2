package setup_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// patients are values of messages, kind and value.
type patients [][2]string

func (p patients) Each(_ context.Context, each func(kind, value string) error) (int64, int64, error) {
	for _, v := range p {
		if err := each(v[0], v[1]); err != nil {
			return 0, 0, err
		}
	}
	return int64(len(p)), 1, nil
}

// TestABundleProvesThatItNamesNoPatient.
func TestABundleProvesThatItNamesNoPatient(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		parts := []setup.Part{
			{Name: "status.json", Body: []byte(`{"version": "1.2", "page": 7, "waiting": 4711}`), Words: []string{"version", "page", "waiting"}},
			{Name: "text.txt", Body: []byte("12 Elm Street; 555-0100; DOE; mueller")},
		}
		stored := patients{{"number", "PA-99182"}, {"name", "PAGE"}, {"name", "Ng"}, {"birth", "19610203"}, {"address", "14 Oak Avenue"}}
		zipped, m, err := r.service.Bundle(t.Context(), "1.2", parts, stored, "ann")
		r.must(err)
		if m.Proof.Found != 0 || m.Proof.Values != 5 || m.Proof.TooShort != 1 || m.Proof.Messages != 5 || m.Proof.Bytes == 0 {
			t.Fatalf("%+v", m.Proof)
		}
		z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
		r.must(err)
		if len(z.File) != 3 || z.File[0].Name != "bundle.json" {
			t.Fatal(z.File)
		}
		f, err := z.File[0].Open()
		r.must(err)
		b, err := io.ReadAll(f)
		r.must(err)
		var read setup.Manifest
		r.must(json.Unmarshal(b, &read))
		if read.Proof.Values != 5 || len(read.Parts) != 2 {
			t.Fatalf("%+v", read)
		}
		for what, v := range map[string][2]string{
			"an identifier":            {"number", "4711"},
			"a name":                   {"name", "Doe"},
			"a name in another case":   {"name", "MUELLER"},
			"an address":               {"address", "12 ELM street"},
			"a telephone":              {"phone", "555 0100"},
			"an identifier like a key": {"number", "page"},
		} {
			_, m, err := r.service.Bundle(t.Context(), "1.2", parts, patients{v}, "ann")
			if !errors.Is(err, setup.ErrPatientData) || m.Proof.Found != 1 || strings.Contains(err.Error(), v[1]) {
				t.Errorf("%s: %v %+v", what, err, m.Proof)
			}
		}
		for what, v := range map[string][2]string{
			"not one after the other": {"address", "Street Elm 12"}, "a part of a word": {"name", "muell"}, "over the end of a part": {"address", "4711 text"},
		} {
			if _, _, err := r.service.Bundle(t.Context(), "1.2", parts, patients{v}, "ann"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
