// Package poct1a reads and writes the messages of point-of-care devices in
// POCT1-A (CLSI POCT01-A2, IEEE 11073-90101): small XML documents that follow
// each other on a connection.
//
// Guarantees: a Message gives back exactly the bytes it was made from, elements
// of a manufacturer included. Document types, entities of their own, processing
// instructions other than the XML declaration, and character sets other than
// UTF-8 and ISO 8859-1 are refused, so that no document grows while it is read or
// asks for another. No input makes the package panic or take, beyond the stated
// limits, more memory. Errors name element and byte and never hold content.
//
// It has no clock and no network: who speaks when is the business of
// channel/poct1alink. Element names and codes are those of public interface
// descriptions (Roche cobas Liat, Quidel Sofia, Siemens DCA Vantage); the
// standard's own text was not at hand.
package poct1a
