package fhir

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseDecimalKeepsPrecision(t *testing.T) {
	for in, want := range map[string]string{
		"1.50": "1.50", "+5": "5", "007": "7", ".5": "0.5", "5.": "5", "-0.10": "-0.10", "0": "0", "000.0": "0.0",
	} {
		got, err := ParseDecimal(in)
		if err != nil || string(got) != want {
			t.Errorf("ParseDecimal(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "-", "1e5", "<5", "1,5", "5 ", "1.2.3", "NaN", strings.Repeat("9", 41)} {
		if got, err := ParseDecimal(in); !errors.Is(err, ErrDecimal) {
			t.Errorf("ParseDecimal(%q) = %q, %v; want ErrDecimal", in, got, err)
		}
	}
}

func TestEncodeLeavesOutEmptyAndKeepsMarkup(t *testing.T) {
	b, err := Encode(Observation{
		Type: "Observation", Status: "final", Code: CodeableConcept{Text: "a<b & c"},
		ValueQuantity: &Quantity{Value: "5.40", Comparator: "<"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"Observation","status":"final","code":{"text":"a<b & c"},"valueQuantity":{"value":5.40,"comparator":"<"}}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if _, err := Encode(Quantity{Value: "1e9"}); err == nil {
		t.Error("a malformed decimal was encoded")
	}
}

func TestTextDropsWhatFHIRForbids(t *testing.T) {
	for in, want := range map[string]string{
		"  a\x00b\x1f ": "ab", "\t\n": "", "l1\r\nl2": "l1\r\nl2", "\xffx": "\uFFFDx", "é": "é",
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Code(" a  b\t c "); got != "a b c" {
		t.Errorf("Code = %q", got)
	}
}

func TestReadAnswerDropsFreeText(t *testing.T) {
	a, err := ReadAnswer([]byte(`{"resourceType":"Bundle","type":"transaction-response","entry":[
		{"response":{"status":"201 Created"}},{},
		{"response":{"status":"422","outcome":{"resourceType":"OperationOutcome","issue":[
		  {"severity":"error","code":"duplicate","diagnostics":"Patient DOE"},{"severity":"DOE","code":"JANE"}]}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"201 Created", "", "422"}; !slices.Equal(a.Statuses, want) {
		t.Errorf("statuses %q, want %q", a.Statuses, want)
	}
	if want := []Issue{{"error", "duplicate"}, {}}; !slices.Equal(a.Issues, want) {
		t.Errorf("issues %q, want %q", a.Issues, want)
	}
}

func TestReadAnswerRefusesHostile(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	many := `{"resourceType":"Bundle","entry":[{}` + strings.Repeat(",{}", maxEntries) + `]}`
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"html": {"<html>", ErrNotFHIR}, "empty": {"", ErrNotFHIR}, "array": {"[]", ErrNotFHIR},
		"no type": {"{}", ErrNotFHIR}, "deep": {deep, ErrTooDeep}, "many": {many, ErrTooMany},
		"wrong shape": {`{"resourceType":"Bundle","entry":5}`, ErrNotFHIR},
	} {
		if _, err := ReadAnswer([]byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := ReadAnswer([]byte(`{"resourceType":"X","a":"{{{{\"[["}`)); err != nil {
		t.Errorf("brackets in strings counted: %v", err)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x00b\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || Text(got) != got {
			t.Errorf("Text(%q) = %q is not stable", s, got)
		}
		if d, err := ParseDecimal(s); err == nil {
			if b, err := json.Marshal(d); err != nil || !json.Valid(b) {
				t.Errorf("decimal %q: %s, %v", s, b, err)
			}
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ReadAnswer(b)
		if err == nil && a.ResourceType == "" {
			t.Error("no type, no error")
		}
	})
}
