package alarm

import "time"

// Silence says whether nobody shall be told of a condition for now, and until
// when. It must answer at once.
type Silence func(k Key, now time.Time) (until time.Time, silent bool)

// SetSilence has a maintenance window keep people from being told of conditions
// they know: the alarm is raised, kept and shown as always, only nobody is called
// before its end. What still stands then is told.
func (d *Desk) SetSilence(f Silence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silence = f
}

// Unsilenced looks anew at what is silent: call it when a window has ended before
// its time.
func (d *Desk) Unsilenced() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, r := range d.records {
		if !r.silent {
			continue
		}
		if _, still := d.silenced(r, now); !still {
			r.silent, r.next = false, now
			r.rev++
		}
	}
	d.wake()
}

// silenced says whether nobody is told of r now. The caller holds mu.
func (d *Desk) silenced(r *record, now time.Time) (time.Time, bool) {
	if d.silence == nil {
		return time.Time{}, false
	}
	until, silent := d.silence(r.Key, now)
	return until, silent && until.After(now)
}
