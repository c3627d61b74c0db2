# Shortens the output of `go test -v`: see test.sh. go test prints a package's
# output in one piece, closed by a line "ok", "FAIL" or "?".
/^=== / { next }
/^ *--- PASS/ { next }
/^ *--- SKIP/ { skips[++nskip] = $0 "\t" last }
{ buffer[++n] = $0; last = $0 }
/^(ok|FAIL|\?) *\t/ {
	if ($1 == "FAIL") for (i = 1; i < n; i++) print buffer[i]
	else for (i = 1; i <= nskip; i++) print skips[i]
	if ($1 != "?") print $0
	fflush()
	n = 0; nskip = 0; last = ""
}
END { for (i = 1; i <= n; i++) if (buffer[i] != "FAIL" && buffer[i] != "PASS") print buffer[i] }
