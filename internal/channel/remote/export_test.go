package remote

// StopAt has a watcher ask at each step of a file's way; an error ends it there.
func StopAt(w *Watcher, f func(step string) error) { w.stop = f }
