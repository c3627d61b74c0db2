package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// asked are the shares, and the line of each, that whoever makes a laboratory types
// back: enough to show that the papers were written and can be read.
var asked = []struct{ share, line int }{{2, 4}, {4, 3}}

const shareTries = 3

// confirmShares asks for parts of two shares. It returns false when they were not
// typed; the laboratory is there all the same.
func confirmShares(in io.Reader, out io.Writer, shares []vault.Share) bool {
	lines := bufio.NewScanner(in)
	fmt.Fprintln(out, "Write the shares down now, then show that they can be read. They are shown once more by nobody.")
	for _, a := range asked {
		want := plainShare(strings.Split(shares[a.share-1].Text(), "\n")[a.line-1])
		right := false
		for try := 0; try < shareTries && !right; try++ {
			fmt.Fprintf(out, "Line %d of share %d: ", a.line, a.share)
			if !lines.Scan() {
				fmt.Fprintln(out)
				return false
			}
			if right = plainShare(lines.Text()) == want; !right {
				fmt.Fprintln(out, "That is not what stands there. Look at the paper again.")
			}
		}
		if !right {
			return false
		}
	}
	fmt.Fprintln(out, "Both are right. Give each share to another person or place.")
	return true
}

// plainShare is a line of a share without what people add or mistake.
func plainShare(s string) string {
	return strings.NewReplacer("-", "", " ", "", "\t", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(s)))
}
