//! Bars, one group per case, as SVG.

use std::fmt::Write as _;

/// One contender of a case.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) seconds: f64,
}

const ROW: usize = 20;
const LABELS: usize = 260;
const WIDTH: f64 = 420.0;

/// Each case to its own scale.
pub(crate) fn svg(cases: &[(String, Vec<Bar>)]) -> String {
    let rows: usize = cases.iter().map(|(_, bars)| bars.len() + 2).sum();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        (rows + 1) * ROW
    );
    let mut y = ROW;
    for (title, bars) in cases {
        let _ = writeln!(out, "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{}</text>", escaped(title));
        let longest = bars.iter().map(|bar| bar.seconds).fold(f64::MIN_POSITIVE, f64::max);
        for bar in bars {
            y += ROW;
            draw(&mut out, bar, y, bar.seconds / longest * WIDTH);
        }
        y += 2 * ROW;
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, bar: &Bar, y: usize, length: f64) {
    let colour = if bar.name.starts_with("shipsmith") { "#2a6f97" } else { "#a9a9a9" };
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{LABELS}\" y=\"{}\" width=\"{length:.1}\" height=\"14\" fill=\"{colour}\"/>\
         <text x=\"{:.0}\" y=\"{y}\">{:.3} s</text>",
        LABELS - 8,
        escaped(&bar.name),
        y - 11,
        LABELS as f64 + length + 6.0,
        bar.seconds,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
