// Package resultsui is what people see of results: Today, partners, results and
// their journeys, quarantine, phone tasks, stops, routes and alarms, as pages and
// as operations of the JSON API beside them.
//
// Guarantees: every page and operation asks for a permission, and again with the
// partner once the thing is known; a thing of somebody else's partner answers as
// one that does not exist. Patient data is shown only by a POST that is recorded
// first, and stands in no address, title or notice. What people do goes to the
// methods of results.Service and alarm.Desk with the account and the name of who
// is signed in, never with a name that somebody typed.
//
// It decides nothing about results: the rules are those of package results.
package resultsui

//go:generate env -u GOFLAGS go tool -modfile=../../../../tools/go.mod templ generate -path .
