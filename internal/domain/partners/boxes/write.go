package boxes

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store"
)

var errHeld = channel.Refuse("the laboratory looks at this file before it goes on")

// passing are endings that clients give a file until it is whole; it is looked
// into when it has its final name.
var passing = []string{".part", ".filepart", ".tmp", ".temp", ".uploading"}

func isPassing(name string) bool {
	for _, e := range passing {
		if strings.HasSuffix(strings.ToLower(name), e) {
			return true
		}
	}
	return false
}

// Upload is a large file on its way. Its content lies sealed in the spool and is
// nobody's file until Commit.
type Upload struct {
	ID spool.ID
	// Disk is where the sealed chunks are written.
	Disk *os.File
	// Limit is the largest size.
	Limit int64

	s    *Service
	f    File
	done bool
}

// Begin begins a file of the partner's inbox.
func (s *Service) Begin(ctx context.Context, partner, name string, via Via) (*Upload, error) {
	u, err := s.begin(ctx, partner, name, via)
	if err != nil {
		return nil, s.refused(ctx, File{Partner: partner, Name: name, Via: via}, err)
	}
	return u, nil
}

func (s *Service) begin(ctx context.Context, partner, name string, via Via) (*Upload, error) {
	limit, err := s.mayWrite(ctx, partner, name)
	if err != nil {
		return nil, err
	}
	// A large file hears early that its name is taken; of a small one the insert says it.
	switch _, err := s.Find(ctx, partner, channel.BoxInbox, name); {
	case err == nil:
		return nil, channel.ErrFileExists
	case !errors.Is(err, channel.ErrNoFile):
		return nil, err
	}
	u := &Upload{ID: spool.ID(event.NewID()), Limit: limit, s: s, f: File{Partner: partner, Folder: channel.BoxInbox, Name: name, MadeBy: via.Protocol, Via: via}}
	u.f.ID = event.ID(u.ID)
	if u.Disk, err = os.OpenFile(s.path(u.f.ID), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return nil, s.noRoom(fmt.Errorf("make file in the spool: %w", err))
	}
	s.mu.Lock()
	s.writing[u.f.ID] = partner
	s.mu.Unlock()
	return u, nil
}

// Writable is the file again, for another process to write to; the caller closes
// it. Once the upload is committed nothing that is written there is believed: it
// no longer fits the seal.
func (u *Upload) Writable() (*os.File, error) {
	f, err := os.OpenFile(u.s.path(u.f.ID), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open spooled file again: %w", err)
	}
	return f, nil
}

// Refused is Abort for a file that cannot become whole, and says why to its sender.
func (u *Upload) Refused(ctx context.Context, reason string) {
	if u.done {
		return
	}
	u.Abort()
	_ = u.s.refused(ctx, u.f, channel.Refuse(reason)) // the sender has it from whoever calls
}

// Abort forgets what arrived; after Commit it does nothing.
func (u *Upload) Abort() {
	if u.done {
		return
	}
	u.done = true
	_ = u.Disk.Close()
	_ = os.Remove(u.s.path(u.f.ID))
	u.s.forget(u.f.ID)
}

func (s *Service) forget(id event.ID) {
	s.mu.Lock()
	delete(s.writing, id)
	s.mu.Unlock()
}

// Commit takes the file: it is opened again from the first byte to the last,
// flushed, looked into, and then stands in the box. Any error leaves nothing.
func (u *Upload) Commit(ctx context.Context, size int64, key *spool.Key) error {
	if u.done {
		return channel.ErrBoxClosed
	}
	f := u.f
	if err := u.commit(ctx, &f, size, key); err != nil {
		u.Abort()
		return u.s.refused(ctx, f, err)
	}
	return nil
}

func (u *Upload) commit(ctx context.Context, f *File, size int64, key *spool.Key) error {
	if size > u.Limit {
		return tooLarge(u.Limit)
	}
	mark, sum, err := spool.Close(u.Disk, u.ID, key, size)
	if err != nil {
		return u.s.noRoom(fmt.Errorf("close spooled file: %w", err))
	}
	if err := u.s.Flush(u.Disk); err != nil {
		return u.s.noRoom(fmt.Errorf("flush spooled file: %w", err))
	}
	if err := u.s.flushFolder(); err != nil {
		return err
	}
	f.Size, f.SHA256, f.mark = size, sum, mark[:]
	if f.filekey, err = u.s.Vault.Seal(Purpose, u.s.where("filekey", f.ID), nil, key[:]); err != nil {
		return fmt.Errorf("seal key of a file: %w", err)
	}
	body, err := spool.Open(u.Disk, u.ID, key, size, mark)
	if err != nil {
		return fmt.Errorf("open spooled file: %w", err)
	}
	if err := u.s.take(ctx, f, body); err != nil {
		return err
	}
	u.done = true
	u.s.forget(f.ID)
	return u.Disk.Close()
}

func (s *Service) flushFolder() error {
	d, err := os.Open(s.Spool)
	if err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := s.Flush(d); err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	return nil
}

// Put takes a small file at once.
func (s *Service) Put(ctx context.Context, partner, name string, via Via, body []byte) error {
	f := File{ID: event.NewID(), Partner: partner, Folder: channel.BoxInbox, Name: name, MadeBy: via.Protocol, Via: via, Size: int64(len(body)), SHA256: sha256.Sum256(body)}
	if err := s.put(ctx, &f, body); err != nil {
		return s.refused(ctx, f, err)
	}
	return nil
}

func (s *Service) put(ctx context.Context, f *File, body []byte) error {
	if len(body) > SmallFile {
		return fmt.Errorf("put a file of %d bytes: more than %d", len(body), SmallFile)
	}
	limit, err := s.mayWrite(ctx, f.Partner, f.Name)
	if err != nil {
		return err
	}
	if int64(len(body)) > limit {
		return tooLarge(limit)
	}
	if f.body, err = s.Vault.Seal(Purpose, s.where("body", f.ID), nil, body); err != nil {
		return fmt.Errorf("seal file: %w", err)
	}
	return s.take(ctx, f, readerOf(body))
}

// Delivery is a result's file.
type Delivery struct {
	Number int64
	Body   []byte
	// SealedTo are the fingerprints of the keys that can read Body, where it is
	// encrypted: the same text encrypted again is other bytes, and the same delivery.
	SealedTo []string
}

// Deliver puts a result's file into the partner's results. Again with the same
// delivery it does nothing: placed is false, and the file that is there is returned.
func (s *Service) Deliver(ctx context.Context, partner, name string, d Delivery) (f File, placed bool, err error) {
	if err := channel.CheckBoxName(name); err != nil {
		return File{}, false, err
	}
	f = File{
		ID: event.NewID(), Partner: partner, Folder: channel.BoxResults, Name: name, MadeBy: "hub", Size: int64(len(d.Body)), SHA256: sha256.Sum256(d.Body),
		Delivery: d.Number, SealedTo: d.SealedTo, State: There,
	}
	if f.body, err = s.Vault.Seal(Purpose, s.where("body", f.ID), nil, d.Body); err != nil {
		return f, false, fmt.Errorf("seal file: %w", err)
	}
	err = s.insert(ctx, &f, "box.file.placed")
	if errors.Is(err, channel.ErrFileExists) {
		old, ferr := s.Find(ctx, partner, channel.BoxResults, name)
		if ferr == nil && old.Delivery == d.Number && (old.SHA256 == f.SHA256 || len(old.SealedTo) > 0 && len(d.SealedTo) > 0) {
			return old, false, nil
		}
	}
	return f, err == nil, err
}

func tooLarge(limit int64) error {
	return channel.Refuse(fmt.Sprintf("the file is larger than the %d bytes that may be sent", limit))
}

// mayWrite says how large a new file may be.
func (s *Service) mayWrite(ctx context.Context, partner, name string) (limit int64, err error) {
	if err := channel.CheckBoxName(name); err != nil {
		return 0, err
	}
	r := s.room(partner)
	n, size, err := s.held(ctx, partner)
	if err != nil {
		return 0, err
	}
	if n >= int64(r.Files) || size >= r.MaxAll {
		return 0, channel.Refuse("the inbox is full: the laboratory has to fetch what is there first; please call it")
	}
	return min(r.MaxFile, r.MaxAll-size), nil
}

// recount is how often a partner's inbox is counted in the database; in between
// this node counts what it does itself.
const recount = 10 * time.Second

// held is how much lies in a partner's inbox, what is on its way included.
func (s *Service) held(ctx context.Context, partner string) (n, size int64, err error) {
	s.mu.Lock()
	c, known := s.counts[partner]
	s.mu.Unlock()
	if now := s.Now(); !known || now.Sub(c.at) >= recount {
		c = count{at: now}
		if err := s.DB.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(size), 0) FROM boxes_files WHERE partner = $1 AND folder = $2 AND state <> 'gone'`,
			partner, channel.BoxInbox).Scan(&c.n, &c.size); err != nil {
			return 0, 0, fmt.Errorf("count box: %w", err)
		}
		s.mu.Lock()
		s.counts[partner] = c
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c = s.counts[partner]
	n = c.n
	for _, p := range s.writing {
		if p == partner {
			n++
		}
	}
	return n, c.size, nil
}

// counted notes that a file came into the inbox, or left it.
func (s *Service) counted(partner string, n, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, known := s.counts[partner]; known {
		c.n, c.size = c.n+n, c.size+size
		s.counts[partner] = c
	}
}

// take has the gate look, and files what arrived.
func (s *Service) take(ctx context.Context, f *File, body io.ReaderAt) error {
	f.State = There
	if isPassing(f.Name) {
		f.State = Named
	} else if err := s.judge(ctx, f, body); err != nil {
		return err
	}
	kind := "box.file.received"
	if f.State == Held {
		kind = "box.file.held"
	}
	if err := s.insert(ctx, f, kind); err != nil {
		return err
	}
	if f.State == Held {
		s.notice(ctx, *f, heldSuffix, f.rule, f.reason)
	}
	return nil
}

// judge asks the gate; f gets its kind and state.
func (s *Service) judge(ctx context.Context, f *File, body io.ReaderAt) error {
	f.State = There
	if s.Gate == nil {
		return nil
	}
	v, err := s.Gate.Check(ctx, f, body)
	if err != nil {
		return fmt.Errorf("look into file: %w", err)
	}
	f.Kind = v.Kind
	switch {
	case v.Pass:
		return nil
	case v.Held:
		f.State, f.rule, f.reason = Held, v.Rule, v.Reason
		return nil
	}
	s.Log.Info("file refused", "partner", f.Partner, "kind", v.Kind, "reason", v.Reason)
	return &ruled{v.Rule, channel.Refuse(v.Reason)}
}

// insert files it.
func (s *Service) insert(ctx context.Context, f *File, kind string) error {
	head, err := s.sealHead(f)
	if err != nil {
		return err
	}
	f.Made = s.Now()
	named := s.named(f.Partner, f.Folder, f.Name)
	var exists bool
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		err := s.row(ctx, tx, f, named, head)
		if exists = errors.Is(err, channel.ErrFileExists); exists {
			return nil
		}
		if err != nil {
			return err
		}
		e := ledger.Event{
			Kind: kind, At: micro(f.Made), IDs: ledger.Pairs{{K: "file", V: f.ID.String()}, {K: "partner", V: f.Partner}},
			Codes: ledger.Pairs{{K: "by", V: ledger.Code(f.MadeBy)}, {K: "sha256", V: fmt.Sprintf("%x", f.SHA256)}}, Numbers: []ledger.Number{{K: "size", N: f.Size}},
		}
		if f.Delivery != 0 {
			e.Numbers = append(e.Numbers, ledger.Number{K: "delivery", N: f.Delivery})
		}
		_, err = bus.Publish(ctx, tx, e)
		return err
	})
	if err != nil {
		return s.noRoom(fmt.Errorf("file what arrived: %w", err))
	}
	if exists {
		return channel.ErrFileExists
	}
	if f.Folder == channel.BoxInbox {
		s.counted(f.Partner, 1, f.Size)
	}
	return nil
}

// row inserts a file's row; ErrFileExists where its name is taken.
func (s *Service) row(ctx context.Context, tx *store.Tx, f *File, named, head []byte) error {
	n, err := tx.Exec(ctx, `INSERT INTO boxes_files
		(id, partner, folder, named, head, size, sha256, made_at, made_by, state, delivery, body, filekey, mark, picked_at, picked_by, told, gone_at, gone_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, '', 0, 0, '') ON CONFLICT DO NOTHING`,
		f.ID[:], f.Partner, f.Folder, named, head, f.Size, f.SHA256[:], micro(f.Made), f.MadeBy, string(f.State), f.Delivery, nilIfEmpty(f.body), nilIfEmpty(f.filekey), nilIfEmpty(f.mark))
	if err != nil {
		return err
	}
	if n != 1 {
		return channel.ErrFileExists
	}
	return s.tags.PutNew(ctx, tx, tagged, f.ID[:], f.Partner, f.Folder, named, f.Size, f.SHA256[:], micro(f.Made), f.MadeBy, string(f.State), f.Delivery, nilIfEmpty(f.mark), int64(0), "", int64(0), int64(0), "")
}

func nilIfEmpty(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// noRoom turns a full disk into words for the sender; everything else stays.
func (s *Service) noRoom(err error) error {
	if store.IsFull(err) {
		s.Log.Error("no room for a partner's file", "err", err)
		return channel.Refuse("the laboratory has no room left; nothing of the file was kept. Try again later")
	}
	return err
}

// Sweep removes from the spool what no row names: what was on its way when the
// process ended. It must run before the first Begin.
func (s *Service) Sweep(ctx context.Context) error {
	if err := os.MkdirAll(s.Spool, 0o700); err != nil {
		return fmt.Errorf("make spool: %w", err)
	}
	all, err := os.ReadDir(s.Spool)
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	for _, e := range all {
		id, err := event.ParseID(e.Name())
		if err != nil {
			continue // not ours: a person may look at it
		}
		var n int64
		if err := s.DB.QueryRow(ctx, `SELECT COUNT(*) FROM boxes_files WHERE id = $1 AND filekey IS NOT NULL`, id[:]).Scan(&n); err != nil {
			return fmt.Errorf("look for a spooled file: %w", err)
		}
		if n == 0 {
			if err := os.Remove(filepath.Join(s.Spool, e.Name())); err != nil {
				return fmt.Errorf("remove unfinished file: %w", err)
			}
		}
	}
	return nil
}
