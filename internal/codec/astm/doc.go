// Package astm reads and writes what laboratory analyzers say in the ASTM
// protocols: the frames of the link layer (ASTM E1381, later CLSI LIS01-A2) and
// the records inside them (ASTM E1394, later CLSI LIS02-A2).
//
// Guarantees: a Message gives back exactly the bytes it was made from, whatever
// fields a manufacturer added; a frame that AppendFrame wrote is read as it was.
// No input makes the package panic, take more than linear time or, beyond the
// stated limits, more memory. Errors name record, field and byte and never hold
// message content.
//
// It has no clock and no network: who speaks when is the business of
// channel/astmlink. It knows no analyzer: what a code means is in the tables of
// convert/astmhl7. Functions are safe for concurrent use on different values; a
// Message never changes.
//
// Clause numbers of the link layer are those of E1381-02 as its table of
// contents gives them, those of the records of E1394-97. The standards' own text
// was not at hand: numbers were checked against public interface descriptions.
package astm
