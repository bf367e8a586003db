# SPDX-License-Identifier: GPL-2.0
# gnuplot -e "data='FILE'; image='FILE.svg'" groups.gp
#
# A bar for each group of operations: what rtmpfs takes of the instructions that tmpfs takes. The data are the name of
# a group and its figure, the one for all operations last.

set datafile separator tab
stats data using 2 nooutput
rows = STATS_records

set terminal svg size 720, 90 + 34 * rows dynamic font "sans-serif,13" background "white"
set output image
set title "Instructions, where tmpfs takes 1 (less is better)" noenhanced
set xrange [0:1.6]
set yrange [rows - 0.4 : -0.6]
set xtics 0.25
set grid x lc rgb "#dddddd"
set ytics noenhanced scale 0
set border 1
unset key
set style fill solid noborder
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb "#555555" front

plot data using (0):0:(0):2:($0 - 0.34):($0 + 0.34):ytic(1) with boxxyerror lc rgb "#2471a3", \
     data using (($2 > 0.85 && $2 < 1 ? 1 : $2) + 0.02):0:(sprintf("%.2f", $2)) with labels left
