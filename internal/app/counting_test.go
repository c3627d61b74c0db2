package app

import (
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

func TestWhoIsCountable(t *testing.T) {
	for name, x := range map[string]struct {
		p    config.Partner
		want results.Way
	}{
		"mllp":              {config.Partner{Destination: config.Destination{MLLP: &config.MLLPDestination{}}}, ""},
		"folder":            {config.Partner{Destination: config.Destination{Folder: &config.FolderDestination{}}}, ""},
		"fhir":              {config.Partner{Destination: config.Destination{FHIR: &config.FHIRDestination{}}}, ""},
		"fhir with count":   {config.Partner{Destination: config.Destination{FHIR: &config.FHIRDestination{Count: &config.FHIRCount{}}}}, results.BySearch},
		"box":               {config.Partner{Destination: config.Destination{Box: &config.BoxDestination{}}}, results.ByPickup},
		"portal":            {config.Partner{Destination: config.Destination{Portal: &config.PortalDestination{}}}, results.ByPickup},
		"fhir_pull":         {config.Partner{Destination: config.Destination{FHIRPull: &config.FHIRPullDestination{}}}, results.ByPickup},
		"sftp, not watched": {config.Partner{Destination: config.Destination{SFTP: &config.SFTPDestination{}}}, ""},
		"sftp, watched":     {config.Partner{Destination: config.Destination{SFTP: &config.SFTPDestination{PickedUpWithin: config.Duration(time.Hour)}}}, results.ByPickup},
		"a list":            {config.Partner{Box: &config.Box{}, Count: &config.PartnerCount{}, Destination: config.Destination{MLLP: &config.MLLPDestination{}}}, results.ByList},
		"a list, no box":    {config.Partner{Count: &config.PartnerCount{}, Destination: config.Destination{MLLP: &config.MLLPDestination{}}}, ""},
	} {
		if got := countedBy(&x.p); got != x.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := (config.Counts{At: "03:30"}).Time(); got != 3*time.Hour+30*time.Minute {
		t.Error(got)
	}
}
