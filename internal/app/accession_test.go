package app

import (
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// TestAccessionFieldsReachTheIntake: the setting of a source is the one that its
// lanes and the search go by.
func TestAccessionFieldsReachTheIntake(t *testing.T) {
	const text = `lab: {name: Test, id: test}
node: {seals: [{kind: keyfile, path: k}]}
sources:
  lis: {mllp: {listen: "127.0.0.1:0"}, accession_fields: [OBR-18, OBR-20]}
  other: {mllp: {listen: "127.0.0.1:0"}}
`
	c, problems := config.Parse("test", []byte(text), config.Options{Validators: Validators()})
	if c == nil {
		t.Fatal(problems.Err())
	}
	set, err := (&Hub{Vault: vaulttest.New(t)}).settings(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Sources["lis"].AccessionFields; !slices.Equal(got, []int{18, 20}) {
		t.Errorf("lis: %v", got)
	}
	if got := set.Sources["other"].AccessionFields; len(got) != 0 {
		t.Errorf("other: %v", got)
	}
	for _, wrong := range []string{"[OBR-17]", "[18]", "[OBR-18, OBR-18]", "OBR-18.1"} {
		_, problems := config.Parse("test", []byte(strings.Replace(text, "[OBR-18, OBR-20]", wrong, 1)), config.Options{Validators: Validators()})
		if problems.Err() == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
