# Shortens the output of `go test -v`: see test.sh. go test prints a package's
# output in one piece, closed by a line "ok", "FAIL" or "?".
/^=== (RUN|CONT|NAME|PAUSE) / { now = $3 }
/^=== / { next }
/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { said[now] = $0 }
/^ *--- PASS/ { next }
/^ *--- SKIP/ { skips[++nskip] = $0 "\t" said[$3] }
{ buffer[++n] = $0 }
/^(ok|FAIL|\?) *\t/ {
	if ($1 == "FAIL") for (i = 1; i < n; i++) print buffer[i]
	else for (i = 1; i <= nskip; i++) print skips[i]
	if ($1 != "?") print $0
	fflush()
	n = 0; nskip = 0; delete said; now = ""
}
END { for (i = 1; i <= n; i++) if (buffer[i] != "FAIL" && buffer[i] != "PASS") print buffer[i] }
