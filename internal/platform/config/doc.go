// Package config reads, checks, compares and edits labwarden.yaml.
//
// The settings are Go structs (Config and what hangs from it). Documentation,
// default, example and validation stand in the tag beside each field; the
// sample file, the reference page and the checks are made from the same tags,
// so they cannot disagree.
//
// Guarantees:
//
//   - Parse finds every problem in one go, each with line, column and what to
//     write instead, sorted by position. It never panics, whatever the bytes.
//   - A file with an error gives problems; only a file without errors gives a
//     configuration whose values may be used.
//   - No secret stands in a configuration: fields that need one take only
//     vault:NAME or file:PATH, and neither a problem nor its rendering repeats
//     what was written in its place.
//   - Canonical is the same bytes for the same meaning: comments, order of
//     keys, quoting and spelled-out defaults change nothing. Revision is its
//     SHA-256 without the node section.
//   - SetPath and RemovePath change one value and leave every other byte,
//     comments included, as it was; they check that themselves.
//
// It does not read the clock, the network or the disk: the time and the hooks
// that look at files and judge expressions are inputs (Options).
package config

//go:generate go run ./gen
