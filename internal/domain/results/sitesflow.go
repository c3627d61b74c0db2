package results

import (
	"slices"
	"time"
)

// split fills in a partner's flow from those of its sites, and keeps these.
func (f *Flows) split(of Flow, snap *counted, zone *time.Location) Flow {
	var sum Flow
	places := f.set.SitesOf(of.Partner)
	for at := range snap.partners {
		if at.Partner == of.Partner && !slices.Contains(places, at.Site) {
			places = append(places, at.Site)
		}
	}
	slices.Sort(places)
	for i, site := range places {
		one := of
		if p := snap.partners[Place{of.Partner, site}]; p != nil {
			p.fill(&one, snap, zone)
		} else if snap.days {
			one.Days = daysOf(nil, snap, zone)
		}
		f.bySite[Place{of.Partner, site}] = one
		if i == 0 {
			sum = one
		} else {
			sum = plus(sum, one)
		}
	}
	return sum
}

// plus is what two sites send to the same partner together.
func plus(a, b Flow) Flow {
	a.Waiting, a.Held, a.Stopped = a.Waiting+b.Waiting, a.Held+b.Held, a.Stopped+b.Stopped
	if a.Oldest.IsZero() || !b.Oldest.IsZero() && b.Oldest.Before(a.Oldest) {
		a.Oldest = b.Oldest
	}
	for i := range FlowHours {
		a.Acknowledged[i] += b.Acknowledged[i]
		a.Placed[i] += b.Placed[i]
		a.Waits[i] += b.Waits[i]
	}
	a.Days = slices.Clone(a.Days)
	for i := range min(len(a.Days), len(b.Days)) {
		a.Days[i].Acknowledged += b.Days[i].Acknowledged
		a.Days[i].Placed += b.Days[i].Placed
	}
	if b.LastReply.After(a.LastReply) {
		a.LastReply, a.Last = b.LastReply, b.Last
	}
	if b.LastPlaced.After(a.LastPlaced) {
		a.LastPlaced = b.LastPlaced
	}
	return a
}

// Of is what of the flows lies where sees says: the partners some of whose sites
// it holds, and of each only what came in for these. How a partner's system
// answers is the same for all sites. Arrivals are the whole laboratory's and left
// out.
func (f Flows) Of(sees func(Place) bool) Flows {
	out := Flows{At: f.At, set: f.set, bySite: map[Place]Flow{}}
	if f.bySite == nil {
		for _, p := range f.Partners {
			if sees(Place{Partner: p.Partner}) {
				out.Partners = append(out.Partners, p)
			}
		}
		out.bySite = nil
		return out
	}
	for _, p := range f.Partners {
		var sum Flow
		seen := false
		for _, site := range f.sites(p.Partner) {
			at := Place{p.Partner, site}
			if !sees(at) {
				continue
			}
			out.bySite[at] = f.bySite[at]
			if seen {
				sum = plus(sum, f.bySite[at])
			} else {
				sum, seen = f.bySite[at], true
			}
		}
		if seen {
			out.Partners = append(out.Partners, sum)
		}
	}
	return out
}

// sites are those from which something goes or went to the partner.
func (f *Flows) sites(partner string) []string {
	var out []string
	for at := range f.bySite {
		if at.Partner == partner {
			out = append(out, at.Site)
		}
	}
	slices.Sort(out)
	return out
}
