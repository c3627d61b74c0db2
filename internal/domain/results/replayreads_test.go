package results

import (
	"slices"
	"testing"
)

// TestWhatAConditionReads: a condition tells of a patient unless everything it
// reads is known to be harmless, however it is written.
func TestWhatAConditionReads(t *testing.T) {
	const computed = "places that it computes"
	for source, want := range map[string][]string{
		`msh.type == "ORU" and critical and not correction`:   nil,
		`"1234" in providers or field("OBR-4.1") == "2823-3"`: nil,
		`any(fields("OBX-3.1"), # == "718-7")`:                nil,
		`field("PID-5.1") startsWith "D"`:                     {"PID-5.1"},
		`field("PID-5.1") == "D" or field("PID-5.1") == "E"`:  {"PID-5.1"},
		`any(fields("OBX-5"), # == "positive")`:               {"OBX-5"},
		`field("MSH-10") == "17"`:                             {"MSH-10"},
		`field("MSH-7") == "202611220700"`:                    {"MSH-7"},
		`field("OBR-3.1") == "4711"`:                          {"OBR-3.1"},
		`field("OBR-4.1") == "x" and field("NTE-3") != ""`:    {"NTE-3"},
		`account == "A1"`:                                     {"the account (PID-18)"},
		`field("PID" + "-5.1") == "D"`:                        {computed},
		`let f = field; f("PID-5.1") == "D"`:                  {computed},
		`"PID-5.1" | field() == "D"`:                          {"PID-5.1"},
		`$env.account == "A1"`:                                {computed},
		`any(["PID-5.1"], field(#) == "D")`:                   {computed},
		`field(critical ? "PID-5.1" : "PID-3.1") == "D"`:      {computed},
		`field("PID") == "D" or field("OBR") == "x"`:          {"PID", "OBR"},
	} {
		if _, err := Condition(source); err != nil {
			t.Logf("%s is no condition: %v", source, err) // then it cannot be asked either
		}
		got, err := ConditionReads(source)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s reads %q, want %q (%v)", source, got, want, err)
		}
	}
	if _, err := ConditionReads("msh.type =="); err == nil {
		t.Error("half a condition was read")
	}
}
