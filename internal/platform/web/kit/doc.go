// Package kit is what pages are made of: the layout, tables, forms, states,
// charts, the stylesheet, fonts, icons and scripts, all built into the program.
//
// Guarantees: everything it writes is escaped; nothing is loaded from elsewhere;
// every form works without JavaScript; state is shape, word and colour.
package kit
