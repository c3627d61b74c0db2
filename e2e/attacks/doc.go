// Package attacks holds what somebody hostile would try against the hub as it is
// served: the real program over TLS, with people signed in over HTTP.
//
// Each package tests its own defences, and internal/app every route within one
// process. Here stands what only the whole shows: HTTP itself taken apart on the
// wire, hostile messages walked from the LIS's door to every page, sessions across
// processes, memory of the process, and scanners of others.
//
// Tests named TestBar… run with `make bars` (small) and `make soak` (whole).
// It sends to the loopback address only.
package attacks
