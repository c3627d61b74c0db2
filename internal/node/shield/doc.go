// Package shield is the program on the small box beside an analyzer: it takes what
// the device says over its own cable and protocol, keeps it encrypted and signed on
// disk before it answers, and hands it to the hub.
package shield
