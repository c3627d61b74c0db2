package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// testedOf is how many of the ledger's newest events are looked through for test
// messages that were accepted.
const testedOf = 20_000

// Facts is what the laboratory has so far, looked at now.
func (p setupPort) Facts(ctx context.Context) (setup.Facts, error) {
	f := setup.Facts{At: p.h.now()}
	st, err := p.h.keyStatus()
	if err != nil {
		return f, err
	}
	f.Seals, f.Unattended = len(st.Seals), !st.NeedsPerson
	if s := st.Recovery; s != nil {
		f.Shares, f.Threshold, f.SharesAt, f.SharesSet = s.Shares, s.Threshold, s.Created, s.Set
	}
	if err := p.peopleFacts(ctx, &f); err != nil {
		return f, err
	}
	cur, err := p.h.Current(ctx)
	if errors.Is(err, ErrNoRevision) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	c := cur.Config
	f.Lab, f.Revision, f.Witnesses, f.OnCall, f.Heartbeat = c.Lab.Name, cur.Number, len(c.Witnesses), len(c.Alarms.OnCall), c.Alarms.Heartbeat != nil
	if c.Node.Web != nil {
		f.PublicURL = string(c.Node.Web.PublicURL)
	}
	f.Routes = len(c.Routes)
	for _, r := range c.Routes {
		if r.Stage == "carry" {
			f.Carrying++
		}
	}
	sources, partners, err := p.h.Results.Heard(ctx)
	if err != nil {
		return f, err
	}
	tested, err := p.tested(ctx)
	if err != nil {
		return f, err
	}
	for _, key := range slices.Sorted(maps.Keys(c.Sources)) {
		kind := "mllp"
		if c.Sources[key].MLLP == nil {
			kind = "folder"
		}
		f.Sources = append(f.Sources, setup.Heard{Key: key, Name: key, Kind: kind, Last: sources[key]})
	}
	for _, key := range slices.Sorted(maps.Keys(c.Partners)) {
		x := c.Partners[key]
		f.Partners = append(f.Partners, setup.Heard{Key: key, Name: x.Name, Kind: protocolOf(x.Destination), Last: partners[key], Tested: tested[key]})
	}
	return f, nil
}

func (p setupPort) peopleFacts(ctx context.Context, f *setup.Facts) error {
	for perm, n := range map[authz.Permission]*int{authz.PeopleChange: &f.Administrators, authz.ConfigApply: &f.Appliers, authz.RoutesApprove: &f.Directing} {
		who, err := holders(p).Holders(ctx, perm)
		if err != nil {
			return err
		}
		*n = len(who)
		if perm == authz.ConfigApply {
			if f.OneHand, err = p.oneHand(ctx, who); err != nil {
				return err
			}
		}
	}
	return nil
}

// oneHand says whether no two of these people count as two.
func (p setupPort) oneHand(ctx context.Context, who []approval.Person) (bool, error) {
	for i, a := range who {
		for _, b := range who[i+1:] {
			if one, err := p.h.Access.OneHand(ctx, p.h.DB, a.Account, b.Account); err != nil || !one {
				return false, err
			}
		}
	}
	return len(who) > 1, nil
}

// tested is when each partner's system last accepted a test message, as far as
// the newest events of the ledger tell.
func (p setupPort) tested(ctx context.Context) (map[string]time.Time, error) {
	head, err := p.h.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	err = p.h.Log.Walk(ctx, max(head.Size-testedOf, 0), head.Size, func(_ int64, events [][]byte) error {
		for _, raw := range events {
			if ledger.KindOf(raw) != results.KindTested {
				continue
			}
			if e, err := ledger.ParseEvent(raw); err == nil && e.Codes.Get("outcome") == "accepted" {
				out[e.IDs.Get("partner")] = time.UnixMicro(e.At).UTC()
			}
		}
		return nil
	})
	return out, err
}
