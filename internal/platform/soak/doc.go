// Package soak writes what the whole bars measure to docs/operate/soak: a page
// for each part, with a section for each bar, its commit and its goals.
//
// It guarantees: a section takes the place of the older one of its name, the
// others stay; a missed goal is written like one that was met.
//
// It does not: fail a test. Whoever measures says what is too slow to pass.
package soak
