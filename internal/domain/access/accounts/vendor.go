package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Vendor is an entry of the register of business associates and vendors.
type Vendor struct {
	ID   event.ID `json:"-"`
	Name string   `json:"name"`
	// Purpose is what they do for the laboratory.
	Purpose string `json:"purpose"`
	// Associate: a business associate (45 CFR 160.103). PHI: protected health
	// information reaches them.
	Associate Tri `json:"business_associate"`
	PHI       Tri `json:"phi"`
	// Agreement says where the contract lies; Agreed and Ends bound it, zero: no date.
	Agreement string    `json:"agreement,omitempty"`
	Agreed    time.Time `json:"agreed,omitzero"`
	Ends      time.Time `json:"ends,omitzero"`
	// Channels are keys of partners in the configuration: tunnels and ways in.
	Channels []string `json:"channels,omitempty"`
	Contact  string   `json:"contact,omitempty"`
	Mail     string   `json:"mail,omitempty"`
	Phone    string   `json:"phone,omitempty"`
	// Owner is the account of who is reminded.
	Owner   string    `json:"owner"`
	Ended   time.Time `json:"ended,omitzero"`
	Changed time.Time `json:"changed"`
	By      string    `json:"by"`
}

// Missing says what the register lacks about a vendor; empty is complete. A
// business associate that gets patient data needs a written agreement.
func (v *Vendor) Missing() []string {
	var out []string
	if !v.Ended.IsZero() {
		return nil
	}
	if v.PHI == NotKnown {
		out = append(out, "Whether patient data reaches them is not known.")
	}
	if v.Associate == NotKnown {
		out = append(out, "Whether they are a business associate is not known.")
	}
	if v.Associate == Yes && v.Agreed.IsZero() { // 45 CFR 164.308(b), 45 CFR 164.504(e)
		out = append(out, "There is no business associate agreement on record.")
	}
	return out
}

// DaysLeft is how many days the agreement still runs; false where it has no end.
func (v *Vendor) DaysLeft(now time.Time) (int, bool) {
	if v.Ends.IsZero() || !v.Ended.IsZero() {
		return 0, false
	}
	return int(v.Ends.Sub(now.Truncate(24*time.Hour)) / (24 * time.Hour)), true
}

func (v *Vendor) check() error {
	v.Agreed, v.Ends = v.Agreed.Truncate(24*time.Hour), v.Ends.Truncate(24*time.Hour)
	v.Name, v.Purpose, v.Owner = strings.TrimSpace(v.Name), strings.TrimSpace(v.Purpose), strings.TrimSpace(v.Owner)
	switch {
	case v.Name == "" || len(v.Name) > 200:
		return &FieldError{"name", "Give a name of at most 200 characters."}
	case v.Purpose == "" || len(v.Purpose) > 500:
		return &FieldError{"purpose", "Say what they do for the laboratory, in at most 500 characters."}
	case v.Owner == "" || len(v.Owner) > 120:
		return &FieldError{"owner", "Name the account of the person who is reminded."}
	case len(v.Agreement) > 500 || len(v.Contact) > 200 || len(v.Phone) > 60:
		return &FieldError{"agreement", "This is longer than the register takes."}
	case !v.Agreed.IsZero() && !v.Ends.IsZero() && v.Ends.Before(v.Agreed):
		return &FieldError{"ends", "The agreement ends before it begins."}
	case len(v.Channels) > 50:
		return &FieldError{"channels", "Name at most 50 channels."}
	}
	if v.Mail != "" {
		if a, err := mail.ParseAddress(v.Mail); err != nil || a.Address != v.Mail || len(v.Mail) > 254 {
			return &FieldError{"mail", "This is not a mail address."}
		}
	}
	return nil
}

const vendorColumns = `SELECT id, name, purpose, associate, phi, agreement, agreed_at, ends_at, channels, contact, mail, phone, owner, ended_at,
	changed_at, changed_by FROM accounts_vendors `

func scanVendor(row store.Scanner) (Vendor, error) {
	var v Vendor
	var id []byte
	var channels string
	var associate, phi, agreed, ends, ended, changed int64
	err := row.Scan(&id, &v.Name, &v.Purpose, &associate, &phi, &v.Agreement, &agreed, &ends, &channels, &v.Contact, &v.Mail, &v.Phone, &v.Owner, &ended, &changed, &v.By)
	if err != nil {
		return v, err
	}
	v.Associate, v.PHI = Tri(associate), Tri(phi)
	v.Agreed, v.Ends, v.Ended, v.Changed = moment(agreed), moment(ends), moment(ended), moment(changed)
	v.ID, err = event.IDFromBytes(id)
	return v, errors.Join(err, json.Unmarshal([]byte(channels), &v.Channels))
}

// Vendors lists the register by name, those that ended too where all is set.
func (s *Service) Vendors(ctx context.Context, all bool) ([]Vendor, error) {
	where := "WHERE ended_at = 0 ORDER BY name, id"
	if all {
		where = "ORDER BY name, id"
	}
	out := []Vendor{}
	err := s.db.Query(ctx, vendorColumns+where, nil, func(row store.Scanner) error {
		v, err := scanVendor(row)
		out = append(out, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list vendors: %w", err)
	}
	return out, nil
}

// Vendor returns one.
func (s *Service) Vendor(ctx context.Context, id event.ID) (Vendor, error) {
	return vendor(ctx, s.db, id)
}

func vendor(ctx context.Context, q store.Queryer, id event.ID) (Vendor, error) {
	v, err := scanVendor(q.QueryRow(ctx, vendorColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return v, fmt.Errorf("vendor: %w", ErrNotFound)
	}
	if err != nil {
		return v, fmt.Errorf("read vendor: %w", err)
	}
	return v, nil
}

// AddVendor enters one into the register and returns its id.
func (s *Service) AddVendor(ctx context.Context, v Vendor, by By) (event.ID, error) {
	if err := errors.Join(by.check(), v.check()); err != nil {
		return event.ID{}, err
	}
	v.ID, v.Ended = event.NewID(), time.Time{}
	return v.ID, s.keepVendor(ctx, &v, "vendor.added", by)
}

// ChangeVendor writes everything of an entry.
func (s *Service) ChangeVendor(ctx context.Context, v Vendor, by By) error {
	if err := errors.Join(by.check(), v.check()); err != nil {
		return err
	}
	return s.keepVendor(ctx, &v, "vendor.changed", by)
}

// EndVendor says that they no longer work for the laboratory. The entry stays.
func (s *Service) EndVendor(ctx context.Context, id event.ID, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	v, err := s.Vendor(ctx, id)
	if err != nil {
		return err
	}
	if !v.Ended.IsZero() {
		return fmt.Errorf("end vendor: %w", ErrConflict)
	}
	v.Ended = s.now()
	return s.keepVendor(ctx, &v, "vendor.ended", by)
}

func (s *Service) keepVendor(ctx context.Context, v *Vendor, kind string, by By) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if kind != "vendor.added" {
			old, err := vendor(ctx, tx, v.ID)
			if err != nil {
				return err
			}
			if !old.Ended.IsZero() {
				return ErrConflict
			}
		}
		return s.writeVendor(ctx, tx, v, kind, by)
	})
	if err != nil {
		return fmt.Errorf("write vendor: %w", err)
	}
	return nil
}

func (s *Service) writeVendor(ctx context.Context, tx *store.Tx, v *Vendor, kind string, by By) error {
	channels, err := json.Marshal(append([]string{}, v.Channels...))
	if err != nil {
		return fmt.Errorf("write channels: %w", err)
	}
	now := s.now()
	_, err = s.tags.Exec(ctx, tx, taggedVendors, v.ID[:], `INSERT INTO accounts_vendors
			(id, name, purpose, associate, phi, agreement, agreed_at, ends_at, channels, contact, mail, phone, owner, ended_at, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, purpose = excluded.purpose, associate = excluded.associate, phi = excluded.phi,
			agreement = excluded.agreement, agreed_at = excluded.agreed_at, ends_at = excluded.ends_at, channels = excluded.channels,
			contact = excluded.contact, mail = excluded.mail, phone = excluded.phone, owner = excluded.owner, ended_at = excluded.ended_at,
			changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
		v.ID[:], v.Name, v.Purpose, int64(v.Associate), int64(v.PHI), v.Agreement, micro(v.Agreed), micro(v.Ends), string(channels), v.Contact, v.Mail,
		v.Phone, v.Owner, micro(v.Ended), now.UnixMicro(), by.Account)
	if err != nil {
		return err
	}
	codes := ledger.Pairs{{K: "associate", V: ledger.Code(v.Associate.String())}, {K: "phi", V: ledger.Code(v.PHI.String())}}
	if !v.Ends.IsZero() {
		codes = append(codes, ledger.Pair{K: "ends", V: v.Ends.Format(time.DateOnly)})
	}
	return publish(ctx, tx, kind, now, by, ledger.Pairs{{K: "vendor", V: v.ID.String()}, {K: "owner", V: ledger.Code(v.Owner)}}, codes)
}
