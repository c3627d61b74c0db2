package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// ByProvider is the way by an OpenID provider.
const ByProvider Way = "provider"

// ReturnPath is where the provider sends the browser back to; with PublicURL
// before it, it is the redirect address that is registered there.
const ReturnPath = "/sign-in/provider/return"

// Provider is an OpenID provider as the configuration has it.
type Provider struct {
	Issuer, ClientID string
	Scopes           []string
	// Label is what people call it.
	Label string
	// Groups is the claim that names the person's groups.
	Groups string
	// TwoFactor and Passkey are the values of acr and amr that show two factors, or
	// a key that cannot be phished. Nothing else makes a sign-in more than one factor.
	TwoFactor, Passkey []string
	// SCIM: who was provisioned by SCIM has this provider's subject as externalId.
	SCIM bool
	// Secret is our password there; Roots who may vouch for it, nil: the system's.
	Secret func(context.Context) ([]byte, error)
	Roots  func() (*x509.CertPool, error)
}

// Outsider is who a provider says somebody is. Its mail address is left out: it
// changes hands, and names nobody here.
type Outsider struct {
	Issuer, Subject string
	// Account and Name are for somebody new only.
	Account, Name string
	Groups        []string
	SCIM          bool
}

// Outside finds the person that an outsider is; false: nobody here.
type Outside interface {
	FromProvider(ctx context.Context, x Outsider) (PersonInfo, bool, error)
}

const (
	providerPatience = 5 * time.Second
	// discoveryFor is how long what the provider says of itself is believed; when it
	// does not answer after that, the old stays good.
	discoveryFor = time.Hour
	// quietFor is how long one that does not answer is left alone.
	quietFor    = 10 * time.Second
	maxProvider = 1 << 20 // bytes of an answer
)

// signatures are what a token may be signed with: with a key of the provider's
// own. "none" and those with a common secret (HS256) are not among them.
var signatures = [...]string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// reached is a provider that has told what it is.
type reached struct {
	issuer, client string
	at             time.Time
	http           *http.Client
	*oidc.Provider
	verifier *oidc.IDTokenVerifier
	style    oauth2.AuthStyle
	// says: it names itself in every answer (RFC 9207).
	says bool
}

// line is the way to the provider.
type line struct {
	patience time.Duration
	turn     chan struct{} // one asks at a time
	mu       sync.Mutex
	cur      *reached
	silent   time.Time // since when it has not answered
	of       string    // whose silence it is
}

func newLine() *line { return &line{patience: providerPatience, turn: make(chan struct{}, 1)} }

// known is what can be said without asking: nil and false to ask.
func (l *line) known(p *Provider, now time.Time) (*reached, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cur := l.cur
	if cur != nil && (cur.issuer != p.Issuer || cur.client != p.ClientID) {
		cur = nil
	}
	if cur != nil {
		if age := now.Sub(cur.at); age >= 0 && age < discoveryFor {
			return cur, true
		}
	}
	if since := now.Sub(l.silent); l.of == p.Issuer && since >= 0 && since < quietFor {
		return cur, true
	}
	return cur, false
}

// provider is the one of the configuration, nil for none.
func (s *Service) provider() *Provider {
	if s.Provider == nil || s.Outside == nil {
		return nil
	}
	return s.Provider()
}

// ProviderIssuer is what the provider calls itself; empty where there is none.
func (s *Service) ProviderIssuer() string {
	if p := s.provider(); p != nil {
		return p.Issuer
	}
	return ""
}

// ProviderLabel is what people call the provider; empty where there is none. It
// asks nobody: a page that shows it never waits.
func (s *Service) ProviderLabel() string {
	if p := s.provider(); p != nil {
		return p.Label
	}
	return ""
}

// reach is the provider as it describes itself. It waits at most for patience.
func (s *Service) reach(ctx context.Context, p *Provider) (*reached, error) {
	no := &Refused{Reason: Silent, Who: p.Label}
	ctx, stop := context.WithTimeout(ctx, s.line.patience)
	defer stop()
	cur, known := s.line.known(p, s.Now())
	if !known {
		select {
		case s.line.turn <- struct{}{}:
			defer func() { <-s.line.turn }()
		case <-ctx.Done():
			return nil, no
		}
		cur, known = s.line.known(p, s.Now())
	}
	if known {
		if cur == nil {
			return nil, no
		}
		return cur, nil
	}
	now, err := s.discover(ctx, p)
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	if err != nil {
		s.Log.Warn("the OpenID provider does not answer; people sign in with passkey or password", "issuer", p.Issuer, "error", err)
		s.line.silent, s.line.of = s.Now(), p.Issuer
		if cur == nil {
			return nil, no
		}
		return cur, nil
	}
	s.line.cur, s.line.of = now, ""
	return now, nil
}

// discover asks the provider what it is (OpenID Connect Discovery 1.0, 4).
func (s *Service) discover(ctx context.Context, p *Provider) (*reached, error) {
	r := &reached{issuer: p.Issuer, client: p.ClientID, at: s.Now()}
	var pool *x509.CertPool
	if p.Roots != nil {
		var err error
		if pool, err = p.Roots(); err != nil {
			return nil, err
		}
	}
	r.http = &http.Client{
		Timeout: s.line.patience, Transport: bounded{&http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
			ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: time.Minute,
		}},
		// Our secret and the code go where the configuration says, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ctx = oidc.ClientContext(ctx, r.http)
	var err error
	if r.Provider, err = oidc.NewProvider(ctx, p.Issuer); err != nil {
		return nil, cropped(err)
	}
	var more struct {
		Keys string   `json:"jwks_uri"`
		Auth []string `json:"token_endpoint_auth_methods_supported"`
		Says bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := r.Claims(&more); err != nil {
		return nil, fmt.Errorf("read what the provider says of itself: %w", err)
	}
	for _, at := range []string{r.Endpoint().AuthURL, r.Endpoint().TokenURL, more.Keys} {
		if u, err := url.Parse(at); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil, errors.New("the provider names an address that is not https")
		}
	}
	// Basic is the default (Discovery 3). Trying out would send the code twice.
	r.style, r.says = oauth2.AuthStyleInHeader, more.Says
	if len(more.Auth) > 0 && !slices.Contains(more.Auth, "client_secret_basic") {
		r.style = oauth2.AuthStyleInParams
	}
	r.verifier = r.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: signatures[:], Now: s.Now})
	return r, nil
}

// oauth is one exchange with the provider.
func (s *Service) oauth(r *reached, p *Provider, secret string) *oauth2.Config {
	e := r.Endpoint()
	e.AuthStyle = r.style
	scopes := p.Scopes
	if !slices.Contains(scopes, oidc.ScopeOpenID) {
		scopes = append([]string{oidc.ScopeOpenID}, scopes...)
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: secret, Endpoint: e, RedirectURL: strings.TrimSuffix(s.site.Load().PublicURL, "/") + ReturnPath, Scopes: scopes}
}

// bounded ends an answer that is too long.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxProvider), resp.Body}
	}
	return resp, err
}

// cropped is an error without the page that somebody answered with.
func cropped(err error) error {
	if text := err.Error(); len(text) > 300 {
		return errors.New(text[:300] + "...")
	}
	return err
}

// ProviderProves says whether the provider can show as much as level.
func (s *Service) ProviderProves(level authz.Level) bool {
	p := s.provider()
	switch {
	case p == nil:
		return false
	case level >= authz.LevelPasskey:
		return len(p.Passkey) > 0
	case level == authz.LevelTwo:
		return len(p.Passkey)+len(p.TwoFactor) > 0
	}
	return true
}
