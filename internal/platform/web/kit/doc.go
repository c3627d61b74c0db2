// Package kit is what pages are made of: the layout, tables, forms, states,
// charts, the stylesheet, fonts, icons and scripts, all built into the program.
//
// Guarantees: everything it writes is escaped; nothing is loaded from elsewhere;
// every form works without JavaScript; state is shape, word and colour. Script
// is only what makes a page that already works nicer: it is drawn again when
// something changes, keeping focus and typed text. No script turns text into
// markup, so the policy allows no Trusted Types at all.
//
// It knows no domain and asks nobody anything: what it draws it is given.
package kit

//go:generate env -u GOFLAGS go tool -modfile=../../../../tools/go.mod templ generate -path .
