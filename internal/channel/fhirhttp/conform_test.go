package fhirhttp

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

func TestConformance(t *testing.T) {
	ct.Run(t, ct.Harness{
		Success: channel.Accepted, Declined: channel.Rejected,
		// HTTP answers name no message and cannot come twice on a request.
		Lacks: []ct.Fault{ct.Twice, ct.OtherMessage},
		Message: func(n, size int) channel.Message {
			data := base64.StdEncoding.EncodeToString(ct.Bytes(n, size, ""))
			return channel.Message{ID: fmt.Sprint(n), ContentType: fhir.ContentType, Body: fmt.Appendf(nil,
				`{"resourceType":"Bundle","type":"transaction","id":"%d-%d","entry":[{"resource":{"resourceType":"Binary","data":%q},"request":{"method":"POST","url":"Binary"}}]}`, n, size, data)}
		},
		New: func(t *testing.T, f ct.Fault) ct.Far {
			p := newPartner(t)
			var mu sync.Mutex
			var got [][]byte
			stop := make(chan struct{})
			p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if f == ct.HangsBefore {
					<-stop
					return
				}
				b, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				mu.Lock()
				got = append(got, b)
				mu.Unlock()
				switch f {
				case ct.HangsAfter:
					select {
					case <-stop:
					case <-r.Context().Done():
					}
					return
				case ct.ClosesMidReply:
					w.Header().Set("Content-Length", "100")
					fmt.Fprint(w, `{"resourceType"`)
					panic(http.ErrAbortHandler)
				case ct.Garbage:
					fmt.Fprint(w, "\x00\xffwhat?")
					return
				case ct.Slow:
					w.Header().Set("Content-Type", fhir.ContentType)
					for range 5 {
						fmt.Fprint(w, " ")
						w.(http.Flusher).Flush()
					}
				case ct.Declines:
					w.WriteHeader(http.StatusUnprocessableEntity)
					return
				}
				writeResponse(w, []string{"201 Created"})
			})
			if f == ct.Refuses {
				p.Listener.Close()
			}
			s := newSender(t, p, func(c *Config) {
				c.Timeout, c.ConnectTimeout = 400*time.Millisecond, 300*time.Millisecond
				if f == ct.None {
					c.Timeout = 2 * time.Second
				}
			})
			var once sync.Once
			return ct.Far{
				Sender: s, Close: func() { once.Do(func() { close(stop); p.CloseClientConnections(); p.Close() }) },
				Received: func() [][]byte {
					mu.Lock()
					defer mu.Unlock()
					return append([][]byte(nil), got...)
				},
			}
		},
	})
}
