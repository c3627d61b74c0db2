package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/signin"
)

// rooms are the domains beside results, on the hub's store. This file is where
// they are told of each other.
type rooms struct {
	signin    *signin.Service
	approvals *approval.Desk
	setup     *setup.Service
	accounts  *accounts.Service
	record    *record.Record
	keys      *keys.Service
	fhir      *resultsfhir.Service
	breached  breached // under applying
	boxes     *boxes.Service
	entry     *entry.Service
	// certificates is the laboratory's own authority.
	certificates *certificates.Service
	tunnels      *tunnelRoom
	vpns         *vpnRoom
	sightings    *sightings
	trials       trials
	publicStore  *publiccert.Storage
	public       atomic.Pointer[publicCerts] // nil: no site has a public certificate

	portal     *portal.Service
	portalDoor *signin.Service // of practices' people
}

// furnish makes them. h has its store, vault, ledger, results and people.
func (h *Hub) furnish() {
	h.rooms.sightings = newSightings(h.DB, bus.NewTags(h.Vault), h.now)
	h.rooms.trials.h = h
	h.rooms.signin = signin.New(signin.Options{
		DB: h.DB, Vault: h.Vault, People: accessui.SignInPeople(h.Access, h.now), Hasher: signin.NewHasher(signin.HasherOptions{}), Now: h.now, Log: h.slog,
		Provider: h.openID, Outside: accessui.SignInOutside(h.Access, h.now), Tell: accessui.SignInTeller(h.Access), Raise: h.Alarms,
	})
	h.Access.ForgetWith(h.rooms.signin)
	h.Access.MailWith(letters{h})
	h.Access.ProvideFor(h.rolesFor)
	h.rooms.approvals = approval.New(h.DB, h.Vault, h.now)
	h.rooms.approvals.Hands(h.Access)
	h.Results.SetHands(h.Access)
	port := setupPort{h}
	h.rooms.setup = setup.New(setup.Deps{
		DB: h.DB, Vault: h.Vault, Approvals: h.rooms.approvals, Config: port, Read: port.readDraft, Directing: port, Replayer: port,
		People: holders{h}, NeverAlone: port.neverAlone, Alarms: h.Alarms, Contacts: port, Now: h.now, Log: h.slog,
	})
	h.Alarms.SetSilence(h.rooms.setup.Silence)
	h.rooms.accounts = accounts.New(h.DB, h.Vault, h.Log, staff{h}, holdings{h}, h.now, h.slog)
	h.rooms.entry = entry.New(h.DB, h.Vault, h.now)
	h.rooms.entry.OnWrongCodes = h.codesRefused
	h.rooms.boxes = boxes.New(boxes.Options{DB: h.DB, Vault: h.Vault, Spool: filepath.Join(h.data, "boxes"), Gate: boxGate{h}, Delivered: delivered{h.Results}, Room: h.boxRoom, Raise: h.Alarms, Now: h.now, Log: h.slog})
	h.Results.SetUploads(h.uploadStands)
	h.rooms.keys = h.newPartnerKeys()
	h.rooms.certificates = h.newCertificates()
	h.rooms.fhir = resultsfhir.New(resultsfhir.Deps{DB: h.DB, Vault: h.Vault, Looks: h.Results, PickUps: h.Results, Seen: func(partner, secured string) { h.rooms.sightings.saw("partner "+partner, secured) }, Door: doorOf, Now: h.now, Log: h.slog, Version: h.version})
	h.Results.AlsoErase(h.rooms.fhir.EraseMessage)
	h.rooms.vpns = &vpnRoom{h: h, dial: (&net.Dialer{}).DialContext, seen: map[string]vpnSeen{}}
	h.rooms.tunnels = &tunnelRoom{h: h, book: tunnels.New(h.DB, h.Vault, h.now)}
	h.rooms.publicStore = publiccert.NewStorage(h.DB, h.Vault, h.node, h.now)
	h.furnishPortal()
	h.rooms.record = record.New(h.DB, h.Vault, h.Log, patientMessages{h}, h.now, h.slog)
}

func stands(g access.Grant, now time.Time) bool {
	return !now.Before(g.From) && (g.Until.IsZero() || now.Before(g.Until))
}

// holders says who has a permission now: for acts that take two.
type holders struct{ h *Hub }

func (p holders) Holders(ctx context.Context, perm authz.Permission) ([]approval.Person, error) {
	all, err := p.h.Access.People(ctx)
	if err != nil {
		return nil, err
	}
	now := p.h.now()
	info, _ := authz.Of(perm)
	var delegated []access.Delegation
	if info.Delegated {
		if delegated, _, err = p.h.Access.Delegations(ctx, holdings(p).inTheNameOf(accounts.By{Account: "approvals"})); err != nil {
			return nil, err
		}
	}
	var out []approval.Person
	for _, x := range all {
		if !x.In(now) {
			continue
		}
		has := slices.ContainsFunc(x.Grants, func(g access.Grant) bool {
			return stands(g, now) && (authz.Has(g.Role, perm) || info.Delegated && g.Role == authz.Director)
		}) || slices.ContainsFunc(delegated, func(d access.Delegation) bool {
			return d.Person == x.ID && d.Permission == perm && d.Idle == "" && !now.Before(d.From)
		})
		if has {
			out = append(out, approval.Person{ID: x.ID, Account: x.Account})
		}
	}
	return out, nil
}

// staff is everybody there ever was, for the accounts of other systems.
type staff struct{ h *Hub }

func (p staff) Staff(ctx context.Context) ([]accounts.Person, error) {
	all, err := p.h.Access.People(ctx)
	if err != nil {
		return nil, err
	}
	now := p.h.now()
	out := make([]accounts.Person, len(all))
	for i, x := range all {
		out[i] = accounts.Person{ID: x.ID, Account: x.Account, Name: x.Name, Mail: x.Mail, Active: x.In(now), Start: x.Starts, End: x.Ends}
		for _, g := range x.Grants {
			out[i].Roles = append(out[i].Roles, string(g.Role))
		}
	}
	return out, nil
}

// holdings is what the access review goes over, and how it takes something away.
type holdings struct{ h *Hub }

const (
	heldGrant      = "grant"
	heldDelegation = "delegation"
	heldService    = "service"
	heldToken      = "token"
)

func (p holdings) Held(ctx context.Context) ([]accounts.Holding, error) {
	all, err := p.h.Access.People(ctx)
	if err != nil {
		return nil, err
	}
	var out []accounts.Holding
	for _, x := range all {
		for _, g := range x.Grants {
			info, _ := authz.RoleOf(g.Role)
			out = append(out, accounts.Holding{
				Kind: heldGrant, ID: g.ID.String(), Person: x.ID, Account: x.Account, Name: x.Name, What: info.Name, Detail: grantDetail(g),
			})
		}
	}
	standing, _, err := p.h.Access.Delegations(ctx, p.inTheNameOf(accounts.By{Account: "access-review"}))
	for _, d := range standing {
		info, _ := authz.Of(d.Permission)
		out = append(out, accounts.Holding{
			Kind: heldDelegation, ID: d.ID.String(), Person: d.Person, Account: d.Account, Name: d.Name, What: "may " + info.What, Detail: "delegated by " + d.GivenBy + " on " + d.GivenAt.Format(time.DateOnly),
		})
	}
	if err != nil {
		return nil, err
	}
	programs, err := p.programs(ctx)
	return append(out, programs...), err
}

// programs are service accounts and their tokens.
func (p holdings) programs(ctx context.Context) ([]accounts.Holding, error) {
	all, err := p.h.Access.Services(ctx)
	if err != nil {
		return nil, err
	}
	now := p.h.now()
	var out []accounts.Holding
	for _, x := range all {
		if !x.Ended.IsZero() {
			continue
		}
		held := accounts.Holding{Kind: heldService, ID: x.ID.String(), Account: x.Account, Name: x.Name, What: "service account", Detail: "made by " + x.MadeBy + " on " + x.Made.Format(time.DateOnly)}
		if x.Key != "" {
			held.Detail += "; a client certificate until " + x.KeyUntil.Format(time.DateOnly)
		}
		out = append(out, held)
		for _, t := range x.Tokens {
			if !t.In(now) {
				continue
			}
			used := "never used"
			if !t.Used.IsZero() {
				used = "last used on " + t.Used.Format(time.DateOnly)
			}
			out = append(out, accounts.Holding{
				Kind: heldToken, ID: t.ID.String(), Account: x.Account, Name: x.Name, What: "token " + t.Name,
				Detail: "made by " + t.MadeBy + "; until " + t.Until.Format(time.DateOnly) + "; " + used,
			})
		}
	}
	return out, nil
}

func grantDetail(g access.Grant) string {
	parts := []string{"given by " + g.GivenBy + " on " + g.GivenAt.Format(time.DateOnly)}
	if !g.Until.IsZero() {
		parts = append(parts, "until "+g.Until.Format(time.DateOnly))
	}
	if len(g.Partners) > 0 {
		parts = append(parts, "for "+strings.Join(g.Partners, ", "))
	}
	if len(g.Sites) > 0 {
		parts = append(parts, "at "+strings.Join(g.Sites, ", "))
	}
	return strings.Join(parts, "; ")
}

// inTheNameOf is a reviewer who carries out what the review decided: taking away
// is all it is used for, it is signed off by a second look at the end of the
// review, and nobody's own is taken or kept by themselves.
func (p holdings) inTheNameOf(by accounts.By) *authz.Subject {
	now := p.h.now()
	return &authz.Subject{
		Person: by.Person, Account: by.Account, Name: by.Name, Level: authz.LevelPasskey, FreshAt: now,
		Grants: []authz.Grant{{Role: authz.Administrator}, {Role: authz.Director}},
	}
}

func (p holdings) Remove(ctx context.Context, kind, id string, by accounts.By, _ string) error {
	n, err := event.ParseID(id)
	if err != nil {
		return fmt.Errorf("take away %s: %w", kind, err)
	}
	switch kind {
	case heldGrant:
		err = p.h.Access.EndGrant(ctx, p.inTheNameOf(by), n)
	case heldDelegation:
		err = p.h.Access.Revoke(ctx, p.inTheNameOf(by), n)
	case heldService:
		err = p.h.Access.EndService(ctx, p.inTheNameOf(by), n)
	case heldToken:
		err = p.h.Access.RevokeToken(ctx, p.inTheNameOf(by), n)
	default:
		return fmt.Errorf("nothing is known of a %s: %w", kind, accounts.ErrInvalid)
	}
	if errors.Is(err, access.ErrEnded) || errors.Is(err, access.ErrNotFound) {
		return nil // somebody was faster
	}
	return err
}

// patientMessages finds what is about a patient, for the report of who looked.
type patientMessages struct{ h *Hub }

func (p patientMessages) OfPatient(ctx context.Context, id, authority string, before int64, limit int) ([]record.Message, int64, bool, error) {
	behind, err := p.h.Results.IndexBehind(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	hits, err := p.h.Results.Search(ctx, results.Query{PatientID: id, Authority: authority}, results.Page{Before: before, Limit: limit})
	if err != nil {
		return nil, 0, false, err
	}
	out := make([]record.Message, len(hits.Messages))
	for i, m := range hits.Messages {
		out[i] = record.Message{ID: m.ID.String(), Source: m.Source, Received: m.ReceivedAt}
		for _, d := range m.Deliveries {
			x := record.Delivery{Number: d.Seq, Partner: d.Partner, State: d.State.String()}
			if d.Level != "" { // placed, committed or accepted: it is with them
				x.Accepted = d.ChangedAt
			}
			out[i].Deliveries = append(out[i].Deliveries, x)
		}
	}
	return out, hits.Next, behind.IsZero(), nil
}
