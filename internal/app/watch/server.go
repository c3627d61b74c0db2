package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/labwarden/labwarden/internal/platform/lease"
)

// Registry returns a registry of its own with everything there is to see of h.
func Registry(h Hub) (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		NewCollector(h), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// ready is the answer of /readyz.
type ready struct {
	Ready     bool              `json:"ready"`
	Why       string            `json:"why,omitempty"`
	CheckedAt time.Time         `json:"checked_at"`
	WriteTook string            `json:"write_took"`
	Doors     map[string]string `json:"doors"`
	Node      string            `json:"node,omitempty"`
	Lease     *lease.State      `json:"lease,omitempty"` // who delivers; left out when it could not be read
}

// Handler answers /metrics, /healthz and /readyz.
func Handler(h Hub) (http.Handler, error) {
	r, err := Registry(h)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(h.Log.Handler(), slog.LevelError), MaxRequestsInFlight: 4, Timeout: 20 * time.Second,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		c := h.Probe.Check(req.Context())
		a := ready{CheckedAt: c.At.UTC(), WriteTook: c.Took.Round(time.Microsecond).String(), Doors: h.Doors()}
		a.Node = h.Node
		if h.Lease != nil && c.Err == nil {
			if s, err := h.Lease(req.Context()); err == nil {
				a.Lease = &s
			}
		}
		switch {
		case h.Trouble != nil && h.Trouble() != "":
			a.Why = "this node cannot load the configuration in force; the log and labwarden status say why"
		case errors.Is(c.Err, ErrSlow):
			a.Why = "a test write to the store has not come back yet"
		case c.Err != nil:
			a.Why = "the store does not take writes; the log says why"
			h.Log.Error("the test write failed", "error", c.Err)
		case len(a.Doors) == 0:
			a.Why = "no source's door is open"
		}
		a.Ready = a.Why == ""
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !a.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			h.Log.Debug("a readiness answer did not leave", "error", err)
		}
	})
	return mux, nil
}

// Serve answers on ln until ctx ends, then stops within two seconds.
func Serve(ctx context.Context, ln net.Listener, h Hub) error {
	handler, err := Handler(h)
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve metrics: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(stop); err != nil {
		return s.Close() // a collector that hangs does not hold up the stop
	}
	return nil
}
