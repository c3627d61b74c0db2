package results

import "errors"

// ErrViewsClosed is in the chain where raw messages are not shown because the
// store itself is in doubt.
var ErrViewsClosed = errors.New("views of patient data are closed until a person decides")

// SetViewsClosed closes the views of raw messages, with the reason in words, or
// opens them with an empty reason. Results go on coming in and going out.
func (s *Service) SetViewsClosed(reason string) { s.closed.Store(&reason) }

// ViewsClosed is the reason while views are closed, else empty.
func (s *Service) ViewsClosed() string {
	if r := s.closed.Load(); r != nil {
		return *r
	}
	return ""
}

func (s *Service) mayShow() error {
	if r := s.ViewsClosed(); r != "" {
		return &closedError{r}
	}
	return nil
}

type closedError struct{ reason string }

func (e *closedError) Error() string { return ErrViewsClosed.Error() + ": " + e.reason }
func (e *closedError) Unwrap() error { return ErrViewsClosed }
