package accounts

import "fmt"

// Tri is yes, no, or not known: what a list does not say is never "no".
type Tri int64

// The values.
const (
	NotKnown Tri = iota
	Yes
	No
)

var tris = [...]string{"not known", "yes", "no"}

func (t Tri) String() string {
	if t < NotKnown || t > No {
		return tris[NotKnown]
	}
	return tris[t]
}

// MarshalText implements encoding.TextMarshaler.
func (t Tri) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Tri) UnmarshalText(b []byte) error {
	for i, n := range tris {
		if n == string(b) {
			*t = Tri(i)
			return nil
		}
	}
	return fmt.Errorf("%w: write yes, no or not known", ErrInvalid)
}

func tri(yes bool) Tri {
	if yes {
		return Yes
	}
	return No
}
