package vault

import "time"

// Status is what `keys status` shows. It holds no secret.
type Status struct {
	Lab         string          `json:"lab"`
	Revision    uint64          `json:"revision"` // +1 with each change of the book
	Changed     time.Time       `json:"changed"`
	RootID      string          `json:"root_id"`
	RootCreated time.Time       `json:"root_created"`
	Seals       []SealStatus    `json:"seals"`
	Recovery    *RecoveryStatus `json:"recovery,omitempty"`
	Keys        []KeyStatus     `json:"keys"`
	Signers     []SignerStatus  `json:"signers"` // the current one first
	NeedsPerson bool            `json:"needs_person"`
	Warnings    []string        `json:"warnings,omitempty"`
	// Rewrap is how far records are carried over to current keys. The vault does
	// not know where records are; whoever carries them over fills it in.
	Rewrap []RewrapStatus `json:"rewrap,omitempty"`
}

// RewrapStatus is how far the records of one purpose are after a rotation.
type RewrapStatus struct {
	Purpose Purpose `json:"purpose"`
	Done    int64   `json:"done"`            // carried over since the hub looked last
	Left    int64   `json:"left"`            // still under an older key
	Stuck   int64   `json:"stuck,omitempty"` // of these, do not open and keep their key
}

// SealStatus is one seal of the root key.
type SealStatus struct {
	ID          string    `json:"id"` // for RemoveSeal
	Kind        string    `json:"kind"`
	Created     time.Time `json:"created"`
	NeedsPerson bool      `json:"needs_person"`
}

// RecoveryStatus describes the shares that were handed out.
type RecoveryStatus struct {
	Set       string    `json:"set"`
	Threshold int       `json:"threshold"`
	Shares    int       `json:"shares"`
	Created   time.Time `json:"created"`
}

// KeyStatus is one version of a purpose key.
type KeyStatus struct {
	ID      KeyID     `json:"id"`
	Purpose Purpose   `json:"purpose"`
	Created time.Time `json:"created"`
	Current bool      `json:"current"`
}

// SignerStatus is one signing key.
type SignerStatus struct {
	VerifierKey string     `json:"verifier_key"`
	Created     time.Time  `json:"created"`
	Retired     *time.Time `json:"retired,omitempty"`
}

// Status describes the book as this process knows it; ErrClosed after Close.
func (v *Vault) Status() (Status, error) {
	r := v.ring.Load()
	if r == nil {
		return Status{}, ErrClosed
	}
	c := r.book
	s := Status{Lab: c.Lab, Revision: c.Revision, Changed: c.Changed, RootID: c.Root.ID, RootCreated: c.Root.Created, NeedsPerson: c.needsPerson()}
	for _, e := range c.Seals {
		s.Seals = append(s.Seals, SealStatus{ID: e.ID, Kind: e.Kind, Created: e.Created, NeedsPerson: e.NeedsPerson})
	}
	if e := c.Recovery; e != nil {
		s.Recovery = &RecoveryStatus{Set: e.Set, Threshold: e.Threshold, Shares: e.Shares, Created: e.Created}
	}
	for _, e := range c.Keys {
		s.Keys = append(s.Keys, KeyStatus{ID: e.ID, Purpose: e.Purpose, Created: e.Created, Current: r.current[e.Purpose].id == e.ID})
	}
	keys := c.verifierKeys()
	for i := range keys {
		e := c.Signers[len(c.Signers)-1-i]
		s.Signers = append(s.Signers, SignerStatus{VerifierKey: keys[i], Created: e.Created, Retired: e.Retired})
	}
	s.Warnings = c.warnings()
	return s, nil
}

// NeedsPerson is true when every seal needs a human: after a power cut no
// result flows until somebody comes. Set-up must warn.
func (v *Vault) NeedsPerson() bool {
	r := v.ring.Load()
	return r == nil || r.book.needsPerson()
}

func (c *contents) needsPerson() bool {
	for _, e := range c.Seals {
		if !e.NeedsPerson {
			return false
		}
	}
	return true
}

func (c *contents) warnings() []string {
	var w []string
	if c.needsPerson() {
		w = append(w, "Every seal needs a person: after a power cut no result flows until somebody opens the vault. Add a key file or a systemd credential.")
	}
	if len(c.Seals) == 1 {
		w = append(w, "There is only one seal. If it is lost, only recovery shares open the records. Add a second one of another kind.")
	}
	if c.Recovery == nil {
		w = append(w, "There are no recovery shares. If every seal is lost, so are all records.")
	}
	return w
}
