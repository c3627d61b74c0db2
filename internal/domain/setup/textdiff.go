package setup

import "strings"

// Line is one line of a comparison of two texts.
type Line struct {
	// Kind is ' ' for a line of both, '-' of the old text only, '+' of the new.
	Kind byte
	Text string
	// Old and New are its numbers, counted from 1; 0 where it is not there.
	Old, New int
}

// Hunk is a run of changed lines with what stands around them.
type Hunk struct{ Lines []Line }

// around is how many unchanged lines are shown before and after a change.
const around = 3

// maxEdits bounds the work of a comparison; two texts that have more than this in
// difference are shown as one that is replaced.
const maxEdits = 2000

// TextDiff compares two texts by line.
func TextDiff(old, new string) []Hunk {
	lines := compareLines(splitLines(old), splitLines(new))
	var out []Hunk
	for i := 0; i < len(lines); i++ {
		if lines[i].Kind == ' ' {
			continue
		}
		from, last := max(0, i-around), i
		for j := i; j < len(lines) && j <= last+2*around; j++ {
			if lines[j].Kind != ' ' {
				last = j
			}
		}
		to := min(len(lines), last+around+1)
		out = append(out, Hunk{lines[from:to]})
		i = to - 1
	}
	return out
}

func splitLines(s string) []string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// compareLines is the greedy algorithm of E. W. Myers, "An O(ND) difference
// algorithm and its variations" (1986).
func compareLines(a, b []string) []Line {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out []Line
	for i := range head {
		out = append(out, Line{' ', a[i], i + 1, i + 1})
	}
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := range tail {
		x, y := len(a)-tail+i, len(b)-tail+i
		out = append(out, Line{' ', a[x], x + 1, y + 1})
	}
	return out
}

func middle(a, b []string, from int) []Line {
	n, m := len(a), len(b)
	most := min(n+m, maxEdits)
	v := make([]int, 2*most+3)
	at := func(k int) int { return k + most + 1 }
	var trace [][]int
	for d := 0; d <= most; d++ {
		trace = append(trace, append([]int(nil), v...))
		for k := -d; k <= d; k += 2 {
			var x int
			if k == -d || k != d && v[at(k-1)] < v[at(k+1)] {
				x = v[at(k+1)]
			} else {
				x = v[at(k-1)] + 1
			}
			y := x - k
			for x < n && y < m && a[x] == b[y] {
				x, y = x+1, y+1
			}
			v[at(k)] = x
			if x >= n && y >= m {
				return back(a, b, from, trace, at)
			}
		}
	}
	var out []Line // too different: all of one, then all of the other
	for i := range a {
		out = append(out, Line{'-', a[i], from + i + 1, 0})
	}
	for i := range b {
		out = append(out, Line{'+', b[i], 0, from + i + 1})
	}
	return out
}

func back(a, b []string, from int, trace [][]int, at func(int) int) []Line {
	var out []Line
	x, y := len(a), len(b)
	for d := len(trace) - 1; d >= 0; d-- {
		v, k := trace[d], x-y
		was := k - 1
		if k == -d || k != d && v[at(k-1)] < v[at(k+1)] {
			was = k + 1
		}
		px := v[at(was)]
		py := px - was
		if d == 0 {
			px, py = 0, 0
		}
		for x > px && y > py {
			x, y = x-1, y-1
			out = append(out, Line{' ', a[x], from + x + 1, from + y + 1})
		}
		if d == 0 {
			break
		}
		if x == px {
			y--
			out = append(out, Line{'+', b[y], 0, from + y + 1})
		} else {
			x--
			out = append(out, Line{'-', a[x], from + x + 1, 0})
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
