package shield

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Settings are what the hub wants the shield to do.
type Settings struct {
	Devices []DeviceSettings `json:"devices"`
}

// DeviceSettings are one device and its line.
type DeviceSettings struct {
	Key      string `json:"key"`
	Protocol string `json:"protocol"` // astm, mllp, poct1a
	// One of the three says where it is: a serial port, an address it connects to, an
	// address it listens on.
	Serial *Serial `json:"serial,omitempty"`
	Listen string  `json:"listen,omitempty"`
	Dial   string  `json:"dial,omitempty"`
	// MaxText is how much text our ASTM frames to it carry [240].
	MaxText int `json:"max_text,omitempty"`
	// Orders: messages may be given to it.
	Orders bool `json:"orders,omitempty"`
}

// Serial is a serial port.
type Serial struct {
	Port   string `json:"port"`
	Baud   int    `json:"baud"`
	Data   int    `json:"data"`   // bits
	Parity string `json:"parity"` // none, even, odd
	Stop   int    `json:"stop"`   // bits
}

// ReadSettings reads and checks them.
func ReadSettings(b []byte) (Settings, error) {
	var s Settings
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read settings of the shield: %w", err)
	}
	seen := map[string]bool{}
	for i := range s.Devices {
		d := &s.Devices[i]
		if err := d.check(); err != nil {
			return s, fmt.Errorf("settings of device %q: %w", d.Key, err)
		}
		if seen[d.Key] {
			return s, fmt.Errorf("settings of device %q: it is there twice", d.Key)
		}
		seen[d.Key] = true
	}
	return s, nil
}

func (d *DeviceSettings) check() error {
	n := 0
	for _, there := range []bool{d.Serial != nil, d.Listen != "", d.Dial != ""} {
		if there {
			n++
		}
	}
	switch {
	case d.Key == "":
		return errors.New("it has no name")
	case !slices.Contains([]string{"astm", "mllp", "poct1a"}, d.Protocol):
		return fmt.Errorf("protocol %q: astm, mllp or poct1a", d.Protocol)
	case n != 1:
		return errors.New("say one of serial, listen and dial")
	case d.Protocol != "astm" && d.Serial != nil:
		return errors.New("only ASTM is spoken over a serial port")
	}
	if d.Serial == nil {
		return nil
	}
	p := d.Serial
	switch {
	case p.Port == "" || p.Baud < 300 || p.Baud > 921_600:
		return errors.New("a serial port has a name and 300 to 921,600 baud")
	case p.Data != 7 && p.Data != 8, p.Stop != 1 && p.Stop != 2, !slices.Contains([]string{"none", "even", "odd"}, p.Parity):
		return errors.New("a serial port has 7 or 8 data bits, 1 or 2 stop bits and no, even or odd parity")
	}
	return nil
}
