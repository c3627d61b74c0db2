package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// look is what was seen of a file.
type look struct {
	kind     string
	critical bool
	remark   string
}

// looker looks at a file and, in archives, at what is in it.
type looker struct {
	rules    *Rules
	seen     *look
	depth    int   // how many archives it is in
	unpacked int64 // how much archives may still hold
}

// file judges a file by name and content; nil lets it pass.
func (l *looker) file(c *content) error {
	head, err := c.start(headSize)
	if err != nil {
		return err
	}
	kind, no := sniff(head, c.name)
	l.seen.kind = kind
	if no != nil {
		return no
	}
	// What the content says is read even where the name or the rules refuse it
	// already: whether a result in it is critical must be known all the same.
	wrong := l.allowed(c, kind)
	if wrong != nil && kind != KindHL7 && kind != KindFHIR {
		return wrong
	}
	if err := l.content(c, kind); err != nil && (wrong == nil || !isRefusal(err)) {
		return err
	}
	if wrong != nil {
		wrong.unread = false // it could be read, and Critical is known
		return wrong
	}
	return nil
}

func isRefusal(err error) bool {
	var no *refusal
	return errors.As(err, &no)
}

// allowed says why a kind is not taken, or not under this name.
func (l *looker) allowed(c *content, kind string) *refusal {
	ext := extension(c.name)
	encrypted := kind == KindAge || kind == KindOpenPGP || kind == KindCMS
	switch {
	case encrypted && !l.rules.unseen(kind):
		return unreadable(CauseEncrypted, fmt.Sprintf("%s files are not taken here, because they cannot be looked into. Send the file unencrypted: the connection is encrypted.", names[kind]))
	case kind == KindZIP && l.rules.Archive == nil:
		return unreadable(CauseKind, "Archives are not taken here. Send the files themselves.")
	case kind == KindZIP && l.depth > l.rules.zip().Nested:
		return unreadable(CauseArchive, "An archive lies within an archive. Send the files in one archive, or one by one.")
	case !encrypted && kind != KindZIP && !l.rules.takes(kind):
		return unreadable(CauseKind, fmt.Sprintf("%s files are not taken from you. Ask the laboratory if they should be.", names[kind]))
	case !slices.Contains(extensions[kind], ext):
		return unreadable(CauseName, fmt.Sprintf("The file is %s by its content, and its name says otherwise. Name it .%s and send it again.", names[kind], strings.Join(extensions[kind], ", .")))
	}
	return nil
}

func (l *looker) content(c *content, kind string) error {
	switch kind {
	case KindHL7:
		return l.hl7(c)
	case KindFHIR:
		return l.fhir(c)
	case KindPDF:
		return l.pdf(c)
	case KindCSV:
		return l.csv(c)
	case KindZIP:
		return l.archive(c)
	}
	l.seen.kind = kind + unseen
	return nil
}
