# figures.gp: the picture of docs/performance.md. figures.py writes decode.dat, pool.dat and step.dat into a
# folder and calls gnuplot -e "folder = '…'; picture = '….svg'". SPDX-License-Identifier: Apache-2.0
set terminal svg size 1080,380 font "sans,12" background "white"
set output picture
set multiplot layout 1,3
set style fill solid 0.85 noborder
# The lower margin is fixed, and the key stands at its lower end, so that no key meets the label of an axis.
set bmargin at screen 0.33
set key center top maxrows 3 reverse Left samplen 1
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set yrange [0:*]

# group size, attention GB/s, read GB/s
set title "decode, 16 × 4,096 tokens: GB/s"
set xlabel "query heads per KV head"
set style data histogram
set style histogram clustered gap 1
set boxwidth 0.9
set key at screen 0.177,0.17
plot folder.'/decode.dat' using 2:xtic(1) title "attention" lc rgb "#3b6ea5", \
     '' using 3 title "plain read" lc rgb "#bbbbbb"

# blocks, allocate+release, match, register, evict
set title "host, blocks released by sequence: ns per block"
set xlabel "blocks"
set logscale x
set format x "10^{%L}"
set xrange [500:2000000]
set style data linespoints
set key at screen 0.51,0.17
plot folder.'/pool.dat' using 1:2 title "allocate, release" lc rgb "#3b6ea5" pt 7 ps 0.5, \
     '' using 1:3 title "match" lc rgb "#c0504d" pt 7 ps 0.5, \
     '' using 1:4 title "register" lc rgb "#7f9f3f" pt 7 ps 0.5, \
     '' using 1:5 title "evict" lc rgb "#8064a2" pt 7 ps 0.5, \
     50 title "target" lc rgb "#999999" dt 2

# sequences, add, reserve, upload, commit
unset logscale x
set xrange [*:*]
set format x "%g"
set title "host work of a decode step, mean: µs"
set xlabel "sequences"
set style data histogram
set style histogram rowstacked
set key at screen 0.845,0.17
plot folder.'/step.dat' using 2:xtic(1) title "add" lc rgb "#3b6ea5", '' using 3 title "reserve" lc rgb "#c0504d", \
     '' using 4 title "upload" lc rgb "#7f9f3f", '' using 5 title "commit" lc rgb "#8064a2"
unset multiplot
