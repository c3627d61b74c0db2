// Package bypass is the way round a dead Labwarden: a relay that carries the
// laboratory's messages byte for byte to the partners over the approved
// channels without the hub's database, root key or ledger.
//
// Guarantees
//
//   - A positive acknowledgement leaves only when the message is in the
//     encrypted log on disk and every partner it is due to has accepted it, and
//     that too is on disk. Nothing is queued: what cannot be delivered now is
//     answered AR (send it again) or AE (this one needs a person) and stays with
//     the laboratory's system.
//   - A partner that accepted a message is not sent it again when the LIS
//     repeats it, also after the relay was killed and opened anew. Only an
//     acceptance whose note was cut off by a kill is repeated.
//   - One message at a time per source.
//   - It ends by itself at its end, and warns before.
//
// What it does not do: transform, convert to FHIR, hold, queue, prove. The log
// is read into the hub's store afterwards (results.TakeBypassed). Which message
// goes where is decided by a function that the caller makes from the card.
package bypass
