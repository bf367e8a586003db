# shellcheck shell=bash
# Results as TAP, for the tests that are shell. Sourced, never run.

tap_count=0 tap_failed=0

# result STATUS NAME [DETAILS]: the result of a test, which is good if the status is 0. A failure has the details
# after it.
result() {
	((tap_count += 1))
	if (($1)); then
		tap_failed=1
		echo "not ok $tap_count - $2"
		[[ ! ${3:-} ]] || printf '#   %s\n' "${3//$'\n'/$'\n#   '}"
	else
		echo "ok $tap_count - $2"
	fi
}

# none NAME FOUND: a test that is good if nothing was found; else what was is shown, as far as 20 lines go.
none() {
	local status=0
	[[ ! $2 ]] || status=1
	result "$status" "$1" "$(head -n 20 <<<"$2")"
}

# skip NAME REASON: a test that has no place here.
skip() { result 0 "$1 # SKIP $2"; }

# skip_all REASON: ends the script, of which no test has a place here.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# plan: says in the end how many tests there were.
plan() { echo "1..$tap_count"; }

# finish: prints the plan, and ends the script with what came of its tests; no test is a failure, unless TEST picks some.
finish() {
	plan
	[[ ${TEST:-} ]] || ((tap_count)) || tap_failed=1
	exit "$tap_failed"
}
