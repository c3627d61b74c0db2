package sftp

// Teller can have the client told something beside the stream: OpenSSH's programs
// say "Failure" and show nothing of the text that comes with it.
type Teller interface{ Tell(text string) }

// teller tells of failures; not again and again when each of many writes fails by
// the same.
type teller struct {
	to   Teller // nil: none
	last string
}

func tellerOf(x any) teller {
	t, _ := x.(Teller)
	return teller{to: t}
}

func (t *teller) tell(code uint32, text string) {
	if code != fxFailure || text == t.last {
		return
	}
	if t.last = text; t.to != nil {
		t.to.Tell(text)
	}
}

// anew: something new begins, which may fail for the reason of what was before.
func (t *teller) anew() { t.last = "" }
