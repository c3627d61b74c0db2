// Package analyzers is what is known of analyzer models: how they name
// themselves, where in their messages things stand, what their codes and units
// mean. Each model is a file in models/, written from a public interface
// description that it names.
//
// It guesses nothing. A code that a file does not hold is unknown; a file holds a
// LOINC or UCUM code only where its source says it. What a device reports is for
// the laboratory's own tables to interpret, which come before these.
package analyzers
