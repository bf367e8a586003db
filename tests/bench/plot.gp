# SPDX-License-Identifier: GPL-2.0
# gnuplot -e "data='FILE'; image='FILE.svg'; baseline='tmpfs'; counted='instructions'" plot.gp
#
# One line for each operation, a point for each file system: how much it takes of what the
# baseline takes, on a logarithmic scale, so that half and twice lie equally far from 1.

set datafile separator tab
stats data skip 1 using 0 nooutput
rows = STATS_records
columns = words(system(sprintf("head -n 1 '%s' | tr ' \\t' '_ '", data)))

set terminal svg size 1000, 140 + 20 * rows dynamic enhanced font "sans-serif,13" background "white"
set output image
set title sprintf("%s for each operation, relative to %s (left is better)", counted, baseline) noenhanced
set logscale x 2
set xlabel sprintf("times %s", baseline) noenhanced
set yrange [rows - 0.5 : -0.5]
set grid x y lc rgb "#dddddd"
set key above center horizontal noenhanced samplen 1
set ytics noenhanced
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb "#555555"
set linetype 1 lc rgb "#c0392b" pt 7 ps 0.9
set linetype 2 lc rgb "#2471a3" pt 5 ps 0.7
set linetype 3 lc rgb "#7d8a2e" pt 9 ps 0.8

plot for [column = 2:columns] data using column:0:ytic(1) with points lt column - 1 title columnhead(column)
