package demo

import (
	"embed"
	"fmt"
	"iter"
)

//go:embed messages/*.hl7
var files embed.FS

// Read returns the bytes of a bundled file. An unknown name is a mistake of the
// caller's and returns an error.
func Read(name string) ([]byte, error) {
	b, err := files.ReadFile("messages/" + name)
	if err != nil {
		return nil, fmt.Errorf("read sample: %w", err)
	}
	return b, nil
}

// Unit is what the LIS sends in one frame: one message, or a whole batch.
type Unit struct {
	File      string
	Body      []byte
	Malformed bool
	Parts     []Part
}

// Part is one message of a unit. Body is a slice of the file's bytes: from the
// M of MSH to just before the next MSH or batch segment, line ends included.
type Part struct {
	Index int // from 1 within the file
	Body  []byte
}

// Units yields the bundled set in the order of sending. With whole false each
// message of a batch is a unit of its own, as from an LIS that opens the batch;
// with whole true the file goes in one frame with its envelope.
func Units(whole bool) iter.Seq2[Unit, error] {
	return func(yield func(Unit, error) bool) {
		for _, f := range Manifest() {
			body, err := Read(f.File)
			if err != nil {
				yield(Unit{}, err)
				return
			}
			for _, u := range unitsOf(f, body, whole) {
				if !yield(u, nil) {
					return
				}
			}
		}
	}
}

func unitsOf(f File, body []byte, whole bool) []Unit {
	if !f.Batch() {
		return []Unit{{File: f.File, Body: body, Malformed: f.Malformed, Parts: []Part{{1, body}}}}
	}
	parts := splitBatch(body)
	if whole {
		u := Unit{File: f.File, Body: body}
		for i, p := range parts {
			u.Parts = append(u.Parts, Part{i + 1, p})
		}
		return []Unit{u}
	}
	var us []Unit
	for i, p := range parts {
		us = append(us, Unit{File: f.File, Body: p, Parts: []Part{{i + 1, p}}})
	}
	return us
}
