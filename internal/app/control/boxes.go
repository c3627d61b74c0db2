package control

import (
	"context"
	"net/http"
	"time"
)

// Boxes is what the console may do with the partners' boxes.
type Boxes interface {
	// HostKeys are the lines by which partners know the hub's SSH.
	HostKeys(ctx context.Context) ([]HostKey, error)
	// Password draws a new password for the partner; EndPassword takes it away.
	Password(ctx context.Context, partner, by string) (BoxPassword, error)
	EndPassword(ctx context.Context, partner, by string) error
	// Sessions are who is connected now.
	Sessions() []BoxSession
	List(ctx context.Context, partner, folder, after string) (BoxFiles, error)
	// Read returns a piece of a file; that it was read is recorded with the first.
	Read(ctx context.Context, a BoxPiece, by string) (BoxBytes, error)
	// Release lets a held file go on; Remove takes a file away.
	Release(ctx context.Context, partner, name, by string) error
	Remove(ctx context.Context, partner, folder, name, by string) error
}

// HostKey is a key the hub's SSH proves itself with.
type HostKey struct {
	Line        string `json:"line"`        // as in known_hosts, without the name
	Fingerprint string `json:"fingerprint"` // SHA256:...
}

// BoxPassword is shown once.
type BoxPassword struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Seed     string `json:"seed"`
	URI      string `json:"uri"`
}

// BoxSession is a partner that is connected.
type BoxSession struct {
	Partner  string    `json:"partner"`
	Protocol string    `json:"protocol"`
	Addr     string    `json:"address"`
	Secured  string    `json:"secured"`
	Client   string    `json:"client,omitempty"`
	Since    time.Time `json:"since"`
}

// BoxFile is a file of a box.
type BoxFile struct {
	Name   string    `json:"name"`
	Kind   string    `json:"kind,omitempty"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
	Came   time.Time `json:"came"`
	By     string    `json:"by"`
	State  string    `json:"state"`
	Picked time.Time `json:"picked_up,omitzero"`
	ID     string    `json:"id"`
}

// BoxFiles is a part of a folder; After, when not empty, is what asks for the next.
type BoxFiles struct {
	Files []BoxFile `json:"files"`
	After string    `json:"after,omitempty"`
}

// BoxAsk names a box, a folder and a file of it.
type BoxAsk struct {
	Partner string `json:"partner"`
	Folder  string `json:"folder,omitempty"`
	Name    string `json:"name,omitempty"`
	After   string `json:"after,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// BoxPiece asks for a piece of a file.
type BoxPiece struct {
	BoxAsk
	Offset int64 `json:"offset"`
}

// BoxBytes is one; More says that the file goes on behind it.
type BoxBytes struct {
	Bytes []byte `json:"bytes"`
	More  bool   `json:"more"`
}

func (s *Server) boxRoutes(all map[string]route) map[string]route {
	if s.Boxes == nil {
		return all
	}
	one := func(do func(ctx context.Context, a BoxAsk, by string) (any, error)) route {
		return func(r *http.Request) (any, error) {
			var a BoxAsk
			if err := read(r, &a); err != nil {
				return nil, err
			}
			return do(r.Context(), a, by(r, a.Reason).Who)
		}
	}
	all["GET /v1/boxes/hostkeys"] = func(r *http.Request) (any, error) { return s.Boxes.HostKeys(r.Context()) }
	all["GET /v1/boxes/sessions"] = func(*http.Request) (any, error) { return s.Boxes.Sessions(), nil }
	all["POST /v1/boxes/password"] = one(func(ctx context.Context, a BoxAsk, by string) (any, error) {
		return s.Boxes.Password(ctx, a.Partner, by)
	})
	all["POST /v1/boxes/password/end"] = one(func(ctx context.Context, a BoxAsk, by string) (any, error) {
		return struct{}{}, s.Boxes.EndPassword(ctx, a.Partner, by)
	})
	all["POST /v1/boxes/list"] = one(func(ctx context.Context, a BoxAsk, _ string) (any, error) {
		return s.Boxes.List(ctx, a.Partner, a.Folder, a.After)
	})
	all["POST /v1/boxes/release"] = one(func(ctx context.Context, a BoxAsk, by string) (any, error) {
		return struct{}{}, s.Boxes.Release(ctx, a.Partner, a.Name, by)
	})
	all["POST /v1/boxes/remove"] = one(func(ctx context.Context, a BoxAsk, by string) (any, error) {
		return struct{}{}, s.Boxes.Remove(ctx, a.Partner, a.Folder, a.Name, by)
	})
	all["POST /v1/boxes/read"] = func(r *http.Request) (any, error) {
		var a BoxPiece
		if err := read(r, &a); err != nil {
			return nil, err
		}
		return s.Boxes.Read(r.Context(), a, by(r, a.Reason).Who)
	}
	return all
}

// BoxHostKeys are the lines by which partners know the hub's SSH.
func (c *Client) BoxHostKeys(ctx context.Context) (out []HostKey, err error) {
	err = c.do(ctx, "/v1/boxes/hostkeys", nil, &out)
	return out, err
}

// BoxSessions are the partners that are connected.
func (c *Client) BoxSessions(ctx context.Context) (out []BoxSession, err error) {
	err = c.do(ctx, "/v1/boxes/sessions", nil, &out)
	return out, err
}

// BoxPassword draws a partner's password anew.
func (c *Client) BoxPassword(ctx context.Context, partner string) (BoxPassword, error) {
	return ask[BoxPassword](ctx, c, "/v1/boxes/password", BoxAsk{Partner: partner})
}

// BoxEndPassword takes a partner's password away.
func (c *Client) BoxEndPassword(ctx context.Context, partner string) error {
	_, err := ask[struct{}](ctx, c, "/v1/boxes/password/end", BoxAsk{Partner: partner})
	return err
}

// BoxList lists a part of a box's folder.
func (c *Client) BoxList(ctx context.Context, a BoxAsk) (BoxFiles, error) {
	return ask[BoxFiles](ctx, c, "/v1/boxes/list", a)
}

// BoxRead reads a piece of a file.
func (c *Client) BoxRead(ctx context.Context, a BoxPiece) (BoxBytes, error) {
	return ask[BoxBytes](ctx, c, "/v1/boxes/read", a)
}

// BoxRelease lets a held file go on.
func (c *Client) BoxRelease(ctx context.Context, a BoxAsk) error {
	_, err := ask[struct{}](ctx, c, "/v1/boxes/release", a)
	return err
}

// BoxRemove takes a file away.
func (c *Client) BoxRemove(ctx context.Context, a BoxAsk) error {
	_, err := ask[struct{}](ctx, c, "/v1/boxes/remove", a)
	return err
}
