package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/webhook"
)

var (
	secret  = []byte("0123456789abcdef0123456789abcdef")
	at      = time.Unix(1777877520, 0)
	message = alarm.Message{ID: "0192d3a4-0000-7000-8000-000000000000", What: alarm.Raised, Lab: "Millbrook", Alarm: 7, Short: "Millbrook: Urgent", At: at.UTC()}
)

// gateway answers with status and checks the signature as a gateway would.
func gateway(t *testing.T, status int, got *[]map[string]any) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		stamp, sum, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Labwarden-Signature"), "t="), ",v1=")
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(stamp + "." + string(b)))
		if !ok || sum != hex.EncodeToString(h.Sum(nil)) || stamp != "1777877520" {
			t.Errorf("signature %q does not fit", r.Header.Get("Labwarden-Signature"))
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Idempotency-Key") != message.ID {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Error(err)
		}
		*got = append(*got, m)
		if status == http.StatusFound {
			w.Header().Set("Location", "https://elsewhere.example/")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

func TestPostsSignedJSON(t *testing.T) {
	var got []map[string]any
	s, pool := gateway(t, http.StatusAccepted, &got)
	w, err := webhook.New(webhook.Config{URL: s.URL + "/hidden?token=abc", To: "+15550100", Secret: secret, Roots: pool, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.Send(t.Context(), message)
	if err != nil || answer != "202 Accepted" {
		t.Fatalf("%q, %v", answer, err)
	}
	if len(got) != 1 || got[0]["to"] != "+15550100" || got[0]["what"] != "raised" || got[0]["alarm"] != 7.0 || got[0]["short"] != "Millbrook: Urgent" {
		t.Errorf("the gateway got %v", got)
	}
}

func TestWhatIsNotTakenIsAnErrorThatHidesTheAddress(t *testing.T) {
	for _, status := range []int{http.StatusFound, http.StatusForbidden, http.StatusServiceUnavailable} {
		var got []map[string]any
		s, pool := gateway(t, status, &got)
		w, err := webhook.New(webhook.Config{URL: s.URL + "/hidden?token=abc", Secret: secret, Roots: pool, Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Send(t.Context(), message); err == nil || strings.Contains(err.Error(), "hidden") || len(got) != 1 {
			t.Errorf("status %d: %v, asked %d times", status, err, len(got))
		}
		s.Close()
		if _, err := w.Send(t.Context(), message); err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "abc") {
			t.Errorf("no server: %v", err)
		}
	}
	s, _ := gateway(t, http.StatusOK, new([]map[string]any))
	w, err := webhook.New(webhook.Config{URL: s.URL, Secret: secret, Roots: x509.NewCertPool()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Send(t.Context(), message); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func TestAGatewayThatHangsIsLeft(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer s.Close()
	defer close(hang)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	w, err := webhook.New(webhook.Config{URL: s.URL, Secret: secret, Roots: pool})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.Send(ctx, message); err == nil {
		t.Error("it was taken")
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	for _, c := range []webhook.Config{
		{URL: "http://gateway.example/", Secret: secret},
		{URL: "https://user:password@gateway.example/", Secret: secret},
		{URL: "https:///path", Secret: secret},
		{URL: "https://gateway.example/", Secret: []byte("short")},
	} {
		if _, err := webhook.New(c); err == nil || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: %v", c.URL, err)
		}
	}
}
