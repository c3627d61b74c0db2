// Package boxtest is what tests of file servers need of a partner's box: Door and
// Box keep everything in memory and behave as channel.Box promises, and Run holds
// any channel.Box to that promise, the one in memory included.
package boxtest
