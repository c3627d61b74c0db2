package accounts_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// export is what Get-ADUser -Properties * | Export-Csv gives, joined groups.
const export = `#TYPE Selected.Microsoft.ActiveDirectory.Management.ADUser
"SamAccountName","Name","EmailAddress","Enabled","LastLogonDate","MemberOf"
"jdoe","Jane Doe","jane.doe@lab.example","True","10/28/2026 7:15:02 AM","CN=Technologists,OU=Lab,DC=lab,DC=example;CN=Domain Admins,CN=Users,DC=lab,DC=example"
"gone","Gordon One","gordon.one@lab.example","True","10/01/2026 7:15:02 AM","CN=Technologists,OU=Lab,DC=lab,DC=example"
"mmuster","Muster, M.","","True","11/01/2026 9:00:00 AM",""
"bench1","Bench 1","","True","11/02/2026 9:00:00 AM",""
"old","Former Temp","","False","03/02/2026 9:00:00 AM",""
"resting","Resting Person","","True","06/02/2026 9:00:00 AM",""
`

func TestDirectoryList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("windows")
		p, err := r.s.Offer(t.Context(), "windows", []byte(export), r.at, r.by("anna"))
		check(t, err)
		if p.Diff.New != 6 || p.Diff.Same+p.Diff.Gone+p.Diff.Changed != 0 || len(p.Problems) > 0 || len(p.Doubts) > 0 {
			t.Fatalf("%+v", p)
		}
		if all, err := r.s.Accounts(t.Context(), "windows"); err != nil || len(all) > 0 {
			t.Fatalf("offering it has taken it: %v %v", all, err)
		}
		i, err := r.s.Take(t.Context(), p.Import.ID, false, r.by("anna"))
		check(t, err)
		if i.State != accounts.Taken || i.Added != 6 {
			t.Fatalf("%+v", i)
		}
		jane := r.account("windows", "jdoe")
		if jane.Kind != accounts.Persons || jane.How != "mail" || jane.Privileged != accounts.Yes || jane.MFA != accounts.NotKnown {
			t.Fatalf("%+v", jane)
		}
		if !slices.Equal(jane.Groups, []string{"Domain Admins", "Technologists"}) || jane.LastUsed.Format(time.DateOnly) != "2026-10-28" {
			t.Fatalf("%+v", jane)
		}
		// The account name alone would do, but the name is another: a person decides.
		m := r.account("windows", "mmuster")
		if m.Kind != accounts.Nobodys {
			t.Fatalf("guessed: %+v", m)
		}
		s, err := r.s.Suggest(t.Context(), m)
		check(t, err)
		if len(s) != 1 || s[0].Name != "Märta Muster" {
			t.Fatalf("%+v", s)
		}
		r.expect("windows", "jdoe privileged", "gone leaver", "mmuster unknown", "bench1 unknown", "resting unknown", "resting unused")
		x, err := r.s.System(t.Context(), "windows")
		check(t, err)
		if x.Stale(r.at) || x.Mapping.Columns[accounts.FieldAccount] != "SamAccountName" {
			t.Fatalf("%+v", x)
		}
		if !x.Stale(r.at.AddDate(0, 0, 101)) {
			t.Fatal("a list of 101 days ago still counts")
		}
		r.sound()
	})
}

// The same list in each encoding that Windows writes gives the same accounts.
func TestEncodings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		const list = "Account;Full Name\r\nmmuster;Märta Muster\r\n"
		wide := func(order binary.AppendByteOrder, mark bool) []byte {
			var b []byte
			if mark {
				b = order.AppendUint16(b, 0xfeff)
			}
			for _, u := range utf16.Encode([]rune(list)) {
				b = order.AppendUint16(b, u)
			}
			return b
		}
		for name, file := range map[string][]byte{
			"utf-8": []byte(list), "utf-8-mark": []byte("\ufeff" + list), "windows-1252": []byte(strings.Replace(list, "ä", "\xe4", 1)),
			"utf-16-le": wide(binary.LittleEndian, true), "utf-16-be": wide(binary.BigEndian, true), "utf-16-bare": wide(binary.LittleEndian, false),
		} {
			r.system(name)
			r.take(name, string(file))
			if a := r.account(name, "mmuster"); a.Name != "Märta Muster" || a.Kind != accounts.Persons || a.How != "account" {
				t.Errorf("%s: %+v", name, a)
			}
		}
	})
}

const netUser = `
User accounts for \\ANALYZER7

-------------------------------------------------------------------------------
Administrator            bench1                   DefaultAccount
jdoe                     WDAGUtilityAccount
The command completed successfully.

`

func TestNetUserList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("analyzer7")
		i := r.take("analyzer7", strings.ReplaceAll(netUser, "\n", "\r\n"))
		if i.Listed != 5 {
			t.Fatalf("%+v", i)
		}
		if a := r.account("analyzer7", "jdoe"); a.Kind != accounts.Persons || a.Enabled != accounts.NotKnown {
			t.Fatalf("%+v", a)
		}
		_, err := r.s.Offer(t.Context(), "analyzer7", []byte(netUser[:len(netUser)-50]), r.at, r.by("anna"))
		if !errors.Is(err, accounts.ErrInvalid) {
			t.Fatalf("a list that is cut: %v", err)
		}
	})
}

func TestListsThatAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("xx")
		for name, file := range map[string]string{
			"empty": "", "blank": " \r\n ", "only names": "account,name\n", "zeros": "account\x00\x00\x00\x00abc\n1\n", "half a character": "\xff\xfea",
			"short row": "account,name\njdoe\n", "open quote": "account,name\n\"jdoe,x\n", "doubled column": "account,account\na,b\n",
			"too large": "account\n" + strings.Repeat("x", accounts.MaxList), "many columns": strings.Repeat("c,", 70) + "d\n",
			"long field": "account\n" + strings.Repeat("x", 5000) + "\n",
		} {
			if _, err := r.s.Offer(t.Context(), "xx", []byte(file), r.at, r.by("anna")); !errors.Is(err, accounts.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, file := range map[string]string{
			"no account": "account,name\n,Jane\n", "twice": "account\njdoe\nJDOE\n", "no such column": "code,text\n1,2\n",
			"dates in two ways": "account,last login\na,03/04/2026\nb,05/06/2026\n",
		} {
			p, err := r.s.Offer(t.Context(), "xx", []byte(file), r.at, r.by("anna"))
			if err != nil || len(p.Problems) == 0 {
				t.Errorf("%s: %v %+v", name, err, p)
				continue
			}
			if _, err := r.s.Take(t.Context(), p.Import.ID, true, r.by("anna")); !errors.Is(err, accounts.ErrInvalid) {
				t.Errorf("%s was taken: %v", name, err)
			}
		}
		_, err := r.s.Offer(t.Context(), "xx", []byte("account\na\n"), r.at.AddDate(0, 0, 3), r.by("anna"))
		wantField(t, err, "as_of")
		r.take("xx", "account\na\n")
		r.at = r.at.AddDate(0, 0, 10)
		_, err = r.s.Offer(t.Context(), "xx", []byte("account\na\n"), r.at.AddDate(0, 0, -30), r.by("anna"))
		wantField(t, err, "as_of")
	})
}

// A mapping that a person gave is used for the next list too.
func TestMappingIsRemembered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("vpn")
		p, err := r.s.Offer(t.Context(), "vpn", []byte("Kennung,Wer,Zweitfaktor,zuletzt\njdoe,Jane Doe,nein,03.04.2026\n"), r.at, r.by("anna"))
		check(t, err)
		if len(p.Problems) == 0 {
			t.Fatal("guessed")
		}
		m := accounts.Mapping{Dates: "dmy", Columns: map[accounts.Field]string{
			accounts.FieldAccount: "Kennung", accounts.FieldName: "Wer", accounts.FieldMFA: "Zweitfaktor", accounts.FieldLastUsed: "zuletzt",
		}}
		p, err = r.s.Map(t.Context(), p.Import.ID, m, r.by("anna"))
		check(t, err)
		_, err = r.s.Take(t.Context(), p.Import.ID, false, r.by("anna"))
		check(t, err)
		r.expect("vpn", "jdoe no-second-factor", "jdoe unused")
		r.take("vpn", "Kennung,Wer,Zweitfaktor,zuletzt\njdoe,Jane Doe,ja,01.11.2026\n")
		r.expect("vpn")
		p, err = r.s.Offer(t.Context(), "vpn", []byte("Kennung,Wer\njdoe,Jane Doe\n"), r.at, r.by("anna"))
		check(t, err)
		if len(p.Problems) != 2 {
			t.Fatalf("columns that have vanished: %q", p.Problems)
		}
	})
}

// Most accounts missing is more often a list that was cut than a lay-off.
func TestThinListNeedsAWord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("lis")
		r.take("lis", "account\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\n")
		p, err := r.s.Offer(t.Context(), "lis", []byte("account\na\nb\nc\n"), r.at, r.by("anna"))
		check(t, err)
		if !p.Diff.Thin || p.Diff.Gone != 7 {
			t.Fatalf("%+v", p.Diff)
		}
		_, err = r.s.Take(t.Context(), p.Import.ID, false, r.by("anna"))
		wantField(t, err, "whole")
		_, err = r.s.Take(t.Context(), p.Import.ID, true, r.by("anna"))
		check(t, err)
		if a := r.account("lis", "j"); a.Gone.IsZero() {
			t.Fatal("still there")
		}
		r.expect("lis", "a unknown", "b unknown", "c unknown")
		if _, err = r.s.Take(t.Context(), p.Import.ID, true, r.by("anna")); !errors.Is(err, accounts.ErrConflict) {
			t.Fatalf("taken twice: %v", err)
		}
		r.sound()
	})
}

func TestOffersNobodyTakesAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("lis")
		p, err := r.s.Offer(t.Context(), "lis", []byte("account\na\n"), r.at, r.by("anna"))
		check(t, err)
		r.at = r.at.Add(25 * time.Hour)
		check(t, r.s.Tick(t.Context()))
		if _, err := r.s.Take(t.Context(), p.Import.ID, true, r.by("anna")); !errors.Is(err, accounts.ErrConflict) {
			t.Fatal(err)
		}
		all, err := r.s.Imports(t.Context(), "lis", 10)
		check(t, err)
		if all[0].State != accounts.Discarded {
			t.Fatalf("%+v", all)
		}
	})
}
