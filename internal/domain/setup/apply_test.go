package setup_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

const why = "a new name"

// TestOneWritesAnotherApplies: the whole way, with comments kept.
func TestOneWritesAnotherApplies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: Northgate Clinic")
		l := r.look(d)
		if len(l.Changes) != 1 || !strings.Contains(l.Changes[0].Words, "Northgate Clinic") || len(l.Hunks) != 1 || l.Asked() {
			t.Fatalf("%+v", l)
		}
		_, err := r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.want(err, approval.ErrMissing) // nobody has asked
		l, err = r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		if !l.Asked() {
			t.Fatal("not asked")
		}
		_, err = r.service.Apply(ctx, d.Number, ann, l.Seen)
		r.want(err, approval.ErrOwn)
		_, err = r.service.Apply(ctx, d.Number, approval.Person{ID: ann.ID, Account: "ann-2"}, l.Seen)
		r.want(err, approval.ErrOwn)
		_, err = r.service.Apply(ctx, d.Number, bob, approval.Hash{1})
		r.want(err, approval.ErrChanged)
		out, err := r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.must(err)
		if out.Number != 2 || r.lab.By[1] != (setup.Why{By: "bob", Reason: why}) || !strings.Contains(r.lab.Revisions[1].Source, "# asked for by Dr. Hale") {
			t.Fatalf("%+v %+v", out, r.lab.By)
		}
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.want(err, setup.ErrEnded)
		was, err := r.service.Became(ctx, 2)
		r.must(err)
		if was.Number != d.Number || was.State != setup.DraftApplied || was.EndedBy != "bob" {
			t.Fatalf("%+v", was)
		}
		r.fits()
	})
}

// TestAnEditVoidsWhatWasApproved: by whoever, and the editor cannot apply.
func TestAnEditVoidsWhatWasApproved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: N2")
		l, err := r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		d = r.edit(d, bob, "N2", "N3")
		_, err = r.service.Apply(ctx, d.Number, dir, l.Seen)
		r.want(err, approval.ErrChanged)
		l = r.look(d)
		if l.Asked() || l.Apply.State != approval.Voided {
			t.Fatalf("%+v", l.Apply)
		}
		l, err = r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen) // wrote a part of it
		r.want(err, approval.ErrOwn)
		// Two write at one time: the second's text is not stored.
		_, err = r.service.Save(ctx, d.Number, d.Version-1, "x", []byte(setuptest.First), ann)
		r.want(err, setup.ErrEdited)
		r.must(r.service.Refuse(ctx, d.Number, dir, "not this week"))
		r.want(r.service.Refuse(ctx, d.Number, dir, "not this week"), approval.ErrMissing)
		r.must(r.service.Discard(ctx, d.Number, ann))
		_, err = r.service.Save(ctx, d.Number, d.Version, "x", []byte(setuptest.First), ann)
		r.want(err, setup.ErrEnded)
		r.fits()
	})
}

// TestADraftWhoseBaseMovedIsBroughtUpToDate: nothing of somebody else's is undone.
func TestADraftWhoseBaseMovedIsBroughtUpToDate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		mine := r.draft(ann, "name: North,", "name: Mine,")
		same := r.draft(ann, "name: North,", "name: Other,")
		_, err := r.service.Ask(ctx, mine.Number, ann, why)
		r.must(err)
		seen := r.look(mine).Seen
		theirs := r.draft(bob, "critical_after: 10m", "critical_after: 5m")
		l, err := r.service.Ask(ctx, theirs.Number, bob, why)
		r.must(err)
		_, err = r.service.Apply(ctx, theirs.Number, ann, l.Seen)
		r.must(err)

		_, err = r.service.Apply(ctx, mine.Number, bob, seen)
		r.want(err, setup.ErrMoved)
		_, err = r.service.Ask(ctx, mine.Number, ann, why)
		r.want(err, setup.ErrMoved)
		d, n, err := r.service.Refresh(ctx, mine.Number, ann)
		r.must(err)
		if n != 0 || d.Base != 2 || !strings.Contains(string(d.Source), "name: Mine") || !strings.Contains(string(d.Source), "critical_after: 5m") {
			t.Fatal(n, string(d.Source))
		}
		if l := r.look(d); l.Moved || l.Asked() || len(l.Changes) != 1 {
			t.Fatalf("%+v", l.Changes)
		}
		l, err = r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.must(err)
		// Where both changed the same line a person must choose.
		d, n, err = r.service.Refresh(ctx, same.Number, ann)
		r.must(err)
		if n != 1 || !strings.Contains(string(d.Source), "<<<<<<< this draft") {
			t.Fatal(n, string(d.Source))
		}
		l = r.look(d)
		if l.Ready() || len(l.Problems.Errors()) == 0 {
			t.Fatal("marks are no errors")
		}
		_, err = r.service.Ask(ctx, d.Number, ann, why)
		r.want(err, setup.ErrProblems)
		r.fits()
	})
}

// TestAWayBack: an earlier revision again, in one act and with two people.
func TestAWayBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		_, err := r.service.BeginBack(ctx, 1, ann)
		r.want(err, setup.ErrUnchanged)
		d := r.draft(ann, "name: North", "name: N2")
		l, err := r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.must(err)
		d, err = r.service.BeginBack(ctx, 1, bob)
		r.must(err)
		l, err = r.service.Ask(ctx, d.Number, bob, "the name was right before")
		r.must(err)
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.want(err, approval.ErrOwn)
		out, err := r.service.Apply(ctx, d.Number, ann, l.Seen)
		r.must(err)
		if out.Number != 3 || out.Hash != r.lab.Revisions[0].Hash {
			t.Fatalf("%+v", out)
		}
	})
}

// TestWhatIsTheDirectorsWaitsForTheDirector.
func TestWhatIsTheDirectorsWaitsForTheDirector(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "check_reason: test}", "check_reason: test, stage: carry}")
		l, err := r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		if !l.NeedsDirector() || len(l.Steps) != 1 {
			t.Fatalf("%+v", l)
		}
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.want(err, setup.ErrDirector)
		_, err = r.service.Decide(ctx, d.Number, ann, l.Seen, []string{"all"}, "verified")
		r.want(err, approval.ErrOwn)
		_, err = r.service.Decide(ctx, d.Number, dir, l.Seen, nil, "verified")
		r.want(err, setup.ErrDirecting) // no old path, and nobody says so
		_, err = r.service.Decide(ctx, d.Number, dir, approval.Hash{9}, []string{"all"}, "verified")
		r.want(err, approval.ErrChanged)
		_, err = r.service.Decide(ctx, d.Number, dir, l.Seen, []string{"all"}, "verified")
		r.must(err)
		if r.lab.Approved["all"] != "dr-lee" {
			t.Fatal(r.lab.Approved)
		}
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.must(err)
		if got := r.lab.By[1]; got.ApprovedBy != "dr-lee" {
			t.Fatalf("%+v", got)
		}
		r.fits()
	})
}

// TestWhatFailedIsTriedAgain: an apply that did not go through keeps the yes.
func TestWhatFailedIsTriedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: N2")
		l, err := r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		r.lab.Fail = errors.New("the listener cannot be opened")
		if _, err = r.service.Apply(ctx, d.Number, bob, l.Seen); !errors.Is(err, r.lab.Fail) {
			t.Fatal(err)
		}
		r.lab.Fail = nil
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.must(err)
		// A yes that nobody used in time is none.
		d = r.draft(ann, "name: N2", "name: N3")
		l, err = r.service.Ask(ctx, d.Number, ann, why)
		r.must(err)
		r.now = r.now.Add(8 * 24 * time.Hour)
		_, err = r.service.Apply(ctx, d.Number, bob, l.Seen)
		r.want(err, approval.ErrExpired)
	})
}

// TestTheOnlyAdministratorMayApplyAlone: with a statement that somebody else
// reviews, and only while there is nobody else.
func TestTheOnlyAdministratorMayApplyAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: N2")
		seen := r.look(d).Seen
		const statement = "I am the only administrator of this laboratory."
		_, err := r.service.ApplyAlone(ctx, d.Number, ann, seen, false, nil, statement)
		r.want(err, setup.ErrNotAlone)
		r.lab.Holding[authz.ConfigApply] = []approval.Person{ann}
		_, err = r.service.ApplyAlone(ctx, d.Number, ann, seen, false, nil, "ok")
		r.want(err, setup.ErrStatement)
		r.lab.Never = true
		_, err = r.service.ApplyAlone(ctx, d.Number, ann, seen, false, nil, statement)
		r.want(err, setup.ErrNever)
		r.lab.Never = false
		out, err := r.service.ApplyAlone(ctx, d.Number, ann, seen, false, nil, statement)
		r.must(err)
		waiting, err := r.service.Alone(ctx, false)
		r.must(err)
		if len(waiting) != 1 || waiting[0].Revision != out.Number || waiting[0].Statement != statement {
			t.Fatalf("%+v", waiting)
		}
		r.want(r.service.Review(ctx, waiting[0].ID, ann, setup.InOrder, "looked"), approval.ErrOwn)
		r.must(r.service.Review(ctx, waiting[0].ID, dir, setup.InOrder, "compared revision 2 with the ticket"))
		r.want(r.service.Review(ctx, waiting[0].ID, bob, setup.NotInOrder, "hm"), setup.ErrReviewed)
		if waiting, err = r.service.Alone(ctx, false); err != nil || len(waiting) != 0 {
			t.Fatal(waiting, err)
		}
		// What is the director's stays the director's.
		d = r.draft(ann, "check_reason: test}", "check_reason: test, stage: carry}")
		seen = r.look(d).Seen
		_, err = r.service.ApplyAlone(ctx, d.Number, ann, seen, false, []string{"all"}, statement)
		r.want(err, setup.ErrDirector)
		_, err = r.service.ApplyAlone(ctx, d.Number, ann, seen, true, []string{"all"}, statement)
		r.want(err, setup.ErrDirector) // there is a director
		r.lab.Holding[authz.RoutesApprove] = []approval.Person{ann}
		_, err = r.service.ApplyAlone(ctx, d.Number, ann, seen, true, []string{"all"}, statement)
		r.must(err)
		r.fits()
	})
}

// TestWhoEditsTheDatabaseIsFound: every column of both tables.
func TestWhoEditsTheDatabaseIsFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: N2")
		r.draft(ann, "name: North", "name: N3")
		r.lab.Holding[authz.ConfigApply] = nil
		_, err := r.service.ApplyAlone(ctx, d.Number, ann, r.look(d).Seen, false, nil, "I am the only one who can do this.")
		r.must(err)
		r.fits()
		for table, columns := range map[string]string{
			"setup_drafts": "title base of_revision text_hash writers version made_at changed_at state revision ended_at ended_by source",
			"setup_alone":  "draft revision by_whom by_id statement made_at verdict reviewed_by reviewed_id reviewed_at note leaf",
		} {
			for column := range strings.FieldsSeq(columns) {
				found := 0
				look := func() {
					r.must(r.service.Audit(ctx, func(tbl, _, _ string) {
						if tbl == table {
							found++
						}
					}))
				}
				set := column + " + 7"
				switch column {
				case "title", "writers", "ended_by", "by_whom", "statement", "reviewed_by", "note":
					set = column + " || 'x'"
				case "text_hash", "by_id", "reviewed_id":
					set = "substr(" + column + ", 2)"
				case "source":
					set = "text_hash"
				}
				r.exec("CREATE TABLE kept AS SELECT * FROM " + table)
				r.exec("UPDATE " + table + " SET " + column + " = " + set)
				if look(); found == 0 {
					t.Errorf("%s.%s: not found", table, column)
				}
				r.exec("DELETE FROM " + table)
				r.exec("INSERT INTO " + table + " SELECT * FROM kept")
				r.exec("DROP TABLE kept")
			}
		}
		r.fits()
	})
}
