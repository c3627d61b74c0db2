package bypass

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// Card is all that the bypass needs to run without the hub. The hub writes it
// at each start, each applied revision and each stop that is placed or lifted, and each change of the keys in use. Certificates are named by path, not
// held; secrets that a channel needs are held.
type Card struct {
	Made time.Time `json:"made"`
	Lab  string    `json:"lab"`
	// Number and Revision are those of the applied configuration; Text is its
	// canonical form. Node is this machine's section. Base is the folder that
	// relative paths count from.
	Number   int64       `json:"number"`
	Revision string      `json:"revision"`
	Text     string      `json:"text"`
	Node     config.Node `json:"node"`
	Base     string      `json:"base"`
	// Secrets are the values of the vault's secrets that destinations name.
	Secrets map[string][]byte `json:"secrets,omitempty"`
	// Keys are the registered keys of partners whose results are encrypted end to
	// end, as they were in use when the card was written.
	Keys map[string][][]byte `json:"keys,omitempty"`
	// Stops are those that stood in the hub, in the results domain's form: what a
	// person stopped must not go because the hub died. Unknown more stand that
	// cannot be told here.
	Stops   []json.RawMessage `json:"stops,omitempty"`
	Unknown int               `json:"unknown_stops,omitempty"`
}

// Folder is where the bypass keeps its card and logs, below the data folder.
func Folder(data string) string { return filepath.Join(data, "bypass") }

func cardPath(dir string) string { return filepath.Join(dir, "card") }

// ErrNoCard: no hub of this version has run here with this key.
var ErrNoCard = errors.New("there is no bypass card: the hub writes one when it starts; without it the bypass does not know where to send")

// WriteCard seals the card into dir; a reader sees the old one or the new one.
func WriteCard(dir string, k Key, c Card) error {
	plain, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write bypass card: %w", err)
	}
	sealed, err := k.seal("card", plain)
	if err != nil {
		return fmt.Errorf("write bypass card: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write bypass card: %w", err)
	}
	tmp := cardPath(dir) + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write bypass card: %w", err)
	}
	_, err = f.Write(sealed)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, cardPath(dir))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write bypass card: %w", err)
	}
	return nil
}

// ReadCard opens the card in dir: ErrNoCard, ErrWrongKey.
func ReadCard(dir string, k Key) (Card, error) {
	var c Card
	sealed, err := os.ReadFile(cardPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return c, ErrNoCard
	}
	if err != nil {
		return c, fmt.Errorf("read bypass card: %w", err)
	}
	plain, err := k.open("card", sealed)
	if err != nil {
		return c, fmt.Errorf("read bypass card: %w", err)
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, errors.New("read bypass card: it is of another version of Labwarden")
	}
	return c, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
