//! The charts over time with both modes in each.

use maud::{Markup, html};

use crate::ComparePage;
use crate::chart::compare::charts;
use crate::chart::time::Frame;
use crate::compare::{runs, series};
use crate::html::over_time::on_one_axis;
use crate::html::shell::section;

/// The section; says so where neither run has a series.
pub fn over_time(page: &ComparePage) -> Markup {
    let series = series(page);
    let frame = Frame::of_both(runs(page).named(), series.named().map(|(_, series)| series));
    let charts = charts(series, &frame);
    let body = if charts.is_empty() {
        html! { p { "No series was recorded." } }
    } else {
        on_one_axis(&charts, &frame)
    };
    section("over-time", "Over time, both modes", true, &body)
}
