// Command gen writes docs/comply/index.md. Run it by go generate.
package main

import (
	"os"

	"github.com/labwarden/labwarden/internal/arch"
)

func main() {
	page, err := arch.ClausePage("../..")
	if err == nil {
		err = os.WriteFile("../../docs/comply/index.md", []byte(page), 0o644)
	}
	if err != nil {
		panic(err)
	}
}
