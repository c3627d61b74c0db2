package bypass

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// Socket is where an open bypass in dir is talked to. Its folder lets nobody
// else in.
func Socket(dir string) string { return filepath.Join(dir, "sock") }

// State is how an open bypass is.
type State struct {
	Session  string    `json:"session"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	OpenedAt time.Time `json:"opened_at"`
	Until    time.Time `json:"until"`
	Number   int64     `json:"revision"`
	Counts   Counts    `json:"counts"`
	// Doors are the sources' addresses.
	Doors map[string]string `json:"doors"`
	// Cannot are partners that are not reached in bypass, with the reason.
	Cannot map[string]string `json:"not_reached,omitempty"`
}

// ErrNotOpen: no bypass answers.
var ErrNotOpen = errors.New("no bypass is open here")

// handler answers on the control socket.
func (p *Program) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { p.tell(w, nil) })
	act := func(do func(Named) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var n Named
			err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&n)
			if err != nil {
				err = errors.New("the request is not the JSON that is expected")
			} else if err = n.Check(); err == nil {
				err = do(n)
			}
			p.tell(w, err)
		}
	}
	mux.HandleFunc("POST /extend", act(p.extend))
	mux.HandleFunc("POST /close", act(p.close))
	return mux
}

func (p *Program) tell(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	var v any = p.State()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		v = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.Slog.Debug("an answer on the bypass socket did not leave", "error", err)
	}
}

// Ask talks to the bypass that is open in dir: what is "state", "extend" or
// "close"; the last two take who and why. ErrNotOpen when there is none.
func Ask(ctx context.Context, socket, what string, n *Named) (State, error) {
	var st State
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
		},
	}}
	method, body := http.MethodGet, []byte(nil)
	if n != nil {
		var err error
		if body, err = json.Marshal(n); err != nil {
			return st, fmt.Errorf("ask the bypass: %w", err)
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://bypass/"+what, bytes.NewReader(body))
	if err != nil {
		return st, fmt.Errorf("ask the bypass: %w", err)
	}
	resp, err := client.Do(req)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return st, ErrNotOpen
	}
	if err != nil {
		return st, fmt.Errorf("ask the bypass: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error string `json:"error"`
		}
		if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&e) != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return st, fmt.Errorf("the bypass says: %s", e.Error)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&st); err != nil {
		return st, fmt.Errorf("ask the bypass: %w", err)
	}
	return st, nil
}
