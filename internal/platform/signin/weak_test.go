package signin

import (
	"strings"
	"testing"
)

func TestGuessablePasswordsAreFound(t *testing.T) {
	context := []string{"Millbrook Clinical Laboratory", "a.okafor", "Adaeze Okafor", "labwarden", "laboratory"}
	for _, p := range []string{
		"aaaaaaaaaaaaaaaa", "abcabcabcabcabc", "xyzzyxyzzyxyzzyxyzzy", "abababababababab", "aaaabbbbccccaaaa",
		"qwertyuiop12345", "qwertzuiop12345", "azertyuiop12345", "poiuytrewq54321", "1qaz2wsx3edc4rfv", "1q2w3e4r5t6y7u8i", "asdfghjkl1234567",
		"abcdefghijklmnop", "zyxwvutsrqponml", "123456789012345", "987654321098765", "qweasdzxcqweasd1",
		"passwordpassword", "Password12345678", "P@ssw0rd2026!!!", "Summer2026Summer", "welcome123456789", "iloveyouiloveyou", "letmeinletmein12",
		"correcthorsebatterystaple", "CorrectHorseBatteryStaple1!",
		"Millbrook2026!!", "MillbrookLab2026!", "labwarden-labwarden", "L4bw4rd3n-2026-!!", "Okafor-Adaeze-1987", "adaezeokafor123", "okafor.millbrook", "a.okafor.2026.x",
		"aaaaBBBBccccDDDDeeee", "MillbClinic2026",
	} {
		if guessable(p, context) == "" {
			t.Errorf("%q is taken", p)
		}
	}
}

// TestOtherPasswordsAreTaken: no rule of composition, all lower case is fine.
func TestOtherPasswordsAreTaken(t *testing.T) {
	context := []string{"Millbrook Clinical Laboratory", "a.okafor", "Adaeze Okafor", "labwarden", "laboratory"}
	for _, p := range []string{
		"gravel teacup orbit lantern", "vexingly-mild-cabbages", "ruhig tropft der Wasserhahn", "kT9#vq2L", "zu7mqwpf", "日本の朝ごはんは味噌汁と納豆です", "привет как у тебя дела сегодня",
		strings.Repeat("k7 Vq", 1) + " wander slowly", "millbrook pigeons audit the moss", "a password that grew a tail of moss",
	} {
		if why := guessable(p, context); why != "" {
			t.Errorf("%q is refused: %s", p, why)
		}
	}
}
