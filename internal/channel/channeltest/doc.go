// Package channeltest is the conformance suite of every outgoing transport: the
// same demands and the same faults for all, so that whoever sends does not have
// to know how. A transport's test describes itself in a Harness and calls Run;
// faults a transport cannot have (a folder gives no answer) are left out by
// naming them in Harness.Lacks.
package channeltest
