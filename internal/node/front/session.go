package front

import (
	"context"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// session is one signed-in partner's box; everything it does it asks the hub.
type session struct {
	hub             *hub
	ticket, partner string
	ctx             context.Context //nolint:containedctx // its life
	over            func()
}

func (s *session) Partner() string       { return s.partner }
func (s *session) Done() <-chan struct{} { return s.ctx.Done() }

// told is a session's box whose client can be told something beside the stream.
type told struct {
	*session
	stream uint64
}

// Tell implements sftp.Teller.
func (t told) Tell(text string) {
	_ = t.hub.ask(context.Background(), frontlink.VerbSay, frontlink.Said{Ticket: t.ticket, Stream: t.stream, Text: text}, nil) // a hub that is away says nothing
}

func (s *session) end() {
	s.over()
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.hub.sessions[s.ticket] == s {
		delete(s.hub.sessions, s.ticket)
	}
}

// Close tells the hub that the partner left.
func (s *session) Close() error {
	s.end()
	return s.hub.ask(context.Background(), frontlink.VerbLeave, frontlink.Of{Ticket: s.ticket}, nil)
}

func (s *session) at(p channel.BoxPath) frontlink.At {
	return frontlink.At{Ticket: s.ticket, Folder: p.Folder, File: p.File}
}

func (s *session) List(ctx context.Context, dir channel.BoxPath) ([]channel.BoxEntry, error) {
	var out []channel.BoxEntry
	from := frontlink.From{At: s.at(dir)}
	for {
		var l frontlink.Entries
		if err := s.hub.ask(ctx, frontlink.VerbList, from, &l); err != nil {
			return nil, err
		}
		for _, e := range l.Entries {
			out = append(out, channel.BoxEntry(e))
		}
		if l.Next == "" {
			return out, nil
		}
		from.Next = l.Next
	}
}

func (s *session) Stat(ctx context.Context, p channel.BoxPath) (channel.BoxEntry, error) {
	var e frontlink.Entry
	err := s.hub.ask(ctx, frontlink.VerbStat, s.at(p), &e)
	return channel.BoxEntry(e), err
}

func (s *session) Open(ctx context.Context, p channel.BoxPath) (channel.BoxReader, error) {
	var o frontlink.Opened
	if err := s.hub.ask(ctx, frontlink.VerbOpen, s.at(p), &o); err != nil {
		return nil, err
	}
	return &reader{s: s, file: frontlink.OpenFile{Ticket: s.ticket, Handle: o.Handle}, size: o.Size}, nil
}

// Create asks the hub nothing: a small file goes to it in one call, and a large one
// hears at its first 64 KiB that its name is taken.
func (s *session) Create(_ context.Context, p channel.BoxPath) (channel.BoxWriter, error) {
	if p.Folder != channel.BoxInbox {
		return nil, channel.Refuse("files for the laboratory go into /inbox")
	}
	return &writer{s: s, at: s.at(p)}, nil
}

// FarReader implements sftp.FarBox: over SFTP the hub puts the bytes in itself.
func (s *session) FarReader(r channel.BoxReader) (uint64, bool) {
	own, ok := r.(*reader)
	if !ok {
		return 0, false
	}
	return own.file.Handle, true
}

// FarWriter implements sftp.FarBox: a small file goes to the hub in the stream.
func (s *session) FarWriter(w channel.BoxWriter) ([]byte, bool) {
	own, ok := w.(*writer)
	if !ok {
		return nil, false
	}
	return own.takeSmall()
}

func (s *session) Rename(ctx context.Context, from, to channel.BoxPath) error {
	if from.Folder != channel.BoxInbox || to.Folder != channel.BoxInbox {
		return channel.Refuse("only files of /inbox are renamed, and stay there")
	}
	return s.hub.ask(ctx, frontlink.VerbRename, frontlink.Moved{At: s.at(from), To: to.File}, nil)
}

func (s *session) Remove(ctx context.Context, p channel.BoxPath) error {
	return s.hub.ask(ctx, frontlink.VerbRemove, s.at(p), nil)
}
