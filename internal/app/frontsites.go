package app

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// frontSites are the web sites behind the front's web door, by their hosts. Their
// keys stay here.
type frontSites struct {
	all []*frontSite

	public *publicCerts // nil: no site has a public certificate

	mu   sync.Mutex
	keys map[string]crypto.Signer // by the name that the front was told
	asks []string                 // names of keys of challenges, the oldest first
}

type frontSite struct {
	name, host, authority string
	handler               http.Handler
	cert                  func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	is, was               string // names of its key
}

// add takes a site in; nothing for one that has no public address.
func (s *frontSites) add(name string, public config.URL, handler http.Handler, cert func(*tls.ClientHelloInfo) (*tls.Certificate, error)) {
	u, err := url.Parse(string(public))
	if err != nil || u.Hostname() == "" {
		return
	}
	s.all = append(s.all, &frontSite{name: name, host: strings.ToLower(u.Hostname()), authority: authorityOf(u.Host), handler: handler, cert: cert})
}

// frontKey marks requests that came through the front.
type frontKey struct{}

// doorOf names the door a request came by. The front reads the cookies and tokens that
// pass it: what was given out there is good there alone.
func doorOf(r *http.Request) string {
	if r.Context().Value(frontKey{}) != nil {
		return "front"
	}
	return ""
}

// authorityOf is a Host header as it is compared: the port of https is the same as none.
func authorityOf(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":443") }

// ServeHTTP answers for the hosts of the sites and for no other.
func (s *frontSites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, x := range s.all {
		if x.authority == authorityOf(r.Host) {
			x.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), frontKey{}, true)))
			return
		}
	}
	http.NotFound(w, r)
}

// told is what the front is told of the sites. A key is named by its certificate, so
// that a front which still shows the last one gets signatures of that one's key.
func (s *frontSites) told() ([]frontlink.Site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]crypto.Signer{}
	}
	var out []frontlink.Site
	for _, x := range s.all {
		pair, err := x.cert(nil)
		if err != nil {
			return nil, err
		}
		key, ok := pair.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("use certificate of %s: its key cannot sign", x.name)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			return nil, fmt.Errorf("read certificate of %s: %w", x.name, err)
		}
		sum := sha256.Sum256(leaf.Raw)
		if name := x.name + "-" + hex.EncodeToString(sum[:8]); name != x.is {
			delete(s.keys, x.was)
			x.was, x.is = x.is, name
			s.keys[name] = key
		}
		out = append(out, frontlink.Site{Host: x.host, Key: x.is, Chain: pair.Certificate})
	}
	return out, nil
}

// maxAsks keys of challenges are kept: an authority asks from several places at
// once, and another node makes each of its answers anew.
const maxAsks = 32

// challenge is what answers an authority that asks for the host.
func (s *frontSites) challenge(host string) (frontlink.Site, error) {
	if s.public == nil {
		return frontlink.Site{}, channel.ErrNoFile
	}
	pair, err := s.public.keeper.Challenge(host)
	if err != nil {
		return frontlink.Site{}, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return frontlink.Site{}, errors.New("the key of a challenge cannot sign")
	}
	sum := sha256.Sum256(pair.Certificate[0])
	name := "challenge-" + hex.EncodeToString(sum[:8])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]crypto.Signer{}
	}
	if _, known := s.keys[name]; !known {
		s.keys[name], s.asks = key, append(s.asks, name)
	}
	for len(s.asks) > maxAsks {
		delete(s.keys, s.asks[0])
		s.asks = s.asks[1:]
	}
	return frontlink.Site{Host: host, Key: name, Chain: pair.Certificate}, nil
}

// signer is the key of that name, of a site.
func (s *frontSites) signer(name string) (crypto.Signer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[name]
	return k, ok
}
