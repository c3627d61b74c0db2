package kit

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/qr"
)

// What stands around a code is text.
func TestScan(t *testing.T) {
	q, err := qr.Of("x")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Scan(q, `<i>"x"`, "<b>below</b>", 168).Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<i>", "<b>", "style=", `""x`} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("%q in %s", bad, b.String())
		}
	}
}
