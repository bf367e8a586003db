# shellcheck shell=bash
# Which suites there are: those of the guest, and here those of the host; chosen are those of SUITE. A name that is none,
# or a TEST for a suite that has no parts, ends the script, before anything is made. Sourced after lib.sh,
# never run.
# shellcheck disable=SC2034,SC2154 # used by what sources it; set by lib.sh

guest=(differential)
for suite in "$top"/tests/suites/*/run; do
	guest+=("$(basename "$(dirname "$suite")")")
done
parted=(logic misuse) of_one_piece=(check-log check-tap series steps shell)
here=("${parted[@]}" "${of_one_piece[@]}")
read -ra chosen <<<"${SUITE:-}"
for suite in "${chosen[@]}"; do
	one_of SUITE "$suite" "${here[@]}" "${guest[@]}" machine
	[[ ! ${TEST:-} || " ${of_one_piece[*]} " != *" $suite "* ]] ||
		die "TEST=$TEST picks no part of the suite $suite, which is of one piece"
done
[[ ! ${TEST:-} ]] || here=("${parted[@]}")
need OPERATIONS '[1-9][0-9]{0,11}' 'a number of operations'
