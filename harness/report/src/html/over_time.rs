//! The charts over time, one below the other on one axis, and their numbers for the script.

use maud::{Markup, PreEscaped, html};
use serde_json::{Map, Value, json};

use super::shell::section;
use super::table::table;
use crate::RunPage;
use crate::chart::time::{Frame, Kind, TimeChart};
use crate::chart::{
    Size, connections, cpu, dead_tuples, downstream, draw, lag, latency, memory, queues, throughput, waits,
};
use crate::format::NONE;

/// The section; empty for a run that has no series.
pub fn section_over_time(page: &RunPage) -> Markup {
    if page.series.seconds == 0 {
        return section(
            "over-time",
            "Over time",
            false,
            &html! { p { "No series was recorded." } },
        );
    }
    let frame = Frame::new(page.result, page.series);
    let body = on_one_axis(&charts(page, &frame), &frame);
    section("over-time", "Over time", true, &body)
}

/// Charts one below the other, and their numbers for the script; a page has one such block.
pub fn on_one_axis(charts: &[TimeChart], frame: &Frame) -> Markup {
    html! {
        p { (explanation(frame)) }
        (figures(charts, frame))
    }
}

/// The same without the words about phases and faults.
pub fn figures(charts: &[TimeChart], frame: &Frame) -> Markup {
    html! {
        div.card { @for (index, chart) in charts.iter().enumerate() { (figure(chart, frame, index == 0)) } }
        script #series type="application/json" { (PreEscaped(data(charts, frame))) }
    }
}

fn charts(page: &RunPage, frame: &Frame) -> Vec<TimeChart> {
    let series = page.series;
    [
        latency::chart(series, frame),
        throughput::chart(series, frame, &page.result.run.mode),
        queues::chart(series, frame),
        downstream::chart(series, frame),
        lag::chart(series, frame),
        waits::chart(series, frame),
        dead_tuples::chart(series, frame),
        connections::chart(series, frame),
        cpu::chart(series, frame),
        memory::chart(series, frame),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn explanation(frame: &Frame) -> String {
    let mut text = "All charts share one axis: time since the start of the load. Phases are named below it.".to_owned();
    if !frame.faults.is_empty() {
        text.push_str(" Faults are shaded, and named on the first chart.");
    }
    if frame.step > 1 {
        text.push_str(&format!(
            " Each point covers {} s: latency and queues show its worst second, rates their mean.",
            frame.step
        ));
    }
    text
}

fn figure(chart: &TimeChart, frame: &Frame, first: bool) -> Markup {
    let svg = crate::chart::both(
        |size| draw::draw(chart, frame, size, first),
        &format!("{} over time", chart.title),
    );
    html! {
        figure {
            figcaption { h3 { (chart.title) } span { (chart.note) } }
            div.plot data-chart=(chart.id) { (PreEscaped(svg)) }
            details.numbers-of { summary { "Numbers" } (numbers(chart, frame)) }
        }
    }
}

fn numbers(chart: &TimeChart, frame: &Frame) -> Markup {
    let unit = chart.unit.name();
    let head = |label: &str| {
        if unit.is_empty() {
            label.to_owned()
        } else {
            format!("{label} ({unit})")
        }
    };
    let labels: Vec<String> = chart.lines.iter().map(|line| head(&line.label)).collect();
    let heads: Vec<&str> = std::iter::once("second")
        .chain(labels.iter().map(String::as_str))
        .collect();
    let row = |bucket: usize| {
        let second = std::iter::once((bucket * frame.step).to_string());
        let cell = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| chart.unit.value(value));
        second
            .chain(
                chart
                    .lines
                    .iter()
                    .map(|line| cell(line.values.get(bucket).copied().flatten())),
            )
            .collect()
    };
    table(&heads, 0, &(0..frame.buckets).map(row).collect::<Vec<_>>())
}

/// What the script needs to show the values at a second. `<` is escaped, so that no name can close the element.
fn data(charts: &[TimeChart], frame: &Frame) -> String {
    let lines = |chart: &TimeChart| -> Vec<Value> {
        let shown = chart
            .lines
            .iter()
            .map(|line| json!([line.label, line.values.iter().map(short).collect::<Vec<_>>()]));
        if chart.kind == Kind::Stacked {
            shown.rev().collect()
        } else {
            shown.collect()
        }
    };
    let named: Map<String, Value> = charts
        .iter()
        .map(|chart| {
            (
                chart.id.to_owned(),
                json!({ "unit": chart.unit.code(), "lines": lines(chart) }),
            )
        })
        .collect();
    let data = json!({
        "step": frame.step, "buckets": frame.buckets, "end": frame.axis.high,
        "wide": draw::edges(Size::Wide), "narrow": draw::edges(Size::Narrow), "charts": named,
    });
    data.to_string().replace('<', "\\u003c")
}

/// Three decimals are enough for a tip.
fn short(value: &Option<f64>) -> Value {
    value.map_or(Value::Null, |value| json!((value * 1_000.0).round() / 1_000.0))
}
