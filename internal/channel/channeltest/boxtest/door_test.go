package boxtest_test

import (
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/channeltest/boxtest"
)

func TestBoxInMemoryKeepsThePromise(t *testing.T) {
	boxtest.Run(t, func(t *testing.T) boxtest.Fixture {
		var d boxtest.Door
		b := d.Add("northgate", "secret")
		s, err := d.SignIn(t.Context(), channel.SignIn{User: "northgate", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return boxtest.Fixture{Box: s, Put: func(_ *testing.T, name string, body []byte) { b.Put(channel.BoxResults, name, body) }}
	})
}
