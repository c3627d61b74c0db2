package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// gotten is one received message.
type gotten struct {
	Number    int       `json:"number"`
	At        time.Time `json:"at"`
	From      string    `json:"from"`
	ControlID string    `json:"control_id"`
	Type      string    `json:"type"`
	Bytes     int       `json:"bytes"`
	Answer    string    `json:"answer"`
	File      string    `json:"file,omitempty"`
	Body      []byte    `json:"body,omitempty"`
}

func receiveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "receive HOST:PORT",
		Short: "Try a link: take messages over MLLP and answer them",
		Long: `Listen on HOST:PORT, write each message to a folder or to standard output, and
answer it: AA, or what --answer says. Messages may be patient data; files are
readable by you alone. It runs until interrupted or --count messages came.`,
		Example: "  labwarden receive 127.0.0.1:2576 --to in --ca tls/ca.pem --cert tls/first.pem --key tls/first.key",
		Args:    cobra.ExactArgs(1),
	}
	link := addLinkFlags(c, false)
	to := c.Flags().String("to", "", "folder for the messages; standard output if none is named")
	answer := c.Flags().String("answer", "AA", "AA (accept), AE (error) or AR (reject)")
	count := c.Flags().Int("count", 0, "stop after so many messages; 0 for never")
	asJSON := c.Flags().Bool("json", false, "print a line of JSON for each message")
	c.RunE = func(c *cobra.Command, args []string) error {
		if !slices.Contains([]string{"AA", "AE", "AR"}, *answer) {
			return usageError{c.CommandPath(), fmt.Errorf("--answer is AA, AE or AR, not %q", *answer)}
		}
		if *count < 0 {
			return usageError{c.CommandPath(), errors.New("--count cannot be negative")}
		}
		conf, err := link.tls(c, "", true, time.Now())
		if err != nil {
			return err
		}
		if *to != "" {
			if err := os.MkdirAll(*to, 0o700); err != nil {
				return fmt.Errorf("make folder: %w", err)
			}
		}
		ln, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", args[0])
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		ctx, stop := context.WithCancel(c.Context())
		defer stop()
		r := &receiver{c: c, to: *to, answer: *answer, count: *count, json: *asJSON, stop: stop}
		srv := &mllp.Server{Handler: r, TLS: conf, Exception: link.exception(time.Now())}
		fmt.Fprintf(c.ErrOrStderr(), "listening on %s\n", ln.Addr())
		if err := srv.Serve(ctx, ln); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	}
	return c
}

// receiver writes what comes and answers.
type receiver struct {
	c          *cobra.Command
	to, answer string
	count      int
	json       bool
	stop       func()

	mu  sync.Mutex
	n   int
	err error
}

// Handle implements channel.Handler: the answer goes out after the message was
// written.
func (r *receiver) Handle(_ context.Context, from channel.Peer, body []byte) (channel.Reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	h, herr := hl7.ReadHeader(body)
	g := gotten{Number: r.n + 1, At: now.UTC(), From: from.Addr, Bytes: len(body), Answer: r.answer}
	o := hl7.AckOptions{ControlID: fmt.Sprintf("%d-%d", now.UnixMicro(), g.Number), Time: now, Code: r.answer}
	if r.answer != "AA" {
		o.Text = "Refused on purpose: this is a receiver for trying a link."
	}
	if herr != nil {
		g.Answer, o.Code, o.Text = "AR", "AR", "This is not a readable HL7 message."
	} else {
		g.ControlID, g.Type = string(h.ControlID), strings.Trim(string(h.Code())+"^"+string(h.Trigger()), "^")
	}
	if err := r.write(&g, body); err != nil {
		r.err = errors.Join(r.err, err)
		r.stop()
		return channel.Reply{}, err
	}
	if herr == nil {
		reply := o
		switch {
		case hl7.WantsAcceptAck(&h, o.Code == "AA"): // enhanced mode (HL7 v2.5.1 2.9.3)
			reply.Code = "C" + o.Code[1:]
		case !hl7.WantsAppAck(&h, o.Code == "AA"):
			return r.done(nil), nil
		}
		o = reply
	}
	return r.done(hl7.AppendAck(nil, &h, o)), nil
}

func (r *receiver) done(reply []byte) channel.Reply {
	if r.n++; r.count > 0 && r.n >= r.count {
		r.stop()
	}
	return channel.Reply{Body: reply}
}

func (r *receiver) write(g *gotten, body []byte) error {
	w := r.c.OutOrStdout()
	if r.to != "" {
		g.File = fmt.Sprintf("%s-%06d.hl7", g.At.Format("20060102T150405.000000"), g.Number)
		if err := writeNew(filepath.Join(r.to, g.File), body); err != nil {
			return err
		}
	} else {
		g.Body = body
	}
	if r.json {
		return printJSONLine(w, g)
	}
	fmt.Fprintf(w, "message %d from %s: %s, control id %q, %d bytes, answered %s\n", g.Number, g.From, g.Type, g.ControlID, g.Bytes, g.Answer)
	if r.to == "" {
		printBody(w, body)
	}
	return nil
}
