package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/hl7fhir"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// render is what makes a partner's own form of a message: a FHIR bundle, a file
// name. nil where HL7 goes out as it is.
func (h *Hub) render(c *config.Config, key string) func(results.Rendering) (channel.Message, error) {
	d := c.Partners[key].Destination
	switch {
	case d.FHIR != nil || d.FHIRPull != nil:
		return h.renderFHIR(c.Lab.Name)
	case d.Portal != nil:
		return portalCharset
	case fileTemplate(d) != "":
		return func(r results.Rendering) (channel.Message, error) {
			m := r.Message
			m.Name = fileName(fileTemplate(d), key, r.Route, m.ID, r.ReceivedAt)
			return m, nil
		}
	case d.Box != nil:
		return func(r results.Rendering) (channel.Message, error) {
			m := r.Message
			m.Name = fileName(d.Box.Name, key, r.Route, m.ID, r.ReceivedAt)
			return m, nil
		}
	}
	return nil
}

func (h *Hub) renderFHIR(lab string) func(results.Rendering) (channel.Message, error) {
	return func(r results.Rendering) (channel.Message, error) {
		out := r.Message
		m, err := hl7.ParseAssuming(out.Body, hl7.Limits{}, r.Charset)
		if err != nil {
			return out, fmt.Errorf("read message: %w", err)
		}
		b, _, err := hl7fhir.Convert(m, hl7fhir.Options{
			Recorded: r.ReceivedAt, Agent: "Labwarden at " + lab,
			Sign: func(payload []byte) (fhir.Signature, error) {
				sig, err := h.Vault.Sign(append([]byte("labwarden/fhir-bundle/v1\n"), payload...))
				return hl7fhir.SignatureOf(r.ReceivedAt, lab, "application/octet-stream", sig), err
			},
		})
		if err != nil {
			return out, err
		}
		if out.Body, err = hl7fhir.Encode(b); err != nil {
			return out, fmt.Errorf("write bundle: %w", err)
		}
		out.ContentType = fhir.ContentType
		out.Name = strings.TrimSuffix(out.Name, ".hl7") + ".json"
		return out, nil
	}
}

// fileName fills the template of a folder's file names. Every part of it is
// the same at each try, so that a repeat after a crash is the same file.
func fileName(template, partner, route, delivery string, at time.Time) string {
	if id, err := uuid.Parse(delivery[:min(36, len(delivery))]); err == nil {
		sec, nsec := id.Time().UnixTime()
		at = time.Unix(sec, nsec).UTC()
	}
	return strings.NewReplacer(
		"{id}", delivery, "{time}", at.Format("20060102T150405.000Z"), "{date}", at.Format("20060102"), "{partner}", partner, "{route}", route,
	).Replace(template)
}
