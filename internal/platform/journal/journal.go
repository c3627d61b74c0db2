package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Key opens a journal. It is kept sealed elsewhere.
type Key [32]byte

// Options of Open. A zero field means its default.
type Options struct {
	MaxBytes  int64 // of all segments; default 1 GiB
	MaxRecord int   // default 16 MiB
	Segment   int64 // bytes after which a new one begins; default 4 MiB
	KeepFree  int64 // bytes to leave on the disk for others; default 64 MiB
	sync      func(*os.File) error
	free      func(dir string) (int64, error)
}

func (o Options) orDefault() Options {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxBytes, 1<<30)
	def(&o.Segment, 4<<20)
	def(&o.KeepFree, 64<<20)
	if o.MaxRecord <= 0 {
		o.MaxRecord = 16 << 20
	}
	if o.sync == nil {
		o.sync = datasync
	}
	if o.free == nil {
		o.free = freeBytes
	}
	return o
}

// Errors of a Journal.
var (
	// ErrFull: the journal or its disk is full. Records that are there stay.
	ErrFull   = errors.New("the journal is full")
	ErrClosed = errors.New("the journal is closed")
	// ErrTooLong: the record is longer than the limit.
	ErrTooLong = errors.New("the record is longer than the limit")
	// ErrLocked: another process has the journal open.
	ErrLocked = errors.New("the journal is open in another process")
)

// DamagedError: records from From to To cannot be read; Read goes on behind them.
type DamagedError struct {
	From, To uint64
	Why      string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal: records %d to %d cannot be read: %s", e.From, e.To, e.Why)
}

// Report is what Open found.
type Report struct {
	// Records that are not acknowledged yet, and their bytes on disk.
	Records, Bytes int64
	// Torn is how many bytes behind good records were set aside: what was being
	// written when the power went, which nobody was told is there; or damage.
	Torn int64
	// Damaged are records that were there and cannot be read.
	Damaged []DamagedError
}

// Journal is open until Close. Its methods may be called at the same time.
type Journal struct {
	dir  string
	key  Key
	o    Options
	lock *os.File

	queue chan *waiting
	stop  chan struct{}
	done  chan struct{}

	mu    sync.Mutex
	segs  []*segment // the last is written to
	next  uint64     // the number of the next record
	ends  uint64     // the number of the latest record
	acked uint64
	bytes int64
	more  chan struct{} // closed when a record was added
	shut  bool
}

type waiting struct {
	body []byte
	n    uint64
	err  error
	done chan struct{}
}

// Record is one that was appended.
type Record struct {
	N    uint64
	Body []byte
}

// Stats says how full the journal is.
type Stats struct {
	Records       uint64 // not acknowledged
	Bytes, Max    int64
	Acked, Latest uint64
}

// Open opens the journal in the folder, which it makes, and begins a segment.
func Open(dir string, key Key, o Options) (*Journal, Report, error) {
	j := &Journal{dir: dir, key: key, o: o.orDefault(), queue: make(chan *waiting), stop: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Report{}, fmt.Errorf("make journal folder: %w", err)
	}
	var err error
	if j.lock, err = lockDir(dir); err != nil {
		return nil, Report{}, err
	}
	r, err := j.load()
	if err == nil {
		err = j.begin()
	}
	if err != nil {
		j.closeFiles()
		return nil, r, err
	}
	go j.write()
	return j, r, nil
}

// Append adds a record and returns its number when it is on disk. body is not
// kept. When ctx ends first, the record may be added all the same.
func (j *Journal) Append(ctx context.Context, body []byte) (uint64, error) {
	if len(body) > j.o.MaxRecord {
		return 0, ErrTooLong
	}
	w := &waiting{body: body, done: make(chan struct{})}
	select {
	case j.queue <- w:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-j.stop:
		return 0, ErrClosed
	}
	<-w.done // the writer has body: it must not change until it is done
	return w.n, w.err
}

// write gathers who waits, and writes and flushes for all of them.
func (j *Journal) write() {
	defer close(j.done)
	for {
		var batch []*waiting
		select {
		case <-j.stop:
			return
		case w := <-j.queue:
			batch = append(batch, w)
		}
		size := len(batch[0].body)
	gather:
		for len(batch) < 256 && size < 1<<20 {
			select {
			case w := <-j.queue:
				batch, size = append(batch, w), size+len(w.body)
			default:
				break gather
			}
		}
		j.commit(batch)
	}
}

// commit writes a batch; if that fails, each by itself, so that one too many for
// the disk does not take the others with it.
func (j *Journal) commit(batch []*waiting) {
	err := j.put(batch)
	if err != nil && len(batch) > 1 {
		for _, w := range batch {
			w.err = j.put([]*waiting{w})
		}
	} else {
		for _, w := range batch {
			w.err = err
		}
	}
	for _, w := range batch {
		close(w.done)
	}
}

func (j *Journal) put(batch []*waiting) error {
	j.mu.Lock()
	s := j.last()
	j.mu.Unlock()
	if s == nil || s.broken || s.size >= j.o.Segment {
		if err := j.begin(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	s = j.last()
	first, bytes := j.next, j.bytes
	j.mu.Unlock()
	var out []byte
	ends := make([]int64, 0, len(batch))
	for i, w := range batch {
		out = s.appendRecord(out, first+uint64(i), w.body)
		ends = append(ends, s.size+int64(len(out)))
	}
	if bytes+int64(len(out)) > j.o.MaxBytes {
		return ErrFull
	}
	if free, err := j.o.free(j.dir); err != nil || free < j.o.KeepFree+int64(len(out)) {
		return errors.Join(ErrFull, err)
	}
	if err := s.add(out, j.o); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, w := range batch {
		w.n = first + uint64(i)
	}
	s.ends = append(s.ends, ends...)
	s.size += int64(len(out))
	j.bytes += int64(len(out))
	j.ends = first + uint64(len(batch)) - 1
	j.next = j.ends + 1
	close(j.more)
	j.more = make(chan struct{})
	return nil
}

// last is the segment that is written to, or was; under mu.
func (j *Journal) last() *segment {
	if len(j.segs) == 0 {
		return nil
	}
	return j.segs[len(j.segs)-1]
}

// Read returns records behind the number, in order, at least one: it waits for it.
// After at most most bytes it stops. A DamagedError names what cannot be read;
// go on behind its To.
func (j *Journal) Read(ctx context.Context, after uint64, most int) ([]Record, error) {
	for {
		j.mu.Lock()
		if j.shut {
			j.mu.Unlock()
			return nil, ErrClosed
		}
		var out []Record
		var err error
		if max(after, j.acked) < j.ends {
			out, err = j.read(max(after, j.acked)+1, most)
		}
		more := j.more
		j.mu.Unlock()
		if len(out) > 0 || err != nil {
			return out, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-j.stop:
			return nil, ErrClosed
		}
	}
}

// read reads from the number on; under mu.
func (j *Journal) read(n uint64, most int) (out []Record, err error) {
	size := 0
	for i, s := range j.segs {
		n = max(n, s.first) // numbers between segments name no record, or are in the Report
		last := j.ends
		if i+1 < len(j.segs) {
			last = j.segs[i+1].before
		}
		for ; n <= last && (len(out) == 0 || size < most); n++ {
			var body []byte
			to, err := last, errShort
			if n < s.first+uint64(len(s.ends)) {
				to = n
				body, err = s.record(n, j.o.MaxRecord)
			}
			if err != nil {
				if len(out) > 0 {
					return out, nil // first what is good
				}
				return nil, &DamagedError{n, to, err.Error()}
			}
			out, size = append(out, Record{n, body}), size+len(body)
		}
	}
	return out, nil
}

// Ack says that the records up to the number are safe elsewhere. They are not
// read again, and removed from disk a segment at a time.
func (j *Journal) Ack(n uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shut {
		return ErrClosed
	}
	if n > j.ends {
		return fmt.Errorf("acknowledge record %d: the journal ends at %d", n, j.ends)
	}
	if n <= j.acked {
		return nil
	}
	j.acked = n
	var done int
	for done < len(j.segs)-1 && j.segs[done+1].before <= n {
		done++
	}
	if done == 0 {
		return nil
	}
	if err := j.saveAcked(); err != nil {
		return err
	}
	for _, s := range j.segs[:done] {
		j.bytes -= s.size
		if err := s.remove(j.dir); err != nil {
			return err
		}
	}
	j.segs = append([]*segment(nil), j.segs[done:]...)
	return nil
}

// Acked is up to where records were acknowledged.
func (j *Journal) Acked() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.acked
}

// Stats says how full it is.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{Records: j.ends - min(j.acked, j.ends), Bytes: j.bytes, Max: j.o.MaxBytes, Acked: j.acked, Latest: j.ends}
}

// Close ends it. Appends that wait are finished or refused.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.shut {
		j.mu.Unlock()
		return nil
	}
	j.shut = true
	j.mu.Unlock()
	close(j.stop)
	<-j.done
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.saveAcked()
	j.closeFiles()
	return err
}

func (j *Journal) closeFiles() {
	for _, s := range j.segs {
		s.close()
	}
	if j.lock != nil {
		unlockDir(j.lock)
	}
}
