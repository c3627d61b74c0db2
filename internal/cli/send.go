package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// maxSend is the largest file send reads.
const maxSend = 256 << 20

// sent is what came of one message.
type sent struct {
	File      string `json:"file"`
	Index     int    `json:"index"` // in the file, from 1
	ControlID string `json:"control_id"`
	Accepted  bool   `json:"accepted"`
	Code      string `json:"code,omitempty"`
	Words     string `json:"words"`
	Text      string `json:"text,omitempty"` // what the other side wrote
	TookMS    int64  `json:"took_ms"`
}

func sendCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "send HOST:PORT [FILE...]",
		Short: "Try a link: send messages over MLLP and show each acknowledgement",
		Long: `Send HL7 messages to HOST:PORT and say in words what was answered. A file may hold
one message, several, or a batch; without files, or for -, standard input is read.
Messages go one after another, as they are.

Exit status: 0 all were accepted, 1 one was not.`,
		Example: "  labwarden send 127.0.0.1:2575 message.hl7 --ca tls/ca.pem --cert tls/lis.pem --key tls/lis.key",
		Args:    cobra.MinimumNArgs(1),
	}
	link := addLinkFlags(c, true)
	timeout := c.Flags().Duration("timeout", 30*time.Second, "how long to wait for each answer")
	awaitApp := c.Flags().Bool("await-app", false, "in enhanced mode, wait for the application's acknowledgement too")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		host, _, err := net.SplitHostPort(args[0])
		if err != nil {
			return usageError{c.CommandPath(), fmt.Errorf("%q is not HOST:PORT", args[0])}
		}
		conf, err := link.tls(c, host, false, time.Now())
		if err != nil {
			return err
		}
		s, err := mllp.NewSender(mllp.Config{
			Name: args[0], Addr: args[0], TLS: conf, Exception: link.exception(time.Now()), ReplyTimeout: *timeout, AwaitApp: *awaitApp,
		})
		if err != nil {
			return err
		}
		files := args[1:]
		if len(files) == 0 {
			files = []string{"-"}
		}
		t := trial{c: c, s: s, json: *asJSON, all: []sent{}}
		err = errors.Join(t.files(files), s.Close())
		if *asJSON {
			err = errors.Join(err, printJSON(c.OutOrStdout(), t.all))
		}
		if err == nil && t.bad {
			return errSilent
		}
		return err
	}
	return c
}

type trial struct {
	c    *cobra.Command
	s    *mllp.Sender
	json bool
	all  []sent
	bad  bool
}

func (t *trial) files(names []string) error {
	for _, name := range names {
		b, err := readInput(t.c, name)
		if err != nil {
			return err
		}
		n := 0
		for part, err := range hl7.Split(b) {
			if err != nil {
				// The envelope of a batch is not sent: what is wrong with it is said.
				fmt.Fprintf(t.c.ErrOrStderr(), "%s: %v\n", name, err)
				continue
			}
			n++
			if err := t.one(name, part); err != nil {
				return err
			}
		}
		if n == 0 {
			return fmt.Errorf("%s holds no HL7 message (none begins with MSH)", name)
		}
	}
	return nil
}

func readInput(c *cobra.Command, name string) ([]byte, error) {
	r := c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSend+1))
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	if len(b) > maxSend {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxSend)
	}
	return b, nil
}

func (t *trial) one(name string, part hl7.Part) error {
	x := sent{File: name, Index: part.Index}
	h, err := hl7.ReadHeader(part.Body)
	if err != nil {
		x.Words = "not sent: " + err.Error()
	} else {
		x.ControlID = string(h.ControlID)
		begin := time.Now()
		r, err := t.s.Send(t.c.Context(), channel.Message{
			ID: x.ControlID, ControlID: x.ControlID, Body: part.Body, AcceptAck: string(h.AcceptAck), AppAck: string(h.AppAck),
		})
		if t.c.Context().Err() != nil {
			return context.Canceled
		}
		x.TookMS = time.Since(begin).Milliseconds()
		x.answer(r, err)
	}
	t.bad = t.bad || !x.Accepted
	t.all = append(t.all, x)
	if t.json {
		return nil
	}
	w := t.c.OutOrStdout()
	fmt.Fprintf(w, "%s message %d (control id %q): %s in %d ms\n", name, x.Index, x.ControlID, x.Words, x.TookMS)
	if x.Text != "" {
		fmt.Fprintf(w, "  they wrote: %q\n", x.Text)
	}
	return nil
}

// answer puts what happened in words.
func (x *sent) answer(r channel.Receipt, err error) {
	body := r.Body
	var ce *channel.Error
	switch {
	case err == nil:
		x.Accepted, x.Code = true, r.Code
		switch r.Level {
		case channel.Accepted:
			x.Words = "their system accepted it (" + r.Code + ")"
		case channel.Committed:
			x.Words = "their system took it (" + r.Code + ")"
		default:
			x.Words = "handed over; the message asks for no answer"
		}
	case errors.As(err, &ce):
		x.Code, body = ce.Code, ce.Reply
		switch ce.Class {
		case channel.Unreachable:
			x.Words = "not sent, no connection: " + err.Error()
		case channel.Unanswered:
			x.Words = "sent, but no usable answer: " + err.Error()
		case channel.Busy:
			x.Words = "refused for now (" + ce.Code + "): the same message may be accepted later"
		case channel.Rejected:
			x.Words = "refused (" + ce.Code + "): sending the same message again will not help"
		default:
			x.Words = "not sent: " + err.Error()
		}
	default:
		x.Words = "failed: " + err.Error()
	}
	if a, err := hl7.ReadAck(body); err == nil {
		x.Text = a.Text
		if a.ErrorText != "" {
			x.Text = a.ErrorText
		}
	}
}
