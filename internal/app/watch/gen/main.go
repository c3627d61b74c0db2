// Command gen writes docs/operate/metrics.md. Run it by go generate.
package main

import (
	"log"
	"os"

	"github.com/labwarden/labwarden/internal/app/watch"
)

func main() {
	if err := os.WriteFile("../../../docs/operate/metrics.md", []byte(watch.Page()), 0o644); err != nil {
		log.Fatal(err)
	}
}
