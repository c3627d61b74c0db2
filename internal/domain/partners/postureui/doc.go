// Package postureui is the page and the API of the posture: one line for each way
// on which results or people come and go, with what was negotiated last.
//
// It guarantees: a line is green only for what was seen; whoever sees some
// partners only has the lines of those. It does not collect or judge: package
// platform/posture judges, app collects.
package postureui
