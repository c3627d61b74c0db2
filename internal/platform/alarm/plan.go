package alarm

import (
	"context"
	"time"
)

// Plan is who is told, in which order and how.
type Plan struct {
	Lab string // the laboratory's name
	// Pages is where alarms can be seen and accepted, "https://lab.example/alarms";
	// empty where there are no pages.
	Pages  string
	People []Person
	// Repeat is the pause from person to person once everybody was told and
	// nobody has accepted; 0 means 1 h.
	Repeat time.Duration
	// AcceptedFor is how long an acceptance holds; 0 means 24 h.
	AcceptedFor time.Duration
}

// Person is somebody on call.
type Person struct {
	Name string
	// Wait is how long this person has to accept before the next one is told; 0
	// means 10 min.
	Wait time.Duration
	Ways []Way
}

// Way is one way to reach a person; its name differs from the person's others.
type Way struct {
	Name   string
	Sender Sender
}

// Sender carries a message over one way.
type Sender interface {
	// Send returns what the other side answered when it has taken the message.
	// It may be called again with the same message. Its error goes to people and
	// into the log: it holds no secret.
	Send(ctx context.Context, m Message) (answer string, err error)
}

func (p Plan) defaults() Plan {
	if p.Repeat <= 0 {
		p.Repeat = time.Hour
	}
	if p.AcceptedFor <= 0 {
		p.AcceptedFor = 24 * time.Hour
	}
	return p
}

func (p Person) wait() time.Duration {
	if p.Wait <= 0 {
		return 10 * time.Minute
	}
	return p.Wait
}

// sender finds a way by its names; nil when it is no longer in the plan.
func (p Plan) sender(person, way string) Sender {
	for _, x := range p.People {
		if x.Name != person {
			continue
		}
		for _, w := range x.Ways {
			if w.Name == way {
				return w.Sender
			}
		}
	}
	return nil
}
