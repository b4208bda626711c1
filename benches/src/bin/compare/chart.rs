//! The chart: a panel for each operation and place, ours beside the best peer in every cell, with
//! a mark where the loop without arithmetic ends.

use core::fmt::{Error, Write as _};

use crate::cell::{Operation, Place};
use crate::verdict::{Verdict, part};

const CELL: f64 = 30.0;
const GROUP_GAP: f64 = 14.0;
const PANEL_HEIGHT: f64 = 130.0;
const PANEL_GAP: f64 = 62.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 74.0;
const OURS: &str = "#1f6feb";
const PEER: &str = "#b1bac4";
const INK: &str = "#1f2328";

/// The picture as SVG.
pub(crate) fn draw(title: &str, verdicts: &[Verdict]) -> Result<String, Error> {
    let panels = |place| {
        Operation::ALL
            .map(|operation| (operation, part(verdicts, operation, place).collect::<Vec<_>>()))
    };
    let measured = |place: &Place| verdicts.iter().any(|it| it.cell.place == *place);
    let columns: Vec<_> =
        Place::ALL.into_iter().filter(measured).map(|place| (place, panels(place))).collect();
    let widest = columns.iter().flat_map(|(_, panels)| panels).map(|(_, panel)| width(panel));
    let panel_width = widest.fold(320.0, f64::max);
    let shown: Vec<Operation> = Operation::ALL
        .into_iter()
        .filter(|operation| verdicts.iter().any(|it| it.cell.task.operation == *operation))
        .collect();
    let total_width = ((LEFT + panel_width) * columns.len() as f64 + 24.0).max(660.0);
    let total_height = TOP + (PANEL_HEIGHT + PANEL_GAP) * shown.len() as f64;
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total_width} {total_height}\" \
         font-family=\"sans-serif\" font-size=\"10\" fill=\"{INK}\">"
    )?;
    writeln!(svg, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")?;
    text(
        &mut svg,
        LEFT,
        22.0,
        "start",
        &format!("<tspan font-size=\"15\">{}</tspan>", safe(title)),
    )?;
    legend(&mut svg)?;
    for (column, (place, panels)) in columns.iter().enumerate() {
        let x = LEFT + (LEFT + panel_width) * column as f64;
        let panels = panels.iter().filter(|(operation, _)| shown.contains(operation));
        for (line, (operation, panel)) in panels.enumerate() {
            let y = TOP + (PANEL_HEIGHT + PANEL_GAP) * line as f64;
            let name = format!("<tspan font-size=\"12\" font-weight=\"bold\">{operation}</tspan>");
            text(&mut svg, x, y - 8.0, "start", &format!("{name}, {place}, GiB/s of data"))?;
            draw_panel(&mut svg, x, y, panel)?;
        }
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

fn legend(svg: &mut String) -> Result<(), Error> {
    let y = 42.0;
    bar(svg, LEFT, y, 10.0, 10.0, OURS)?;
    text(svg, LEFT + 15.0, y, "start", "ours, with its ratio to")?;
    bar(svg, LEFT + 135.0, y, 10.0, 10.0, PEER)?;
    text(svg, LEFT + 150.0, y, "start", "the best peer")?;
    mark(svg, LEFT + 230.0, y - 4.0, 14.0)?;
    let limit = "a loop that reads and writes the same streams without products";
    text(svg, LEFT + 250.0, y, "start", limit)
}

/// Cells of one chunk stand together.
fn positions<'a>(panel: &[&'a Verdict]) -> Vec<(f64, &'a Verdict)> {
    let mut x = 0.0;
    let mut chunk = None;
    let mut positions = Vec::new();
    for verdict in panel {
        if chunk.is_some_and(|chunk| chunk != verdict.cell.task.chunk) {
            x += GROUP_GAP;
        }
        chunk = Some(verdict.cell.task.chunk);
        positions.push((x, *verdict));
        x += CELL;
    }
    positions
}

fn width(panel: &[&Verdict]) -> f64 {
    positions(panel).last().map_or(0.0, |(x, _)| x + CELL)
}

fn draw_panel(svg: &mut String, x: f64, y: f64, panel: &[&Verdict]) -> Result<(), Error> {
    let rates = panel.iter().flat_map(|it| {
        [Some(it.ours), it.best.as_ref().map(|best| best.rate), it.limit.map(|(_, rate)| rate)]
    });
    let highest = rates.flatten().fold(1.0, f64::max);
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
        .into_iter()
        .find(|step| highest / step <= 5.0)
        .unwrap_or(200.0);
    // Room for the ratio above the highest bar.
    let scale = PANEL_HEIGHT / (highest * 1.06);
    let bottom = y + PANEL_HEIGHT;
    let mut level = 0.0;
    while level <= highest {
        let line = bottom - level * scale;
        writeln!(
            svg,
            "<path d=\"M{x:.1} {line:.1}h{:.1}\" stroke=\"#d8dee4\" stroke-width=\"0.6\"/>",
            width(panel)
        )?;
        text(svg, x - 5.0, line + 3.5, "end", &format!("{level:.0}"))?;
        level += step;
    }
    if !panel.is_empty() {
        text(svg, x - 5.0, bottom + 12.0, "end", "k")?;
    }
    let mut chunk = None;
    for (at, verdict) in positions(panel) {
        let task = verdict.cell.task;
        draw_cell(svg, x + at, bottom, scale, verdict)?;
        text(svg, x + at + CELL / 2.0, bottom + 12.0, "middle", &task.k.to_string())?;
        if chunk.replace(task.chunk) != Some(task.chunk) {
            let label = format!("chunk {} KiB", task.chunk / 1024);
            text(svg, x + at + 2.0, bottom + 25.0, "start", &label)?;
        }
    }
    Ok(())
}

fn draw_cell(
    svg: &mut String,
    x: f64,
    bottom: f64,
    scale: f64,
    verdict: &Verdict,
) -> Result<(), Error> {
    bar(svg, x + 3.0, bottom, CELL / 2.0 - 4.0, verdict.ours * scale, OURS)?;
    if let Some(best) = &verdict.best {
        bar(svg, x + CELL / 2.0, bottom, CELL / 2.0 - 4.0, best.rate * scale, PEER)?;
    }
    if let Some((_, rate)) = verdict.limit {
        mark(svg, x + 1.0, bottom - rate * scale, CELL - 4.0)?;
    }
    let Some(best) = &verdict.best else { return Ok(()) };
    let top = bottom - verdict.ours.max(best.rate) * scale - 3.0;
    // A white edge keeps it legible where it meets a mark.
    let halo = "paint-order=\"stroke\" stroke=\"white\" stroke-width=\"3\"";
    let ratio = format!("<tspan font-size=\"8\" {halo}>{:.2}</tspan>", best.ratio);
    text(svg, x + CELL / 2.0 - 1.0, top, "middle", &ratio)
}

fn bar(svg: &mut String, x: f64, bottom: f64, w: f64, h: f64, fill: &str) -> Result<(), Error> {
    let y = bottom - h;
    writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{fill}\"/>"
    )
}

fn mark(svg: &mut String, x: f64, y: f64, w: f64) -> Result<(), Error> {
    writeln!(svg, "<path d=\"M{x:.1} {y:.1}h{w:.1}\" stroke=\"#cf222e\" stroke-width=\"1.4\"/>")
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, content: &str) -> Result<(), Error> {
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>")
}

fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
