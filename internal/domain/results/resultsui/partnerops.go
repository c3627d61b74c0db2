package resultsui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// PartnerBrief is one partner for programs.
type PartnerBrief struct {
	Key     string `json:"key"`
	Name    string `json:"name"`
	How     string `json:"how" doc:"the protocol in words"`
	State   string `json:"state" doc:"fine, warn, stopped or unknown"`
	Counted bool   `json:"counted" doc:"false while the numbers below are still being counted: they are not zero then, they are unknown"`
	// Acknowledged is by their own reply.
	Acknowledged int64      `json:"acknowledged_24h"`
	Placed       int64      `json:"placed_24h" doc:"handed over where nobody answers"`
	Waiting      int64      `json:"waiting"`
	Held         int64      `json:"held"`
	Failed       int64      `json:"needs_person"`
	Hours        []int64    `json:"per_hour" doc:"acknowledged or placed, by clock hour, the running one last"`
	Oldest       *time.Time `json:"oldest_waiting,omitempty"`
	LastReply    *time.Time `json:"last_reply,omitempty"`
	DownSince    *time.Time `json:"down_since,omitempty"`
	Why          string     `json:"why,omitempty" doc:"class of the last failure while down"`
	NextTry      *time.Time `json:"next_try,omitempty"`
	Stops        []string   `json:"stops" doc:"kinds of the stops that stand before all that goes there"`
}

func (v *partnerView) brief() PartnerBrief {
	out := PartnerBrief{
		Key: v.Partner, Name: v.name, How: v.by, State: stateName(v.state), Counted: v.known, Acknowledged: v.acknowledged, Placed: v.placed,
		Waiting: v.Waiting, Held: v.Held, Failed: v.Stopped, Hours: make([]int64, results.FlowHours), Oldest: moment(v.Oldest), LastReply: moment(v.LastReply),
		DownSince: moment(v.DownSince), Why: v.Why, Stops: []string{},
	}
	if !v.DownSince.IsZero() {
		out.NextTry = moment(v.NextTry)
	}
	for i := range out.Hours {
		out.Hours[i] = v.Acknowledged[i] + v.Placed[i]
	}
	for _, g := range v.Gates {
		out.Stops = append(out.Stops, g.Kind.String())
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// PartnerFull is PartnerBrief with its channel's posture and its days.
type PartnerFull struct {
	PartnerBrief
	Days    []PartnerDay `json:"days" doc:"the last 14, today last; empty while they are still being counted"`
	Posture Posture      `json:"posture"`
}

// PartnerDay is one day.
type PartnerDay struct {
	Begins       time.Time `json:"begins"`
	Acknowledged int64     `json:"acknowledged"`
	Placed       int64     `json:"placed"`
}

// Posture is how well a channel is protected.
type Posture struct {
	Address     string     `json:"address"`
	Encrypted   bool       `json:"encryption_required"`
	Pinned      bool       `json:"key_pinned"`
	SeenTLS     string     `json:"seen_tls,omitempty" doc:"protocol and cipher of the last delivery"`
	SeenAt      *time.Time `json:"seen_at,omitempty"`
	Fingerprint string     `json:"seen_fingerprint,omitempty"`
	Exception   string     `json:"exception,omitempty" doc:"plaintext or tls12, where one is made"`
	Until       string     `json:"exception_until,omitempty"`
	Guidance    string     `json:"meets_hhs_guidance" doc:"yes, no or unknown"`
	Why         string     `json:"why"`
}

// TestAnswer is what came of a test message.
type TestAnswer struct {
	At          time.Time `json:"at"`
	ControlID   string    `json:"control_id"`
	Accepted    bool      `json:"accepted"`
	Answered    bool      `json:"answered" doc:"their system gave an answer, be it a refusal"`
	Code        string    `json:"code,omitempty"`
	Words       string    `json:"words"`
	Meaning     string    `json:"meaning"`
	Text        string    `json:"text,omitempty" doc:"what the other side wrote"`
	TLS         string    `json:"tls,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	TookMS      int64     `json:"took_ms"`
}

type partnerIn struct {
	Key string `path:"key" doc:"the partner's key in the configuration"`
}

type partnerTestIn struct {
	Key    string `path:"key" doc:"the partner's key in the configuration"`
	Reason string `json:"reason" doc:"why, for the ledger; no patient data"`
}

// PartnersAnswer is the list of partners.
type PartnersAnswer struct {
	Counted  *time.Time     `json:"counted_at" doc:"null while they still are, for the first time"`
	Partners []PartnerBrief `json:"partners" doc:"what needs somebody first"`
}

func partnerOps(d Deps) []web.Route {
	return []web.Route{
		web.Op[struct{}, PartnersAnswer]{
			Pattern: "GET /api/v1/partners", Needs: authz.PartnersSee, Tag: "Partners", Summary: "Partners, what waits for each and whether they answer",
			Do: func(r *http.Request, _ struct{}) (PartnersAnswer, error) {
				v, err := d.flowView(r.Context(), web.Scope(r, authz.PartnersSee), web.Now(r))
				if err != nil {
					return PartnersAnswer{}, err
				}
				out := PartnersAnswer{Counted: moment(v.flows.At), Partners: []PartnerBrief{}}
				for i := range v.partners {
					out.Partners = append(out.Partners, v.partners[i].brief())
				}
				return out, nil
			},
		}.Route(),
		web.Op[partnerIn, PartnerFull]{
			Pattern: "GET /api/v1/partners/{key}", Needs: authz.PartnersSee, Tag: "Partners", Summary: "One partner: why something waits, its channel and its last 14 days",
			Do: func(r *http.Request, _ partnerIn) (PartnerFull, error) { return d.partnerFull(r) },
		}.Route(),
		web.Op[partnerTestIn, TestAnswer]{
			Pattern: "POST /api/v1/partners/{key}/test", Needs: authz.PartnersTest, Tag: "Partners", Summary: "Send a test message and wait for its answer",
			Detail: "The message is marked as a test (MSH-11 T), names a patient called TEST and holds no value. It goes beside what waits. Tell the partner before.",
			Do: func(r *http.Request, in partnerTestIn) (TestAnswer, error) {
				v, err := d.find(r, authz.PartnersTest)
				if err != nil {
					return TestAnswer{}, err
				}
				t, err := d.Results.SendTest(r.Context(), v.Partner, as(r, in.Reason))
				return testedOf(t), err
			},
		}.Route(),
	}
}

func (d Deps) partnerFull(r *http.Request) (PartnerFull, error) {
	v, err := d.find(r, authz.PartnersSee)
	if err != nil {
		return PartnerFull{}, err
	}
	conf := d.conf().Partners[v.Partner]
	p, err := d.posture(r.Context(), &v, &conf, web.Now(r))
	if err != nil {
		return PartnerFull{}, err
	}
	out := PartnerFull{PartnerBrief: v.brief(), Days: []PartnerDay{}, Posture: Posture{
		Address: p.address, Encrypted: !p.plain && !p.folder, Pinned: p.tls != nil && p.tls.Fingerprint != "", SeenTLS: p.seen.TLS, SeenAt: moment(p.seenAt),
		Fingerprint: p.seen.Fingerprint, Guidance: p.guidance, Why: p.why,
	}}
	if p.exception != nil {
		out.Posture.Exception, out.Posture.Until = p.exception.Kind, p.exception.Until.String()
	}
	for _, x := range v.Days {
		out.Days = append(out.Days, PartnerDay{x.Begins.UTC(), x.Acknowledged, x.Placed})
	}
	return out, nil
}
