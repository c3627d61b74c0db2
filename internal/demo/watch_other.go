//go:build !linux

package demo

import (
	"context"
	"time"
)

// watch calls pick for every file in folder, looking again ten times a second.
// Files written within the resolution of the file system's clock come in the
// order of their names.
func watch(ctx context.Context, folder string, ready func(), pick func(string) error) error {
	if err := scan(folder, pick); err != nil {
		return err
	}
	ready()
	for wait(ctx, 100*time.Millisecond) == nil {
		if err := scan(folder, pick); err != nil {
			return err
		}
	}
	return ctx.Err()
}
