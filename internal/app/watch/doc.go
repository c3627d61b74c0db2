// Package watch shows how the hub is: metrics for a collector, health for a
// service manager or load balancer, and the test write behind both.
//
// Guarantees: nothing it shows comes from a message. Labels are names from the
// configuration. A scrape costs the store at most one round of queries in five
// seconds however often it comes, and a store that hangs never hangs an answer.
// It does not decide what needs a person; `labwarden status` does.
package watch

//go:generate go run ./gen
