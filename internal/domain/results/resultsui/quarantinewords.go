package resultsui

import "github.com/labwarden/labwarden/internal/domain/results"

// causeWords say why a message was not taken, what that means, and what to do.
type causeWords struct{ Short, Why, Do string }

func wordsOf(cause string) causeWords {
	switch cause {
	case results.CauseUnknownSender:
		return causeWords{
			"Unknown sender", "It came from a sender the configuration does not know. The sender was told that it was refused.",
			"If the sender is yours, add it to the configuration as a source, then replay. If it is not, refuse it and find out who has reached this port.",
		}
	case results.CauseUnparsable:
		return causeWords{
			"Not readable", "It is not a readable HL7 message. The sender was told so and will as a rule not send it again by itself.",
			"Have the sender mend it and send it again, then refuse this one. Until then the result has not arrived anywhere: if it may be urgent, telephone.",
		}
	case results.CauseNoControlID:
		return causeWords{
			"No control id", "Its control id (MSH-10) is empty, so a repeat could not be told from a new message.",
			"Have the sender set a control id and send it again, then refuse this one.",
		}
	case results.CauseConflict:
		return causeWords{
			"Control id used before", "Its control id was used before for another message. It may be a real second result, or a sender that counts wrongly.",
			"Read it, and compare it with the message that has the id. If it is a result of its own, take it; else refuse it.",
		}
	case results.CauseNoRoute:
		return causeWords{
			"No route", "No route leads to a partner for it, so nobody would have got it.",
			"Add or mend the route in the configuration, then replay. If nobody is to have it, refuse it.",
		}
	case results.CauseTooManyKeys:
		return causeWords{
			"Too many identifiers", "It names more patients and orders than one message may.",
			"Have the sender send it in parts, then refuse this one.",
		}
	case results.CauseOversize:
		return causeWords{
			"Too large", "It is larger than this connection may send. Only its beginning was kept.",
			"Have the sender send it in parts, or raise the limit of the source; then refuse this one.",
		}
	case results.CauseRule:
		return causeWords{
			"A route’s rule failed", "A route’s condition could not be answered for it. What cannot be answered is not taken for a no.",
			"Mend the condition in the configuration, then replay.",
		}
	}
	return causeWords{"Another cause", "It was not taken; the words of the time are below.", "Read it and decide."}
}

// replayable: its bytes are there whole, and the cause can be mended on our side.
func replayable(a *results.Apart) bool { return a.Size == a.Kept && a.State == "open" }

func apartState(state string) string {
	switch state {
	case "open":
		return "waits for a person"
	case "released":
		return "taken"
	}
	return state
}
