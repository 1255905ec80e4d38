"""One plot a load, by gnuplot: every row's median with its least and most, in groups of one size and number of workers."""
import shutil
import subprocess

from loads import LOADS, UNITS, size_name

LINE = 17  # pixels a row

SCRIPT = """\
set terminal svg size 860,{height} font "sans-serif,12" background "#ffffff"
set title "{load}"
set xlabel "{unit}, median, least to most{scale}"
set lmargin 24
set border 1
set tics nomirror scale 0.5
set grid xtics linetype 1 linewidth 0.5 linecolor "#cccccc"
set key above
{log}
set xrange [{least:g}:{most:g}]
set yrange [{last}:1]
set ytics scale 0 ({tics})
plot {series}
"""


def has_gnuplot():
    return shutil.which("gnuplot") is not None


def layout(load, rows):
    """[(y, text, row or None)]: a heading without a row opens each group."""
    lines, y = [], 0
    several = len({row["size"] for row in rows}) > 1
    for size, workers in sorted({(row["size"], row["workers"]) for row in rows}):
        if lines:
            y -= 1
        heading = f"{workers} worker{'' if workers == 1 else 's'}"
        lines.append((y, f"{size_name(load, size)}, {heading}" if several else heading, None))
        y -= 1
        group = [row for row in rows if (row["size"], row["workers"]) == (size, workers)]
        for row in sorted(group, key=lambda row: row["median"]):
            lines.append((y, f"{row['peer']} {row['variant']}", row))
            y -= 1
    return lines


def tic(y, text, row):
    text = text.replace("_", "\\\\_")
    return f'"{text}" {y}' if row else f'"{{/:Bold {text}}}" {y}'


def series(name, lines, colour):
    """A block of data, and how it is drawn: points with their spread, and the median in figures."""
    data = "".join(f"{row['median']:.9g} {y} {row['least']:.9g} {row['most']:.9g} \"{row['median']:.4g}\"\n"
                   for y, _, row in lines)
    drawn = [f'${name} using 1:2:3:4 with xerrorbars pointtype 7 pointsize 0.7 linewidth 1.5 '
             f'linecolor "{colour}" title "{name}"',
             f'${name} using 4:2:5 with labels left offset 0.8,0 font ",10" textcolor "{colour}" notitle']
    return f"${name} << END\n{data}END\n", drawn


def script(load, rows):
    lines = layout(load, rows)
    drawn, blocks = [], ""
    for name, colour, ours in (("vtask", "#c0392b", True), ("peers", "#5d6d7e", False)):
        chosen = [line for line in lines if line[2] and (line[2]["peer"] == "vtask") == ours]
        if chosen:
            block, parts = series(name, chosen, colour)
            blocks += block
            drawn += parts
    least = min(row["least"] for row in rows)
    most = max(row["most"] for row in rows)
    medians = [row["median"] for row in rows]
    log = min(medians) > 0 and least > 0 and max(medians) >= 10 * min(medians)
    room = (most / least) ** 0.12 if log else 1
    return blocks + SCRIPT.format(
        height=140 + LINE * (2 - lines[-1][0]), load=load, unit=UNITS[LOADS[load].unit],
        scale=" (logarithmic)" if log else "", log="set logscale x" if log else "",
        least=least / room ** 0.5 if log else 0, most=most * room if log else most * 1.12,
        last=lines[-1][0] - 1, tics=", ".join(tic(*line) for line in lines), series=", \\\n     ".join(drawn))


def draw(load, rows, path):
    done = subprocess.run(["gnuplot"], input=script(load, rows), check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode != 0 or done.stderr:
        raise SystemExit(f"gnuplot, {load}: {done.stderr}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(done.stdout)
