package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func runDemo(_ *cobra.Command, _ bool) error { return errors.New("the demo is being built") }
