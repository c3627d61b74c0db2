// Package npm installs the programs of others that end-to-end tests run with
// Node: an HL7 client and server, a browser's driver and the judge of
// accessibility. Nothing of it is in a program we ship.
package npm
