package frontlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
)

// MaxCalls is how many calls of the other side are answered at a time; further
// ones wait in the socket.
const MaxCalls = 256

// ErrGone: the other side is gone.
var ErrGone = errors.New("the link between hub and front is broken")

// Call is what the other side asks.
type Call struct {
	Verb Verb
	// Body is the bytes beside the words; the handler may keep them.
	Body []byte
	// File was handed over, nil when none was. The handler owns it.
	File  *os.File
	words []byte
}

// Words decodes what was said; strictly, so that a field we do not know is an
// error and not overlooked.
func (c *Call) Words(into any) error { return decode(c.words, into) }

// Reply is what is said back. File is closed by the link once it is handed over.
type Reply struct {
	Words any
	Body  []byte
	File  *os.File
}

// Handler answers calls; it is called on a goroutine for each.
type Handler func(ctx context.Context, c *Call) (Reply, error)

// Conn is one side of the link. It is safe for concurrent use.
type Conn struct {
	sock   *net.UnixConn
	handle Handler
	log    *slog.Logger

	mu     sync.Mutex
	number uint32
	waits  map[uint32]chan heard
	gone   bool
	room   sync.Pool
}

type heard struct {
	p    packet
	file *os.File
}

// New makes a link of a connected socket of kind "unixpacket". Run must be
// called for anything to be heard.
func New(sock *net.UnixConn, h Handler, log *slog.Logger) *Conn {
	_ = sock.SetWriteBuffer(MaxPacket) // best effort: the default holds one packet
	return &Conn{
		sock: sock, handle: h, log: log, waits: map[uint32]chan heard{},
		room: sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }},
	}
}

// Close ends the link.
func (c *Conn) Close() error { return c.sock.Close() }

// Run hears the other side until the link breaks or ctx ends; then all that was
// begun is cancelled, and it waits for the handlers.
func (c *Conn) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.sock.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer c.end()
	slots := make(chan struct{}, MaxCalls)
	buf := make([]byte, MaxPacket+1)
	oob := make([]byte, syscall.CmsgSpace(4*4))
	for {
		n, file, err := c.read(buf, oob)
		if err != nil {
			return err
		}
		p, err := parse(buf[:n])
		if err != nil {
			closeFile(file)
			return err
		}
		p.words, p.body = append([]byte(nil), p.words...), append([]byte(nil), p.body...)
		if p.kind != ask {
			c.hear(p, file)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			closeFile(file)
			return ErrGone
		}
		wg.Go(func() {
			defer func() { <-slots }()
			c.answer(ctx, p, file)
		})
	}
}

func (c *Conn) read(buf, oob []byte) (int, *os.File, error) {
	n, on, flags, _, err := c.sock.ReadMsgUnix(buf, oob)
	if err != nil || n == 0 {
		return 0, nil, ErrGone
	}
	file, err := fileOf(oob[:on])
	if err != nil {
		return 0, nil, err
	}
	if n > MaxPacket || flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0 {
		closeFile(file)
		return 0, nil, errPacket
	}
	return n, file, nil
}

// fileOf takes the one file that may be handed over with a packet.
func fileOf(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, errPacket
	}
	var all []int
	for i := range msgs {
		fds, err := syscall.ParseUnixRights(&msgs[i])
		if err == nil {
			all = append(all, fds...)
		}
	}
	for _, fd := range all {
		syscall.CloseOnExec(fd)
	}
	if len(all) != 1 {
		for _, fd := range all {
			_ = syscall.Close(fd)
		}
		return nil, errPacket
	}
	return os.NewFile(uintptr(all[0]), "handed over"), nil
}

func closeFile(f *os.File) {
	if f != nil {
		_ = f.Close()
	}
}

func (c *Conn) hear(p packet, file *os.File) {
	c.mu.Lock()
	w := c.waits[p.number]
	delete(c.waits, p.number)
	c.mu.Unlock()
	if w == nil {
		closeFile(file) // nobody waits any more
		return
	}
	w <- heard{p, file}
}

// end lets all who wait go.
func (c *Conn) end() {
	_ = c.sock.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for n, w := range c.waits {
		delete(c.waits, n)
		close(w)
	}
}

func (c *Conn) answer(ctx context.Context, p packet, file *os.File) {
	reply, err := c.safely(ctx, &Call{Verb: p.verb, Body: p.body, File: file, words: p.words})
	defer closeFile(reply.File)
	out := packet{kind: answer, verb: p.verb, number: p.number, body: reply.Body}
	if err != nil {
		out.kind, out.body = refusal, nil
		n := noOf(err)
		if n.Code == "failed" && ctx.Err() == nil {
			c.log.Warn("call failed", "verb", p.verb.String(), "err", err)
		}
		reply.Words = n
	}
	if err := c.write(out, reply.Words, reply.File); err != nil && ctx.Err() == nil {
		c.log.Warn("answer not sent", "verb", p.verb.String(), "err", err)
	}
}

// safely keeps a panic of one call from the others.
func (c *Conn) safely(ctx context.Context, call *Call) (r Reply, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("call panicked", "verb", call.Verb.String(), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in call %s", call.Verb)
		}
	}()
	return c.handle(ctx, call)
}

func (c *Conn) write(p packet, words any, file *os.File) error {
	var err error
	if words != nil {
		if p.words, err = json.Marshal(words); err != nil {
			return fmt.Errorf("write words: %w", err)
		}
	} else {
		p.words = []byte("{}")
	}
	room := c.room.Get().(*[]byte)
	defer c.room.Put(room)
	b, err := p.append((*room)[:0])
	if err != nil {
		return err
	}
	*room = b
	if file == nil {
		_, err = c.sock.Write(b)
		return err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("hand over file: %w", err)
	}
	werr := errors.New("the file is closed")
	if err := raw.Control(func(fd uintptr) { _, _, werr = c.sock.WriteMsgUnix(b, syscall.UnixRights(int(fd)), nil) }); err != nil {
		return fmt.Errorf("hand over file: %w", err)
	}
	return werr
}

// Ask calls the other side and waits for what it says, into reply (nil when it
// says nothing of use). file, when not nil, is handed over; it stays the caller's
// to close. What is handed back is the caller's.
func (c *Conn) Ask(ctx context.Context, v Verb, words any, body []byte, file *os.File, reply any) (back []byte, got *os.File, err error) {
	w := make(chan heard, 1)
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return nil, nil, ErrGone
	}
	c.number++
	n := c.number
	c.waits[n] = w
	c.mu.Unlock()
	if err := c.write(packet{kind: ask, verb: v, number: n, body: body}, words, file); err != nil {
		c.forget(n, w)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			return nil, nil, ErrGone
		}
		return nil, nil, fmt.Errorf("call %s: %w", v, err)
	}
	select {
	case h, ok := <-w:
		if !ok {
			return nil, nil, ErrGone
		}
		if h.p.kind == refusal {
			closeFile(h.file)
			var said no
			if err := decode(h.p.words, &said); err != nil {
				return nil, nil, err
			}
			return nil, nil, said.err()
		}
		if err := decode(h.p.words, reply); err != nil {
			closeFile(h.file)
			return nil, nil, err
		}
		return h.p.body, h.file, nil
	case <-ctx.Done():
		c.forget(n, w)
		return nil, nil, ctx.Err()
	}
}

// forget gives up waiting; an answer that came meanwhile is thrown away.
func (c *Conn) forget(n uint32, w chan heard) {
	c.mu.Lock()
	delete(c.waits, n)
	c.mu.Unlock()
	select {
	case h, ok := <-w:
		if ok {
			closeFile(h.file)
		}
	default:
	}
}
