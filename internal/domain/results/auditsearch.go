package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// searchIndex holds the search index against the messages it is derived from.
// It carries no evidence: what is found here is mended by Rebuild.
func (a *auditor) searchIndex(ctx context.Context) error {
	for at := int64(-1); ; {
		run := searchRun{}
		err := a.s.db.QueryRow(ctx, "SELECT first, last, messages, bytes, bits, dirty FROM results_search_runs WHERE first > $1 ORDER BY first LIMIT 1", at).
			Scan(&run.first, &run.last, &run.messages, &run.bytes, &run.bits, &run.dirty)
		if errors.Is(err, store.ErrNoRows) {
			return a.strayBlocks(ctx)
		}
		if err != nil {
			return fmt.Errorf("audit search index: %w", err)
		}
		if err := a.searchRun(ctx, at, run); err != nil {
			return fmt.Errorf("audit search index: %w", err)
		}
		at = max(run.last, run.first)
		if err := a.pause(); err != nil {
			return err
		}
	}
}

// searchRun looks at one run and at the messages between it and the one before.
func (a *auditor) searchRun(ctx context.Context, before int64, run searchRun) error {
	for range 3 {
		found, err := a.compareRun(ctx, before, run)
		if err != nil || len(found) == 0 {
			return err
		}
		// Merged or cleaned since it was read? Then the new one counts.
		var now searchRun
		err = a.s.db.QueryRow(ctx, "SELECT first, last, messages, bytes, bits, dirty FROM results_search_runs WHERE first = $1", run.first).
			Scan(&now.first, &now.last, &now.messages, &now.bytes, &now.bits, &now.dirty)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if now == run {
			a.out.Index += int64(len(found))
			for _, f := range found {
				a.find(f.Table, f.Row, f.What)
			}
			return nil
		}
		run = now
	}
	return nil
}

func (a *auditor) compareRun(ctx context.Context, before int64, run searchRun) ([]Finding, error) {
	var found []Finding
	bad := func(table, row, what string) {
		if len(found) < 20 {
			found = append(found, Finding{table, row, what + "; the index can be made anew"})
		}
	}
	name := fmt.Sprint(run.first)
	whole, base, erased, sum, err := a.entriesOf(ctx, before, run)
	if err != nil {
		return nil, err
	}
	if run.first <= before || run.last < run.first || run.last >= a.head.Size+maxRun || sum.messages != run.messages || sum.bytes != run.bytes {
		bad("results_search_runs", name, "it covers other messages than it says, or leaves some out")
	}
	stored := make([]searchEntry, 0, len(whole))
	err = a.s.db.Query(ctx, "SELECT block, data FROM results_search WHERE run = $1 ORDER BY block", []any{run.first}, func(row store.Scanner) error {
		var block int64
		var data []byte
		if err := row.Scan(&block, &data); err != nil {
			return err
		}
		misplaced := false
		err := eachEntry(run.first, data, func(e searchEntry) {
			misplaced = misplaced || run.block(e.key) != block
			stored = append(stored, e)
		})
		if err != nil || misplaced {
			bad("results_search", fmt.Sprintf("%d/%d", run.first, block), "the block cannot be read or holds entries of another one")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if run.bits != blockBits(len(stored)) {
		bad("results_search_runs", name, "it says a wrong number of blocks")
	}
	sortEntries(stored)
	has := func(list []searchEntry, e searchEntry) bool {
		_, ok := slices.BinarySearchFunc(list, e, compareEntries)
		return ok
	}
	for _, e := range base {
		if !has(stored, e) {
			bad("results_search", fmt.Sprintf("%d/%d", run.first, run.block(e.key)), "a message would not be found")
		}
	}
	for i, e := range stored {
		switch {
		case i > 0 && stored[i-1] == e:
			bad("results_search", fmt.Sprintf("%d/%d", run.first, run.block(e.key)), "an entry is there twice")
		case !has(whole, e) && !(run.dirty != 0 && erased[e.leaf]):
			bad("results_search", fmt.Sprintf("%d/%d", run.first, run.block(e.key)),
				"it holds an entry that no message explains")
		}
	}
	return found, nil
}

// entriesOf computes what a run should hold: base is there in any case, whole has
// what each field could give that may be configured for accession numbers. Which
// of them were when the run was written is not known, and their change is none
// of the index.
func (a *auditor) entriesOf(ctx context.Context, before int64, run searchRun) (whole, base []searchEntry, erased map[int64]bool, sum searchRun, err error) {
	s, index := a.s, currentIndex(a.s.vault)
	sum = searchRun{first: -1, bits: run.bits, dirty: run.dirty}
	erased = map[int64]bool{}
	var keys hl7.Keys
	var found []searchKey
	for at := before; at < run.last; {
		n := 0
		err = s.db.Query(ctx, "SELECT leaf, id, body FROM results_messages WHERE leaf > $1 AND leaf <= $2 ORDER BY leaf LIMIT $3",
			[]any{at, run.last, int64(indexBatch)}, func(row store.Scanner) error {
				var leaf int64
				var rawID, sealed []byte
				if err := row.Scan(&leaf, &rawID, &sealed); err != nil {
					return err
				}
				n++
				at = leaf
				if sum.first < 0 {
					sum.first = leaf
				}
				sum.last = leaf
				sum.messages++
				sum.bytes += int64(len(sealed))
				if sealed == nil {
					erased[leaf] = true
					return nil
				}
				id, err := event.IDFromBytes(rawID)
				if err != nil {
					return nil // found as a message
				}
				_, body, err := s.seal.open("results_messages", id, sealed)
				if err != nil {
					return nil
				}
				keys.AccessionFields = nil
				found = searchKeys(found[:0], index, body, &keys)
				for _, k := range found {
					base = append(base, searchEntry{k, leaf})
				}
				found = accessionKeys(found, index, body, &keys)
				for _, k := range found {
					whole = append(whole, searchEntry{k, leaf})
				}
				return nil
			})
		if err != nil || n == 0 {
			break
		}
	}
	sortEntries(whole)
	sortEntries(base)
	return whole, base, erased, sum, err
}

// accessionKeys appends what a message may be found by besides, field by field:
// all together may be more identifiers than a message may name.
func accessionKeys(dst []searchKey, index indexer, body []byte, k *hl7.Keys) []searchKey {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return dst
	}
	for _, f := range [...]int{18, 19, 20, 21} { // those that a source may be configured to use
		k.AccessionFields = append(k.AccessionFields[:0], f)
		if hl7.ReadKeys(body, &head, k) != nil {
			continue
		}
		for _, id := range k.Accessions {
			number, _, _ := bytes.Cut(id, []byte{hl7.KeySep})
			dst = append(dst, index(domainOrder, number)...)
		}
	}
	return dst
}

// strayBlocks looks for blocks of runs that are not there.
func (a *auditor) strayBlocks(ctx context.Context) error {
	err := a.s.db.Query(ctx, `SELECT run, block FROM results_search WHERE NOT EXISTS
		(SELECT 1 FROM results_search_runs r WHERE r.first = results_search.run) ORDER BY run, block LIMIT 20`, nil, func(row store.Scanner) error {
		var run, block int64
		err := row.Scan(&run, &block)
		a.out.Index++
		a.find("results_search", fmt.Sprintf("%d/%d", run, block), "it belongs to no run; the index can be made anew")
		return err
	})
	if err != nil {
		return fmt.Errorf("audit search index: %w", err)
	}
	return nil
}
