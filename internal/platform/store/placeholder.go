package store

import "strings"

// rewritten is a query with ? placeholders and, for each of them, which of the
// caller's arguments it takes.
type rewritten struct {
	query string
	order []int // nil: the arguments in order, once each
}

// rewrite turns $1, $2, ... into ?. SQLite understands $n as *names* and the
// driver then looks each up; plain ? is measurably cheaper. Quoted text is left
// alone.
func rewrite(query string) rewritten {
	var out strings.Builder
	var order []int
	plain := true
	for i := 0; i < len(query); i++ {
		c := query[i]
		switch {
		case c == '\'' || c == '"':
			end := strings.IndexByte(query[i+1:], c)
			if end < 0 {
				out.WriteString(query[i:])
				return rewritten{out.String(), order}
			}
			out.WriteString(query[i : i+end+2])
			i += end + 1
		case c == '$' && i+1 < len(query) && query[i+1] >= '1' && query[i+1] <= '9':
			n := 0
			for i+1 < len(query) && query[i+1] >= '0' && query[i+1] <= '9' {
				i++
				n = n*10 + int(query[i]-'0')
			}
			plain = plain && n == len(order)+1
			order = append(order, n-1)
			out.WriteByte('?')
		default:
			out.WriteByte(c)
		}
	}
	if plain {
		order = nil
	}
	return rewritten{out.String(), order}
}

func (r rewritten) args(args []any) []any {
	if r.order == nil {
		return args
	}
	out := make([]any, len(r.order))
	for i, n := range r.order {
		out[i] = args[n]
	}
	return out
}
