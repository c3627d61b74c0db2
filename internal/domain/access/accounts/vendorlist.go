package accounts

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// vendorFields are the columns of the register as a file, in order.
var vendorFields = []string{
	"name", "purpose", "business associate", "phi", "agreement", "agreed", "ends", "channels", "contact", "mail", "phone", "owner",
}

// WriteVendors writes the register as a file that ReadVendors reads.
func WriteVendors(w io.Writer, all []Vendor) error {
	t, err := kit.NewCSV(w, vendorFields...)
	if err != nil {
		return err
	}
	for i := range all {
		v := &all[i]
		if err := t.Row(v.Name, v.Purpose, v.Associate.String(), v.PHI.String(), v.Agreement, dayText(v.Agreed), dayText(v.Ends), strings.Join(v.Channels, " "),
			v.Contact, v.Mail, v.Phone, v.Owner); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// undefused is what kit.Defuse made a cell of.
func undefused(cell string) string {
	if after, ok := strings.CutPrefix(cell, "'"); ok && kit.Defuse(after) == cell {
		return after
	}
	return cell
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// ReadVendors reads a file of the register. problems name rows that cannot be
// taken; then nothing is.
func ReadVendors(file []byte) (out []Vendor, problems []string, err error) {
	s, err := read(file)
	if err != nil {
		return nil, nil, err
	}
	at := map[string]int{}
	for _, f := range vendorFields {
		at[f] = slices.IndexFunc(s.columns, func(c string) bool { return strings.EqualFold(c, f) })
	}
	for _, f := range []string{"name", "purpose", "owner"} {
		if at[f] < 0 {
			problems = append(problems, fmt.Sprintf("The file has no column %q.", f))
		}
	}
	if len(problems) > 0 {
		return nil, problems, nil
	}
	seen := map[string]bool{}
	for n, row := range s.rows {
		get := func(f string) string {
			if at[f] < 0 {
				return ""
			}
			return undefused(row[at[f]])
		}
		v, bad := vendorOf(get)
		if seen[fold(v.Name)] {
			bad = "This name stands twice."
		}
		if seen[fold(v.Name)] = true; bad == "" {
			if err := v.check(); err != nil {
				bad = err.Error()
			}
		}
		if bad != "" {
			problems = append(problems, fmt.Sprintf("Row %d: %s", n+2, bad))
		}
		out = append(out, v)
	}
	return out, problems[:min(len(problems), 20)], nil
}

func vendorOf(get func(string) string) (v Vendor, bad string) {
	v = Vendor{
		Name: get("name"), Purpose: get("purpose"), Agreement: get("agreement"), Channels: strings.Fields(strings.ReplaceAll(get("channels"), ",", " ")),
		Contact: get("contact"), Mail: get("mail"), Phone: get("phone"), Owner: get("owner"),
	}
	for _, f := range []struct {
		name string
		to   *Tri
	}{{"business associate", &v.Associate}, {"phi", &v.PHI}} {
		if text := get(f.name); text != "" && text != NotKnown.String() {
			t, ok := yesNo(text)
			if !ok {
				return v, fmt.Sprintf("Column %q: write yes, no or not known.", f.name)
			}
			*f.to = t
		}
	}
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"agreed", &v.Agreed}, {"ends", &v.Ends}} {
		if text := get(f.name); text != "" {
			t, err := time.Parse(time.DateOnly, text)
			if err != nil {
				return v, fmt.Sprintf("Column %q: write a date as 2027-05-31.", f.name)
			}
			*f.to = t
		}
	}
	return v, ""
}

// VendorDiff is what taking a file of the register would change. Entries are told
// apart by name; what the file lacks stays.
type VendorDiff struct {
	New, Changed []Vendor
	Same         int
}

// CompareVendors says what taking the list would change.
func (s *Service) CompareVendors(ctx context.Context, list []Vendor) (VendorDiff, error) {
	have, err := s.Vendors(ctx, false)
	if err != nil {
		return VendorDiff{}, err
	}
	var d VendorDiff
	for _, v := range list {
		i := slices.IndexFunc(have, func(x Vendor) bool { return fold(x.Name) == fold(v.Name) })
		switch {
		case i < 0:
			d.New = append(d.New, v)
		case alike(&have[i], &v):
			d.Same++
		default:
			v.ID = have[i].ID
			d.Changed = append(d.Changed, v)
		}
	}
	return d, nil
}

func alike(a, b *Vendor) bool {
	return a.Name == b.Name && a.Purpose == b.Purpose && a.Associate == b.Associate && a.PHI == b.PHI && a.Agreement == b.Agreement && a.Agreed.Equal(b.Agreed) &&
		a.Ends.Equal(b.Ends) && slices.Equal(a.Channels, b.Channels) && a.Contact == b.Contact && a.Mail == b.Mail && a.Phone == b.Phone && a.Owner == b.Owner
}

// TakeVendors enters a file's rows into the register: all of them or none.
func (s *Service) TakeVendors(ctx context.Context, list []Vendor, by By) (VendorDiff, error) {
	if err := by.check(); err != nil {
		return VendorDiff{}, err
	}
	if len(list) > 2*batch {
		return VendorDiff{}, fmt.Errorf("%w: take at most %d rows at a time", ErrInvalid, 2*batch)
	}
	d, err := s.CompareVendors(ctx, list)
	if err != nil {
		return d, err
	}
	for i := range d.New {
		d.New[i].ID = event.NewID()
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i := range d.New {
			if err := s.writeVendor(ctx, tx, &d.New[i], "vendor.added", by); err != nil {
				return err
			}
		}
		for i := range d.Changed {
			if err := s.writeVendor(ctx, tx, &d.Changed[i], "vendor.changed", by); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("take the register: %w", err)
	}
	return d, nil
}
