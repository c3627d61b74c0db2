package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// place is where a laboratory is made.
type place struct {
	dir  string // of labwarden.yaml, tls and keys
	key  string // the root key file
	data string // the data folder
	node string // data and seals as they stand under node:, "%s" for the database
	seal vault.Seal
	// hand gives what was made to whom it is for; nil leaves it the caller's.
	hand func() error
	next string // what to do next; "%s" is the configuration
}

// folderPlace is a laboratory in one folder. The key is sought by its whole path:
// once the configuration is read, relative paths begin at its folder.
func folderPlace(dir string) (place, error) {
	key, err := filepath.Abs(filepath.Join(dir, "keys", "root.key"))
	if err != nil {
		return place{}, fmt.Errorf("find %s: %w", dir, err)
	}
	return place{
		dir: dir, key: key, data: filepath.Join(dir, "data"), seal: vault.KeyFile(key),
		node: "\n  data: ./data%s\n  seals:\n    - {kind: keyfile, path: ./keys/root.key}",
		next: "Next: keep a copy of keys/root.key away from this machine, look at labwarden.yaml, then run\n  labwarden serve --config %[1]s\n" +
			"and, while it runs, for the first administrator's one-time link\n  labwarden access first --config %[1]s\n",
	}, nil
}

// The folders and the credential that packaging/labwarden.service names.
const (
	systemConfig     = "/etc/labwarden"
	systemData       = "/var/lib/labwarden"
	systemRun        = "/run/labwarden"
	systemCredential = "labwarden-root"
	systemUser       = "labwarden"
)

// systemPlace is what the unit of the package expects, below root: the root key
// is root's alone, and systemd hands it to the service; the service reads its
// configuration and certificates and changes neither; the data is its own.
func systemPlace(root string, uid, gid int) place {
	dir, data := filepath.Join(root, systemConfig), filepath.Join(root, systemData)
	return place{
		dir: dir, key: filepath.Join(dir, "root.key"), data: data, seal: vault.Credential(dir, "root.key"),
		node: fmt.Sprintf("\n  data: %s", data) + "%s" + fmt.Sprintf(`
  seals:
    # The file %s, which only root reads: systemd hands it to the service.
    - {kind: systemd, name: %s}
  control: {socket: %s}`, filepath.Join(systemConfig, "root.key"), systemCredential, filepath.Join(systemRun, "labwarden.sock")),
		hand: func() error { return handToService(dir, data, uid, gid) },
		next: "Next: keep a copy of " + systemConfig + "/root.key away from this machine, look at labwarden.yaml, then run\n  systemctl enable --now labwarden\n" +
			"and, while it runs, for the first administrator's one-time link\n  sudo -u labwarden labwarden access first --config %[1]s\n",
	}
}

// serviceUser is the user that the package made. Only root can give it files.
func serviceUser() (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, errors.New("--system makes files for root and for the user labwarden; run it as root: sudo labwarden init --system ...")
	}
	u, err := user.Lookup(systemUser)
	if err != nil {
		return 0, 0, fmt.Errorf("find the user %s, which the package makes; without the package choose a folder: labwarden init FOLDER: %w", systemUser, err)
	}
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the user %s: %w", systemUser, err)
	}
	return uid, gid, nil
}

// handToService lets the service read what it needs of dir, and have data.
func handToService(dir, data string, uid, gid int) error {
	read := map[string]fs.FileMode{
		"": 0o750, "labwarden.yaml": 0o640, "keys": 0o750, "tls": 0o750,
		"tls/ca.pem": 0o640, "tls/hub.pem": 0o640, "tls/hub.key": 0o640,
	}
	for name, mode := range read {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Lchown(path, os.Geteuid(), gid), os.Chmod(path, mode)); err != nil {
			return fmt.Errorf("let the service read %s: %w", path, err)
		}
	}
	// Whoever may open the bypass acts as the service; nobody else may read its key.
	own := []string{filepath.Join(dir, "keys", "bypass.key")}
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		own = append(own, path)
		return err
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", data, err)
	}
	for _, path := range own {
		if err := os.Lchown(path, uid, gid); err != nil {
			return fmt.Errorf("give %s to the service: %w", path, err)
		}
	}
	return nil
}

// fresh refuses a place where a laboratory is, or was begun.
func (p *place) fresh() error {
	for _, path := range []string{filepath.Join(p.dir, "labwarden.yaml"), p.key} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is a laboratory in %s already (%s); choose an empty folder", p.dir, filepath.Base(path))
		}
	}
	return nil
}
