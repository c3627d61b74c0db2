package setupui_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// hub is what an operator asks of a hub, in memory.
type hub struct {
	wait      chan bool // of a bundle that is being made
	now       time.Time
	rotated   []string
	secrets   map[string]string
	used      []string
	extended  map[string]string
	witnessed setupui.Witnessed
	decided   string
	refuse    error
	made      chan bool
}

func (h *hub) Keys(context.Context) (vault.Status, error) {
	return vault.Status{
		Seals:    []vault.SealStatus{{Kind: "keyfile", Created: h.now}, {Kind: "passphrase", Created: h.now, NeedsPerson: true}},
		Recovery: &vault.RecoveryStatus{Set: "AB12CD34", Threshold: 3, Shares: 5, Created: h.now},
		Keys: []vault.KeyStatus{
			{ID: 1, Purpose: "bodies", Created: h.now.AddDate(-1, 0, 0)},
			{ID: 2, Purpose: "bodies", Created: h.now, Current: true},
			{ID: 3, Purpose: vault.PurposeIndex, Created: h.now, Current: true},
		},
		Signers: []vault.SignerStatus{{Created: h.now}},
		Rewrap:  []vault.RewrapStatus{{Purpose: "bodies", Done: 10, Left: 1234}},
	}, nil
}

func (h *hub) Rotate(_ context.Context, what []string, by, reason string) error {
	h.rotated = append(append(h.rotated, what...), by, reason)
	return nil
}

func (h *hub) Secrets(context.Context) (out []setupui.Secret, err error) {
	for name := range h.secrets {
		out = append(out, setupui.Secret{Name: name, SetAt: h.now, SetBy: "ann", Used: slices.Contains(h.used, name)})
	}
	return out, nil
}

func (h *hub) SetSecret(_ context.Context, name string, value []byte, _ string) error {
	h.secrets[name] = string(value)
	return nil
}

func (h *hub) RemoveSecret(_ context.Context, name, _ string) error {
	if slices.Contains(h.used, name) {
		return web.Conflict("The applied configuration uses this secret.")
	}
	delete(h.secrets, name)
	return nil
}

func (h *hub) Dates(context.Context) ([]setupui.Date, error) {
	return []setupui.Date{
		{Channel: "partner riverside", Kind: "their certificate", Ends: h.now.Add(48 * time.Hour), Words: "The certificate that partner riverside shows ends in 2 days.", Due: true, MayExtend: true},
		{Channel: "node", Kind: "our certificate", Ends: h.now.AddDate(1, 0, 0), Words: "The certificate of node ends in 365 days."},
	}, nil
}

func (h *hub) Extend(_ context.Context, channel, by, reason string) (time.Time, error) {
	h.extended = map[string]string{"channel": channel, "by": by, "reason": reason}
	return h.now.Add(120 * time.Hour), nil
}

func (h *hub) Witnesses(context.Context) (setupui.Witnessed, error) { return h.witnessed, nil }

func (h *hub) Decide(_ context.Context, by, reason string) error {
	if len(h.witnessed.Alarms) == 0 {
		return errors.New("nothing stands")
	}
	h.decided, h.witnessed.Alarms, h.witnessed.Closed = by+": "+reason, nil, ""
	return nil
}

// TestKeysOnPages: what there is, and new ones by who may.
func TestKeysOnPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("sam", "/keys").says(200, "2 seals open the vault.", "Key file", "Needs a person", "1,234 left", "any 3", "Make new keys")
		r.get("dr-lee", "/keys").says(403)
		r.get("ann", "/keys/rotate").says(200, "Signs checkpoints and proofs").without(`value="index"`)
		r.post("ann", "/keys/rotate", "what", "bodies").says(422, "Say why")
		r.post("ann", "/keys/rotate", "reason", "yearly").says(422, "Choose at least one")
		r.post("ann", "/keys/rotate", "what", "signer", "what", "bodies", "reason", "yearly").goes("/keys")
		if got := strings.Join(r.hub.rotated, " "); got != "signer bodies ann yearly" {
			t.Error(got)
		}
		r.people["ann"].FreshAt = r.now.Add(-time.Hour)
		r.post("ann", "/keys/rotate", "what", "bodies", "reason", "x").says(403)
		r.api("sam", "GET", "/keys", "").says(200, `"threshold":3`)
	})
}

// TestASecretsValueIsNeverShown: not after a mistake either.
func TestASecretsValueIsNeverShown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		const value = "hunter2-hunter2"
		r.post("ann", "/secrets", "name", "", "value", value).says(422, "Write a name").without(value)
		r.post("ann", "/secrets", "name", "riverside-token", "value", value+"\r\nsecond").goes("/secrets")
		if r.hub.secrets["riverside-token"] != value+"\nsecond" {
			t.Error("not stored as typed")
		}
		r.get("ann", "/secrets").says(200, "riverside-token", "1 secret is stored.").without(value)
		r.api("ann", "GET", "/secrets", "").says(200, "riverside-token").without(value)
		r.get("sam", "/secrets").says(403)
		r.get("ann", "/secrets/other/remove").says(404)
		r.post("ann", "/secrets/riverside-token/remove").says(200, "Forget this secret?")
		r.hub.used = []string{"riverside-token"}
		r.post("ann", "/secrets/riverside-token/remove", "confirm", "yes").says(409)
		r.hub.used = nil
		r.post("ann", "/secrets/riverside-token/remove", "confirm", "yes").goes("/secrets")
		r.api("ann", "PUT", "/secrets/x", `{"value":"`+value+`"}`).says(200).without(value)
		r.api("ann", "DELETE", "/secrets/x", "").says(200)
	})
}

// TestADateIsExtendedByAPerson: only one that ends soon.
func TestADateIsExtendedByAPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("dr-lee", "/dates").says(200, "1 date needs somebody.").without("Extend by 72 h")
		r.get("ann", "/dates").says(200, "Extend by 72 h")
		r.get("ann", "/dates/extend?channel=node").says(404)
		r.get("ann", "/dates/extend?channel=partner+riverside").says(200, "72 hours more")
		r.post("ann", "/dates/extend", "channel", "partner riverside", "confirm", "yes").says(422, "Say why")
		r.post("ann", "/dates/extend", "channel", "partner riverside", "confirm", "yes", "reason", "renewal is on its way").goes("/dates")
		if r.hub.extended["by"] != "ann" || r.hub.extended["channel"] != "partner riverside" {
			t.Error(r.hub.extended)
		}
		r.api("ann", "POST", "/dates/extend", `{"channel":"partner riverside","reason":"r"}`).says(200, `"until"`)
	})
}

// TestAnAlarmOfTheLedgerIsDecidedByWhoMay.
func TestAnAlarmOfTheLedgerIsDecidedByWhoMay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("sam", "/witnesses").says(200, "Nobody outside keeps our checkpoints.")
		r.get("sam", "/witnesses/decide").says(409)
		r.hub.witnessed = setupui.Witnessed{
			Closed: "x", Alarms: []string{"Witness second-site remembers 12 more lines than there are."},
			Witnesses: []setupui.Witness{{Name: "second-site", Confirmed: 481992, At: r.now}, {Name: "folder", Late: true, Problem: "it cannot be reached"}},
		}
		r.get("ann", "/witnesses").says(200, "do not agree", "481,992 lines").without("Decide about it")
		r.get("ann", "/witnesses/decide").says(403)
		r.get("sam", "/witnesses").says(200, "Decide about it")
		r.post("sam", "/witnesses/decide", "confirm", "yes").says(422, "Say what you found out")
		r.post("sam", "/witnesses/decide", "confirm", "yes", "reason", "restored from backup of 20 Nov").goes("/witnesses")
		if r.hub.decided != "sam: restored from backup of 20 Nov" {
			t.Error(r.hub.decided)
		}
		r.get("sam", "/witnesses").says(200, "Nothing contradicts the ledger.")
	})
}

func (h *hub) bundle(_ context.Context, _ string, told func()) ([]byte, setup.Manifest, error) {
	m := setup.Manifest{Parts: []setup.ManifestPart{{Name: "versions.json", Bytes: 10, SHA256: strings.Repeat("ab", 32)}}, Proof: setup.Scan{Messages: 1284, Values: 9021, Words: 3000, TooShort: 4}}
	for range 3 {
		told()
	}
	if h.wait != nil {
		h.wait <- true
		<-h.wait
	}
	return []byte("PK"), m, h.refuse
}

// TestABundleIsMadeOnAPage: fetched by who may; a refused one is not there.
func TestABundleIsMadeOnAPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("dr-lee", "/support").says(403)
		r.get("paul", "/support").says(200, "None was made in the last hour")
		r.get("paul", "/support").says(200, "Not in it").without("s bad", "Stopped")
		r.get("paul", "/support/bundle.zip").says(404)
		r.hub.wait = make(chan bool)
		r.post("paul", "/support").goes("/support")
		<-r.hub.wait
		r.get("paul", "/support").says(200, "It is being made since 07:40", "3 values so far", "at most an hour")
		r.hub.wait <- true
		<-r.hub.made
		r.hub.wait = nil
		r.get("paul", "/support").says(200, "The bundle holds no patient data", "9,021 values of 1,284 stored messages", "4 values too short")
		if p := r.get("paul", "/support/bundle.zip").says(200); p.body != "PK" {
			t.Error(p.body)
		}
		r.api("paul", "GET", "/support/bundle", "").says(200, `"ready":true`, `"values_looked_for":9021`)
		r.now = r.now.Add(2 * time.Hour)
		r.get("paul", "/support/bundle.zip").says(404)
		r.hub.refuse = setup.ErrPatientData
		r.api("paul", "POST", "/support/bundle", "{}").says(200)
		<-r.hub.made
		r.get("paul", "/support").says(200, "There is no bundle").without("Download")
		r.get("paul", "/support/bundle.zip").says(404)
	})
}
