// Package today is how domains tell a person what needs them: one small
// interface, and the gathering behind the page Today.
//
// Guarantees: a source that fails, panics or takes too long shows as an item
// that says so, never as nothing; one that hangs is not asked again before it has
// ended. Nobody is shown an item without the permission it names. "Everything
// else is running" is said only when every source was asked and has answered.
//
// It keeps nothing and decides nothing: what is urgent the domains say.
package today
