package results

import "github.com/labwarden/labwarden/internal/codec/hl7"

// Decided is what the routes alone say of a message: no store was asked.
type Decided struct {
	Ways []DecidedWay
	// Cause is empty when the message may be taken; else Code, Location and Text
	// say what the sender is told. Text holds no patient data.
	Cause, Code, Location, Text string
}

// DecidedWay is one partner a message is due to.
type DecidedWay struct {
	Partner, Route string
	Shadow         bool   // recorded only
	Changed        bool   // the route transforms the message
	Held           string // why it would be held; empty when it may go
}

// Decide says where a message goes, by the same code as the intake. No ways and
// no cause: it is taken and goes nowhere.
func (set *Settings) Decide(source string, body []byte) Decided {
	j := judged{keys: keysPool.Get().(*hl7.Keys)}
	defer keysPool.Put(j.keys)
	if r, ok := set.judge(source, body, &j); !ok {
		return Decided{Cause: r.cause, Code: r.code, Location: r.location, Text: r.text}
	}
	var d Decided
	for _, p := range j.plans {
		route, _ := set.routeOf(p.route, source)
		d.Ways = append(d.Ways, DecidedWay{p.partner, p.route, p.state == Shadowed, route.Transform != nil, p.reason})
	}
	return d
}
