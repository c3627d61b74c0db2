package app

import (
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/config"
)

func TestALongerTimeForCriticalResultsIsTheDirectors(t *testing.T) {
	minutes := func(n int) config.Duration { return config.Duration(time.Duration(n) * time.Minute) }
	conf := func(all, source, partner int) *config.Config {
		return &config.Config{
			Alarms:   config.Alarms{CriticalAfter: minutes(all)},
			Sources:  map[string]config.Source{"lis": {CriticalAfter: minutes(source)}},
			Partners: map[string]config.Partner{"riverside": {CriticalAfter: minutes(partner)}},
		}
	}
	for name, c := range map[string]struct {
		old, new *config.Config
		want     []string
	}{
		"the first configuration": {nil, conf(60, 0, 0), nil},
		"the same":                {conf(10, 5, 5), conf(10, 5, 5), nil},
		"shorter":                 {conf(10, 5, 5), conf(9, 4, 4), nil},
		"longer":                  {conf(10, 0, 0), conf(15, 0, 0), []string{"alarms.critical_after would let a critical result wait 15m instead of 10m until somebody must telephone"}},
		"a source's own":          {conf(10, 0, 0), conf(10, 20, 0), []string{"source lis would let a critical result wait 20m instead of 10m until somebody must telephone"}},
		"a partner's taken away":  {conf(10, 0, 5), conf(10, 0, 0), []string{"partner riverside would let a critical result wait 10m instead of 5m until somebody must telephone"}},
	} {
		if got := NeedApproval(c.old, c.new); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
