# Lists the skips in the output of `go test -v`: test, tab, reason. A reason is
# what a test said last; other tests' lines may stand between it and its end.
/^=== (RUN|CONT|NAME|PAUSE) / { now = $3; next }
/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { text = $0; sub(/^ +[A-Za-z0-9_]+\.go:[0-9]+: /, "", text); said[now] = text }
/^ *--- SKIP: / { print $3 "\t" said[$3] }
/^(ok|FAIL|\?) *\t/ { delete said; now = "" }
