# shellcheck shell=bash
# Shared by `all` on the host and `guest` in the guest. Sourced, never run.

# limits_of SUITE: how many time limits of a suite this one gets; its file
# `limits` has the number, and most have none.
limits_of() {
	local file number=1
	file=$(dirname "${BASH_SOURCE[0]}")/../suites/$1/limits
	[[ ! -e $file ]] || number=$(<"$file")
	[[ $number =~ ^[1-9]$ ]] || {
		printf "%s: '%s' is not a digit from 1\n" "$file" "$number" >&2
		exit 1
	}
	echo "$number"
}
