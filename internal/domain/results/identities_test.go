package results

import (
	"fmt"
	"slices"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestEachIdentityGivesWhoAPatientIs: numbers, names, birth, address and
// telephone, of messages and of quarantine.
func TestEachIdentityGivesWhoAPatientIs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(critical("C1", "4711", "100"))
		var got []string
		sum, err := l.EachIdentity(t.Context(), func(k IdentityKind, v string) error {
			got = append(got, fmt.Sprint(k, " ", v))
			return nil
		})
		must(t, err)
		if sum.Messages != 1 || sum.Values != int64(len(got)) || len(got) == 0 || !slices.ContainsFunc(got, func(s string) bool { return s[0] == '0' }) ||
			!slices.ContainsFunc(got, func(s string) bool { return s[0] == '1' }) {
			t.Fatalf("%+v: %d values", sum, len(got))
		}
	})
}
