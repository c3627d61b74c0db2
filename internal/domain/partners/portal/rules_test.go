package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// ruleMessage is a result with a birth date, OBR-28 and services.
func ruleMessage(born, copyTo string, codes ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "MSH|^~\\&|LAB|MILL|EHR|NORTH|20260301080000||ORU^R01^ORU_R01|C1|P|2.5.1\rPID|1||7001^^^MILL^MR||Testerby^Ann||%s|F\r", born)
	for i, c := range codes {
		fmt.Fprintf(&b, "OBR|%d|P%d|F%d|%s^A test^LN|||202603010800|||||||||NP1^Umberdale^Casimir||||||202603010800||CH|F|||%s\rOBX|1|NM|%s-1^A value^LN||1|mg||N|||F\r", i+1, i, i, c, copyTo, c)
	}
	return []byte(b.String())
}

// TestWhomARuleIsAbout is about each condition alone, at its edges.
func TestWhomARuleIsAbout(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, zone)
	many := make([]string, maxOrders+1)
	for i := range many {
		many[i] = "718-7"
	}
	many[maxOrders] = "56888-1"
	minors, copies, hiv := Rule{Under: 18}, Rule{Copies: true}, Rule{Codes: []string{"56888-1"}}
	two := append(ruleMessage("19700101", "", "718-7"), ruleMessage("20200101", "", "718-7")[strings.Index(string(ruleMessage("", "", "718-7")), "PID"):]...)
	for name, x := range map[string]struct {
		rule Rule
		body []byte
		now  time.Time
		want bool
	}{
		"a child":                            {minors, ruleMessage("20150612", "", "718-7"), noon, true},
		"an adult":                           {minors, ruleMessage("19610412", "", "718-7"), noon, false},
		"the eve of the 18th birthday":       {minors, ruleMessage("20080303", "", "718-7"), noon, true},
		"that eve, when it is the day in Z":  {minors, ruleMessage("20080303", "", "718-7"), time.Date(2026, 3, 3, 1, 0, 0, 0, time.UTC).In(zone), true},
		"the 18th birthday":                  {minors, ruleMessage("20080302", "", "718-7"), noon, false},
		"its first minute":                   {minors, ruleMessage("20080302", "", "718-7"), time.Date(2026, 3, 2, 0, 0, 0, 0, zone), false},
		"born on 29 February, the eve":       {minors, ruleMessage("20080229", "", "718-7"), time.Date(2026, 2, 28, 12, 0, 0, 0, zone), true},
		"born on 29 February, 1 March":       {minors, ruleMessage("20080229", "", "718-7"), time.Date(2026, 3, 1, 12, 0, 0, 0, zone), false},
		"a birth date with its hour":         {minors, ruleMessage("200803020630-0500", "", "718-7"), noon, false},
		"no birth date":                      {minors, ruleMessage("", "", "718-7"), noon, true},
		"a birth date taken back":            {minors, ruleMessage(`""`, "", "718-7"), noon, true},
		"a year alone":                       {minors, ruleMessage("1961", "", "718-7"), noon, true},
		"a birth date that is none":          {minors, ruleMessage("19611341", "", "718-7"), noon, true},
		"born tomorrow":                      {minors, ruleMessage("20260303", "", "718-7"), noon, true},
		"a mother and her child":             {minors, two, noon, true},
		"a copy to somebody":                 {copies, ruleMessage("19610412", "NP2^Elsewhere^Vera", "718-7"), noon, true},
		"a copy to a number":                 {copies, ruleMessage("19610412", "NP2", "718-7"), noon, true},
		"a copy to a practice":               {copies, ruleMessage("19610412", "^^^^^^^^NORTHGATE", "718-7"), noon, true},
		"a copy in the second order":         {copies, append(ruleMessage("19610412", "", "718-7"), ruleMessage("", "NP2", "718-7")[strings.Index(string(ruleMessage("", "", "718-7")), "OBR"):]...), noon, true},
		"no copy":                            {copies, ruleMessage("19610412", "", "718-7"), noon, false},
		"a copy taken back":                  {copies, ruleMessage("19610412", `""`, "718-7"), noon, false},
		"a sensitive service":                {hiv, ruleMessage("19610412", "", "718-7", "56888-1"), noon, true},
		"a sensitive observation":            {Rule{Codes: []string{"56888-1-1"}}, ruleMessage("19610412", "", "718-7", "56888-1"), noon, true},
		"a sensitive alternate of a service": {hiv, ruleMessage("19610412", "", "HIV^x^L^56888-1"), noon, true},
		"another service":                    {hiv, ruleMessage("19610412", "", "718-7"), noon, false},
		"one behind what can be read":        {hiv, ruleMessage("19610412", "", many...), noon, true},
		"a child's, of another practice":     {Rule{Under: 18, Partners: []string{"north"}}, ruleMessage("20150612", "", "718-7"), noon, false},
		"a child's other test":               {Rule{Under: 18, Codes: []string{"56888-1"}}, ruleMessage("20150612", "", "718-7"), noon, false},
	} {
		r, err := Read(x.body, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := x.rule.fits(r, "mill", x.now); got != x.want {
			t.Errorf("%s: the rule is about it: %v, want %v (born %q, copies %q)", name, got, x.want, r.Births, r.Orders[0].CopyTo)
		}
	}
}
